"""Passages are spans of their document, within their size, and cut nothing that belongs together."""

from __future__ import annotations

import random
import re
from itertools import pairwise

from zoo.api import Document, Element, Parsed, Passage
from zoo.passages import assemble, passages, sentence_ends


class Words:
    """One token a word."""

    def starts(self, texts: list[str]) -> list[list[int]]:
        return [[m.start() for m in re.finditer(r"\S+", t)] for t in texts]


def cut(parsed: Parsed, limit: int = 40) -> tuple[Document, list[Passage]]:
    text, blocks = assemble(parsed)
    document = Document(id="s/d", path="d", text=text, source="s", licence="x", meta={"title": parsed.title})
    return document, list(passages(document, blocks, Words(), limit))


def sentences(n: int, words: int = 9) -> str:
    return " ".join(f"Sentence {i} " + "word " * (words - 3) + "ends." for i in range(n))


def test_passages_are_spans_and_cover_the_text() -> None:
    rng = random.Random(1)
    for _ in range(40):
        kinds = rng.choices(["title", "text", "item", "table", "code"], k=30)
        elements = [Element(k, "a | b\nc | d" if k == "table" else sentences(rng.randint(1, 9)), 2, 1) for k in kinds]  # type: ignore[arg-type]
        document, found = cut(Parsed("T", elements))
        assert all(p.text == document.text[p.start : p.end] and p.text.strip() == p.text for p in found)
        assert all(a.end <= b.start for a, b in pairwise(found))
        assert "".join("".join(p.text.split()) for p in found) == "".join(document.text.split())


def test_no_sentence_is_cut_and_none_is_too_long() -> None:
    _, found = cut(Parsed("T", [Element("text", sentences(50))]))
    assert all(p.text.startswith("Sentence") and p.text.endswith("ends.") for p in found)
    assert max(len(p.text.split()) for p in found) <= 40
    assert len(found) == 13


def test_rows_stay_whole_and_a_small_table_in_one_passage() -> None:
    rows = "\n".join(f"drug {i} | dose {i} mg" for i in range(6))
    _, found = cut(Parsed("T", [Element("text", sentences(2)), Element("table", rows)]))
    assert [p.text for p in found if "drug 0" in p.text] == [rows]
    long = "\n".join(f"drug {i} | dose {i} mg" for i in range(60))
    _, found = cut(Parsed("T", [Element("table", long)]))
    assert all(re.fullmatch(r"drug \d+ \| dose \d+ mg", line) for p in found for line in p.text.splitlines())


def test_headings_open_passages_and_name_them() -> None:
    elements = [
        Element("title", "Book", 1), Element("title", "One", 2), Element("text", sentences(4), page=1),
        Element("title", "Two", 2), Element("title", "Deep", 3), Element("text", sentences(4), page=2),
    ]  # fmt: skip
    _, found = cut(Parsed("Book", elements), 60)
    assert [p.title for p in found] == ["Book > One", "Book > Two > Deep"]
    assert [p.page for p in found] == [1, 2]
    assert found[1].text.startswith("Two\n\nDeep\n\n")


def test_short_sections_share_a_passage_under_their_common_heading() -> None:
    elements = [Element("title", "Book", 1)]
    for name in ("One", "Two"):
        elements += [Element("title", name, 2), Element("text", "Few words.")]
    _, found = cut(Parsed("Book", elements))
    assert [p.title for p in found] == ["Book"]


def test_a_row_far_longer_than_a_passage_is_cut_after_a_sentence() -> None:
    _, found = cut(Parsed("T", [Element("table", f"Dose: {sentences(30)} | Use: {sentences(30)}")]))
    assert len(found) > 10 and all(p.text.endswith("ends.") for p in found)
    assert max(len(p.text.split()) for p in found) <= 40


def test_what_is_no_sentence_is_cut_at_blanks() -> None:
    _, found = cut(Parsed("T", [Element("text", "word " * 1000)]))
    assert max(len(p.text.split()) for p in found) <= 40
    assert sum(len(p.text.split()) for p in found) == 1000


def test_sentence_ends_spare_abbreviations_numbers_and_initials() -> None:
    text = "Dr. A. Smith gave 0.5 mg, i.e. little. See Fig. 3 and Lee et al. 2020. “Done!” Next? 完了。次。"
    ends = sentence_ends(text)
    parts = [text[a:b].strip() for a, b in zip([0, *ends], ends, strict=False)]
    assert parts == [
        "Dr. A. Smith gave 0.5 mg, i.e. little.",
        "See Fig. 3 and Lee et al. 2020.",
        "“Done!”",
        "Next?",
        "完了。",
        "次。",
    ]
