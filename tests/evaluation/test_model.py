from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.models import tiny_weights

HEAD = [
    {"role": "user", "content": "The guideline says that adrenaline is given."},
    {"role": "assistant", "content": "yes"},
]
QUESTIONS = [
    "Which drug is first?",
    "Answer yes, no or maybe.",
    "What?",
    "Which drug is given into the muscle at once, and why?",
]
OPTIONS = ["yes", "no", "adrenaline into the muscle", "a"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Ours and lm-eval's own over the same weights."""
    from lm_eval.models.huggingface import HFLM

    from zoo.evaluation.model import load_student

    folder = tmp_path_factory.mktemp("tiny")
    tiny_weights(folder)
    ours = load_student(folder, 3)
    yield ours, HFLM(pretrained=ours.model, tokenizer=ours.tokenizer, batch_size=3)


def likelihoods(model: Any, contexts: list[str], options: list[str]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance("loglikelihood", {}, (c, o), n) for n, c in enumerate(contexts) for o in options]


def generations(contexts: list[str], **settings: Any) -> list[Any]:
    from lm_eval.api.instance import Instance

    kwargs = {"until": [], "do_sample": False, "max_gen_toks": 8, **settings}
    return [Instance("generate_until", {}, (c, kwargs), n) for n, c in enumerate(contexts)]


def contexts(model: Any, shots: bool) -> list[str]:
    return [model.apply_chat_template((HEAD if shots else []) + [{"role": "user", "content": q}]) for q in QUESTIONS]


@pytest.mark.parametrize("shots", [False, True])
@pytest.mark.parametrize("options", [OPTIONS, ["a", "b"], ["yes"]])
def test_likelihoods_are_lm_evals_own(models: tuple[Any, Any], shots: bool, options: list[str]) -> None:
    ours, theirs = models
    asked = likelihoods(ours, contexts(ours, shots), options)
    mine, reference = ours.loglikelihood(asked), theirs.loglikelihood(asked, disable_tqdm=True)
    assert [m[0] for m in mine] == pytest.approx([r[0] for r in reference], abs=1e-4)
    assert [m[1] for m in mine] == [r[1] for r in reference]


@pytest.mark.parametrize("shots", [False, True])
def test_generations_are_lm_evals_own(models: tuple[Any, Any], shots: bool) -> None:
    ours, theirs = models
    asked = generations(contexts(ours, shots))
    assert ours.generate_until(asked) == theirs.generate_until(asked, disable_tqdm=True)


def test_a_stop_text_ends_an_answer(models: tuple[Any, Any]) -> None:
    ours, _ = models
    whole = ours.generate_until(generations(contexts(ours, False)))
    stop = whole[0][2]
    assert ours.generate_until(generations(contexts(ours, False), until=[stop]))[0] == whole[0].partition(stop)[0]


def test_a_shared_context_is_read_once(models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = models
    read: list[int] = []
    forward = ours.model.forward
    monkeypatch.setattr(
        ours.model, "forward", lambda *a, **k: read.append(int(k["input_ids"].numel())) or forward(*a, **k)
    )
    asked = likelihoods(ours, contexts(ours, True), OPTIONS)
    ours.loglikelihood(asked)
    naive = sum(len(ours.tok_encode(a.args[0] + a.args[1])) for a in asked)
    assert sum(read) < naive / 3


PASSAGES = [
    "adrenaline is given into the muscle at once, the guideline says. " * 3,
    "Which drug is the drug of the guideline? " * 4,
]


@pytest.mark.parametrize("shots", [False, True])
def test_questions_about_one_passage_read_it_once(
    models: tuple[Any, Any], shots: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = models
    turns = [{"role": "user", "content": p + q} for p in PASSAGES for q in QUESTIONS]
    texts = [ours.apply_chat_template((HEAD if shots else []) + [turn]) for turn in turns]
    asked = likelihoods(ours, texts, OPTIONS)
    reference = theirs.loglikelihood(asked, disable_tqdm=True)
    read: list[int] = []
    forward = ours.model.forward
    monkeypatch.setattr(
        ours.model, "forward", lambda *a, **k: read.append(int(k["input_ids"].numel())) or forward(*a, **k)
    )
    mine = ours.loglikelihood(asked)
    assert [m[0] for m in mine] == pytest.approx([r[0] for r in reference], abs=1e-4)
    assert [m[1] for m in mine] == [r[1] for r in reference]
    passages = sum(len(ours.tok_encode(p)) for p in PASSAGES)
    assert sum(read) < passages * len(QUESTIONS), "less than the passages alone would be, read for every question"


def test_attention_that_cannot_be_masked_goes_to_lm_eval(
    models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = models
    monkeypatch.setattr(type(ours), "_plain", property(lambda self: False))
    asked = likelihoods(ours, contexts(ours, False), OPTIONS)
    assert ours.loglikelihood(asked) == theirs.loglikelihood(asked, disable_tqdm=True)
    said = capsys.readouterr().err
    assert "one option at a time" in said and f"  evaluated: {len(asked)} of {len(asked)} in " in said


def test_nothing_shared_and_one_inside_another(models: tuple[Any, Any]) -> None:
    from zoo.evaluation.shared import beginning

    assert beginning([(1,) * 20]) == 0
    assert beginning([(1,) * 20, (2,) * 20]) == 0
    assert beginning([(1,) * 20, (1,) * 30]) == 19
    ours, theirs = models
    text = contexts(ours, True)[0]
    asked = likelihoods(ours, [text, text + "yes no maybe, which drug?"], ["no", "maybe"])
    mine, reference = ours.loglikelihood(asked), theirs.loglikelihood(asked, disable_tqdm=True)
    assert [m[0] for m in mine] == pytest.approx([r[0] for r in reference], abs=1e-4)


def test_the_folder_is_only_read(tmp_path: Path) -> None:
    from zoo.evaluation.model import load_student

    tiny_weights(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    load_student(tmp_path, 2)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
