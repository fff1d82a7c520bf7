"""What unstructured parses: html, markdown, reStructuredText, docx, pptx and epub; and mail, which the standard library
takes apart. No network, no other file."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from zoo.api import Element, ElementKind, Parsed, Unreadable
from zoo.reading.tables import table
from zoo.reading.text import clean, clean_code, decode, one_line

_KINDS: dict[str, ElementKind] = {"ListItem": "item", "CodeSnippet": "code"}
# Running heads, page ends and pictures hold nothing of the text.
_DROPPED = {"PageBreak", "Header", "Footer", "Image", "PageNumber"}
_NO_LANGUAGE = [""]  # unstructured would guess one for every document, slowly


@cache
def prepare() -> None:
    """Makes unstructured work without its model download and without calling home. Idempotent; call before any
    parser."""
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["UNSTRUCTURED_DISABLE_NOTICE"] = "1"
    import spacy
    from unstructured.nlp import tokenize

    def sentences_only() -> Any:
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        nlp.max_length = sys.maxsize
        return nlp

    tokenize._load_spacy_model = sentences_only


def parse_html(text: str, title: str = "") -> Parsed:
    from unstructured.partition.html import partition_html

    prepare()
    head, cleaned = _tidy_html(text)
    elements = _converted(partition_html(text=cleaned, languages=_NO_LANGUAGE), headings_by_tag=True) if cleaned else []
    return Parsed(title or _first_title(elements) or head, elements)


def parse_markdown(text: str) -> Parsed:
    import markdown  # type: ignore[import-untyped]

    title, body = _front_matter(text)
    # unstructured's own partition_md is this conversion and then its partition_html.
    return parse_html(markdown.markdown(body, extensions=["tables", "fenced_code", "def_list", "footnotes"]), title)


def parse_rst(text: str) -> Parsed:
    return parse_html(_pandoc("rst", text.encode("utf-8", "replace")))


def parse_epub(data: bytes) -> Parsed:
    html = _pandoc("epub", data)
    return parse_html(html)


def parse_docx(data: bytes) -> Parsed:
    import docx
    from unstructured.partition.docx import partition_docx

    prepare()
    elements = _converted(partition_docx(file=io.BytesIO(data), languages=_NO_LANGUAGE))
    properties = docx.Document(io.BytesIO(data)).core_properties
    return Parsed(_first_title(elements) or one_line(properties.title or ""), _under_one_title(elements))


def parse_pptx(data: bytes) -> Parsed:
    """Every slide is a page; its title a heading, its lines items."""
    from unstructured.partition.pptx import partition_pptx

    prepare()
    elements: list[Element] = []
    for e in _converted(partition_pptx(file=io.BytesIO(data), languages=_NO_LANGUAGE, include_slide_notes=True)):
        if e.kind == "title" and e.level > 1:  # unstructured calls any short line a title
            e = Element("item", e.text, page=e.page)
        elements.append(e)
    return Parsed(_first_title(elements), _under_one_title(elements))


def parse_mail(data: bytes) -> Parsed:
    """The message alone: attachments are counted, not read."""
    import email
    import email.policy

    message = email.message_from_bytes(data, policy=email.policy.default)
    subject = one_line(str(message.get("Subject", "")))
    part = message.get_body(preferencelist=("html", "plain"))
    meta = {"from": one_line(str(message.get("From", ""))), "date": one_line(str(message.get("Date", "")))}
    if attachments := sum(1 for _ in message.iter_attachments()):
        meta["attachments"] = str(attachments)
    if part is None:
        raise Unreadable("empty: the message has no text")
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset()
    if not isinstance(payload, bytes):
        raise Unreadable("corrupt: the message's text cannot be decoded")
    body = _decoded(payload, charset)
    from zoo.reading.plain import parse_text

    parsed = parse_html(body) if part.get_content_subtype() == "html" else parse_text(body)
    heading = [Element("title", subject, 1)] if subject else []
    lower = [Element(e.kind, e.text, e.level + bool(e.level), e.page) for e in parsed.elements]
    return Parsed(subject or parsed.title, heading + lower, {k: v for k, v in meta.items() if v})


def _decoded(payload: bytes, charset: str | None) -> str:
    try:
        return payload.decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return decode(payload)[0]


# --- unstructured's elements to ours ---------------------------------------------------------------------------------


def _converted(found: Iterable[Any], headings_by_tag: bool = False) -> list[Element]:
    """`headings_by_tag`: only what the markup calls a heading is one; unstructured's guess from short lines is not
    taken."""
    elements: list[Element] = []
    for e in found:
        name, page, depth = type(e).__name__, e.metadata.page_number, e.metadata.category_depth
        if name in _DROPPED:
            continue
        if name == "Table":
            made = table(_rows(e.metadata.text_as_html or ""), page) or _element("text", e.text, page)
        elif name == "Title" and not (headings_by_tag and depth is None) and len(e.text) < 300:
            made = _element("title", e.text, page, (depth or 0) + 1)
        else:
            made = _element(_KINDS.get(name, "text"), e.text, page)
        if made is not None:
            elements.append(made)
    return elements


def _element(kind: ElementKind, text: str, page: int | None, level: int = 0) -> Element | None:
    text = clean_code(text) if kind == "code" else one_line(text)
    return Element(kind, text, level, page) if text else None


def _rows(html: str) -> list[list[str]]:
    from lxml import html as lxml_html

    if not html:
        return []
    rows: list[list[str]] = []
    for tr in lxml_html.fromstring(html).iter("tr"):
        row: list[str] = []
        for cell in tr.iterchildren("td", "th"):
            span = cell.get("colspan", "1")
            row += ["".join(str(t) for t in cell.itertext())] + [""] * (
                min(int(span), 100) - 1 if span.isdigit() else 0
            )
        rows.append(row)
    return rows


def _first_title(elements: list[Element]) -> str:
    return next((e.text for e in elements if e.kind == "title"), "")


def _under_one_title(elements: list[Element]) -> list[Element]:
    """Office styles give a document's title and its chapters one level; the first is taken as the title of all."""
    first = next((i for i, e in enumerate(elements) if e.kind == "title"), None)
    if first is None or sum(e.kind == "title" and e.level == 1 for e in elements) < 2:
        return elements
    return [
        Element(e.kind, e.text, e.level + 1, e.page) if e.kind == "title" and i > first else e
        for i, e in enumerate(elements)
    ]


