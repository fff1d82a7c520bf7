"""Reading texts from end to end: a scripted teacher's tasks, their checks and ledger, and pretrain on both kinds of text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_weights
from tests.fakes.teacher import Reply, serving
from tests.steps.annotate_job import DOMAIN, EXAM_QUESTION, annotate, job, make
from tests.steps.test_annotate import passage_text, right, rows
from zoo.api import Passage, Reading
from zoo.artifact import Artifact
from zoo.config import Options
from zoo.errors import RequestError
from zoo.run import Run, identity, plan, prepare, run_step
from zoo.settings import AnnotateSettings, PretrainSettings, ReadingSettings
from zoo.steps import annotate as annotating
from zoo.steps import pretrain
from zoo.weights import Weights

BOTH = {**DOMAIN["annotators"], "pretraining": "reading_comprehension"}  # type: ignore[dict-item]
SETTINGS = AnnotateSettings(concurrency=4, timeout_s=20, retries=1, passages=4, reading=ReadingSettings(passages=8))
SMALL = PretrainSettings(epochs=2, max_length=512, batch_rows=2, held_out=0.4, max_tokens=3000, checkpoint_every=50)


def number(body: dict[str, Any]) -> int:
    return int(re.search(r"zalor(\d+)", body["messages"][0]["content"]).group(1))  # type: ignore[union-attr]


def reading(body: dict[str, Any]) -> bool:
    return "reading tasks" in body["messages"][0]["content"]


def tasks(n: int, **changed: Any) -> str:
    first = {
        "kind": "cause", "question": f"When is belam{n} added?", "answer": "It is added if the first fails after four weeks.",
        "quote": f"If zalor{n} fails after four weeks, belam{n} is added",
    }  # fmt: skip
    gap = {
        "kind": "cloze", "question": f"The drug zalor{n} is given first in the treatment of ____.", "answer": f"disease{n}",
        "quote": f"The drug zalor{n} is given first in the treatment of disease{n}",
    }  # fmt: skip
    return json.dumps({"tasks": [{**first, "answer": f"zalor{n} fails after four weeks", **changed}, gap]})


def scripted(body: dict[str, Any], before: int) -> Reply:
    """The passages' questions as they should be; of the readings one kind of trouble a passage."""
    if not reading(body):
        return right(body)
    n = number(body)
    return {
        1: Reply("no JSON at all"),
        2: Reply(json.dumps({"tasks": []})),
        3: Reply(tasks(n, answer="the moon is full")),
        4: Reply(tasks(n, quote="Nobody ever wrote this sentence."), finish="stop"),
        5: Reply(tasks(n, kind="riddle")),
        6: Reply(tasks(n), finish="length"),
        7: Reply(tasks(n, question=EXAM_QUESTION)),
    }.get(n, Reply(tasks(n)))


def left(artifact: Artifact) -> dict[int, Reading]:
    found = artifact.rows("reading.jsonl", Reading)
    return {int(re.search(r"zalor(\d+)", r.tasks[0].quote).group(1)): r for r in found}  # type: ignore[union-attr]


def test_a_teachers_tasks_are_checked_one_by_one_and_the_ledger_adds_up(tmp_path: Path) -> None:
    ingest = make(tmp_path, 8, annotators=BOTH)
    with serving(scripted) as teacher:
        artifact = annotate(tmp_path, ingest, teacher.url, SETTINGS)
        asked = [reading(e.body) for e in teacher.log]
        again = annotate(tmp_path, ingest, teacher.url, SETTINGS)
        assert again.folder == artifact.folder and len(teacher.log) == len(asked)
    examples, rejected = rows(artifact)
    readings = left(artifact)
    assert len(examples) == 4 and set(readings) == {0, 3, 4, 5, 7}
    assert {r.reason for r in rejected} == {"malformed", "no_task_left", "cut_off"} and len(rejected) == 3
    assert [[t.kind for t in readings[n].tasks] for n in (0, 3)] == [["cause", "cloze"], ["cloze"]]
    refused = {n: [r.reason for r in row.refused] for n, row in readings.items()}
    assert refused == {
        0: [], 3: ["answer_not_in_quote"], 4: ["quote_not_in_passage"], 5: ["unknown_kind"], 7: ["contaminated_8gram"],
    }  # fmt: skip
    for n, row in readings.items():
        text = passage_text(n)
        assert all(t.quote in text for t in row.tasks) and row.teacher and row.teacher.model == "scripted"
        assert row.source == "sample" and row.attempts[-1].right and row.attempts[-1].stage == "write"
    result = artifact.result
    assert result["reading"] == {
        "passages": 5, "tasks": {"cause": 1, "cloze": 5},
        "refused": {"answer_not_in_quote": 1, "contaminated_8gram": 1, "quote_not_in_passage": 1, "unknown_kind": 1},
    }  # fmt: skip
    lines = {(x["of"], x["stage"]): x for x in result["ledger"]}
    assert lines["reading_comprehension", "write"] == {
        "of": "reading_comprehension", "stage": "write", "in": 8, "right": 5, "kept": 5, "went_on": 0,
        "rejected": {"cut_off": 1, "malformed": 1, "no_task_left": 1},
    }  # fmt: skip
    assert lines["sieve", "readings"]["in"] == 5 and lines["sieve", "repeats"]["in"] == 4
    assert all(x["in"] == x["kept"] + x["went_on"] + sum(x["rejected"].values()) for x in result["ledger"])
    assert result["asked"] == 12 and result["asked_passages"] == 4 and result["kept"] == 4


