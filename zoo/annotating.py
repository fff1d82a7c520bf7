"""The contract of annotators: how a folder under `annotators/` makes examples out of passages and questions.

`zoo.annotators.<name>` is a module with an `ANNOTATOR`. It is given one item and what it needs to work on it, and
gives back an example or a rejection; which items, in which order, within which budget, and what duplicates what is
the step's business.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from jinja2 import Environment, StrictUndefined, Template

from zoo.answers import read_json, writable
from zoo.api import Attempt, Document, Example, Kind, Mistake, Passage, Question, Reading, Rejected, Task, Verdict
from zoo.artifact import digest_text
from zoo.config import AnnotateSettings
from zoo.errors import RequestError, ZooError, unknown
from zoo.graph.triples import Extracted
from zoo.library import Domain, digest_files, folder
from zoo.teachers import Answer, Request
from zoo.teachers.budget import NOTHING, UNLIMITED, Limits, Spend
from zoo.teachers.metering import most, spent
from zoo.teachers.prices import Price
from zoo.training.forms import draw

REPAIRS = 2  # further tries at JSON that cannot be read
SHARED = "shared"  # prompts that every annotator uses: annotators/shared/prompts/, a domain's in prompts/shared/
BUDGET = "budget"  # why an item failed for which no call was left


Row = Example | Reading | Rejected | Extracted


@dataclass(frozen=True)
class Placed:
    """A passage with the document it stands in."""

    passage: Passage
    document: Document


@dataclass(frozen=True)
class Material:
    """A passage as an annotator gets it: with its document, its number in the run's order, and those passages of other
    documents or sections, the nearest in meaning first, that a question may need besides it. `use` says which annotator
    that is: of the domain's `documents`, or one of those that come with it."""

    use: ClassVar[str] = "documents"
    passage: Passage
    document: Document
    number: int
    others: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class ToStudy(Material):
    """A passage to write reading tasks about, for continued pretraining."""

    use: ClassVar[str] = "pretraining"


@dataclass(frozen=True)
class Prompt:
    """A prompt ready to be asked. `stage` is what an attempt of it counts as in the ledger, none where it asks about an
    attempt (a judge's); `name` tells its template and that one's digest. `question` and `kind` are those of the question
    that it puts, empty where it puts none."""

    text: str
    name: str
    stage: str | None
    question: str = ""
    kind: Kind | None = None


