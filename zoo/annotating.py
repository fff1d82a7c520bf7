"""The contract of annotators: how a folder under `annotators/` makes examples out of passages and questions.

`zoo.annotators.<name>` is a module with an `ANNOTATOR`. It is given one item and what it needs to work on it, and
gives back an example or a rejection; which items, in which order, within which budget, and what duplicates what is
the step's business.
"""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, StrictUndefined, Template

from zoo.api import Document, Example, Passage, Question, Rejected
from zoo.config import AnnotateSettings
from zoo.errors import ZooError, unknown
from zoo.library import Domain, digest_files, folder
from zoo.prompting import split_response
from zoo.teachers import Answer, Request
from zoo.teachers.budget import NOTHING, UNLIMITED, Limits, Spend
from zoo.teachers.metering import most, spent
from zoo.teachers.prices import Price

REPAIRS = 2  # further tries at JSON that cannot be read
_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.S)
# A backslash that JSON does not know, or that begins \b or \f: in prose those are TeX (\beta, \frac), not controls.
_TEX = re.compile(r'(?<!\\)((?:\\\\)*)\\(?=[^"\\/nrtu]|(?:nu|neq|nabla|rho|right|text|theta|times|tau|tan)\b)')


@dataclass(frozen=True)
class Material:
    """A passage as an annotator gets it: with its document, and its number in the run's order."""

    passage: Passage
    document: Document
    number: int


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
    counts its answers by how they ended: stop, cut_off, refused, filtered or empty."""

    teacher: Asks
    max_tokens: int
    temperature: float
    limit: Limits = UNLIMITED
    price: Price | None = None
    spent: Spend = NOTHING
    short: str | None = None
    answers: Counter[str] = field(default_factory=Counter)

    async def text(self, prompt: str, *, sample: int = 0) -> str:
        """The answer to one user message. Raises Failed where it was cut off, refused, filtered or is empty."""
        return await self._text(({"role": "user", "content": prompt},), None, sample)

    async def data(self, prompt: str, schema: Mapping[str, Any], *, sample: int = 0) -> dict[str, Any]:
        """The answer as JSON with the required fields of `schema`, each of its type; malformed ones are sent back up to
        REPAIRS times with what is wrong. Raises Failed."""
        messages: tuple[dict[str, str], ...] = ({"role": "user", "content": prompt},)
        text = ""
        for _ in range(1 + REPAIRS):
            before, text = text, await self._text(messages, dict(schema), sample)
            try:
                return read_json(text, schema)
            except ValueError as e:
                if text == before:  # the next messages would be these again, and so would their answer
                    break
                again = f"That cannot be used: {e}. Reply again, with one JSON object only."
                messages = (messages[0], {"role": "assistant", "content": text}, {"role": "user", "content": again})
        raise Failed("malformed", text)

    async def _text(self, messages: tuple[dict[str, str], ...], schema: dict[str, Any] | None, sample: int) -> str:
        request = Request(messages, self.max_tokens, self.temperature, schema, sample)
        limited = self.limit.tokens is not None or self.limit.cost is not None
        needs = most(request, self.price) if limited else Spend(calls=1)
        if over := self.limit.over(self.spent.plus(needs)):
            self.short = over[0]
            raise Failed("budget")
        self.spent = self.spent.plus(needs)
        cost = Spend(calls=1)  # of a call without an answer
        try:
            answer = await self.teacher.ask(request)
            cost = spent(request, answer, self.price)
        finally:
            self.spent = self.spent.less(needs).plus(cost)
        ended, text = _ended(answer), _writable(answer.text)
        self.answers[ended] += 1
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
    """One call that an item usually needs."""

    prompt: str
    answer: str
    schema: Mapping[str, Any] | None = None


class Annotator(Protocol):
    """`calls` is the most that `annotate` may ask for one item, which is how much of a budget is set aside for it. `usual`
    is what it asks where every answer can be used: each prompt with the JSON schema it is sent with, and an answer such
    as it usually gets; nothing for an item that it turns down unasked. Plans and budgets in tokens are reckoned from it.

    `annotate` is given a `Material` or a `Question`, raises Failed or gives back a Rejected where nothing can be
    kept, and depends on nothing but its arguments. `version` is bumped whenever it would make something else of the
    same answers.
    """

    name: str
    version: str

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int: ...

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]: ...

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Example | Rejected: ...


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


def annotator_digest(name: str, domain: Domain) -> str:
    """Over the annotator's code, prompts and schema, and the domain's own prompts for it."""
    root = folder("annotators") / name
    own = {p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    return digest_files(root, own) + domain.digest_of(f"prompts/{name}/*.j2")


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


def read_json(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer, whatever stands around it. Raises ValueError, saying what is wrong."""
    answer = split_response(text)[1] or text
    for part in (*reversed(_FENCE.findall(answer)), answer):
        found = _first_object(part)
        if found is not None:
            return _checked(found, schema)
    raise ValueError("there is no JSON object in it")


def _first_object(text: str) -> dict[str, Any] | None:
    decoder = json.JSONDecoder(strict=False)
    fixed = _TEX.sub(r"\1\\\\", text)
    for brace in re.finditer(r"\{", fixed):
        try:
            value, _ = decoder.raw_decode(fixed, brace.start())
        except ValueError:
            continue
        except RecursionError:  # brackets within brackets, as from a model that can only repeat itself
            return None
        if isinstance(value, dict):
            return value
    return None


def _checked(value: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    for name in schema["required"]:
        if name not in value:
            raise ValueError(f"the field {name!r} is missing")
        want = schema["properties"][name]["type"]
        if want == "string" and isinstance(value[name], (int, float)) and not isinstance(value[name], bool):
            value[name] = str(value[name])
        if want == "string" and not isinstance(value[name], str):
            raise ValueError(f"the field {name!r} should be a string")
        if want == "array" and not (isinstance(value[name], list) and all(isinstance(x, str) for x in value[name])):
            raise ValueError(f"the field {name!r} should be a list of strings")
    return {name: _whole(value[name]) for name in schema["properties"] if name in value}


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(x) for x in value]
    return _writable(value) if isinstance(value, str) else value


def _writable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may hold (a character that was cut in two) and no file may."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
