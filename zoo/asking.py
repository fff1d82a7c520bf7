"""Asks the teacher about one item after the other, within the budget, and collects the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zoo.annotating import Annotator, Ask, Failed, Material
from zoo.api import Example, Question, Rejected, Teacher
from zoo.config import AnnotateSettings
from zoo.console import Progress, progress, say
from zoo.errors import ZooError
from zoo.run import Job
from zoo.teachers import Unanswered
from zoo.teachers.budget import Outcome, in_order
from zoo.teachers.cache import Cache, CachedTeacher, Usage
from zoo.teachers.chosen import open_teacher

SILENT = 8  # items in a row without any answer, after which the teacher is taken to be gone
UNANSWERED = "unanswered"
Item = Material | Question


@dataclass
class Work:
    """The rows of one run as they come: what may be kept, in order, with the text that tells one question from
    another."""

    candidates: list[tuple[Example, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    asked: int = 0
    stopped: str | None = None

    def add(self, row: Example | Rejected, key: str = "") -> None:
        if isinstance(row, Rejected):
            self.rejected.append(row)
        else:
            self.candidates.append((row, key or row.question))


@dataclass
class _Desk:
    """Asks the teacher about one item after the other, and notices when it no longer answers at all."""

    job: Job
    teacher: CachedTeacher
    tokens: int
    bar: Progress
    annotators: dict[str, Annotator]
    kept: int = 0
    silent: int = 0
    asked: int = 0  # items that cost a call: some are turned down before the teacher is asked
    unanswered: int = 0
    calls: int = 0  # of the budget, those that the cache answered included

    def annotator(self, item: Item) -> Annotator:
        return self.annotators["documents" if isinstance(item, Material) else "questions"]

    def most(self, item: Item) -> int:
        return self.annotator(item).calls(item, self.job.settings)

    def gone(self, why: str) -> ZooError:
        teacher = self.teacher.teacher
        return ZooError(
            f"The teacher {teacher.model} at {' and '.join(teacher.places)} does not answer: {why}; see that it runs and give the "
            "same command again, which asks nothing twice."
        )

    async def work(self, item: Item, limit: int) -> Outcome[Example | Rejected]:
        annotator = self.annotator(item)
        ask = Ask(self.teacher, self.tokens, self.job.settings.temperature, limit)
        try:
            row = await annotator.annotate(item, ask, self.job.domain, self.job.settings)
            self.silent = 0 if ask.calls else self.silent
        except Failed as e:
            row, self.silent = _failed(item, e.reason, text=e.text), 0
        except Unanswered as e:
            row = _failed(item, UNANSWERED, error=str(e))
            self.silent, self.unanswered = self.silent + 1, self.unanswered + 1
            if self.silent >= SILENT:
                raise self.gone(str(e)) from e
        self.asked += bool(ask.calls)
        if isinstance(row, Example):
            self.kept += 1
            credit = Teacher(model=self.teacher.teacher.model, prompt=annotator.name, version=annotator.version)
            row = row.model_copy(update={"teacher": credit})
        self.calls += ask.calls
        self._advance()
        return Outcome(row, ask.calls)

    def _advance(self) -> None:
        """The budget may well be spent before all items are asked about."""
        most = self.job.settings.max_calls
        of = f" of {most}" if most else ""
        share = max((self.bar.done + 1) / (self.bar.total or 1), self.calls / most if most else 0.0)
        self.bar.advance(note=f"{self.kept} passed the checks, {self.calls}{of} calls", share=min(share, 1.0))


def _failed(item: Item, reason: str, **detail: str) -> Rejected:
    if isinstance(item, Material):
        return Rejected(reason=reason, id=item.passage.id, path=item.document.path, detail=detail)
    return Rejected(reason=reason, id=item.id, detail=detail)


async def ask_all(
    job: Job, annotators: dict[str, Annotator], items: Sequence[Item], keys: dict[str, str], work: Work
) -> tuple[Usage, str]:
    """Asks about all items within the budget and adds their rows to `work` in the items' order."""
    source = open_teacher(job.run)
    teacher = CachedTeacher(source, Cache(job.run.workspace.cache / "teacher.sqlite"))
    settings: AnnotateSettings = job.settings
    try:
        with progress("items annotated", len(items)) as bar:
            desk = _Desk(job, teacher, source.answer_tokens, bar, annotators)
            rows = await in_order(items, desk.work, desk.most, settings.max_calls, settings.concurrency)
    finally:
        await teacher.close()
    if desk.unanswered and desk.unanswered == desk.asked:
        error = next(r.detail["error"] for r in rows if isinstance(r, Rejected) and r.reason == UNANSWERED)
        raise desk.gone(error)
    for item, row in zip(items, rows, strict=False):
        work.add(row, keys.get(item.id, "") if isinstance(item, Question) else "")
    work.asked = len(rows)
    if len(rows) < len(items):
        work.stopped = f"the budget of {settings.max_calls} calls was reached after {len(rows)} of {len(items)} items"
        say(f"  {work.stopped}")
    return teacher.usage, source.model