class Failed(Exception):
    """An answer that cannot be used. `reason` is a reject reason: cut_off, refused, filtered, empty, malformed, or budget where
    the calls had run out before the item was done."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.reason, self.text = reason, text


class Asks(Protocol):
    """What an `Ask` needs of a teacher."""

    async def ask(self, request: Request) -> Answer: ...


@dataclass
class Ask:
    """The teacher as an annotator sees it, for one item; `spent` is what that item has cost, repairs included, which is
    never more than `limit`: a call that might go over it is not made, and `short` then names which limit that was. `answers`
    counts its answers by how they ended: stop, cut_off, refused, filtered or empty. `attempts` are those of the item so far;
    whoever works on it need not hand them on."""

    teacher: Asks
    max_tokens: int
    temperature: float
    limit: Limits = UNLIMITED
    price: Price | None = None
    spent: Spend = NOTHING
    short: str | None = None
    answers: Counter[str] = field(default_factory=Counter)
    attempts: list[Attempt] = field(default_factory=list)
    _prompts: list[str] = field(default_factory=list)

    async def text(self, prompt: Prompt, *, sample: int = 0) -> str:
        """The answer to one user message. Raises Failed where it was cut off, refused, filtered or is empty."""
        with self._attempting(prompt) as note:
            text = await self._text(({"role": "user", "content": prompt.text},), None, sample)
            note(text)
        return text

    async def data(self, prompt: Prompt, schema: Mapping[str, Any], *, sample: int = 0) -> dict[str, Any]:
        """The answer as JSON with the required fields of `schema`, each of its type; malformed ones are sent back up to
        REPAIRS times with what is wrong. Raises Failed."""
        with self._attempting(prompt) as note:
            data, text = await self._data(prompt.text, schema, sample)
            note(text)
        return data

    def judged(self, *verdicts: Verdict, mistake: Mistake | None = None, at: int = -1) -> None:
        """What was found of an attempt, the last one unless `at` says which; the last verdict is the last word on it."""
        attempt = self.attempts[at]
        found = {"verdicts": [*attempt.verdicts, *verdicts], "mistake": mistake or attempt.mistake}
        self.attempts[at] = attempt.model_copy(update=found)

    @contextmanager
    def _attempting(self, prompt: Prompt) -> Iterator[Callable[[str], None]]:
        """One attempt, noted by what was said, or by how it failed; not one that the budget had no room for."""

        def note(said: str, *verdicts: Verdict) -> None:
            if prompt.stage is not None:
                self.attempts.append(Attempt(
                    stage=prompt.stage, prompt=prompt.name, question=prompt.question, kind=prompt.kind, said=said,
                    verdicts=list(verdicts),
                ))  # fmt: skip

        try:
            yield note
        except Failed as e:
            if e.reason != BUDGET:
                note(e.text, Verdict(check="answer", verdict="wrong", reason=e.reason))
            raise

    async def _data(self, prompt: str, schema: Mapping[str, Any], sample: int) -> tuple[dict[str, Any], str]:
        messages: tuple[dict[str, str], ...] = ({"role": "user", "content": prompt},)
        text = ""
        for _ in range(1 + REPAIRS):
            before, text = text, await self._text(messages, dict(schema), sample)
            try:
                return read_json(text, schema), text
            except ValueError as e:
                if text == before:  # the next messages would be these again, and so would their answer
                    break
                again = f"That cannot be used: {e}. Reply again, with one JSON object only."
                messages = (messages[0], {"role": "assistant", "content": text}, {"role": "user", "content": again})
        raise Failed("malformed", text)

    async def _text(self, messages: tuple[dict[str, str], ...], schema: dict[str, Any] | None, sample: int) -> str:
        request = Request(messages, self.max_tokens, self.temperature, schema, sample, tuple(self._prompts))
        limited = self.limit.tokens is not None or self.limit.cost is not None
        needs = most(request, self.price) if limited else Spend(calls=1)
        if over := self.limit.over(self.spent.plus(needs)):
            self.short = over[0]
            raise Failed(BUDGET)
        self.spent = self.spent.plus(needs)
        cost = Spend(calls=1)  # of a call without an answer
        try:
            answer = await self.teacher.ask(request)
            cost = spent(request, answer, self.price)
        finally:
            self.spent = self.spent.less(needs).plus(cost)
        ended, text = _ended(answer), writable(answer.text)
        self.answers[ended] += 1
        if messages[0]["content"] not in self._prompts:
            self._prompts.append(messages[0]["content"])
        if ended != "stop":
            raise Failed(ended, "" if ended == "empty" else text)
        return text


def _ended(answer: Answer) -> str:
    """How an answer ended, as its reject reason where it cannot be used."""
    if answer.finish == "length":
        return "cut_off"
    return "empty" if answer.finish == "stop" and not answer.text.strip() else answer.finish


@dataclass(frozen=True)
class Usual:
    """One call that an item usually needs, and an answer such as it usually gets."""

    prompt: Prompt
    answer: str
    schema: Mapping[str, Any] | None = None


class Annotator(Protocol):
    """`stages` are those that its items go through, in order, by the names in their attempts: the ledger has a line for each.

    `calls` is the most that `annotate` may ask for one item, which is how much of a budget is set aside for it. `usual`
    is what it asks where every answer can be used: each prompt with the JSON schema it is sent with, and an answer such
    as it usually gets; nothing for an item that it turns down unasked. Plans and budgets in tokens are reckoned from it.

    `annotate` is given a `Material` or a `Question`, gives back an Example (for pretraining a Reading, where it reads triples
    an Extracted), raises Failed or gives back a Rejected where nothing can be kept, and depends on nothing but its
    arguments. `version` is bumped whenever it would make something else of the same answers.
    """

    name: str
    version: str
    stages: tuple[str, ...]

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int: ...

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]: ...

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Row: ...


class ReadText(Protocol):
    """A passage as it is read in continued pretraining, and the tasks behind it."""

    @property
    def text(self) -> str: ...

    @property
    def tasks(self) -> list[Task]: ...


class Reader(Annotator, Protocol):
    """An annotator of the kind `pretraining`: it also finds tasks without a teacher. `mine` is given one document's passages
    in order and gives for each, by its id, what is read of it; `as_text` is a task as it is read, answer and all."""

    def mine(self, passages: Sequence[Passage]) -> Mapping[str, ReadText]: ...

    def as_text(self, task: Task) -> str: ...


def load_reader(name: str) -> Reader:
    """Raises RequestError where the annotator of that name is none for pretraining."""
    found: Any = load_annotator(name)
    if not hasattr(found, "mine"):
        raise RequestError(
            f"The annotator {name} makes no reading texts; name another under annotators.pretraining in the domain's domain.yaml."
        )
    reader: Reader = found
    return reader


def use_of(item: Material | Question) -> str:
    """Which of a run's annotators an item is for."""
    return "questions" if isinstance(item, Question) else item.use


