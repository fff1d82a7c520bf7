"""What a plan says annotate will take, against what it takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import annotate, job, make
from tests.steps.test_annotate import FAST, number, solved, solving, written
from zoo import run as runs
from zoo.config import Options
from zoo.steps.annotate import STEP


def counted(body: dict[str, Any], content: str) -> Reply:
    """With tokens counted as no tokenizer of ours does."""
    return Reply(content, usage=(sum(len(m["content"]) for m in body["messages"]) // 4, len(content) // 4))


def right(body: dict[str, Any], before: int = 0) -> Reply:
    n = number(body)
    return counted(body, json.dumps(solved(n) if solving(body) else written(n)))


def near(estimated: float, actual: float) -> bool:
    return abs(estimated / actual - 1) <= 0.2


def both(tokens: dict[str, int]) -> int:
    return tokens["in"] + tokens["out"]


@pytest.mark.parametrize("changed", [{}, {"max_calls": 17}, {"max_tokens": 20_000}])
def test_calls_and_tokens_are_reckoned_before_they_are_spent(tmp_path: Path, changed: dict[str, Any]) -> None:
    ingest = make(tmp_path, 60)
    settings = FAST.model_copy(update=changed)
    with serving(right) as teacher:
        planned = STEP.plan(job(tmp_path, teacher.url, settings), {"ingest": ingest})
        assert not teacher.log
        result = annotate(tmp_path, ingest, teacher.url, settings).result
    assert near(planned["calls"], result["calls"]) and near(both(planned["tokens"]), both(result["tokens"]))
    assert planned["seconds"] > 0 and "not measured" in planned["note"]
    assert ("stopped" in result) == bool(changed)
    kept = result["estimate"]
    assert (kept["calls"], kept["tokens"]) == (planned["calls"], planned["tokens"])
    assert kept["off"]["calls"] == round(planned["calls"] / result["calls"] - 1, 3)
    assert kept["off"]["seconds"] is not None and kept["off"]["cost"] is None


def test_the_second_plan_has_learned_from_the_first_run(tmp_path: Path) -> None:
    """Of a third of the passages the question is rejected, of another third the JSON is never any."""

    def difficult(body: dict[str, Any], before: int) -> Reply:
        n = number(body)
        if not solving(body) and n % 3 == 0:
            return counted(body, json.dumps(written(n, quotes=["A sentence that nobody ever wrote."])))
        chat = f"{'I would rather chat about it. ' * 32}{len(body['messages'])}"
        return counted(body, chat) if not solving(body) and n % 3 == 1 else right(body)

    ingest = make(tmp_path, 60)
    with serving(difficult) as teacher:
        first = STEP.plan(job(tmp_path, teacher.url, FAST), {"ingest": ingest})
        result = annotate(tmp_path, ingest, teacher.url, FAST.model_copy(update={"max_calls": 60})).result
        again = STEP.plan(job(tmp_path, teacher.url, FAST), {"ingest": ingest})
        whole = annotate(tmp_path, ingest, teacher.url, FAST).result
        last = STEP.plan(job(tmp_path, teacher.url, FAST), {"ingest": ingest})
    assert result["calls"] == 60
    assert not near(both(first["tokens"]), both(whole["tokens"]))
    assert near(again["calls"], whole["calls"]) and near(both(again["tokens"]), both(whole["tokens"]))
    assert last["calls"] == pytest.approx(whole["calls"], abs=1)
    assert "as an earlier run" in again["note"] and again["seconds"] > 0
    assert whole["estimate"]["off"]["seconds"] is None, "the cache answered a part of it"


def test_another_teachers_run_teaches_nothing(tmp_path: Path) -> None:
    ingest = make(tmp_path, 6)
    with serving(right) as teacher:
        annotate(tmp_path, ingest, teacher.url, FAST)
        run = job(tmp_path, teacher.url, FAST)
        other = runs.Run(
            run.domain, run.recipe, Options(**{**run.options.__dict__, "teacher_model": "other"}), run.workspace
        )
        other.__dict__["base"] = run.base
        assert "not measured" in STEP.plan(other, {"ingest": ingest})["note"]
        assert "earlier run" in STEP.plan(run, {"ingest": ingest})["note"]


@pytest.mark.parametrize("limit", ["max_calls", "max_tokens", "max_cost"])
def test_a_budget_of_nothing_is_planned_as_nothing(tmp_path: Path, limit: str) -> None:
    ingest = make(tmp_path, 6)
    (tmp_path / "workspace" / "prices.yaml").write_text("models: {scripted: {input: 1, output: 2}}")
    found = STEP.plan(job(tmp_path, "http://127.0.0.1:9/v1", FAST.model_copy(update={limit: 0})), {"ingest": ingest})
    assert (found["calls"], found["tokens"], found["cost"], found["seconds"]) == (0, {"in": 0, "out": 0}, 0, 0)


VOCABULARY = 6000

# --- the packaged healthcare sample ----------------------------------------------------------------------------------


class Sensible:
    """A teacher that takes question, answer and quotes from the passage it is shown."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, Any]] = {}

    def __call__(self, body: dict[str, Any], before: int) -> Reply:
        prompt = body["messages"][0]["content"]
        passage = re.search(r'^("{3,})\n(.*?)\n\1$', prompt, re.S | re.M)
        assert passage
        text = passage.group(2)
        if "\nQuestion: " in prompt:
            asked = self.asked[prompt.partition("\nQuestion: ")[2].partition("\n")[0]]
            (quote,) = asked["quotes"][:1]
            steps = [
                {"text": f"{quote} {quote}", "passage": "1", "quote": quote},
                {"text": f"So it is {asked['answer']}, as {quote}", "passage": "", "quote": ""},
            ]
            data = {"steps": steps, "answer": asked["answer"]}
            return counted(body, json.dumps(data))
        return counted(body, json.dumps(self.written(prompt, text)))

    def written(self, prompt: str, text: str) -> dict[str, Any]:
        sentences = [s for s in re.split(r"(?<=[.!?])\s+", text) if len(s.split()) > 5] or [text]
        others: list[str] = []
        if "It asks for a quantity" in prompt:
            quote = next((s for s in sentences if re.search(r"\d", s)), sentences[0])
            answer = (re.search(r"\d+", quote) or re.search(r"\d+", text))[0]  # type: ignore[index]
        elif "It asks whether" in prompt:
            quote, answer = sentences[0], "yes"
        else:
            quote = max(sentences, key=len)
            answer = " ".join(quote.split()[:4])
            if "multiple choice" in prompt:
                others = [f"{answer} in {part}" for part in ("children", "pregnancy", "old age")]
        question = (
            f"Is it so that item {len(self.asked)} of the guideline holds for patients seen in an ordinary clinic?"
        )
        if "It asks whether" not in prompt:
            question = (
                f"What does item {len(self.asked)} of the guideline advise for patients seen in an ordinary clinic?"
            )
        data = {"question": question, "quotes": [quote], "answer": answer, "distractors": others, "level": "basic"}
        self.asked[question] = data
        return data


