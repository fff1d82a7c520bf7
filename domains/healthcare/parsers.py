"""Medical XML: articles in JATS, question pages of MedQuAD, chapters of OpenStax in CNXML."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from zoo.api import Element, Parsed, Parser, Unreadable, make_table, read_xml

_BLOCKS = set(
    "p para list def-list table table-wrap fig fig-group figure sec section boxed-text disp-quote "
    "disp-formula equation note example exercise problem solution item list-item title quote media "
    "glossary definition code preformat "
    "supplementary-material statement".split()
)
_SILENT = set("object-id graphic inline-graphic tex-math iframe image permissions index-term processing-meta".split())


def _name(node: Any) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _children(node: Any, *names: str) -> list[Any]:
    return [c for c in node if _name(c) in names]


def _first(node: Any, *path: str) -> Any:
    for name in path:
        node = next(iter(_children(node, name)), None)
        if node is None:
            return None
    return node


def _prose(node: Any, targets: dict[str, str], blocks: bool = False) -> str:
    """The running text of a node. Powers keep a ^ (10^5 is not 105); links to a figure or table without words are
    named."""
    if node is None:
        return ""
    return " ".join(_inline(node, targets, blocks).split())


def _inline(node: Any, targets: dict[str, str], blocks: bool) -> str:
    text = node.text or ""
    for child in node:
        name = _name(child)
        if name and name not in _SILENT and (blocks or name not in _BLOCKS):
            inner = _inline(child, targets, blocks)
            if name == "link" and not inner.strip():
                inner = targets.get(child.get("target-id", ""), "")
                if not text.strip() or text.rstrip()[-1] in ".!?":
                    inner = inner.capitalize()
            elif name == "sup" and re.fullmatch(r"\s*[-−+]?\d+\s*", inner) and re.search(r"[\dA-Za-z)]$", text):
                inner = "^" + inner.strip() if not len(child) else inner
            elif name in {"newline", "break"}:
                inner = " "
            elif name in _BLOCKS and text.strip() and text.rstrip()[-1] not in ".,:;?!(":
                inner = "; " + inner.lstrip() if inner.strip() else inner
            text += inner
            if name == "link" and inner[:4].lower() == "the " and (child.tail or "")[:1].isalnum():
                text += " "
        text += child.tail or ""
    return text


class _Walk:
    """Gathers the elements of an article in order; `level` is the depth of the headings met so far."""

    def __init__(self, targets: dict[str, str] | None = None) -> None:
        self.found: list[Element] = []
        self.targets = targets or {}

    def title(self, node: Any, level: int) -> None:
        if text := _prose(node, self.targets):
            self.found.append(Element("title", text, level))

    def text(self, text: str, kind: str = "text") -> None:
        if text:
            self.found.append(Element("item" if kind == "item" else "text", text))

    def body(self, node: Any, level: int) -> None:
        for child in node:
            self.block(child, level)

    def block(self, node: Any, level: int) -> None:
        name = _name(node)
        handler = self._handlers().get(name)
        if handler is not None:
            handler(node, level)
        elif name in {"sec", "section", "app", "ack", "notes", "fn-group"}:
            heading = _first(node, "title")
            # Without a heading of its own a section says what it is in its class: references, chapter-summary.
            kind = node.get("class") if heading is None else None
            if kind:
                self.found.append(Element("title", kind.replace("-", " ").capitalize(), level))
            self.title(heading, level)
            for child in node:
                if child is not heading and _name(child) not in {"label", "sec-meta"}:
                    self.block(child, level + (heading is not None or bool(kind)))
        elif name and name not in _SILENT:
            self.paragraph(node, level)

    def _handlers(self) -> dict[str, Callable[[Any, int], None]]:
        return {
            "list": self.items,
            "def-list": self.definitions,
            "glossary": self.definitions,
            "table-wrap": self.table,
            "table": self.table,
            "fig": self.figure,
            "figure": self.figure,
            "ref-list": self.references,
            "note": self.note,
            "boxed-text": self.note,
            "example": self.note,
            "exercise": self.exercise,
        }

    def paragraph(self, node: Any, level: int, kind: str = "text") -> None:
        """A paragraph may hold lists, tables and figures: they follow its words."""
        self.text(_prose(node, self.targets), kind)
        for child in node:
            if _name(child) in _BLOCKS:
                self.block(child, level)

    def items(self, node: Any, level: int) -> None:
        if (heading := _first(node, "title")) is not None:
            self.text(_prose(heading, self.targets))
        for item in _children(node, "item", "list-item"):
            words = " ".join(
                filter(
                    None, (_prose(item, self.targets), *(_prose(p, self.targets) for p in _children(item, "p", "para")))
                )
            )
            self.text(words, "item")
            for inner in item:
                if _name(inner) in _BLOCKS - {"p", "para"}:
                    self.block(inner, level)

    def definitions(self, node: Any, level: int) -> None:
        if _name(node) == "glossary":
            self.found.append(Element("title", "Glossary", level))
        for entry in _children(node, "def-item", "definition"):
            term = _prose(_first(entry, "term"), self.targets)
            meanings = [_prose(m, self.targets, blocks=True) for m in _children(entry, "meaning", "def")]
            self.text(f"{term}: {'; '.join(meanings)}" if term else "; ".join(meanings), "item")

    def table(self, node: Any, level: int) -> None:
        label, caption = _prose(_first(node, "label"), self.targets), _first(node, "caption")
        heading = _prose(_first(node, "title"), self.targets) or (_prose(caption, self.targets, blocks=True))
        self.text(" ".join(filter(None, (label, heading))))
        named = [r for part in node.iter() if _name(part) == "thead" for r in _children(part, "tr", "row")]
        rows = [self._head(named)] if named else []
        rows += self._grid([r for r in node.iter() if _name(r) in {"tr", "row"} and r not in named])
        if made := make_table(rows, header=True if named else None):
            self.found.append(made)
        if (foot := _first(node, "table-wrap-foot")) is not None:
            self.text(_prose(foot, self.targets, blocks=True))

    def _head(self, rows: list[Any]) -> list[str]:
        """The rows of a head as one name for each column: "Goats" over "n" is "Goats n"."""
        return [" ".join(dict.fromkeys(filter(None, column))) for column in zip_longest(*self._grid(rows, across=True))]

    def _grid(self, rows: list[Any], across: bool = False) -> list[list[str]]:
        """The cells' texts by row and column. A cell over several rows stands in each of them, so that every row can be
        read by itself; one over several columns stands in the first, or in each where `across`."""
        grid: list[list[str]] = []
        above: dict[int, tuple[int, str]] = {}  # by column: how many rows a cell from above still covers, and its text
        for row in rows:
            cells = {column: text for column, (_, text) in above.items()}
            above = {column: (n - 1, text) for column, (n, text) in above.items() if n > 1}
            at = 0
            for cell in _children(row, "td", "th", "entry"):
                while at in cells:
                    at += 1
                text, down = _prose(cell, self.targets, blocks=True), cell.get("rowspan", "")
                more = int(down) - 1 if down.isdigit() else int(cell.get("morerows") or 0)
                for column in range(at, at + _span(cell)):
                    cells[column] = text if across or column == at else ""
                    if more > 0:
                        above[column] = (more, cells[column])
                at += _span(cell)
            grid.append([cells.get(column, "") for column in range(max(cells, default=-1) + 1)])
        return grid

    def figure(self, node: Any, level: int) -> None:
        parts = [_prose(c, self.targets, blocks=True) for c in _children(node, "label", "title", "caption")]
        self.text(" ".join(filter(None, parts)))

    def references(self, node: Any, level: int) -> None:
        self.found.append(Element("title", _prose(_first(node, "title"), self.targets) or "References", level))
        for ref in _children(node, "ref"):
            self.text(_reference(ref, self.targets), "item")

    def note(self, node: Any, level: int) -> None:
        heading = _first(node, "title") if _first(node, "title") is not None else _first(node, "caption", "title")
        self.title(heading, level)
        for child in node:
            if child is not heading and _name(child) not in {"label", "title"}:
                self.block(child, level + 1)

    def exercise(self, node: Any, level: int) -> None:
        for part, prefix in (("problem", "Question: "), ("solution", "Answer: ")):
            for found in _children(node, part):
                at = len(self.found)
                self.body(found, level)
                if len(self.found) > at:
                    first = self.found[at]
                    self.found[at] = Element("text", prefix + first.text)


def _span(cell: Any) -> int:
    """How many columns a cell covers."""
    if (span := cell.get("colspan", "")).isdigit():
        return min(int(span), 50)
    numbers = [re.sub(r"\D", "", cell.get(side, "")) for side in ("namest", "nameend")]
    return max(1, min(int(numbers[1]) - int(numbers[0]) + 1, 50)) if all(numbers) else 1


def _reference(ref: Any, targets: dict[str, str]) -> str:
    """A citation on a line; where the markup holds only its parts, they are parted by blanks."""
    body = next(
        (c for c in ref if _name(c) in {"mixed-citation", "citation", "element-citation", "nlm-citation"}), None
    )
    if body is None:
        return _prose(ref, targets, blocks=True)
    loose = _name(body) in {"mixed-citation", "citation"} and (body.text or "").strip()
    words = "".join(body.itertext()) if loose else " ".join(t.strip() for t in body.itertext() if t.strip())
    return re.sub(r"\s+([.,;:)])", r"\1", " ".join(words.split()))


# --- JATS ------------------------------------------------------------------------------------------------------------


def _jats(data: bytes) -> Parsed:
    root = read_xml(data)
    meta = _first(root, "front", "article-meta")
    if meta is None:
        raise Unreadable("not read: a JATS file without front matter")
    title = _prose(_first(meta, "title-group", "article-title"), {}, blocks=True)
    walk = _Walk()
    walk.title(_first(meta, "title-group", "article-title"), 1)
    for abstract in _children(meta, "abstract", "trans-abstract"):
        heading = _prose(_first(abstract, "title"), {}) or "Abstract"
        walk.found.append(Element("title", heading, 2))
        for child in abstract:
            if _name(child) != "title":
                walk.block(child, 3)
    for part in ("body", "back", "floats-group"):
        if (node := _first(root, part)) is not None:
            walk.body(node, 2)
    ids = {n.get("pub-id-type", ""): "".join(n.itertext()).strip() for n in _children(meta, "article-id")}
    licence = meta.find(".//{*}license")
    link = licence.get("{http://www.w3.org/1999/xlink}href", "") if licence is not None else ""
    known = {"doi": ids.get("doi", ""), "pmid": ids.get("pmid", ""), "licence_url": link}
    return Parsed(title, walk.found, {k: v for k, v in known.items() if v})


# --- MedQuAD ---------------------------------------------------------------------------------------------------------


_SIGNS = re.compile(
    r"Approximate number of patients \(when available\)(?P<signs>.+ (?:\d+(?:\.\d+)?%|-)) (?=The Human Phenotype Ontology)"
)
_SIGN = re.compile(r"\S.*? (?:\d+(?:\.\d+)?%|-)(?= |$)")


def _medquad(data: bytes) -> Parsed:
    """A page of questions and answers; answers that the licence keeps back are empty, and a page of only those is
    unreadable."""
    root = read_xml(data)
    focus = _prose(_first(root, "Focus"), {})
    elements = [Element("title", focus, 1)] if focus else []
    withheld = 0
    for pair in root.iter("QAPair", "pair"):
        question, answer = _prose(_first(pair, "Question"), {}), _first(pair, "Answer")
        paragraphs = _paragraphs("".join(answer.itertext())) if answer is not None else []
        if not paragraphs:
            withheld += 1
            continue
        elements.append(Element("title", re.sub(r"\s*\?[\s?]*$", "?", question), 2))
        elements += paragraphs
    if len(elements) < 2:
        raise Unreadable("empty: the page has no answer")
    meta = {"url": root.get("url", ""), "publisher": root.get("source", "")}
    if withheld:
        meta["questions_without_answer"] = str(withheld)
    return Parsed(focus, elements, {k: v for k, v in meta.items() if v})


def _paragraphs(answer: str) -> list[Element]:
    """MedQuAD's answers are flat text: paragraphs at blank lines, and list items that begin with a dash or a bullet."""
    found: list[Element] = []
    for paragraph in re.split(r"\n\s*\n", answer):
        pieces = re.split(r"(?:^|\n|\s{2,})\s*[-•*]\s+", paragraph)
        for n, piece in enumerate(pieces):
            if text := " ".join(piece.split()):
                found += _signs(text) or [Element("item" if n else "text", text)]
    return found


