"""All that a plugin imports: the rows that pass between steps, and the contracts of parsers and verifiers.

Rows are written as JSONL, one object a line, with exactly these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

API_VERSION = 1

Kind = Literal["choice", "yes_no_maybe", "short", "number", "explanation", "label", "summary"]
Judgement = Literal["right", "wrong", "abstain"]
Origin = Literal["person", "document", "questions"]
Level = Literal["basic", "intermediate", "complex"]
# What a reading task asks for (AdaptLLM, arXiv 2309.09530).
TaskKind = Literal["definition", "cause", "summary", "cloze", "entailment"]
# What went wrong in a solution, as SciInstruct names it (arXiv 2401.07950).
Mistake = Literal["comprehension", "calculation", "reasoning"]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(Row):
    """A parsed file. `text` is what passages are spans of; `path` is relative to the folder it was found in."""

    id: str
    path: str
    text: str
    source: str
    licence: str
    meta: dict[str, Any] = {}


_PAGES = {".xlsx": "sheet", ".pptx": "slide"}


class Passage(Row):
    """A span of a document: `text == document.text[start:end]`. `title` is the path of headings, joined by ' > '."""

    id: str
    document: str
    text: str
    start: int
    end: int
    title: str = ""
    page: int | None = None

    @property
    def place(self) -> str:
        """Where to look it up: the document, and in it the page, the slide or the sheet, where it has those."""
        called = _PAGES.get(PurePath(self.document).suffix.lower(), "page")
        return f"{self.document}, {called} {self.page}" if self.page else self.document


class Citation(Row):
    """A verbatim quote. In written rows `passage`, `start` and `end` (offsets in the passage's text) are resolved;
    in a domain's seeds `document` names the sample file instead and annotate resolves the rest. `step` is the line of the
    reasoning that rests on it, counted from 0; -1 where it is the whole's."""

    quote: str
    document: str = ""
    passage: str = ""
    start: int = -1
    end: int = -1
    step: int = -1


class Verdict(Row):
    check: str
    verdict: Judgement
    reason: str = ""


class Teacher(Row):
    model: str
    prompt: str
    version: str


class Attempt(Row):
    """One answer of the teacher on the way to a row: at which stage, to which prompt (`annotator/name@digest`), what it
    said, and how that was judged. A kept row's last attempt is the one it was made of. `question` and `kind` are those of
    the question that it answers, empty where the prompt put none."""

    stage: str
    prompt: str
    question: str = ""
    kind: Kind | None = None
    said: str
    verdicts: list[Verdict] = []
    mistake: Mistake | None = None

    @property
    def right(self) -> bool:
        """Whether the last word on it is that it is right."""
        return bool(self.verdicts) and self.verdicts[-1].verdict == "right"


class Question(Row):
    """An item of a `questions` source or of a suite, in the project's own fields whatever its authors called them.

    `reasoning` is the authors' own explanation where there is one; `place` is the file or dataset, and the row of it.
    """

    id: str
    kind: Kind
    question: str
    context: str = ""
    choices: list[str] = []
    gold: str
    reasoning: str = ""
    source: str
    licence: str
    place: str = ""


class Example(Row):
    """A training row. `context` is what the student is shown with the question (the cited passages, or a source's text).

    `reasoning` is empty for labelling rows: the assistant's turn is then the answer alone. `place` says of a row that
    people wrote where it stands: a file and a line, or a row of it. `level` is how hard it is
    declared to be, None where nobody said.
    """

    id: str
    kind: Kind
    question: str
    context: str = ""
    choices: list[str] = []
    reasoning: str = ""
    answer: str
    citations: list[Citation] = []
    origin: Origin
    source: str
    licence: str
    place: str = ""
    teacher: Teacher | None = None
    level: Level | None = None
    attempts: list[Attempt] = []
    verdicts: list[Verdict] = []


class Rejected(Row):
    """What a step did not keep, why, and what is needed to look at it. `mistake` is what its last solution got wrong."""

    reason: str
    path: str = ""
    id: str = ""
    mistake: Mistake | None = None
    attempts: list[Attempt] = []
    detail: dict[str, Any] = {}


class Task(Row):
    """A reading task about a text: what is asked, the answer that the text gives, and the text's own words that prove it."""

    kind: TaskKind
    question: str
    answer: str
    quote: str


class Reading(Row):
    """The tasks about one passage that a teacher wrote and that passed every check. `refused` are those that did not, each
    with its reason."""

    id: str
    document: str
    passage: str
    tasks: list[Task]
    source: str
    licence: str
    teacher: Teacher | None = None
    attempts: list[Attempt] = []
    refused: list[Rejected] = []


ElementKind = Literal["title", "text", "item", "table", "code"]


@dataclass(frozen=True)
class Element:
    """A piece of a parsed file in reading order. `level` is the depth of a title (1 is the document's own);
    `page` counts from 1. A table's text has one row a line, cells separated by ' | '."""

    kind: ElementKind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True)
class Parsed:
    title: str
    elements: list[Element]
    meta: dict[str, Any] = field(default_factory=dict)


class Unreadable(Exception):
    """A parser met a file it cannot read; the message is the reason that goes to `rejected.jsonl`."""


@dataclass(frozen=True)
class Parser:
    """Reads one format. `matches(name, head)` sees the file's name and its first 4 KiB; `parse(data)` gets all of it
    and raises `Unreadable`. Parsers run in a worker process with a time and a memory limit, and without network."""

    name: str
    matches: Callable[[str, bytes], bool]
    parse: Callable[[bytes], Parsed]


def read_xml(data: bytes) -> Any:
    """The root (lxml) of an XML file from a stranger: no entity is expanded and nothing is looked up. For parsers.

    Raises `Unreadable` on broken XML and on a document that defines entities of its own."""
    from zoo.reading.xmlsafe import read_xml as read

    return read(data)


def make_table(rows: Iterable[Sequence[str]], header: bool | None = None) -> Element | None:
    """A table element whose every row is legible; None if nothing is in it. `header`: whether the first row names the columns
    (None: judged by look). For parsers."""
    from zoo.reading.tables import table

    return table(rows, header=header)


class Verifier(Protocol):
    """Judges a response to an example: right, wrong, or abstain where it cannot tell. Deterministic, no model, no network.

    The response is the whole assistant's turn or its answer alone; a `<think>` block is not part of the answer.
    """

    def __call__(self, example: Example | Question, response: str) -> Verdict: ...