def test_within_a_budget_the_passages_questions_come_first(tmp_path: Path) -> None:
    ingest = make(tmp_path, 8, annotators=BOTH)
    tight = SETTINGS.model_copy(update={"max_calls": 11, "concurrency": 1})
    with serving(lambda body, _: Reply(tasks(number(body))) if reading(body) else right(body)) as teacher:
        artifact = annotate(tmp_path, ingest, teacher.url, tight)
        kinds = [reading(e.body) for e in teacher.log]
    assert kinds == sorted(kinds) and sum(kinds) == 3 and len(kinds) == 11
    assert artifact.result["reading"]["passages"] == 3 and "11 calls" in artifact.result["stopped"]


def test_passages_without_running_text_are_turned_down_unasked(tmp_path: Path) -> None:
    def listed(n: int) -> str:
        return passage_text(n) if n < 2 else f"Name: zalor{n} | Dose: {n} mg"

    settings = SETTINGS.model_copy(update={"passages": 0})
    ingest = make(tmp_path, 6, text=listed, annotators=BOTH)
    with serving(lambda body, _: Reply(tasks(number(body)))) as teacher:
        # Of readings alone no example is left to fine-tune on.
        kept = annotate(tmp_path, make_seeded(tmp_path, ingest), teacher.url, settings)
        assert len(teacher.log) == 2
    assert kept.result["reading"]["passages"] == 2 and kept.result["rejected"] == {"no_running_text": 4}


def make_seeded(root: Path, ingest: Artifact) -> Artifact:
    seed = {
        "id": "s1", "kind": "choice", "question": "Which is first?", "choices": ["a1", "b1"], "answer": "a1", "origin": "person",
        "source": "seeds", "licence": "CC0-1.0",
    }  # fmt: skip
    (root / "pharmacy" / "seeds.jsonl").write_text(json.dumps(seed) + "\n")
    return ingest


def request(root: Path, base: Weights, text: str, reading_passages: int = 0, **changed: Any) -> Run:
    settings = SETTINGS.model_copy(update={"reading": ReadingSettings(passages=reading_passages)})
    run = job(root, None, settings)
    small = SMALL.model_copy(update={"text": text, **changed})
    recipe = run.recipe.model_copy(update={"steps": ["ingest", "annotate", "pretrain"], "pretrain": small})
    made = Run(run.domain, recipe, run.options, run.workspace)
    made.__dict__["base"] = base
    made.__dict__["embedder"] = run.embedder
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return tiny_weights(tmp_path_factory.mktemp("base"))


def explained(n: int) -> str:
    return (
        f"Zalor{n} is a drug that slows the heart in disease{n}. The pulse of patient {n} stays slow because zalor{n} acts for a day. "
        f"The drug zalor{n} is given with water in the course of {n + 10} days."
    )


def lines(artifact: Artifact, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in artifact.path(name).read_text().splitlines()]


def test_both_texts_train_to_the_same_limit_and_are_measured_by_the_same_documents(
    base: Weights, tmp_path: Path
) -> None:
    ingest = make(tmp_path, 20, text=explained, annotators=BOTH)
    made = {}
    for text in ("passages", "reading_comprehension"):
        run = request(tmp_path, base, text)
        pretrain.check(run)
        made[text] = run_step(run, pretrain.STEP, {"ingest": ingest})[0]
    raw, read = made["passages"].result, made["reading_comprehension"].result
    assert raw["text"] == "passages" and raw["tasks"] == {} and (raw["documents"], raw["held_out"]) == (1, 1)
    assert read["perplexity"]["before"] == raw["perplexity"]["before"]
    assert read["replay_perplexity"]["before"] == raw["replay_perplexity"]["before"]
    assert 2000 < raw["tokens"] <= 3000 and 2000 < read["tokens"] <= 3000
    assert (
        read["tasks"]["cause"] == 10 and read["corpus_tokens"] > 1.3 * raw["corpus_tokens"] and read["rejected"] == {}
    )
    passages = {p.id for p in ingest.rows("passages.jsonl", Passage)}
    for name, artifact in made.items():
        texts = lines(artifact, "texts.jsonl")
        ids = [p for t in texts for p in t["passages"]]
        assert len(ids) == len(set(ids)) == 10 and set(ids) < passages and len({t["document"] for t in texts}) == 1
        assert sum(t["tokens"] for t in texts) == artifact.result["corpus_tokens"]
        assert 0 < sum(t["seen"] for t in texts) <= artifact.result["tokens"]
        if name == "reading_comprehension":
            assert all(t["tokens"] <= SMALL.max_length for t in texts) and lines(artifact, "rejected.jsonl") == []


