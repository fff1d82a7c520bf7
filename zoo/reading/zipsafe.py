"""Zipped documents (docx, pptx, xlsx, epub) are looked over before anything unpacks them."""

from __future__ import annotations

import io
import re
import zipfile

from zoo.api import Unreadable
from zoo.reading.formats import zipped
from zoo.reading.text import decode
from zoo.reading.xmlsafe import refuse_entities

_MAX_MEMBERS = 20_000
# Fonts in an epub may be scrambled with these; the text is not.
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_MARKUP = (".xml", ".rels", ".opf", ".ncx", ".xhtml", ".html", ".htm", ".svg")


def open_zip(name: str, data: bytes, max_bytes: int) -> str:
    """What document it is (docx, pptx, xlsx or epub), after checking that it is whole, unencrypted, no bomb, and that
    none of its parts defines entities. Raises `Unreadable` otherwise."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _refuse_bomb(members, max_bytes)
            if any(m.flag_bits & 1 for m in members):
                raise Unreadable("encrypted: its parts are protected by a password; save it without one")
            kind = zipped(name, [m.filename for m in members])
            for member in members:
                if member.filename.lower().endswith(_MARKUP):
                    head = archive.read(member)
                    if b"<!" in head[:65536] or b"\0" in head[:4]:
                        refuse_entities(decode(head)[0])
            if kind == "epub" and "META-INF/encryption.xml" in archive.namelist():
                _refuse_drm(archive.read("META-INF/encryption.xml"))
            return kind
    except Unreadable:
        raise
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        zipfile.LargeZipFile,
    ) as e:
        raise Unreadable(
            f"corrupt: the zip inside is broken or cut short ({str(e).rstrip('.') or type(e).__name__})"
        ) from e
    except Exception as e:  # zlib.error and others of the decompressors have no common base
        if type(e).__module__ in {"zlib", "_bz2", "_lzma", "lzma"}:
            raise Unreadable(f"corrupt: the zip inside is broken ({e})") from e
        raise


def _refuse_bomb(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    total = sum(m.file_size for m in members)
    if total > max_bytes:
        raise Unreadable(
            f"zip bomb: it would unpack to {total / 2**20:.0f} MB, over ingest.max_expanded_mb={max_bytes / 2**20:g}"
        )
    if len(members) > _MAX_MEMBERS:
        raise Unreadable(f"zip bomb: it holds {len(members)} parts")


def _refuse_drm(data: bytes) -> None:
    algorithms = set(re.findall(rb'EncryptionMethod[^>]*Algorithm="([^"]+)"', data))
    if any(not a.decode("ascii", "replace").startswith(_FONT_SCRAMBLING) for a in algorithms):
        raise Unreadable("encrypted: the book is protected (DRM)")