def load_annotator(name: str) -> Annotator:
    """The annotator of that name. Raises RequestError for an unknown one, ZooError for one that cannot be imported."""
    known = sorted(p.parent.name for p in folder("annotators").glob("*/__init__.py"))
    if name not in known:
        raise unknown("annotator", name, known)
    try:
        found: Annotator = importlib.import_module(f"zoo.annotators.{name}").ANNOTATOR
    except Exception as e:
        raise ZooError(f"The annotator {name} cannot be imported: {type(e).__name__}: {e}.") from e
    return found


def load_graph(name: str) -> dict[str, Annotator]:
    """The annotators for the knowledge graph that come with the annotator of that name (`graph.py` in its folder): `graph`
    reads triples from passages, `paths` writes questions along them. Raises RequestError where it has none."""
    if not (folder("annotators") / name / "graph.py").is_file():
        raise RequestError(
            f"The annotator {name} makes no knowledge graph; leave annotate.graph.passages and annotate.graph.questions at 0."
        )
    found: dict[str, Annotator] = importlib.import_module(f"zoo.annotators.{name}.graph").ANNOTATORS
    return found


def annotator_digest(name: str, domain: Domain) -> str:
    """Over the annotator's code, prompts and schema, the judge's prompt, and the domain's own prompts for both."""
    root = folder("annotators") / name
    own = {p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    judge = digest_text(domain.prompt(SHARED, "judge"))
    return digest_files(root, own) + domain.digest_of(f"prompts/{name}/*.j2") + judge


def made_by(annotators: Mapping[str, Annotator], domain: Domain) -> dict[str, list[str]]:
    """Version and digest of each of a run's annotators, by its name; those for the graph come with that of documents."""
    names = {str(use): name for use, name in domain.config.annotators.items()}
    return {
        a.name: [a.version, annotator_digest(names.get(use, names.get("documents", "")), domain)]
        for use, a in annotators.items()
    }


def length_for(item_id: str, settings: AnnotateSettings) -> Literal["short", "long"]:
    """How long the reasoning about an item is asked to be: long for `settings.long_share` of the items, drawn by their ids
    alone. Students of up to about 3B learn worse from long reasoning, and best from a mix (arXiv 2502.12143)."""
    return "long" if draw(item_id, "length") < settings.long_share else "short"


def code_digest(name: str) -> str:
    """Over the annotator's Python alone: what decides the tasks it finds without a teacher."""
    root = folder("annotators") / name
    return digest_files(root, root.glob("*.py"))


def prompted(domain: Domain, annotator: str, name: str, stage: str | None, **values: Any) -> Prompt:
    """The domain's prompt of that name, over `values`, of which `question` and `kind` are noted with its attempts."""
    template = domain.prompt(annotator, name)
    text, named = render(template, **values), f"{annotator}/{name}@{_digest(template)}"
    return Prompt(text, named, stage, values.get("question", ""), values.get("kind"))


@lru_cache(maxsize=64)
def _digest(template: str) -> str:
    return digest_text(template)[:12]


def render(template: str, **values: Any) -> str:
    """A prompt's Jinja over `values`; a name it uses and was not given is an error."""
    return _compiled(template).render(**values).strip()


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    """Compiling takes a millisecond, a hundred times what rendering does."""
    env = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return env.from_string(template)


def read_schema(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
