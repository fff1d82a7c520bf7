"""One file's bytes to a document's text: the plugin's parsers first, then ours by what the file is. Runs inside a
worker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from zoo.api import Parsed, Parser, Unreadable
from zoo.reading import office, plain
from zoo.reading.formats import sniff
from zoo.reading.pdf import parse_pdf
from zoo.reading.text import decode
from zoo.reading.zipsafe import open_zip

_TEXT = {
    "html": office.parse_html, "md": office.parse_markdown, "rst": office.parse_rst, "csv": plain.parse_csv,
    "code": plain.parse_code, "txt": plain.parse_text,
}  # fmt: skip
_BYTES = {
    "pdf": parse_pdf, "docx": office.parse_docx, "pptx": office.parse_pptx, "xlsx": plain.parse_xlsx,
    "epub": office.parse_epub, "eml": office.parse_mail, "xml": plain.parse_xml,
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How much one file may unpack to, in bytes."""

    expanded: int


def read(name: str, data: bytes, parsers: Sequence[Parser], limits: Limits) -> Parsed:
    """What the file says. `meta` gets its format, encoding, size and sha256. Raises `Unreadable`, and MemoryError."""
    meta: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    own = next((p for p in parsers if p.matches(name, data[:4096])), None)
    if own is not None:
        parsed, meta["format"] = _guarded(own.name, own.parse, data), own.name
    else:
        kind = sniff(name, data)
        if kind == "zip":
            kind = open_zip(name, data, limits.expanded)
        meta["format"] = kind
        if kind in _TEXT:
            text, meta["encoding"] = decode(data)
            parsed = _guarded(kind, _TEXT[kind], text)
        else:
            parsed = _guarded(kind, _BYTES[kind], data)
    if not any(e.text.strip() for e in parsed.elements):
        raise Unreadable(f"empty: this {meta['format']} file holds no text")
    if (size := sum(len(e.text) for e in parsed.elements)) > limits.expanded:
        raise Unreadable(f"too large: it holds {size / 2**20:.0f} MB of text, over ingest.max_expanded_mb")
    title = parsed.title or PurePath(name).stem.replace("_", " ")
    return replace(parsed, title=title, meta={**parsed.meta, **meta})


def _guarded(kind: str, parse: Any, data: bytes | str) -> Parsed:
    """A parser's own errors are about the file, whatever they are called."""
    try:
        parsed: Parsed = parse(data)
        return parsed
    except (Unreadable, MemoryError):
        raise
    except RecursionError as e:
        raise Unreadable(f"corrupt: its {kind} parts are nested too deep") from e
    except Exception as e:
        what = " ".join(str(e).split())[:160] or "no details"
        raise Unreadable(f"corrupt: it cannot be read as {kind} ({type(e).__name__}: {what})") from e


def warm_up() -> None:
    """Imports what parsing needs, so that no file pays for it in time or memory."""
    import charset_normalizer  # noqa: F401
    import pypdfium2  # noqa: F401
