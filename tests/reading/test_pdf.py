"""PDF: order, headings, tables, hyphens, pages, and what is no text."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from zoo.reading.pdf import parse_pdf
from zoo.reading.pdf_layout import join_lines


def drawn(*texts: tuple[float, float, str, int]) -> bytes:
    """One page with each text at its place: (x, y, text, size)."""
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out)
    for x, y, text, size in texts:
        canvas.setFont("Helvetica", size)
        canvas.drawString(x, y, text)
    canvas.save()
    return out.getvalue()


def test_headings_paragraphs_and_pages() -> None:
    lines = [(60.0, 800.0, "The title", 22), (60.0, 760.0, "A section", 16)]
    lines += [(60.0, 735.0 - 14 * i, f"Line {i} of a paragraph that goes on for some words and", 11) for i in range(4)]
    parsed = parse_pdf(drawn(*lines))
    assert [(e.kind, e.level) for e in parsed.elements] == [("title", 1), ("title", 2), ("text", 0)]
    assert (parsed.title, parsed.meta["pages"], parsed.elements[2].page) == ("The title", 1, 1)


def test_two_columns_drawn_row_by_row_are_read_column_by_column() -> None:
    lines = []
    for i in range(20):
        lines += [(50.0, 800.0 - 14 * i, f"left column line number {i} goes", 10)]
        lines += [(320.0, 800.0 - 14 * i, f"right column line number {i} is", 10)]
    text = " ".join(e.text for e in parse_pdf(drawn(*lines)).elements)
    assert text.index("left column line number 19") < text.index("right column line number 0")


def test_aligned_rows_are_a_table() -> None:
    rows = [("Drug", "Dose", "Route"), ("Aspirin", "300 mg", "by mouth"), ("Heparin", "5000 units", "subcutaneous")]
    lines = [(60.0 + 110 * c, 700.0 - 16 * r, cell, 11) for r, row in enumerate(rows) for c, cell in enumerate(row)]
    (element,) = parse_pdf(drawn(*lines)).elements
    assert element.text.splitlines() == [" | ".join(row) for row in rows]


def test_running_heads_are_dropped() -> None:
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out)
    for n in range(5):
        canvas.drawString(60, 820, "Journal of Things")
        canvas.drawString(60, 400, f"Page {n} has words of its own.")
        canvas.drawString(300, 20, str(n + 1))
        canvas.showPage()
    canvas.save()
    parsed = parse_pdf(out.getvalue())
    assert [e.text for e in parsed.elements] == [f"Page {n} has words of its own." for n in range(5)]
    assert [e.page for e in parsed.elements] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("lines", "words", "joined"),
    [
        (["an infec-", "tion here"], "", "an infection here"),
        (["the beta-", "lactam ring"], "beta-lactam", "the beta-lactam ring"),
        (["more-", "detailed"], "more detailed", "more-detailed"),
        (["COVID-", "19 cases"], "", "COVID-19 cases"),
        (["plain", "lines"], "", "plain lines"),
    ],
)
def test_hyphens_at_line_ends(lines: list[str], words: str, joined: str) -> None:
    assert join_lines(lines, Counter(words.split())) == joined
