"""Asks the teacher about one item after the other, within the budgets, and collects the rows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.annotating import Annotator, Material, Row, use_of
from zoo.api import Example, Question, Reading, Rejected, Teacher
from zoo.ask import Ask, Failed
from zoo.console import Progress, money, progress, say
from zoo.errors import ZooError
from zoo.graph.triples import Extracted
from zoo.ledger import Ledger
from zoo.run import Job
from zoo.settings import AnnotateSettings
from zoo.spill import Spill
from zoo.teachers import Request, Unanswered
from zoo.teachers.budget import NOTHING, PICO, Ended, Limits, Outcome, Spend, in_order
from zoo.teachers.cache import Cache, CachedTeacher, Usage
from zoo.teachers.chosen import open_teacher
from zoo.teachers.metering import Metered, most_in
from zoo.teachers.prices import Price

SILENT = 8  # items in a row without any answer, after which the teacher is taken to be gone
UNANSWERED = "unanswered"
# What is written in one call may stand in the prompt of the next: few texts have more bytes a token. It only sizes what is
# set aside for an item; each call is held to what it can truly take.
_BYTES_A_TOKEN = 6
Item = Material | Question


@dataclass(frozen=True)
class Candidate:
    """Of a row that may be kept: its number, the text that tells its question from others, and where it is from."""

    number: int
    key: str
    origin: str
    source: str


class Work:
    """The rows of one run as they come, in files of the step's work folder: their numbers are the order in which they are
    written in the end."""

    def __init__(self, folder: Path) -> None:
        self.examples = Spill(folder / "examples")
        self.readings = Spill(folder / "readings")
        self.rejected = Spill(folder / "rejected")
        self.extracted = Spill(folder / "extracted")
        self.candidates: list[Candidate] = []
        self.reasons: Counter[str] = Counter()
        self.begun = 0  # numbers that were given to rows which need no teacher

    def close(self) -> None:
        self.examples.close()
        self.readings.close()
        self.rejected.close()
        self.extracted.close()

    def add(self, row: Row, key: str = "") -> None:
        """A row behind those that were added before."""
        self.put(self.begun, row, key)
        self.begun += 1

    def put(self, number: int, row: Row, key: str = "") -> None:
        if isinstance(row, Rejected):
            self.rejected.put(number, row)
            self.reasons[row.reason] += 1
        elif isinstance(row, Extracted):
            self.extracted.put(number, row)
        elif isinstance(row, Reading):
            self.readings.put(number, row)
        else:
            self.examples.put(number, row)
            origin, source = sys.intern(row.origin), sys.intern(row.source)
            self.candidates.append(Candidate(number, key or row.question, origin, source))


@dataclass(frozen=True)
class Round:
    """Items to be asked about at one time: `count` of them, called `what`."""

    what: str
    items: Iterable[Item]
    count: int


@dataclass(frozen=True)
class Asked:
    """What asking about the items came to: `ended` what those begun cost, whoever paid for
    it, and `paid` what this run did, in `seconds`; `answers` are counts by how they ended, as `Ask` has them, `uses` of the
    items begun, by what they are for."""

    model: str
    ended: Ended
    uses: Counter[str]
    answers: dict[str, int]
    usage: Usage
    paid: Spend
    seconds: float
    stopped: str | None


@dataclass
class _Desk:
    """Asks the teacher about one item, and notices when it no longer answers at all."""

    job: Job
    teacher: CachedTeacher
    tokens: int
    price: Price | None
    annotators: dict[str, Annotator]
    limits: Limits
    keys: dict[str, str]
    rows: Work
    ledger: Ledger
    bar: Progress = field(init=False)
    before: int = 0  # items of the rounds before
    uses: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    silent: int = 0
    asked: int = 0  # items that cost a call: some are turned down before the teacher is asked
    unanswered: int = 0
    why: str = ""
    spent: Spend = NOTHING  # of the budget, what the cache answered included
    answers: Counter[str] = field(default_factory=Counter)

    def annotator(self, item: Item) -> Annotator:
        return self.annotators[use_of(item)]

    def most(self, item: Item) -> Spend:
        """What is set aside for an item."""
        annotator, settings = self.annotator(item), self.job.settings
        calls = annotator.calls(item, settings)
        if self.limits.tokens is None and self.limits.cost is None:
            return Spend(calls)
        usual = annotator.usual(item, self.job.domain, settings)
        if not usual:
            return Spend(calls)
        longest = max(most_in(self._request(u.prompt.text, u.schema)) for u in usual)
        tokens_in, tokens_out = calls * (longest + _BYTES_A_TOKEN * self.tokens), calls * self.tokens
        return Spend(calls, tokens_in, tokens_out, self.price.most(tokens_in, tokens_out) if self.price else 0)

    def _request(self, prompt: str, schema: Mapping[str, Any] | None) -> Request:
        return Request(({"role": "user", "content": prompt},), self.tokens, schema=dict(schema) if schema else None)

    def gone(self, why: str) -> ZooError:
        teacher = self.teacher.teacher
        return ZooError(
            f"The teacher {teacher.model} at {' and '.join(teacher.places)} does not answer: {why}; see that it runs and give the "
            "same command again, which asks nothing twice."
        )

    async def work(self, item: Item, limits: Limits, second: bool) -> Outcome[Row]:
        annotator = self.annotator(item)
        ask = Ask(self.teacher, self.tokens, self.job.settings.temperature, limits, self.price)
        again = False
        row: Row
        try:
            row = await annotator.annotate(item, ask, self.job.domain, self.job.settings)
            self.silent = 0 if ask.spent.calls else self.silent
        except Failed as e:
            row, self.silent = _failed(item, e.reason, text=e.text), 0
        except Unanswered as e:
            row, again = _failed(item, UNANSWERED, error=str(e)), not e.final
            self.silent, self.why = self.silent + again, str(e)
            # Of a batch all lines that failed come back at once, and a server that is gone ends the run by itself.
            if self.silent >= SILENT and not second and not self.job.settings.batch:
                raise self.gone(str(e)) from e
        row = row.model_copy(update={"attempts": ask.attempts})
        if not isinstance(row, Rejected):
            credit = Teacher(model=self.teacher.teacher.model, prompt=annotator.name, version=annotator.version)
            row = row.model_copy(update={"teacher": credit})
            if isinstance(row, Example) and isinstance(item, Question):
                row = row.model_copy(update={"place": item.place})
        else:
            mistakes = (a.mistake for a in reversed(ask.attempts) if a.mistake)
            row = row.model_copy(update={"mistake": row.mistake or next(mistakes, None)})
        if second or not again:  # an item's second turn has the answers of its first again, from the cache
            self.answers.update(ask.answers)
        return Outcome(row, ask.spent, ask.short, again)

    def done(self, number: int, item: Item, outcome: Outcome[Row]) -> None:
        """Takes an item's row. The budget may well be spent before all items are asked about."""
        key = self.keys.get(item.id, "") if isinstance(item, Question) else ""
        self.rows.put(self.rows.begun + self.before + number, outcome.row, key)
        self.uses[use_of(item)] += 1
        self.ledger.add(self.annotator(item).name, outcome.row)
        self.asked += bool(outcome.spent.calls)
        self.unanswered += isinstance(outcome.row, Rejected) and outcome.row.reason == UNANSWERED
        self.kept += not isinstance(outcome.row, Rejected)
        self.spent = self.spent.plus(outcome.spent)
        spent = {"calls": self.spent.calls, "tokens": self.spent.tokens, "cost": self.spent.cost}
        shares = [spent[n] / most for n, most in self.limits._asdict().items() if most]
        share = max((self.bar.done + 1) / (self.bar.total or 1), *shares, 0.0)
        self.bar.advance(note=self._note(), share=min(share, 1.0))

    def _note(self) -> str:
        """For example: `12 passed the checks, 40 of 400 calls, 0.13 USD of 10.00 USD`."""
        parts = [f"{self.kept:,} passed the checks", f"{self.spent.calls:,}{_of(self.limits.calls)} calls"]
        if self.limits.tokens is not None:
            parts.append(f"{self.spent.tokens:,}{_of(self.limits.tokens)} tokens")
        if self.price and self.price.priced:
            most = f" of {money(self.job.settings.max_cost)}" if self.limits.cost is not None else ""
            parts.append(f"{money(usd(self.spent.cost))}{most}")
        return ", ".join(parts)


