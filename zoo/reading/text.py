"""Bytes to characters: byte-order marks, declared and detected encodings; and what is taken out of any text."""

from __future__ import annotations

import codecs
import re
import unicodedata

from zoo.api import Unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:<\?xml[^>]*?encoding|<meta[^>]*?charset)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.I)
# What no reader shows: controls but tab and newline, zero-width marks, private noise of PDF fonts.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u3000]+")


def bom_encoding(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes of mostly Latin text lie."""
    sample = head[: len(head) // 4 * 4]
    if len(sample) < 8 or 0 not in sample:
        return None
    zeros = [sample[i::4].count(0) / (len(sample) / 4) for i in range(4)]
    for encoding, pattern in (("utf-32-le", (0, 1, 1, 1)), ("utf-32-be", (1, 1, 1, 0))):
        if all((z > 0.95) == bool(p) for z, p in zip(zeros, pattern, strict=True)):
            return encoding
    for encoding, pattern in (("utf-16-le", (0, 1, 0, 1)), ("utf-16-be", (1, 0, 1, 0))):
        if all((z > 0.7) if p else (z < 0.1) for z, p in zip(zeros, pattern, strict=True)):
            return encoding
    return None


def decode(data: bytes) -> tuple[str, str]:
    """The text, with `\\n` line ends, and the encoding it was in. Raises `Unreadable` if it is not text."""
    head = data[:4096]
    declared = _DECLARED.search(head[:1024])
    tried = [
        bom_encoding(head), wide_encoding(head), "utf-8", declared and declared.group(1).decode("ascii", "replace"),
    ]  # fmt: skip
    for encoding in tried:
        if encoding and (text := _try(data, encoding)) is not None:
            return _newlines(text), encoding
    # Few high bytes are accents of a western language; guessing among its neighbours is a coin's toss.
    if sum(b > 127 for b in data[:65536]) * 16 < len(data[:65536]) and (text := _western(data)) is not None:
        return _newlines(text), "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(data[:65536]).best()
    if best is not None and (text := _try(data, best.encoding)) is not None and not looks_binary(text[:4096]):
        return _newlines(text), best.encoding
    if (text := _western(data)) is not None:
        return _newlines(text), "cp1252"
    raise Unreadable("binary: it is no text in any known encoding")


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _western(data: bytes) -> str | None:
    text = _try(data, "cp1252")
    return text if text is not None and not looks_binary(text[:4096]) else None


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def looks_binary(text: str) -> bool:
    """Whether characters that no text has are more than one in a hundred."""
    odd = sum(1 for c in text if unicodedata.category(c) in {"Cc", "Cn", "Co"} and c not in "\t\n\r\f\x1b")
    return odd * 100 > len(text)


def clean(text: str) -> str:
    """NFC, without what is never seen; line by line, single spaces, no blank at either end."""
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", text).replace("\u00ad", "").replace("\x85", "\n"))
    lines = [_SPACES.sub(" ", line).strip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def clean_code(text: str) -> str:
    """As `clean`, but spaces stay as they are: they mean something."""
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def one_line(text: str) -> str:
    return " ".join(clean(text).split())
