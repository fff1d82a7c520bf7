"""What the suites ask, to keep training apart from it: the items of every suite whose file, or copy of the Hub's, is on this disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zoo.api import Kind, Question
from zoo.console import say
from zoo.errors import ZooError
from zoo.evaluation.suites import Suite, load_suite, suite_ids
from zoo.questions import dataset_cache, telling_texts
from zoo.run import Run


@dataclass(frozen=True)
class Item:
    """An item of a suite. `text` tells it from the others of its set (`zoo.questions.telling_texts`); `asks` says whether
    that is its question, and not a context or options behind a question that many items share."""

    suite: str
    id: str
    kind: Kind
    text: str
    choices: tuple[str, ...]
    answer: str
    asks: bool


@dataclass(frozen=True)
class Exams:
    """`checked` are the suites whose items these are, `unchecked` those that lie on the Hub alone, or whose copy of it could
    not be read. Items that several suites put are there once, by the first of them."""

    items: list[Item]
    checked: list[str]
    unchecked: list[str]


def decisive(run: Run) -> list[Suite]:
    """The suites whose items are files of this disk, or that this run evaluates wherever they lie. Those decide what may
    train; a copy of the Hub's that some other run left here is looked at too, and has no part in fingerprints, or every
    run that fetches one would be another run the next time."""
    wanted = suite_ids(run)
    ids = dict.fromkeys([*wanted, *run.domain.suite_ids])
    return [s for s in (load_suite(run.domain, i) for i in ids) if s.id in wanted or s.file(run)]


def exams_of(run: Run) -> Exams:
    """The items of all suites of the domain, the general one among them, held-out shots included. Raises what loading a
    decisive suite raises."""
    exams = Exams([], [], [])
    taken: set[tuple[str, str | None]] = set()
    mine = decisive(run)
    others = [load_suite(run.domain, i) for i in run.domain.suite_ids if i not in {s.id for s in mine}]
    for suite in [*mine, *others]:
        if suite.data_key(run) not in taken:
            found = suite.questions(run) if suite in mine else _cached(run, suite)
            if not found:
                exams.unchecked.append(suite.id)
                continue
            exams.items.extend(_items(suite, found))
            taken.add(suite.data_key(run))
        exams.checked.append(suite.id)
    return exams


def _cached(run: Run, suite: Suite) -> list[Question]:
    """What the cache has of a suite that lies on the Hub; nothing where it has none, or none that can be read."""
    if not suite.in_cache(dataset_cache(run)):
        return []
    try:
        return suite.questions(replace(run, options=replace(run.options, offline=True)))
    except ZooError as e:
        say(f"  {suite.id} is not checked for contamination: {e}")
        return []


def _items(suite: Suite, questions: list[Question]) -> Iterator[Item]:
    for q, text in zip(questions, telling_texts(questions), strict=True):
        yield Item(suite.id, q.id, q.kind, text, tuple(q.choices), q.gold, text == q.question)
