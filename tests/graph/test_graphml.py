from __future__ import annotations

from pathlib import Path

import networkx

from tests.graph.made import fact, merged
from zoo.graph.graphml import write_graphml


def test_what_a_parser_leaves_in_a_text_breaks_no_graph_tool(tmp_path: Path) -> None:
    names = 'Zalor <X> & "Y"', "gout\x0c\x00disease"
    made = merged(fact(names[0], "causes", names[1]), fact(names[0], "may worsen", names[1], "b.md"))
    write_graphml(tmp_path / "graph.graphml", made.triples.values())
    graph = networkx.read_graphml(tmp_path / "graph.graphml", force_multigraph=True)
    assert {d["name"] for _, d in graph.nodes(data=True)} == {'Zalor <X> & "Y"', "gout  disease"}
    edges = {key: d for _, _, key, d in graph.edges(keys=True, data=True)}
    assert {(edges[t.id]["relation"], edges[t.id]["hedged"], edges[t.id]["documents"]) for t in made.triples.values()} == {
        ("causes", False, "a.md"), ("worsens", True, "b.md"),
    }  # fmt: skip
