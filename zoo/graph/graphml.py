"""The graph as GraphML, which graph tools read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.artifact import write_atomic
from zoo.graph.triples import Triple

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graphml(path: Path, triples: Iterable[Triple]) -> None:
    """A directed multigraph. Nodes have `name` and `aliases`; edges, by the triple's id, `relation`, `negated`, `hedged`, and of their
    sources the number, `documents`, `passages` and `quotes`, a line each."""
    import networkx

    graph: Any = networkx.MultiDiGraph()
    for t in triples:
        for entity in (t.subject, t.object):
            graph.add_node(entity.id, name=_text([entity.name]), aliases=_text(entity.aliases))
        cited = [s.citation for s in t.sources]
        graph.add_edge(
            t.subject.id, t.object.id, key=t.id, relation=_text([t.relation]), negated=t.negated, hedged=t.hedged, sources=len(cited),
            documents=_text(sorted(t.documents)), passages=_text([c.passage for c in cited]),
            quotes=_text([" ".join(c.quote.split()) for c in cited]),
        )  # fmt: skip
    out = io.BytesIO()
    networkx.write_graphml_xml(graph, out)
    write_atomic(path, out.getvalue())


def _text(lines: list[str]) -> str:
    """Without the characters that no XML may hold."""
    return _NOT_XML.sub(" ", "\n".join(lines))
