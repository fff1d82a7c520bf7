"""Reading comprehension for continued pretraining: a text, and behind it tasks that the text settles.

AdaptLLM's idea (Cheng et al., arXiv 2309.09530): what is only read wears off a model's skill in answering, and what is read and
then asked about does not. Most tasks are mined by rules, which costs nothing; a teacher may be asked for more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zoo.alike import normal
from zoo.annotating import Material, ToStudy, Usual, read_schema
from zoo.api import Passage, Question, Reading, Rejected, Task, Verdict
from zoo.ask import REPAIRS, Ask, Prompt, prompted
from zoo.fencing import fence, order_in
from zoo.library import Domain
from zoo.settings import AnnotateSettings

from .checks import Refused, checked
from .mining import MOST, Mined, mine
from .sentences import sentences
from .wordings import as_text

FEWEST_SENTENCES = 2  # a passage with fewer bears no tasks worth asking for
_SCHEMA = read_schema(Path(__file__).with_name("schema.json"))


class ReadingComprehension:
    name = "reading_comprehension"
    use = ToStudy.use
    version = "2"
    stages = ("write",)

    def mine(self, passages: Sequence[Passage]) -> dict[str, Mined]:
        """Of one document's passages, in order: what is read of each and the tasks that rules find in it, by its id."""
        return mine(passages)

    def as_text(self, task: Task) -> str:
        """A task as it is read behind its text: no chat turns, its answer with it."""
        return as_text(task)

    def calls(self, item: Material | Question, settings: AnnotateSettings) -> int:
        return 1 + REPAIRS

    def usual(self, item: Material | Question, domain: Domain, settings: AnnotateSettings) -> list[Usual]:
        """One call, with the passage's own sentences in the tasks' place; none for a passage that is turned down."""
        assert isinstance(item, Material)
        if turned_down(item.passage):
            return []
        found = sentences(item.passage.text)
        tasks = [
            {"kind": "entailment", "question": s.text, "answer": s.text, "quote": s.text} for s in (found * MOST)[:MOST]
        ]
        return [Usual(self._prompt(item, domain), json.dumps({"tasks": tasks}, ensure_ascii=False), _SCHEMA)]

    def _prompt(self, item: Material, domain: Domain) -> Prompt:
        title, text = " ".join(item.passage.title.split()), item.passage.text
        shown = {"title": title, "text": text, "fence": fence(text), "most": MOST}
        return prompted(domain, self.name, "write", "write", **shown)

    async def annotate(
        self, item: Material | Question, ask: Ask, domain: Domain, settings: AnnotateSettings
    ) -> Reading | Rejected:
        """The tasks of a passage that pass every check; those that do not are listed with their reasons."""
        if not isinstance(item, Material):
            raise TypeError("reading_comprehension asks about passages, not questions")
        passage, document = item.passage, item.document
        if reason := turned_down(passage):
            return Rejected(reason=reason, id=passage.id, path=document.path)
        written = await ask.data(self._prompt(item, domain), _SCHEMA)
        tasks, refused = _sorted(written["tasks"], passage)
        ask.judged(_verdict(tasks, refused))
        if not tasks:
            detail = {"refused": [r.model_dump(include={"reason", "detail"}) for r in refused]}
            return Rejected(reason="no_task_left", id=passage.id, path=document.path, detail=detail)
        return Reading(
            id=f"{self.name}-{passage.id}", document=document.id, passage=passage.id, tasks=tasks, refused=refused,
            source=document.source, licence=document.licence,
        )  # fmt: skip


def turned_down(passage: Passage) -> str | None:
    """The reject reason of a passage that the teacher is not asked about, None where it is."""
    if len(sentences(passage.text)) < FEWEST_SENTENCES:
        return "no_running_text"
    return "passage_gives_orders" if order_in(f"{passage.title}\n{passage.text}") else None


def _sorted(written: list[dict[str, str]], passage: Passage) -> tuple[list[Task], list[Rejected]]:
    """The tasks that pass, and those that do not; what is asked twice, and what is beyond MOST, does not."""
    tasks: list[Task] = []
    refused: list[Rejected] = []
    for data in written:
        try:
            task = checked(data, passage)
            if normal(task.question) in {normal(t.question) for t in tasks}:
                raise Refused("repeated")
            if len(tasks) == MOST:
                raise Refused("more_than_asked_for")
            tasks.append(task)
        except Refused as e:
            refused.append(Rejected(reason=str(e), id=passage.id, detail=dict(data)))
    return tasks, refused


def _verdict(tasks: list[Task], refused: list[Rejected]) -> Verdict:
    why = ", ".join(f"{reason} {n}" for reason, n in Counter(r.reason for r in refused).most_common())
    said = f"{len(tasks)} of {len(tasks) + len(refused)} tasks pass" + (f"; {why}" if why else "")
    return Verdict(check="tasks", verdict="right" if tasks else "wrong", reason=said)


ANNOTATOR = ReadingComprehension()
