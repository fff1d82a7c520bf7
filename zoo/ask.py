"""The teacher as an annotator sees it: prompts, attempts, and answers that can be used or cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from jinja2 import Environment, StrictUndefined, Template

from zoo.answers import read_json, writable
from zoo.api import Attempt, Kind, Mistake, Verdict
from zoo.artifact import digest_text
from zoo.fencing import defused
from zoo.library import Domain
from zoo.teachers import Answer, Request
from zoo.teachers.budget import NOTHING, UNLIMITED, Limits, Spend
from zoo.teachers.metering import most, spent
from zoo.teachers.prices import Price

REPAIRS = 2  # further tries at JSON that cannot be read
SHARED = "shared"  # prompts that every annotator uses: annotators/shared/prompts/, a domain's in prompts/shared/
BUDGET = "budget"  # why an item failed for which no call was left


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


def prompted(domain: Domain, annotator: str, name: str, stage: str | None, **values: Any) -> Prompt:
    """The domain's prompt of that name, over `values`, of which `question` and `kind` are noted with its attempts. None of
    them, whoever wrote it, opens or ends a turn of the chat."""
    template = domain.prompt(annotator, name)
    text, named = render(template, **_defused(values)), f"{annotator}/{name}@{_digest(template)}"
    return Prompt(text, named, stage, values.get("question", ""), values.get("kind"))


def _defused(value: Any) -> Any:
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, Mapping):
        return {name: _defused(v) for name, v in value.items()}
    return [_defused(v) for v in value] if isinstance(value, (list, tuple)) else value


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
