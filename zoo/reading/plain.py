"""Plain text, source code, CSV, spreadsheets and XML of no known kind: what needs no parser but a careful reading."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from zoo.api import Element, Parsed, Unreadable
from zoo.reading.tables import table
from zoo.reading.text import clean, clean_code, one_line
from zoo.reading.xmlsafe import read_xml

_RULE = re.compile(r"^([=\-~^*#+_])\1{2,}$")
_ITEM = re.compile(r"^(?:[-*•·‣–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_SPACED = re.compile(r"\t+| {2,}")
_PIPES = re.compile(r"\S\s*[|\t]\s*\S")


def parse_text(text: str) -> Parsed:
    """Paragraphs at blank lines (or one a line, where lines are long); underlined or capital lines are headings."""
    elements: list[Element] = []
    for block in _blocks(text):
        elements += _block_elements(block)
    elements = _ranked(elements)
    first = elements[0] if elements else None
    return Parsed(first.text if first and first.kind == "title" else "", elements)


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank ones. Lines too long to be wrapped by hand are paragraphs of their own."""
    block: list[str] = []
    for line in text.replace("\f", "\n\n").split("\n"):
        if len(line) > 200:
            if block:
                yield block
            yield [line]
            block = []
        elif line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block_elements(block: list[str]) -> Iterator[Element]:
    if made := _spaced_table(block):
        yield made
        return
    lines = [clean(line) for line in block]
    lines = [line for line in lines if line]
    if len(lines) >= 2 and _RULE.match(lines[0]) and len(lines) >= 3 and _RULE.match(lines[2]):
        lines = lines[1:]  # overlined headings
    if len(lines) >= 2 and _RULE.match(lines[1]) and len(lines[0]) <= 200 and not _RULE.match(lines[0]):
        yield Element("title", lines[0], 1 if lines[1][0] in "=#*" else 2)
        lines = lines[2:]
    lines = [line for line in lines if not _RULE.match(line)]
    if not lines:
        return
    if len(lines) == 1 and _is_capital_heading(lines[0]):
        yield Element("title", lines[0], 2)
    elif len(lines) >= 2 and all(_PIPES.search(line) for line in lines):
        yield Element(
            "table", "\n".join(" | ".join(c.strip() for c in re.split(r"[|\t]", line.strip("|"))) for line in lines)
        )
    else:
        yield from _paragraphs(lines)


def _spaced_table(block: list[str]) -> Element | None:
    """Lines whose cells are parted by runs of blanks, the second cells starting at one place (a rule below the head
    aside)."""
    rows = [_SPACED.split(line.strip()) for line in block if not set(line) <= set("-=+ \t|")]
    cells = [_second_cell(line) for line in block if not set(line) <= set("-=+ \t|")]
    if len(rows) < 2 or min(map(len, rows)) < 2 or max(cells) - min(cells) > 1:
        return None
    return table(rows)


def _second_cell(line: str) -> int:
    indent = len(line) - len(line.lstrip())
    match = re.search(r"\S(?:\t| {2,})(?=\S)", line[indent:])
    return indent + match.end() if match else -99


def _paragraphs(lines: list[str]) -> Iterator[Element]:
    """Wrapped lines joined; a line that begins as a list item begins one."""
    gathered: list[str] = []
    item = False
    for line in lines:
        if _ITEM.match(line):
            if gathered:
                yield Element("item" if item else "text", _joined(gathered))
            gathered, item = [line], True
        else:
            gathered.append(line)
    if gathered:
        yield Element("item" if item else "text", _joined(gathered))


def _joined(lines: list[str]) -> str:
    return " ".join(lines)


def _is_capital_heading(line: str) -> bool:
    letters = [c for c in line if c.isalpha()]
    return (
        3 <= len(letters)
        and len(line) <= 100
        and line[-1] not in ".,;"
        and all(c == c.upper() for c in letters)
        and line.isupper()
    )


def _ranked(elements: list[Element]) -> list[Element]:
    """The first heading of a text is its title when nothing comes before it."""
    if elements and elements[0].kind == "title" and elements[0].level > 1:
        return [Element("title", elements[0].text, 1), *elements[1:]]
    return elements


