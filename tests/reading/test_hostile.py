"""Sixty good files beside more than sixty hostile ones: the good are ingested whole, each hostile one is listed with
its reason."""

from __future__ import annotations

import gzip
import importlib.util
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.api import Document, Passage, Rejected
from zoo.run import Run, load_step, run_step

_spec = importlib.util.spec_from_file_location("reading_files", Path(__file__).with_name("conftest.py"))
assert _spec and _spec.loader
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)
MARK = make.MARK


def good(n: int) -> dict[str, bytes]:
    """One file of each of 20 kinds; `n` makes their words differ from those of other rounds."""
    words = " ".join(
        f"{w}{n * 7 + i}" for i, w in enumerate("alpha beta gamma delta epsilon zeta eta theta iota kappa".split() * 3)
    )
    own = {k: f"{MARK} of {k} number {n}. " + " ".join(f"{k}{w}" for w in words.split()) + "." for k in range(20)}
    rows = [["Drug", "Dose"], ["aspirin", own[0]]]
    return {
        "a.txt": own[1].encode(),
        "latin.txt": (own[2] + " Caf\xe9 na\xefve \xfcber.").encode("latin-1"),
        "bom8.txt": b"\xef\xbb\xbf" + own[3].encode(),
        "bom16.txt": own[4].encode("utf-16"),
        "wide.txt": own[5].encode("utf-16-le"),
        "bom32.txt": own[6].encode("utf-32"),
        "a.md": f"# Title\n\n{own[7]}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".encode(),
        "a.rst": f"Title\n=====\n\n{own[8]}\n".encode(),
        "a.html": f"<html><body><h1>T</h1><p>{own[9]}</p></body></html>".encode(),
        "meta.html": f'<html><head><meta charset="cp1251"></head><body><p>{own[10]} Привет</p></body></html>'.encode(
            "cp1251"
        ),
        "a.csv": f"drug,dose\naspirin,{own[11]}\n".encode(),
        "a.xml": f"<?xml version='1.0'?><r><title>T</title><p>{own[12]}</p></r>".encode(),
        "a.eml": make.mail(own[13]),
        "html.eml": make.mail("plain", f"<p>{own[14]}</p>"),
        "a.docx": make.docx(own[15], rows=rows),
        "a.pptx": make.pptx(own[16]),
        "a.xlsx": make.xlsx([["Drug", "Dose"], ["aspirin", own[17]]]),
        "a.epub": make.epub(f"<h1>C</h1><p>{own[18]}</p>"),
        "a.pdf": make.pdf([("A heading", 20), (own[19][:80], 11), (own[19][80:160], 11)]),
        "pdf named.txt": make.pdf([(f"{MARK} {n} in disguise", 11)]),
    }


def _bombed(text: str) -> bytes:
    return f"""<?xml version="1.0"?><!DOCTYPE r [{text}]><r>&a;</r>""".encode()


