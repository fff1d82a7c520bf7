"""What continued pretraining reads of a document: its passages as they are, or reading texts, which are passages with tasks
about them behind (AdaptLLM, arXiv 2309.09530)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from zoo.alike import normal
from zoo.annotating import Reader, ReadText
from zoo.api import Passage, Rejected, Task
from zoo.curating.contamination import Copies

GAP = "\n\n"
_GAP_TOKENS = 2  # what it may add between two parts


@dataclass(frozen=True)
class Text:
    """A text to train on; `passages` are the ids of those in it, `tasks` counts those behind them by kind, of which
    `taught` are a teacher's."""

    id: str
    document: str
    passages: tuple[str, ...]
    text: str
    tasks: Mapping[str, int] = field(default_factory=dict)
    taught: int = 0


def as_it_is(passages: Sequence[Passage]) -> Text:
    """One document's passages as one text."""
    document = passages[0].document
    return Text(document, document, tuple(p.id for p in passages), GAP.join(p.text for p in passages))


@dataclass
class _Part:
    """Passages of one section, which are read together, and the tasks behind them."""

    passages: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tokens: int = 1  # the end of the text


class ReadingTexts:
    """Makes reading texts. `taught` are a teacher's tasks by passage, `copies` finds what the suites ask, which no task may; `count`
    counts the tokens of texts, of which `room` fit a row: a task is never parted from its text. `rejected` fills with what
    is left out."""

    def __init__(
        self, reader: Reader, taught: Mapping[str, list[Task]], copies: Copies,
        count: Callable[[list[str]], list[int]], room: int,
    ) -> None:  # fmt: skip
        self._reader, self._taught, self._copies = reader, taught, copies
        self._count, self._room = count, room
        self.rejected: list[Rejected] = []

    def of(self, passages: Sequence[Passage]) -> Iterator[Text]:
        """The reading texts of one document's passages, in order."""
        mined = self._reader.mine(passages)
        number = 0
        for _, section in groupby(passages, key=lambda p: p.title):
            for part in self._parts(list(section), mined):
                yield self._text(passages[0].document, number, part)
                number += 1

    def _parts(self, section: list[Passage], mined: Mapping[str, ReadText]) -> Iterator[_Part]:
        part = _Part()
        for passage in section:
            text, tasks = mined[passage.id].text, self._tasks(passage.id, mined[passage.id].tasks)
            size, *sizes = [n + _GAP_TOKENS for n in self._count([text, *map(self._reader.as_text, tasks)])]
            # Where not all find room behind the passage alone, the first do.
            while tasks and 1 + size + sum(sizes) > self._room:
                sizes.pop()
                self._reject("no_room", passage.id, tasks.pop())
            if part.passages and part.tokens + size + sum(sizes) > self._room:
                yield part
                part = _Part()
            part.passages.append(passage.id)
            part.texts.append(text)
            part.tasks += tasks
            part.tokens += size + sum(sizes)
        yield part

    def _tasks(self, passage: str, mined: Sequence[Task]) -> list[Task]:
        """The teacher's tasks and those mined that are not about the same words, without what a suite asks."""
        taught = self._taught.get(passage, [])
        quoted = {normal(t.quote) for t in taught}
        found = [*taught, *(t for t in mined if normal(t.quote) not in quoted)]
        kept = []
        for task in found:
            if copied := self._copies.rejected_task(passage, task):
                self.rejected.append(copied)
            else:
                kept.append(task)
        return kept

    def _reject(self, reason: str, passage: str, task: Task) -> None:
        self.rejected.append(Rejected(reason=reason, id=passage, detail=task.model_dump()))

    def _text(self, document: str, number: int, part: _Part) -> Text:
        written = [self._reader.as_text(t) for t in part.tasks]
        kinds = Counter[str](t.kind for t in part.tasks)
        taught = sum(t in self._taught.get(p, []) for p in part.passages for t in part.tasks)
        whole = GAP.join([*part.texts, *written])
        return Text(f"{document}~{number}", document, tuple(part.passages), whole, kinds, taught)
