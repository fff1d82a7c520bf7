"""The contract of annotators: how a folder under `annotators/` makes examples out of passages and questions.

`zoo.annotators.<name>` is a module with an `ANNOTATOR`. It is given one item and what it needs to work on it, and
gives back an example or a rejection; which items, in which order, within which budget, and what duplicates what is
the step's business.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from zoo.api import Document, Example, Passage, Question, Reading, Rejected, Task
from zoo.artifact import digest_text
from zoo.ask import SHARED, Ask, Prompt
from zoo.errors import RequestError, ZooError, unknown
from zoo.graph.triples import Extracted
from zoo.library import Domain, digest_files, folder
from zoo.settings import AnnotateSettings
from zoo.training.forms import draw

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
class Usual:
    """One call that an item usually needs, and an answer such as it usually gets."""

    prompt: Prompt
    answer: str
    schema: Mapping[str, Any] | None = None


class Annotator(Protocol):
    """`use` is what it works on, as a domain's `annotators` name it. `stages` are those that its items go through, in order, by
    the names in their attempts: the ledger has a line for each.

    `calls` is the most that `annotate` may ask for one item, which is how much of a budget is set aside for it. `usual`
    is what it asks where every answer can be used: each prompt with the JSON schema it is sent with, and an answer such
    as it usually gets; nothing for an item that it turns down unasked. Plans and budgets in tokens are reckoned from it.

    `annotate` is given a `Material` or a `Question`, gives back an Example (for pretraining a Reading, where it reads triples
    an Extracted), raises Failed or gives back a Rejected where nothing can be kept, and depends on nothing but its
    arguments. `version` is bumped whenever it would make something else of the same answers.
    """

    name: str
    use: str
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
    """The annotator for pretraining of that name. Raises as `load_annotator` does."""
    found: Any = load_annotator(name, "pretraining")
    reader: Reader = found
    return reader


def use_of(item: Material | Question) -> str:
    """Which of a run's annotators an item is for."""
    return "questions" if isinstance(item, Question) else item.use


def load_annotator(name: str, use: str) -> Annotator:
    """The annotator of that name. Raises RequestError for an unknown one and for one of another use, ZooError for one that
    cannot be imported."""
    known = sorted(p.parent.name for p in folder("annotators").glob("*/__init__.py"))
    if name not in known:
        raise unknown("annotator", name, known)
    try:
        found: Annotator = importlib.import_module(f"zoo.annotators.{name}").ANNOTATOR
    except Exception as e:
        raise ZooError(f"The annotator {name} cannot be imported: {type(e).__name__}: {e}.") from e
    if found.use != use:
        raise RequestError(
            f"The annotator {name} is one for {found.use}; name another under annotators.{use} in the domain's domain.yaml."
        )
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


def read_schema(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
