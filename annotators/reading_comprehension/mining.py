"""What is read of a passage and the tasks that are put behind it: a few a passage, of as many kinds as it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.alike import normal
from zoo.api import Passage, Task
from zoo.artifact import digest_text

from .entailment import claims
from .patterns import MINERS
from .sentences import Sentence, Spelling, sentences
from .wordings import ask

MOST = 3  # tasks of a passage
_ORDER = ("definition", "cause", "summary", "entailment", "cloze")  # what is rarest is taken first
# Headings that say where something stands and not what it is about.
_EMPTY = re.compile(
    r"^(?:introduction|references|abstract|background|(?:materials and )?methods?|results?|discussion|conclusions?|overview"
    r"|(?:chapter )?summary|acknowledge?ments?|appendix.*|tables?\b.*|figures?\b.*|contents|key \w+|learning \w+|glossary"
    r"|(?:critical|check|review|problem|challenge|additional|conceptual).*|bibliography|(?:foot)?notes?|index|preface|purpose"
    r"|.*\b(?:contributions|interests|questions|exercises|problems|resources|reading|links?|section|article|exhibit)\b.*"
    r"|scope|definitions?|general|other|more|untitled.*)$",
    re.I,
)
_LISTED = re.compile(
    r"(?:references|bibliography|further reading|works cited|acknowledge?ments?|questions|exercises|problems)\W*$", re.I
)


@dataclass(frozen=True)
class Mined:
    """A passage as it is read, and the tasks behind it."""

    text: str
    tasks: list[Task]


def mine(passages: Sequence[Passage]) -> dict[str, Mined]:
    """Of one document's passages, in order: what is read of each, by its id. Nothing is asked twice in a document."""
    spelling = Spelling(passages)
    asked: set[str] = set()
    headed: set[str] = set()
    out: dict[str, Mined] = {}
    for passage in passages:
        found = [] if _LISTED.search(passage.title) else sentences(passage.text)
        text, heading = _headed(passage, found)
        tasks = [t for s in found for miner in (*MINERS, claims) for t in miner(s, spelling)]
        if heading and heading not in headed:
            headed.add(heading)
            tasks.append(ask("heading", passage.id, heading, heading))
        else:
            text = passage.text
        out[passage.id] = Mined(text, _few(tasks, asked))
    return out


def _few(tasks: list[Task], asked: set[str]) -> list[Task]:
    """At most MOST, one of each kind before a second of any, and one of each sentence; `asked` is what the document has
    already."""
    kept: list[Task] = []
    quoted: set[str] = set()
    ranks: dict[str, int] = {}
    order: list[tuple[int, int, str, Task]] = []
    for task in sorted(tasks, key=_lot):
        ranks[task.kind] = ranks.get(task.kind, -1) + 1
        order.append((ranks[task.kind], _ORDER.index(task.kind), _lot(task), task))
    for *_, task in sorted(order, key=lambda o: o[:3]):
        told = {normal(task.quote), normal(task.question)}
        if len(kept) < MOST and task.quote not in quoted and not told & asked:
            kept.append(task)
            quoted.add(task.quote)
            asked |= told
    return sorted(kept, key=_lot)


def _lot(task: Task) -> str:
    return digest_text(task.kind + task.question)


def _headed(passage: Passage, found: list[Sentence]) -> tuple[str, str]:
    """The passage without the headings it begins with, and the last of these where it tells what the passage is about, else
    ''."""
    path = passage.title.split(" > ")
    names = {normal(part) for part in path}
    paragraphs = passage.text.split("\n\n")
    while len(paragraphs) > 1 and normal(paragraphs[0]) in names:
        paragraphs.pop(0)
    text, heading = "\n\n".join(paragraphs), path[-1]
    words = heading.split()
    tells = 2 <= len(words) <= 10 and words[0][0].isalpha() and not _EMPTY.match(heading)
    tells = tells and heading.isascii() and max(map(len, words)) <= 20
    return text, heading if tells and len(found) >= 2 and normal(heading) not in normal(text) else ""
