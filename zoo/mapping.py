"""Rows in their authors' columns become `Question` rows, as the `fields` of their source say.

The same set has other column names in its authors' files and on the Hub; a source lists a variant for each, and the
first whose columns are all there is used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from typing import Any, Literal

from zoo.api import Kind, Question, Rejected
from zoo.config import Fields, SourceConfig
from zoo.errors import RequestError
from zoo.prompting import YES_NO_MAYBE
from zoo.tables import RowDict
from zoo.verifiers.choice import option_of

HEAD = 50  # rows looked at to learn a file's columns
Part = Literal["train", "test"]
TESTS, TRAINS = "a test item of its authors, which does not train", "no test item of its authors"


def columns_of(rows: list[RowDict]) -> set[str]:
    """The names of the columns; what a CSV row has beyond its header has none."""
    return {c for row in rows[:HEAD] for c in row if isinstance(c, str)}


def variant(source: SourceConfig, rows: list[RowDict], origin: str) -> Fields:
    """The first variant of the source's `fields` whose columns `rows` have; RequestError naming the columns found."""
    columns = columns_of(rows)
    for fields in source.fields:
        if set(fields.when) <= columns:
            return fields
    known = "; ".join(", ".join(f.when) for f in source.fields) or "none"
    raise RequestError(
        f"The columns of {origin} ({', '.join(sorted(columns))}) are not those of {source.id}; it takes: {known}."
    )


def questions_of(
    source: SourceConfig, rows: list[RowDict], origin: str, part: Part = "train", tests: Collection[str] = ()
) -> tuple[list[Question], list[Rejected]]:
    """`rows` as questions of one part, those of the ids in `tests` being the test part; and those that are none with the
    reason. Ids are `<source>-<the authors' id>`, unique."""
    make = ToQuestion(source, rows, origin)
    made = [make(row, n) for n, row in enumerate(rows)]
    listed = {f"{source.id}-{i}" for i in tests}
    whole = part == "test" and not any(q and q.id in listed for q, _ in made)
    kept: list[Question] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    same: set[tuple[str, str, tuple[str, ...]]] = set()
    for n, (row, (question, reason)) in enumerate(zip(rows, made, strict=True)):
        if question is None:
            rejected.append(Rejected(reason=reason, path=origin, id=str(n), detail={"row": _plain(row)}))
            continue
        if not whole and (question.id in listed) != (part == "test"):
            rejected.append(Rejected(reason=TESTS if part == "train" else TRAINS, path=origin, id=question.id))
            continue
        content = (question.question, question.context, tuple(sorted(question.choices)))
        if content in same:
            rejected.append(Rejected(reason="the same question twice", path=origin, id=question.id))
            continue
        same.add(content)
        seen[question.id] += 1
        if seen[question.id] > 1:
            question = question.model_copy(update={"id": f"{question.id}-{seen[question.id]}"})
        kept.append(question)
    return kept, rejected


class ToQuestion:
    """The Jinja templates, compiled, of the variant that fits `rows`, and from where these count the right choices."""

    def __init__(self, source: SourceConfig, rows: list[RowDict], origin: str) -> None:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self.source, self.origin = source, origin
        self.fields = variant(source, rows, origin)
        names = ("id", "question", "context", "choices", "gold", "reasoning")
        self.templates = {name: env.from_string(getattr(self.fields, name)) for name in names}
        self.first = self._counted_from(rows, origin) if self.fields.gold_number else 0

    def _counted_from(self, rows: list[RowDict], origin: str) -> int:
        """0 or 1: the number that `rows` give the first choice. RequestError where they do not tell."""
        column = self.fields.gold_number
        zero = any(_number(row.get(column)) == 0 for row in rows)
        last = any(self._is_last(row) for row in rows)
        if zero == last:
            found = (
                "both a 0 and a number as high as there are choices; mend the file"
                if zero
                else "neither a 0 nor a number as high as there are choices; take a file of more rows"
            )
            raise RequestError(
                f"Whether {column} in {origin} counts the choices from 0 or from 1 cannot be told: it holds {found}."
            )
        return 0 if zero else 1

    def _is_last(self, row: RowDict) -> bool:
        try:
            choices = _choices(self.templates["choices"].render(row))
        except Exception:  # rejected with its reason when it is mapped
            return False
        return bool(choices) and _number(row.get(self.fields.gold_number)) == len(choices)

    def __call__(self, row: RowDict, n: int) -> tuple[Question | None, str]:
        """The row as a question, or why it is none."""
        try:
            text = {name: _tidy(t.render(row)) for name, t in self.templates.items()}
            choices = _choices(text["choices"])
        except Exception as e:  # a template may raise anything; the row is reported, not lost
            return None, f"the row does not fit: {type(e).__name__}: {e}"
        kind = self.source.answer
        assert kind is not None
        gold = text["gold"].lower() if kind == "yes_no_maybe" else text["gold"]
        if self.fields.gold_number:
            number = _number(row.get(self.fields.gold_number))
            at = -1 if number is None else number - self.first
            gold = choices[at] if 0 <= at < len(choices) else ""
        elif kind == "choice" and gold not in choices and (option := option_of(gold, choices)) is not None:
            gold = choices[option]  # a file may name the right choice by its letter
        if reason := fault(kind, text["question"], gold, choices):
            return None, reason
        own = text["id"] or str(n)
        return Question(
            id=f"{self.source.id}-{own}", kind=kind, question=text["question"], context=text["context"],
            choices=choices, gold=gold, reasoning=text["reasoning"], source=self.source.id, licence=self.source.licence,
            place=f"{self.origin}, row {n + 1}",
        ), ""  # fmt: skip


def fault(kind: Kind, question: str, gold: str, choices: list[str]) -> str:
    """Why this is no question with a known answer; empty where it is one. Of choices the answer is one word for word:
    what trains and scores it looks it up among them."""
    if not question:
        return "empty question"
    if not gold:
        return "empty gold"
    if kind == "yes_no_maybe" and gold not in YES_NO_MAYBE:
        return "gold is not yes, no or maybe"
    if kind == "choice":
        if len(choices) < 2 or not all(choices):
            return "fewer than two choices"
        if len(set(choices)) < len(choices):
            return "the same choice twice"
        if gold not in choices:
            return "gold not among choices"
    return ""


def _number(value: Any) -> int | None:
    """A whole number as JSON, CSV or Parquet give it."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _choices(rendered: str) -> list[str]:
    found = json.loads(rendered) if rendered else []
    if not isinstance(found, list):
        raise ValueError("its choices are not a list")
    return [_tidy(str(c)) for c in found]


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _plain(row: RowDict) -> dict[str, Any]:
    """The row as JSON can hold it, long texts cut."""
    return {k: v if isinstance(v, (int, float, bool, type(None))) else str(v)[:500] for k, v in row.items()}