def test_a_task_is_never_parted_from_its_text(base: Weights, tmp_path: Path) -> None:
    ingest = make(tmp_path, 8, text=explained, annotators=BOTH)
    run = request(tmp_path, base, "reading_comprehension", max_length=200)
    artifact = run_step(run, pretrain.STEP, {"ingest": ingest})[0]
    left_out = artifact.result["rejected"]["no_room"]
    assert (
        left_out == len(lines(artifact, "rejected.jsonl")) and sum(artifact.result["tasks"].values()) + left_out == 12
    )
    assert all(t["tokens"] <= 200 for t in lines(artifact, "texts.jsonl") if t["tasks"])


def test_a_teachers_tasks_are_read_but_those_of_documents_held_out(base: Weights, tmp_path: Path) -> None:
    ingest = make(tmp_path, 8, annotators=BOTH)
    with serving(lambda body, _: Reply(tasks(number(body))) if reading(body) else right(body)) as teacher:
        annotated = annotate(tmp_path, ingest, teacher.url, SETTINGS)
    run = request(tmp_path, base, "reading_comprehension", 8)
    assert pretrain.STEP.needed(run) == ("ingest", "annotate")
    artifact = run_step(run, pretrain.STEP, {"ingest": ingest, "annotate": annotated})[0]
    document = {t["document"] for t in lines(artifact, "texts.jsonl")}
    taught = [t for r in left(annotated).values() for t in r.tasks if {r.document} == document]
    assert artifact.result["rejected"] == {"document_held_out": 8} and len(taught) == artifact.result["taught"] == 8
    alone = run_step(request(tmp_path, base, "reading_comprehension"), pretrain.STEP, {"ingest": ingest})[0]
    assert sum(artifact.result["tasks"].values()) >= 8 > sum(alone.result["tasks"].values())


def test_only_where_it_reads_a_teachers_tasks_does_pretrain_follow_annotate(base: Weights, tmp_path: Path) -> None:
    ingest = make(tmp_path, 4, annotators=BOTH)
    first, second = (Artifact(ingest.folder.parent.parent / "annotate" / name) for name in ("one", "two"))
    for artifact in (first, second):
        artifact.folder.mkdir(parents=True)
        artifact.path("record.json").write_text(
            json.dumps(
                {"files": {}, "content": artifact.folder.name, "result": {}, "fingerprint": artifact.folder.name}
            )
        )

    def known(text: str, count: int, annotated: Artifact) -> Any:
        run = request(tmp_path, base, text, count)
        done = {"ingest": ingest, "annotate": annotated}
        return identity(run, pretrain.STEP, {n: done[n] for n in pretrain.STEP.needed(run)})

    for text in ("passages", "reading_comprehension"):
        assert known(text, 0, first) == known(text, 0, second)
    assert known("reading_comprehension", 8, first) != known("reading_comprehension", 8, second)
    assert known("passages", 0, first) != known("reading_comprehension", 0, first)


@pytest.mark.parametrize(
    ("annotators", "text", "count", "said"),
    [
        (DOMAIN["annotators"], "reading_comprehension", 0, "pharmacy names no annotator for pretraining"),
        ({**BOTH, "pretraining": "sciglm"}, "reading_comprehension", 0, "sciglm is one for questions; name another"),
        (BOTH, "passages", 5, "set pretrain.text=reading_comprehension, or annotate.reading.passages=0"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_work(
    base: Weights, tmp_path: Path, annotators: Any, text: str, count: int, said: str
) -> None:
    make(tmp_path, 2, annotators=annotators)
    with pytest.raises(RequestError, match=said):
        pretrain.check(request(tmp_path, base, text, count))


def test_a_domain_without_such_an_annotator_asks_no_teacher_for_tasks(tmp_path: Path) -> None:
    make(tmp_path, 2)
    with pytest.raises(RequestError, match=r"no annotator for pretraining, which annotate\.reading\.passages asks"):
        annotating.check(job(tmp_path, "http://127.0.0.1:9/v1", SETTINGS))


def test_the_plan_counts_the_calls_for_reading_tasks(tmp_path: Path) -> None:
    ingest = make(tmp_path, 8, annotators=BOTH)
    runs: Sequence[Run] = [
        job(tmp_path, "http://127.0.0.1:9/v1", SETTINGS.model_copy(update={"reading": ReadingSettings(passages=n)}))
        for n in (0, 8)
    ]
    without, with_them = (annotating.plan(run, {"ingest": ingest}) for run in runs)
    assert with_them["calls"] == without["calls"] + 8 and with_them["most_calls"] == without["most_calls"] + 24
    assert "readings" not in without and with_them["readings"] == 8


def test_a_recipe_that_reads_a_teachers_tasks_has_annotate(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("base: org/x\nsteps: [ingest, pretrain]\npretrain: {text: reading_comprehension}\n")
    options = Options(workspace=tmp_path, recipe=str(recipe))
    assert [e["step"] for e in plan(prepare("medical", options))] == ["ingest", "pretrain"]
    asked = Options(workspace=tmp_path, recipe=str(recipe), settings=("annotate.reading.passages=3",))
    with pytest.raises(RequestError, match="has pretrain without annotate"):
        prepare("medical", asked)