def _of(most: int | None) -> str:
    return f" of {most:,}" if most is not None else ""


def usd(cost: int) -> float:
    """USD, of 1e-12 USD; to a millionth."""
    return round(cost / PICO, 6)


def _failed(item: Item, reason: str, **detail: str) -> Rejected:
    if isinstance(item, Material):
        return Rejected(reason=reason, id=item.passage.id, path=item.document.path, detail=detail)
    return Rejected(reason=reason, id=item.id, detail=detail)


def limits_of(settings: AnnotateSettings) -> Limits:
    cost = settings.max_cost
    return Limits(settings.max_calls, settings.max_tokens, None if cost is None else round(cost * PICO))


async def ask_all(
    job: Job,
    annotators: dict[str, Annotator],
    rounds: Iterator[Round],
    keys: dict[str, str],
    work: Work,
    ledger: Ledger,
    price: Price | None,
) -> Asked:
    """Asks about the items of one round after the other, all within the same budgets, and puts their rows into `work` and
    `ledger`. A round is made when all before it are done, and may rest on their rows."""
    settings: AnnotateSettings = job.settings
    source = Metered(open_teacher(job.run), price)
    teacher = CachedTeacher(source, Cache(job.run.workspace.answers), job.domain.name)
    limits = limits_of(settings)
    desk = _Desk(job, teacher, source.answer_tokens, price, annotators, limits, keys, work, ledger)
    ended, stopped = Ended(), None
    try:
        for part in rounds:
            with progress(f"{part.what} annotated", part.count) as desk.bar:
                left = limits.left(ended.spent)
                found = await in_order(part.items, desk.work, desk.most, left, settings.items_at_a_time, desk.done)
            desk.before += found.begun
            ended = Ended(desk.before, ended.spent.plus(found.spent), found.limit)
            if found.limit:
                budget = _named(found.limit, settings)
                stopped = f"the budget of {budget} was reached after {found.begun} of {part.count} {part.what}"
                break
    finally:
        await teacher.close()
    if desk.unanswered and desk.unanswered == desk.asked:
        raise desk.gone(desk.why)
    if desk.unanswered:
        say(f"  {desk.unanswered:,} of {desk.asked:,} items were not answered; the last: {desk.why}")
    if stopped:
        say(f"  {stopped}")
    answers = dict(sorted(desk.answers.items()))
    return Asked(source.model, ended, desk.uses, answers, teacher.usage, source.paid, source.seconds, stopped)


def _named(limit: str, settings: AnnotateSettings) -> str:
    if limit == "cost":
        return f"{settings.max_cost:g} USD"
    return f"{settings.max_calls} calls" if limit == "calls" else f"{settings.max_tokens} tokens"