# --- html ------------------------------------------------------------------------------------------------------------


def _tidy_html(text: str) -> tuple[str, str]:
    """(<title>, html) without what is no text (scripts, menus, frames), and with captions as paragraphs, which
    unstructured would otherwise lose."""
    from lxml import etree
    from lxml import html as lxml_html

    parser = lxml_html.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError as e:
        raise Unreadable("empty: the page has no text") from e
    title = one_line(root.findtext(".//title") or "")
    dropped = (
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "iframe",
        "object",
        "embed",
        "svg",
        "head",
        "button",
        "select",
    )
    etree.strip_elements(root, *dropped, with_tail=False)
    for tag, becomes in (
        ("figcaption", "p"),
        ("summary", "p"),
        ("dt", "p"),
        ("dd", "p"),
        ("address", "p"),
        ("header", "div"),
        ("footer", "div"),
        ("details", "div"),
    ):
        for node in list(root.iter(tag)):
            node.tag = becomes
    for node in list(root.iter("sup")):
        _keep_power(node)
    for node in list(root.iter("caption")):
        _before_table(node)
    return title, str(etree.tostring(root, encoding="unicode", method="html"))


def _keep_power(sup: Any) -> None:
    """10<sup>5</sup> must not be read as 105."""
    before = sup.getprevious()
    preceding = (before.tail if before is not None else sup.getparent().text) or ""
    if len(sup) == 0 and re.fullmatch(r"\s*[-−+]?\d+\s*", sup.text or "") and re.search(r"\d$", preceding):
        sup.text = "^" + (sup.text or "").strip()


def _before_table(caption: Any) -> None:
    table_node = caption.getparent()
    outer = table_node.getparent() if table_node is not None else None
    if outer is None:
        return
    tail, caption.tail, caption.tag = caption.tail, None, "p"
    table_node.remove(caption)
    outer.insert(outer.index(table_node), caption)
    if tail and tail.strip():
        table_node.text = (table_node.text or "") + tail


# --- markdown, pandoc ------------------------------------------------------------------------------------------------

_FRONT = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.S)


def _front_matter(text: str) -> tuple[str, str]:
    """(title, body) of a markdown file; the title of its front matter is its own, if there is one."""
    match = _FRONT.match(text)
    if not match:
        return "", text
    title = re.search(r"^title:\s*(.+)$", match.group(1), re.M)
    return (title.group(1).strip().strip("\"'") if title else ""), text[match.end() :]


def _pandoc(source_format: str, data: bytes) -> str:
    """HTML by pandoc, confined to the one file it is given: includes, raw files and pictures are not read."""
    import pypandoc  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        path = Path(folder) / f"document.{source_format}"
        path.write_bytes(data)
        done = subprocess.run(
            [
                pypandoc.get_pandoc_path(),
                "--sandbox",
                "--from",
                source_format,
                "--to",
                "html",
                "--wrap=none",
                str(path),
            ],
            capture_output=True,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "HOME": folder, "LANG": "C.UTF-8"},
        )
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"pandoc ended with {done.returncode}"]
        kind = "needs another file" if "resource path" in lines[0] else "corrupt"
        raise Unreadable(f"{kind}: {clean(lines[0])[:200]}")
    return done.stdout.decode("utf-8", "replace")


def warm_up() -> None:
    """Imports what parsing needs, so that no file pays for it in time or memory."""
    import docx  # noqa: F401
    import openpyxl  # noqa: F401
    import pypandoc  # noqa: F401
    import unstructured.partition.docx
    import unstructured.partition.pptx  # noqa: F401

    parse_html("<h1>Warm</h1><p>One. Two.</p><table><tr><td>1</td></tr></table>")