@pytest.mark.slow
def test_the_plan_of_a_fresh_workspace_is_near_what_the_sample_takes(tmp_path: Path) -> None:
    base = tiny_weights(tmp_path / "base").folder
    ordinary_tokenizer(base)
    common = (f"ingest.embedder={tiny_embedder(tmp_path / 'embedder')}", "annotate.duplicate=1.0")
    with serving(Sensible()) as teacher:
        prepared = {
            calls: runs.prepare(
                "medical",
                Options(
                    workspace=tmp_path / "ws", base=str(base), teacher_url=teacher.url, teacher_model="scripted",
                    settings=(*common, *calls),
                ),
                "annotate",
            )
            for calls in ((), ("annotate.max_calls=null",))
        }  # fmt: skip
        planned = {calls: runs.plan(run)[1] for calls, run in prepared.items()}
        assert not teacher.log and not (tmp_path / "ws").exists()
        results = {calls: runs.train(run) for calls, run in prepared.items()}
    assert results[()]["calls"] == 16 and results["annotate.max_calls=null",]["calls"] > 600
    for calls, plan in planned.items():
        result = results[calls]
        assert near(plan["calls"], result["calls"]) and near(both(plan["tokens"]), both(result["tokens"]))
        assert near(plan["passages"], result["passages"])
        assert abs(result["estimate"]["off"]["calls"]) < 0.2 and abs(result["estimate"]["off"]["tokens"]) < 0.2


def ordinary_tokenizer(folder: Path) -> None:
    """In the place of the tiny model's tokenizer, which knows hardly a word, one that takes about four characters a token
    of such texts, as those of real bases do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from zoo.library import folder as library_folder
    from zoo.library import load_domain

    domain = load_domain("medical").folder
    files = [*domain.glob("sample/*.md"), domain / "seeds.jsonl", *library_folder("annotators").glob("*/prompts/*.j2")]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([p.read_text() for p in sorted(files)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