def _signs(text: str) -> list[Element]:
    """GARD's tables of signs were flattened: "... Signs and Symptoms Approximate number of patients (when available)
    Short neck 50% Late onset - The Human ...". Each sign becomes an item again; none where there is no such table."""
    if not (table := _SIGNS.search(text)):
        return []
    found = [Element("text", text[: table.start("signs")].strip())]
    found += [Element("item", m.group().removesuffix(" -").strip()) for m in _SIGN.finditer(table.group("signs"))]
    return [*found, Element("text", text[table.end("signs") :].strip())]


# --- CNXML -----------------------------------------------------------------------------------------------------------


def _cnxml(data: bytes) -> Parsed:
    root = read_xml(data)
    named = {"table": "the table", "figure": "the figure", "equation": "the equation", "note": "the note"}
    targets = {n.get("id"): named[_name(n)] for n in root.iter() if n.get("id") and _name(n) in named}
    title = _prose(_first(root, "title"), {})
    walk = _Walk(targets)
    walk.title(_first(root, "title"), 1)
    abstract = _first(root, "metadata", "abstract")
    if abstract is not None:
        walk.found.append(Element("title", "Learning objectives", 2))
        walk.text(_prose(abstract, targets))
        walk.body(abstract, 3)
    for part, level in (("content", 2), ("glossary", 2)):
        node = _first(root, part)
        if node is not None and part == "content":
            walk.body(node, level)
        elif node is not None:
            walk.definitions(node, level)
    return Parsed(title, walk.found, {"module": _prose(_first(root, "metadata", "content-id"), {})})


def _root_is(name: str, *signs: bytes) -> Callable[[str, bytes], bool]:
    """Matches files whose first element is `name` and whose head has one of the signs."""
    pattern = re.compile(
        rb"\A[\xef\xbb\xbf\s]*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<\?[^>]*>\s*|<!DOCTYPE[^>\[]*>\s*)*<(\w+:)?"
        + name.encode()
        + rb"[\s>]",
        re.S,
    )
    return lambda _, head: bool(pattern.match(head)) and any(s in head for s in signs)


PARSERS = [
    Parser("jats", _root_is("article", b"JATS", b"NLM//DTD", b"<front", b"article-type"), _jats),
    Parser("medquad", _root_is("Document", b"<QAPairs", b"<Focus"), _medquad),
    Parser("cnxml", _root_is("document", b"cnx.rice.edu/cnxml"), _cnxml),
]
