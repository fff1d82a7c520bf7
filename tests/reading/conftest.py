"""Good files of every format, hostile ones of every kind, and a domain and weights small enough to make on the spot."""

from __future__ import annotations

import io
import os
import socket
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from zoo.artifact import Workspace
from zoo.config import Options
from zoo.library import load_domain
from zoo.run import Run
from zoo.settings import IngestSettings, Recipe
from zoo.weights import Weights

MARK = "The marker word is quetzal"
PARSERS = """
import os, time
from zoo.api import Element, Parsed, Parser

def crash(data): os.abort()
def hang(data): time.sleep(600)
def spin(data):
    while True: pass
def swell(data):
    hoard = []
    while True: hoard.append(bytearray(64 << 20))
def dial(data):
    import socket
    socket.create_connection(("127.0.0.1", 9))
def start(data):
    import subprocess
    subprocess.run(["touch", "/tmp/owned"])
def leave(data): os._exit(3)
def nap(data):
    time.sleep(1.5)
    return Parsed("Nap", [Element("text", data.decode())])
def weigh(data):
    bytearray(600 << 20)
    return Parsed("Weigh", [Element("text", data.decode())])

PARSERS = [Parser(f.__name__, (lambda n: lambda name, head: name.endswith("." + n))(f.__name__), f)
           for f in (crash, hang, spin, swell, dial, start, leave, nap, weigh)]
"""
DOMAIN = """
api_version: 1
name: tiny
title: Tiny
summary: For tests.
intended_use: Tests.
out_of_scope: All else.
disclaimer: None.
sources:
  - {id: sample, kind: documents, path: sample, licence: CC0-1.0}
annotators: {}
verifiers: {}
suites: []
gate: {suite: none}
"""


@pytest.fixture(scope="session")
def tiny_domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domains") / "tiny"
    (folder / "sample").mkdir(parents=True)
    (folder / "domain.yaml").write_text(DOMAIN)
    (folder / "parsers.py").write_text(PARSERS)
    (folder / "__init__.py").touch()
    (folder / "sample" / "note.md").write_text(f"# Note\n\n{MARK}. It is short.\n")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of one token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def fake_embedder(folder: Path, done: Any = None) -> Callable[[list[str]], Any]:
    """Vectors by which words a text has: near texts are those that share words."""
    import numpy as np

    def embed(texts: list[str]) -> Any:
        out = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                row[sum(word.encode()) % 64] += 1
            row /= np.linalg.norm(row) or 1
        return out

    return embed


@pytest.fixture
def make_run(tiny_domain: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A run of the tiny domain over a corpus, without its sample where one is named; settings are those of ingest."""
    import zoo.steps.ingest

    monkeypatch.setattr(zoo.steps.ingest, "load_embedder", fake_embedder)

    def make(*corpus: Path, seed: int = 0, workspace: str = "workspace", **settings: Any) -> Run:
        options = Options(workspace=tmp_path / workspace, corpus=corpus, domain_path=(tiny_domain,))
        ingest = IngestSettings(
            **{
                "workers": 2,
                "timeout_s": 5.0,
                "memory_mb": 512,
                "max_file_mb": 4,
                "max_expanded_mb": 32,
                "sample": not corpus,
                **settings,
            }
        )
        recipe = Recipe(name="tiny", base="tiny", seed=seed, steps=["ingest"], ingest=ingest)
        run = Run(load_domain("tiny", (tiny_domain,)), recipe, options, Workspace(tmp_path / workspace))
        weights = Weights("tiny", tiny_base, "0" * 64, "CC0-1.0", "made for a test", None, False)
        run.__dict__.update(base=weights, embedder=weights)
        return run

    return make


# --- good files ------------------------------------------------------------------------------------------------------


def pdf(*pages: list[tuple[str, int]], title: str = "", password: str = "") -> bytes:
    """Pages of (text, font size) lines; sizes over 12 are bold."""
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, encrypt=password or None, pageCompression=1)
    if title:
        canvas.setTitle(title)
    for lines in pages:
        y = 800.0
        for text, size in lines:
            canvas.setFont("Helvetica-Bold" if size > 12 else "Helvetica", size)
            canvas.drawString(60, y, text)
            y -= 1.4 * size
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def docx(*paragraphs: str, rows: list[list[str]] | None = None) -> bytes:
    import docx as library

    document = library.Document()
    document.add_heading("A docx file", 0)
    for p in paragraphs:
        document.add_paragraph(p)
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                table.cell(r, c).text = cell
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def pptx(text: str) -> bytes:
    import pptx as library

    deck = library.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "A slide"
    slide.placeholders[1].text = text
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def xlsx(rows: list[list[Any]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def epub(body: str, extra: dict[str, bytes] | None = None) -> bytes:
    container = (
        b'<?xml version="1.0"?><container version="1.0" '
        b'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        b'<rootfile full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    opf = (
        b'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        b"<metadata "
        b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Book</dc:title><dc:identifier id="i">i</dc:identifier>'
        b'<dc:language>en</dc:language></metadata><manifest><item id="c" href="c.xhtml" '
        b'media-type="application/xhtml+xml"/>'
        b'</manifest><spine><itemref idref="c"/></spine></package>'
    )
    page = f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>c</title></head><body>{body}</body></html>'
    members = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": container,
        "b.opf": opf,
        "c.xhtml": page.encode(),
    }
    return zipped({**members, **(extra or {})})


def mail(text: str, html: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"], message["Date"] = (
        "a@b.org",
        "c@d.org",
        "A mail",
        "Mon, 1 Jan 2024 08:00:00 +0000",
    )
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return bytes(message)


def open_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)
