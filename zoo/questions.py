"""Questions with known answers: rows in their authors' columns become `Question` rows, as the domain's `fields` say.

The same set has other column names in its authors' files and on the Hub; a source lists a variant for each, and the
first whose columns are all there is used.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from zoo.api import Question, Rejected
from zoo.config import Fields, SourceConfig
from zoo.errors import RequestError
from zoo.library import Domain
from zoo.prompting import YES_NO_MAYBE
from zoo.run import Run
from zoo.tables import RowDict, hub_rows, read_table

_HEAD = 50  # rows looked at to learn a file's columns


def load_questions(run: Run, source_id: str) -> tuple[list[Question], list[Rejected]]:
    """A questions source's items and the rows that are none: from the file the request names, else from the Hub.

    Raises RequestError where the file's columns fit no variant of the source, ZooError where the Hub has not got it.
    """
    source = run.domain.source(source_id)
    if path := run.options.sources.get(source_id):
        return questions_of(source, read_table(path), path.name)
    if source.hub is None:
        raise RequestError(f"The source {source_id} is not on the Hub; name its file with --source {source_id}=PATH.")
    rows, origin = hub_rows(source.hub, source.hub.split, run.options.offline, dataset_cache(run))
    kept, rejected = questions_of(source, rows, origin)
    if source.hub.train_ids:
        train = ids_in(run.domain, source.hub.train_ids)
        kept = [q for q in kept if q.id.removeprefix(f"{source_id}-") in train]
    return kept, rejected


def dataset_cache(run: Run) -> Path:
    return run.workspace.cache / "datasets"


def ids_in(domain: Domain, name: str) -> set[str]:
    return set((domain.folder / name).read_text(encoding="utf-8").split())


def check_sources(run: Run) -> None:
    """Refuses, before any work, a source that does not exist or whose file does not fit; documents need be there."""
    for source_id, path in run.options.sources.items():
        source = run.domain.source(source_id)
        if source.kind == "documents":
            if not path.exists():
                raise RequestError(f"There is nothing at {path}, where --source {source_id} should lie.")
        else:
            check_table(source, path)


def check_table(source: SourceConfig, path: Path) -> None:
    """Refuses a file whose columns, or whose numbers of the right choices, do not fit the source."""
    if variant(source, read_table(path, _HEAD), path.name).gold_number:
        _Mapping(source, read_table(path), path.name)


def columns_of(rows: list[RowDict]) -> set[str]:
    """The names of the columns; what a CSV row has beyond its header has none."""
    return {c for row in rows[:_HEAD] for c in row if isinstance(c, str)}


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


def questions_of(source: SourceConfig, rows: list[RowDict], origin: str) -> tuple[list[Question], list[Rejected]]:
    """`rows` as questions, and those that are none with the reason. Ids are `<source>-<the authors' id>`, unique."""
    if source.answer is None:
        raise RequestError(f"The source {source.id} does not say its kind of answers (answer: choice, label, ...).")
    make = _Mapping(source, rows, origin)
    kept: list[Question] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    same: set[tuple[str, str, tuple[str, ...]]] = set()
    for n, row in enumerate(rows):
        question, reason = make(row, n)
        if question is None:
            rejected.append(Rejected(reason=reason, path=origin, id=str(n), detail={"row": _plain(row)}))
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


class _Mapping:
    """The Jinja templates, compiled, of the variant that fits `rows`, and from where these count the right choices."""

    def __init__(self, source: SourceConfig, rows: list[RowDict], origin: str) -> None:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self.source = source
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
        if reason := _fault(kind, text["question"], gold, choices):
            return None, reason
        own = text["id"] or str(n)
        return Question(
            id=f"{self.source.id}-{own}", kind=kind, question=text["question"], context=text["context"],
            choices=choices, gold=gold, reasoning=text["reasoning"], source=self.source.id, licence=self.source.licence,
        ), ""  # fmt: skip


def _fault(kind: str, question: str, gold: str, choices: list[str]) -> str:
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


def suite_questions(run: Run) -> list[str]:
    """The question texts of every suite this run evaluates and of all packaged exams, for decontamination.

    Where items of a suite share one question (an instruction), the text is the item's own context.
    """
    from zoo.evaluation.suites import load_suite, packaged_suites, suite_ids

    texts: list[str] = []
    data: set[str] = set()
    for suite_id in dict.fromkeys([*suite_ids(run), *packaged_suites(run.domain)]):
        suite = load_suite(run.domain, suite_id)
        if (where := suite.data_key(run)) in data:
            continue
        data.add(where)
        items = suite.questions(run)
        texts += telling_texts(items)
    return texts


def telling_texts(questions: list[Question]) -> list[str]:
    """The text that tells each question from the others of its set: itself, or its context where the set asks one thing
    of many texts. The shared instruction stays out: embedded with it, all those texts would look alike."""
    shared = Counter(q.question for q in questions)
    return [q.context if shared[q.question] > 1 and q.context else q.question for q in questions]