def parse_code(text: str) -> Parsed:
    """Source code: one element a run of lines between blank ones at no indent."""
    runs = re.split(r"\n\s*\n(?=\S)", clean_code(text))
    return Parsed("", [Element("code", run) for run in runs if run.strip()])


def parse_csv(text: str) -> Parsed:
    """The rows as one table; the separator is the one that makes rows of one length."""
    sample = text[:20_000]
    try:
        dialect: Any = csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if sample.count("\t") > sample.count(",") else csv.excel
    csv.field_size_limit(2**31 - 1)
    try:
        rows = list(csv.reader(io.StringIO(text), dialect))
    except csv.Error as e:
        raise Unreadable(f"corrupt: {e}") from e
    made = table(rows)
    return Parsed("", [made] if made else [])


# --- spreadsheets ----------------------------------------------------------------------------------------------------


def parse_xlsx(data: bytes) -> Parsed:
    """Every sheet with anything in it: a heading and its table; blank rows part tables. Formulas are read as their
    last values."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    elements: list[Element] = []
    unread = 0
    for number, sheet in enumerate(book.worksheets, 1):
        # Some writers give a wrong size, and rows past it would be lost.
        sheet.reset_dimensions()
        if sheet.sheet_state != "visible":
            unread += 1
            continue
        made = [t for rows in _regions(sheet.iter_rows(values_only=True)) if (t := _region(rows, number))]
        if made:
            elements += [Element("title", one_line(sheet.title), 1, number), *made]
    title = one_line(book.properties.title or "") if book.properties else ""
    return Parsed(title, elements, {"sheets": len(book.worksheets), **({"hidden_sheets": unread} if unread else {})})


def _regions(rows: Any) -> Iterator[list[list[str]]]:
    region: list[list[str]] = []
    for row in rows:
        cells = [_cell(v) for v in row]
        if any(cells):
            region.append(cells)
        elif region:
            yield region
            region = []
    if region:
        yield region


def _region(rows: list[list[str]], number: int) -> Element | None:
    if all(sum(bool(c) for c in row) == 1 for row in rows):
        return Element("text", "\n".join(one_line("".join(row)) for row in rows), page=number)
    return table(rows, number)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    lines = str(value).replace("_x000D_", "").splitlines()  # how the format writes a carriage return
    return "; ".join(line.strip(" ;") for line in lines if line.strip())


# --- xml -------------------------------------------------------------------------------------------------------------

_INLINE = set(
    "a abbr b bold br break cite code em emph emphasis font i italic link quote ref sc small span "
    "strong sub sup u xref".split()
)
_HEADINGS = {"title", "heading", "head", "h1", "h2", "h3", "h4", "caption"}


def parse_xml(data: bytes) -> Parsed:
    """XML of no known vocabulary: leaf elements and mixed text in order; elements called title or head are headings."""
    root = read_xml(data)
    elements: list[Element] = []
    _walk(root, 0, elements)
    return Parsed(next((e.text for e in elements if e.kind == "title"), ""), elements)


def _walk(node: Any, depth: int, out: list[Element]) -> None:
    if not isinstance(node.tag, str):
        return
    name = node.tag.rpartition("}")[2].lower()
    children = [c for c in node if isinstance(c.tag, str)]
    block = [c for c in children if c.tag.rpartition("}")[2].lower() not in _INLINE]
    if name in {"table", "tbody"} and (rows := _xml_rows(node)):
        if made := table(rows):
            out.append(made)
        return
    if not block:
        if text := one_line("".join(node.itertext())):
            out.append(
                Element("title", text, max(depth, 1))
                if name in _HEADINGS and len(text) < 200
                else Element("text", text)
            )
        return
    if text := one_line(node.text or ""):
        out.append(Element("text", text))
    for child in children:
        _walk(child, depth + 1, out)
        if tail := one_line(child.tail or ""):
            out.append(Element("text", tail))


def _xml_rows(node: Any) -> list[list[str]]:
    rows = [r for r in node.iter() if isinstance(r.tag, str) and r.tag.rpartition("}")[2].lower() in {"tr", "row"}]
    return [["".join(c.itertext()) for c in row if isinstance(c.tag, str)] for row in rows]
