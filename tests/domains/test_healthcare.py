"""Healthcare as it ships: its sample is readable, its seeds rest on it and pass its own checks, its exam is about other passages."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from zoo.api import Example, Parsed
from zoo.artifact import read_rows
from zoo.library import Domain, load_domain
from zoo.quotes import find_quote
from zoo.reading.reader import Limits, read


@cache
def domain() -> Domain:
    return load_domain("medical")


@cache
def sample() -> dict[str, Parsed]:
    files = sorted((domain().folder / "sample").iterdir())
    return {f.name: read(f.name, f.read_bytes(), domain().parsers, Limits(2**30)) for f in files}


@cache
def exam() -> list[Example]:
    return list(read_rows(domain().folder / "exam.jsonl", Example))


def words(parsed: Parsed) -> int:
    return sum(len(e.text.split()) for e in parsed.elements)


def plain(text: str) -> str:
    return " ".join(text.split())


def text_of(document: str) -> str:
    return plain(" ".join(e.text for e in sample()[document].elements))


def test_the_sample_is_broad_and_in_the_formats_of_the_field():
    assert len(sample()) >= 24
    assert {p.meta["format"] for p in sample().values()} >= {
        "md",
        "html",
        "docx",
        "pdf",
        "pptx",
        "xlsx",
        "jats",
        "txt",
        "eml",
    }


@pytest.mark.parametrize("name", sorted(f.name for f in (domain().folder / "sample").iterdir()))
def test_every_document_is_long_enough_titled_and_names_what_it_rests_on(name):
    parsed = sample()[name]
    assert words(parsed) >= 600
    assert parsed.title
    assert any("reference" in e.text.lower() for e in parsed.elements)


def test_there_are_seeds_of_every_kind_and_no_two_ask_the_same():
    kinds = Counter(s.kind for s in domain().seeds)
    assert sum(kinds.values()) >= 60
    assert all(kinds[k] >= 10 for k in ("choice", "yes_no_maybe", "short", "number"))
    assert {s.answer for s in domain().seeds if s.kind == "yes_no_maybe"} == {"yes", "no", "maybe"}
    questions = [plain(s.question).lower() for s in [*domain().seeds, *exam()]]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("seed", domain().seeds, ids=lambda s: s.id)
def test_every_seed_rests_on_its_quotes_and_passes_its_verifier(seed):
    assert seed.citations and seed.reasoning
    for citation in seed.citations:
        assert plain(citation.quote) in text_of(citation.document)
    verify = domain().verifiers[seed.kind]
    assert verify(seed, seed.answer).verdict == "right"
    assert verify(seed, f"<think>\n{seed.reasoning}\n</think>\n\n{seed.answer}").verdict == "right"
    for choice in seed.choices:
        assert verify(seed, choice).verdict == ("right" if choice == seed.answer else "wrong")


def test_the_exam_stands_in_the_sample_and_its_answers_are_spread():
    assert len(exam()) >= 80
    for row in exam():
        assert row.answer in row.choices and len(set(row.choices)) == 4
        assert plain(row.context) in text_of(row.citations[0].document), row.id
        assert plain(row.citations[0].quote) in plain(row.context), row.id
    positions = Counter(row.choices.index(row.answer) for row in exam())
    assert max(positions.values()) - min(positions.values()) <= 4


def sentences(text):
    return {s for s in re.split(r"(?<=[.!?])\s+", plain(text)) if len(s) > 40}


def test_no_seed_is_trained_on_a_sentence_of_the_exam():
    shown = set().union(*(sentences(row.context) for row in exam()))
    contexts = [(row.citations[0].document, plain(row.context)) for row in exam()]
    for seed in domain().seeds:
        assert not sentences(seed.context) & shown, seed.id
        for citation in seed.citations:
            assert not any(plain(citation.quote) in text for d, text in contexts if d == citation.document), seed.id


def test_every_seed_shows_its_quotes_in_sentences_of_the_document():
    for seed in domain().seeds:
        text = " ".join(text_of(c.document) for c in seed.citations)
        assert all(find_quote(c.quote, seed.context) for c in seed.citations), seed.id
        assert all(s in text for s in sentences(seed.context)), seed.id


def test_every_suite_named_is_there():
    ids = {"pubmedqa", "medqa", "medmcqa", "mmlu_medical", "mts_dialog", "meqsum", "medquad"}
    assert ids <= {s.id for s in domain().config.sources}
    assert ids | {"healthcare_exam", "healthcare_exam_open", "healthcare_exam_cot", "general"} <= set(
        domain().suite_ids
    )
    assert domain().config.gate.suite in domain().config.suites
