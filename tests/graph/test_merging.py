from __future__ import annotations

from tests.graph.made import fact, far, merged, near, nobody, stated
from zoo.graph.merging import merge


def shown(*passages: object) -> set[tuple[str, str, str]]:
    return {(t.subject.name, t.relation, t.object.name) for t in merged(*passages).triples.values()}  # type: ignore[arg-type]


def test_one_thing_said_by_several_documents_is_one_triple_with_all_sources() -> None:
    made = merged(
        fact("Smoking", "causes", "lung tumours", "a.md"), fact("A lung tumor", "is caused by", "smoking", "b.md"),
        fact("smoking", "leads to", "lung tumor", "c.md"), fact("smoking", "worsens", "asthma", "c.md", 1),
    )  # fmt: skip
    triples = sorted(made.triples.values(), key=lambda t: len(t.sources))
    assert [(t.relation, len(t.sources)) for t in triples] == [("worsens", 1), ("causes", 3)]
    causes = triples[1]
    assert causes.documents == {"a.md", "b.md", "c.md"} and causes.subject.name == "smoking"
    assert causes.object.aliases == ["A lung tumor", "lung tumor", "lung tumours"]
    assert [s.citation.passage for s in causes.sources] == ["a.md#0", "b.md#0", "c.md#0"]
    assert causes.subject == triples[0].subject


def test_an_abbreviation_is_what_its_own_document_says() -> None:
    explained = "The angiotensin-converting enzyme (ACE) is common. ACE cleaves bradykinin"
    triples = merged(
        stated(explained, ("ACE", "cleaves", "bradykinin"), document="a.md"),
        fact("ACE", "makes", "angiotensin II", "b.md"),  # explained elsewhere, and nowhere otherwise
    ).triples.values()
    assert {t.subject.name for t in triples} == {"ACE"} and len({t.subject.id for t in triples}) == 1
    assert all("ACE" in t.subject.aliases for t in triples)


def test_an_abbreviation_of_two_things_is_neither_where_nobody_says_which() -> None:
    one = stated("Multiple sclerosis (MS) is rare. MS damages myelin", ("MS", "damages", "myelin"), document="a.md")
    other = stated("Mitral stenosis (MS) is rare. MS strains the atrium", ("MS", "strains", "atrium"), document="b.md")
    third = fact("MS", "needs", "treatment early on", "c.md")
    subjects = {t.object.name: t.subject.id for t in merged(one, other, third).triples.values()}
    assert len(subjects) == len(set(subjects.values())) == 3


def test_names_given_with_their_abbreviation_are_the_long_form() -> None:
    assert shown(
        fact("Chronic obstructive pulmonary disease (COPD)", "causes", "breathlessness"),
        fact("chronic obstructive pulmonary disease", "causes", "breathlessness", "b.md"),
    ) == {("Chronic obstructive pulmonary disease", "causes", "breathlessness")}


def test_the_same_words_in_another_order_are_one_thing_only_where_they_mean_the_same() -> None:
    passages = [fact("Failure of the heart", "causes", "oedema"), fact("Heart failure", "causes", "edema", "b.md")]
    assert len(merge(passages, near).triples) == 1 and len(merge(passages, far).triples) == 2
    drugs = [fact("Prednisone", "treats", "asthma"), fact("Prednisolone", "treats", "asthma", "b.md")]
    assert len(merge(drugs, nobody).triples) == 2, "other words are other things, however near"


def test_what_turns_out_to_be_about_one_thing_is_rejected() -> None:
    text = "Cystic fibrosis (CF) is inherited and CF is also named cystic fibrosis"
    made = merged(stated(text, ("CF", "is also named", "cystic fibrosis")))
    assert not made.triples and [r.reason for r in made.rejected] == ["subject_is_object"]


def test_said_and_denied_are_two_triples() -> None:
    made = merged(fact("Aspirin", "causes", "asthma"), fact("Aspirin", "does not cause", "asthma", "b.md"))
    assert sorted(t.negated for t in made.triples.values()) == [False, True]


def test_a_triple_is_hedged_until_somebody_says_it_outright() -> None:
    doubt, sure = fact("Aspirin", "may cause", "asthma"), fact("Aspirin", "causes", "asthma", "b.md")
    (one,), (both,) = merged(doubt).triples.values(), merged(doubt, sure).triples.values()
    assert (one.hedged, both.hedged) == (True, False) and one.relation == both.relation == "causes"


def test_the_order_of_passages_decides_nothing() -> None:
    passages = [fact(f"thing {n % 5}", "causes", f"effect {n % 7}", f"{n % 3}.md", n) for n in range(40)]
    assert merged(*passages).triples == merged(*reversed(passages)).triples
