"""What a file is, by what is in it; its name only settles what content leaves open."""

from __future__ import annotations

import re
from pathlib import PurePath

from zoo.api import Unreadable
from zoo.reading.text import bom_encoding, wide_encoding

# What the first bytes say, for kinds that hold no text we could read.
_BINARY = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"RIFF", "a media file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"SQLite format 3", "a database"),
    (b"OggS", "a media file"),
    (b"ID3", "a media file"),
    (b"fLaC", "a media file"),
    (b"\0\0\x01\0", "an icon"),
    (b"wOF", "a font"),
    (b"PAR1", "a Parquet file"),
    (b"\x80\x04\x95", "a pickle"),
    (b"\x80\x05\x95", "a pickle"),
)
_SOFT = {b"BM", b"MZ", b"ID3", b"BZh"}  # also the beginning of words: only with other signs of a binary file
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIPPED = {
    "docx": "docx",
    "pptx": "pptx",
    "xlsx": "xlsx",
    "xlsm": "xlsx",
    "docm": "docx",
    "pptm": "pptx",
    "epub": "epub",
}
_BY_SUFFIX = {
    "md": "md",
    "markdown": "md",
    "mdown": "md",
    "rst": "rst",
    "rest": "rst",
    "csv": "csv",
    "tsv": "csv",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "eml": "eml",
}
_CODE = set(
    "py js ts jsx tsx c h cc cpp hpp java go rs rb php pl sh bash r jl m swift kt scala cs sql lua hs ml f90"
    " json jsonl yaml yml toml ini tex".split()
)
_HTML = re.compile(r"<(!doctype\s+html|html|head|body)[\s>]", re.I)
_MAIL = re.compile(
    r"\A(?:(?:From|To|Cc|Date|Subject|Message-ID|MIME-Version|Received|Return-Path|Delivered-To|Reply-To|DKIM-[\w-]+"
    r"|X-[\w-]+"
    r"|Content-[\w-]+): ?[^\n]*\n(?:[ \t][^\n]*\n)*){3,}",
    re.I,
)


def sniff(name: str, data: bytes) -> str:
    """One of pdf, zip, html, md, rst, csv, eml, xml, code, txt. Raises `Unreadable` for what holds no text."""
    head = data[:4096]
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"):
        raise Unreadable("empty: there is nothing in it" if not data else "empty: it holds only blanks")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return "zip"
    if head.startswith(OLE):
        raise Unreadable(_ole(data))
    if head.lstrip().startswith(b"{\\rtf"):
        raise Unreadable("not read: an RTF document; save it as docx")
    _refuse_binary(head)
    return _text_kind(name, head)


def _ole(data: bytes) -> str:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return "encrypted: a password protects this Office document; save it without one"
    return "not read: a document of an old Office (doc, xls, ppt, msg); save it as docx, xlsx, pptx or eml"


def _refuse_binary(head: bytes) -> None:
    text = bom_encoding(head) is not None or wide_encoding(head) is not None
    controls = sum(b < 9 or 13 < b < 27 or 27 < b < 32 for b in head)
    binary = not text and controls * 50 > len(head)
    for magic, what in _BINARY:
        if head.startswith(magic) and (binary or magic not in _SOFT):
            raise Unreadable(f"binary: it is {what}, not a document")
    if head[4:8] == b"ftyp":
        raise Unreadable("binary: it is a media file, not a document")
    if binary:
        raise Unreadable("binary: it is no text and no format that is read")


def _text_kind(name: str, head: bytes) -> str:
    encoding = bom_encoding(head) or wide_encoding(head) or "utf-8"
    text = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n").replace("\r\n", "\n")
    suffix = PurePath(name).suffix.lower().lstrip(".")
    if (
        text.startswith("<?xml")
        or (text.startswith("<!DOCTYPE") and not _HTML.match(text))
        or suffix in {"xml", "nxml"}
    ):
        return "html" if _HTML.search(text[:1024]) else "xml"
    if _HTML.match(text) or (text.startswith("<!--") and _HTML.search(text)):
        return "html"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if _MAIL.match(text):
        return "eml"
    return "code" if suffix in _CODE else "txt"


def zipped(name: str, members: list[str]) -> str:
    """docx, pptx, xlsx or epub, by what a zip holds. Raises `Unreadable` for any other archive."""
    names = set(members)
    for member, kind in (("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx")):
        if member in names:
            return kind
    if "META-INF/container.xml" in names:
        return "epub"
    if (kind := _ZIPPED.get(PurePath(name).suffix.lower().lstrip("."), "")) != "":
        raise Unreadable(f"corrupt: its name says {kind}, but the parts of one are missing")
    raise Unreadable("not read: an archive; unpack it first")
