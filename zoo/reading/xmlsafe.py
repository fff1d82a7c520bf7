"""XML from strangers: no entity is expanded, no DTD, schema or include is looked up."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from zoo.api import Unreadable
from zoo.reading.text import decode

if TYPE_CHECKING:
    from lxml.etree import _Element

_ENTITY = re.compile(r"<!ENTITY\s", re.I)
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OWN = {"amp", "lt", "gt", "quot", "apos"}
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def read_xml(data: bytes) -> _Element:
    """The root element. Raises `Unreadable` on broken XML and on a document that defines entities of its own."""
    from lxml import etree

    text, _ = decode(data)
    refuse_entities(text)
    # The usual named characters come from DTDs that are not read.
    text = _NAMED.sub(lambda m: m.group(0) if m.group(1) in _OWN else html.unescape(m.group(0)), text)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(_DECLARATION.sub("", text).lstrip().encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as e:
        raise Unreadable(f"broken XML: {str(e.msg).rstrip('.')}") from e


def refuse_entities(text: str) -> None:
    """Raises `Unreadable` if a DOCTYPE defines entities: honest documents need none, bombs and file readers do."""
    if _ENTITY.search(text):
        raise Unreadable(
            "entity definitions: the XML defines entities, which could expand without end or read other files"
        )
