from __future__ import annotations

from tests.graph.made import fact, merged, passage, stated
from zoo.graph.contradictions import contradictions
from zoo.graph.items import Path
from zoo.graph.paths import EACH, HUB, Walks, draw
from zoo.graph.triples import Extracted


def verb(n: int) -> str:
    return f"{chr(97 + n // 26)}{chr(97 + n % 26)}verbs"


def drawn(*passages: Extracted, hops: int = 2, most: int = 10, seed: int = 0) -> list[Path]:
    triples = list(merged(*passages).triples.values())
    barred = {t.id: t for c in contradictions(triples) for t in (c.one, c.other)}
    free = [t for t in triples if t.id not in barred]
    texts = {s.citation.passage: s.citation for t in triples for s in t.sources}
    places = {p: passage(c.quote, c.document, int(p.rpartition("#")[2])) for p, c in texts.items()}
    return draw(Walks(free, barred.values()), free, places, hops, most, seed)


def way(path: Path) -> list[str]:
    return sorted(name.lower() for name in (path.start.name, *(h.end.name for h in path.hops)))


CHAIN = [
    fact("Zalor", "treats", "gout", "a.md"),
    fact("Gout", "damages", "joints", "b.md"),
    fact("Joints", "carry", "weight", "c.md"),
]


def test_a_path_goes_from_passage_to_passage_and_is_drawn_once() -> None:
    (path, *more) = drawn(*CHAIN[:2])
    assert way(path) == ["gout", "joints", "zalor"] and not more
    assert path.middles[0].name.lower() == "gout" and {p.document.id for p in path.shown} == {"a.md", "b.md"}
    assert "Zalor" in {path.start.name, path.end.name}
    (three,) = drawn(*CHAIN, hops=3)
    assert way(three) == ["gout", "joints", "weight", "zalor"] and len(three.hops) == 3


def test_there_is_none_where_a_reader_needs_no_way_or_finds_two_answers() -> None:
    joined = fact("Zalor", "strengthens", "joints", "d.md")
    assert not drawn(*CHAIN[:2], joined), "its ends are connected"
    both = [
        fact("Zalor", "treats", "gout", "a.md"),
        *(fact("Gout", "damages", x, f"{x}.md") for x in ("joints", "kidneys")),
    ]
    assert all(p.end.name == "Zalor" for p in drawn(*both)), "gout damages two things, and only one drug treats it"
    siblings = [fact("Zalor", "treats", "gout", "a.md"), fact("Belam", "treats", "gout", "b.md")]
    assert not drawn(*siblings), "the same relation back again is no way"
    assert not drawn(fact("Zalor", "treats", "gout", "a.md"), fact("Gout", "may damage", "joints", "b.md"))
    assert not drawn(
        fact("Zalor", "treats", "the disease of kings", "a.md"), fact("The drugs of kings", "damage", "joints", "b.md")
    )
    generic = [fact("Zalor", "helps", "many patients", "a.md"), fact("Many patients", "fear", "needles", "b.md")]
    assert not drawn(*generic), "patients are no certain thing"


def test_none_goes_over_what_is_contradicted() -> None:
    denied = fact("Zalor", "does not treat", "gout", "d.md")
    assert drawn(*CHAIN[:2]) and not drawn(*CHAIN[:2], denied)


def test_passages_of_their_own_come_first_and_one_passage_serves_where_its_quotes_are_apart() -> None:
    one = stated(
        "Zalor treats gout. Gout damages joints",
        ("Zalor", "treats", "gout"),
        ("Gout", "damages", "joints"),
        document="z.md",
    )
    other = [fact("Belam", "eases", "asthma", "a.md"), fact("Asthma", "narrows", "airways", "b.md")]
    for seed in range(5):
        first, second = drawn(one, *other, seed=seed)
        assert "asthma" in way(first) and len(second.shown) == 1
    whole = "Zalor treats gout, and gout damages joints"
    assert not drawn(stated(whole, ("Zalor", "treats", "gout"), ("gout", "damages", "joints"))), "one quote says it all"


def test_no_hub_floods_them_and_they_are_the_same_for_a_seed() -> None:
    spokes = [fact(f"Drug{n}x", verb(n), "gout", f"{n % 4}.md", n) for n in range(12)]
    found = drawn(*spokes, most=50)
    assert 0 < len(found) <= EACH, "each goes over the same thing"
    assert found == drawn(*reversed(spokes), most=50)
    hub = [fact(f"Drug{n}x", verb(n), "gout", f"{n % 4}.md", n) for n in range(HUB + 1)]
    assert not drawn(*hub, most=50)
    chains = [
        f for n in range(12) for f in (
            fact(f"Drug{n}x", "treats", f"ill{n}x", f"{n % 3}.md", n), fact(f"Germ{n}x", "causes", f"ill{n}x", f"{n % 3 + 3}.md", n),
        )
    ]  # fmt: skip
    several = drawn(*chains, most=6)
    assert len(several) == 6 and drawn(*chains, most=6) == several != drawn(*chains, most=6, seed=1)
    assert len({p.hops[0].source.citation.document for p in several}) == 6, "one of each document in turn"


def test_distractors_are_of_the_ends_sort_and_none_of_them_is_right_or_told() -> None:
    chains = [
        f for n in range(6) for f in (
            fact(f"Drug{n}x", "treats", f"ill{n}x", "a.md", n), fact(f"Germ{n}x", "causes", f"ill{n}x", "b.md", n),
        )
    ]  # fmt: skip
    for path in drawn(*chains):
        assert len(path.distractors) == 3
        assert {name[:4] for name in path.distractors} == {path.end.name[:4]} and path.end.name not in path.distractors