def hostile() -> dict[str, tuple[bytes, str]]:
    """Files by name, each with how its reason begins."""
    doc, sheet, book = make.docx("x " * 500), make.xlsx([["a"]] * 50), make.epub("<p>text</p>")
    text_pdf = make.pdf([("Plenty of text on this page", 11)] * 1)
    lol = '<!ENTITY z "ha">' + "".join(f'<!ENTITY a{i} "{"&z;" * 10}">' for i in range(9)) + '<!ENTITY a "&a1;">'
    entity = '<!ENTITY a SYSTEM "file:///etc/passwd">'
    bomb = {"word/document.xml": b"\0" * (64 << 20)}
    member = {"[Content_Types].xml": b"<Types/>", "word/document.xml": _bombed(lol)}
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    flagged = bytearray(doc)
    for at in range(len(flagged) - 4):
        if flagged[at : at + 4] == b"PK\x01\x02":
            flagged[at + 8] |= 1
    return {
        "empty.txt": (b"", "empty"),
        "blank.txt": (b" \n\t\n " * 9, "empty"),
        "bom.txt": (b"\xff\xfe", "empty"),
        "empty.pdf": (b"", "empty"),
        "empty.docx": (b"", "empty"),
        "empty.html": (b"<html><body></body></html>", "empty"),
        "script.html": (b"<html><script>alert(1)</script></html>", "empty"),
        "empty.xml": (b"<?xml version='1.0'?><r/>", "empty"),
        "blank.docx": (make.zipped({}), "corrupt"),
        "nothing.xlsx": (make.xlsx([]), "empty"),
        "blank.pdf": (make.pdf([]), "empty"),
        "picture.pdf": (_scan(), "scanned"),
        "locked.pdf": (make.pdf([("Text", 11)], password="x"), "encrypted"),
        "cut.pdf": (text_pdf[:40], "corrupt"),
        "junk.pdf": (b"%PDF-1.7\n" + os.urandom(999), "corrupt"),
        "noise.pdf": (bytes(range(256)) * 9, "binary"),
        "cut.docx": (doc[: len(doc) // 2], "corrupt"),
        "cut.xlsx": (sheet[: len(sheet) // 2], "corrupt"),
        "cut.epub": (book[:200], "corrupt"),
        "flipped.docx": (_flipped(doc), "corrupt"),
        "locked.docx": (bytes(flagged), "encrypted"),
        "other.docx": (make.zipped({"a": b"b"}), "corrupt"),
        "ole.docx": (ole + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        "old.doc": (ole, "not read"),
        "a.rtf": (b"{\\rtf1 hello}", "not read"),
        "drm.epub": (
            make.epub(
                "<p>x</p>",
                {
                    "META-INF/encryption.xml": b'<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
                },
            ),
            "encrypted",
        ),
        "bomb.docx": (make.zipped(bomb), "zip bomb"),
        "bomb.xlsx": (make.zipped({"xl/workbook.xml": b"\0" * (64 << 20)}), "zip bomb"),
        "bomb.epub": (make.zipped({"META-INF/container.xml": b" " * (64 << 20)}), "zip bomb"),
        "many.docx": (_many(), "zip bomb"),
        "archive.zip": (make.zipped({"a.txt": b"x"}), "not read"),
        "lol.xml": (_bombed(lol), "entity definitions"),
        "lol.docx": (make.zipped(member), "entity definitions"),
        "lol16.xml": (_bombed(lol).decode().encode("utf-16"), "entity definitions"),
        "file.xml": (_bombed(entity), "entity definitions"),
        "web.xml": (_bombed('<!ENTITY a SYSTEM "http://127.0.0.1:9/x">'), "entity definitions"),
        "parameter.xml": (_bombed('<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;'), "entity definitions"),
        "quadratic.xml": (_bombed(f'<!ENTITY a "{"A" * 50000}">'), "entity definitions"),
        "file.epub": (make.epub("x", {"d.xhtml": _bombed(entity)}), "entity definitions"),
        "broken.xml": (b"<?xml version='1.0'?><r><p>text</r>", "broken XML"),
        "deep.xml": (b"<?xml version='1.0'?>" + b"<a>" * 9999 + b"x" + b"</a>" * 9999, "broken XML"),
        "two.xml": (b"<?xml version='1.0'?><a/><b/>", "broken XML"),
        "png.txt": (b"\x89PNG\r\n\x1a\n" + os.urandom(500), "binary"),
        "jpeg.pdf": (b"\xff\xd8\xff\xe0" + os.urandom(500), "binary"),
        "gif.html": (b"GIF89a" + os.urandom(500), "binary"),
        "elf.md": (b"\x7fELF" + os.urandom(500), "binary"),
        "gzip.csv": (gzip.compress(b"a,b\n1,2\n" * 99), "binary"),
        "zlib.json": (zlib.compress(b"a" * 99999), "binary"),
        "random.bin": (os.urandom(4096), "binary"),
        "video.mp4": (b"\0\0\0\x18ftypmp42" + os.urandom(500), "binary"),
        "sqlite.txt": (b"SQLite format 3\0" + b"\0" * 500, "binary"),
        "zeros.txt": (b"\0" * 5000, "empty"),
        "nulls.html": (b"\0\1\2\3" * 500, "binary"),
        "pickle.csv": (b"\x80\x04\x95" + b"\0" * 99, "binary"),
        "large.txt": (b"word " * 1_000_000, "too large"),
        "mail.eml": (
            b"From: a@b.c\nTo: d@e.f\nSubject: x\nContent-Type: image/png\n"
            b"Content-Transfer-Encoding: base64\n\niVBOR\n",
            "empty",
        ),
        "csv.rst": (b"T\n=\n\n.. csv-table:: x\n   :file: /etc/passwd\n", "needs another file"),
        "a.crash": (b"x", "crashed"),
        "b.hang": (b"x", "timed out"),
        "c.spin": (b"x", "timed out"),
        "d.swell": (b"x", "out of memory"),
        "e.dial": (b"x", "corrupt"),
        "f.start": (b"x", "corrupt"),
        "g.leave": (b"x", "crashed"),
    }


def _scan() -> bytes:
    import io

    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.drawImage(ImageReader(Image.new("L", (600, 800), 200)), 0, 0, 595, 842)
    canvas.drawString(300, 20, "1")
    canvas.save()
    return out.getvalue()


def _flipped(data: bytes) -> bytes:
    at = data.index(b"word/document.xml") + 60
    return data[:at] + bytes(b ^ 0xFF for b in data[at : at + 40]) + data[at + 40 :]


def _many() -> bytes:
    return bytes(make.zipped({"word/document.xml": b"<w/>", **{f"x{i}": b"" for i in range(20_001)}}))


@pytest.fixture
def field(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder with all of it and, by id, how the reasons begin."""
    root = tmp_path / "field"
    (root / "good").mkdir(parents=True)
    bad = root / "bad"
    bad.mkdir()
    for n in range(3):
        for name, data in good(n).items():
            (root / "good" / f"{n} {name}").write_bytes(data)
    expected = {}
    for name, (data, reason) in hostile().items():
        (bad / name).write_bytes(data)
        expected[f"corpus/bad/{name}"] = reason
    os.mkfifo(bad / "pipe.txt")
    make.open_socket(bad / "socket.txt")
    (bad / "loop.txt").symlink_to("loop.txt")
    (bad / "gone.txt").symlink_to("nowhere")
    (bad / "round").symlink_to(root, target_is_directory=True)
    (bad / "null.txt").symlink_to("/dev/zero")
    (bad / ".hidden").write_text("not a document")
    specials = {
        "pipe.txt": "special",
        "socket.txt": "special",
        "null.txt": "special",
        "loop.txt": "broken link",
        "gone.txt": "broken link",
    }
    expected |= {f"corpus/bad/{k}": v for k, v in {**specials, "round": "link loop"}.items()}
    return root, expected


@pytest.mark.timeout(300)
def test_the_good_are_ingested_whole_and_the_hostile_are_listed(
    field: tuple[Path, dict[str, str]], make_run: Callable[..., Run]
) -> None:
    root, expected = field
    assert len(expected) >= 60
    artifact, _ = run_step(make_run(root), load_step("ingest"), {})
    documents = {d.id: d for d in artifact.rows("documents.jsonl", Document)}
    rejected = {r.id: r.reason for r in artifact.rows("rejected.jsonl", Rejected)}
    wrong = {k: rejected.get(k, "INGESTED") for k, v in expected.items() if not rejected.get(k, "").startswith(v)}
    assert not wrong
    lost = {
        k: rejected.get(k) for k in (f"corpus/good/{p.name}" for p in (root / "good").iterdir()) if k not in documents
    }
    assert not lost
    assert len(documents) == 60
    assert all(MARK in d.text for d in documents.values())
    assert not any("root:" in d.text for d in documents.values())
    assert "Café naïve über." in documents["corpus/good/0 latin.txt"].text
    assert "Привет" in documents["corpus/good/0 meta.html"].text
    for passage in artifact.rows("passages.jsonl", Passage):
        assert passage.text == documents[passage.document].text[passage.start : passage.end]
    assert artifact.result["hidden"] == 1
    assert not Path("/tmp/owned").exists()


def _ids(value: Any) -> str:
    return str(value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("include.rst", b"Title\n=====\n\nkept\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n"),
        (
            "frame.html",
            b"<html><body><p>kept</p><iframe src='file:///etc/passwd'></iframe><img src='http://127.0.0.1:9/x.png'></body></html>",
        ),
        ("image.md", b"# T\n\nkept ![x](http://127.0.0.1:9/x.png) {% include '/etc/passwd' %}\n"),
        (
            "include.xml",
            b"<?xml version='1.0'?><r xmlns:xi='http://www.w3.org/2001/XInclude'><p>kept</p>"
            b"<xi:include href='file:///etc/passwd' parse='text'/></r>",
        ),
    ],
    ids=_ids,
)
def test_nothing_a_document_names_is_read(name: str, data: bytes) -> None:
    from zoo.reading.reader import Limits, read

    text = "\n".join(e.text for e in read(name, data, [], Limits(1 << 20)).elements)
    assert "kept" in text
    assert "root:" not in text
