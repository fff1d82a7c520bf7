"""Questions with known answers: where a source's rows lie, which of them train and which test, and their texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zoo.api import Question, Rejected
from zoo.config import SourceConfig
from zoo.errors import RequestError
from zoo.library import Domain
from zoo.mapping import HEAD, Part, ToQuestion, questions_of, variant
from zoo.run import Run
from zoo.tables import hub_rows, read_table


@dataclass(frozen=True)
class Items:
    """`rejected` are the rows that cannot be items. `origin` is a file's name, or a dataset with the commit that was
    resolved."""

    questions: list[Question]
    rejected: list[Rejected]
    origin: str

    @property
    def why_none(self) -> str:
        """Why there is no item, as the first row has it."""
        return f"the first is: {self.rejected[0].reason}" if self.rejected else "it has none"


def load_questions(run: Run, source_id: str) -> tuple[list[Question], list[Rejected]]:
    """A questions source's items that train, and the rows that do not: from the file the request names, else the
    packaged one, else from the Hub.

    Raises RequestError where no row can train or the file's columns fit no variant of the source, ZooError where the
    Hub has not got it.
    """
    source = run.domain.source(source_id)
    items = read_items(run, source, place_of(run, source), source.hub.split if source.hub else "", "train")
    if not items.questions:
        raise RequestError(
            f"No row of {items.origin} can train ({items.why_none}); name another file with --source {source_id}=PATH."
        )
    return items.questions, items.rejected


def place_of(run: Run, source: SourceConfig) -> Path | None:
    """The file of a questions source, as the request or the domain names it; None where its rows lie on the Hub."""
    if named := run.options.sources.get(source.id):
        return named
    if source.path:
        return run.domain.folder / source.path
    if source.hub is None:
        raise RequestError(f"The source {source.id} is not on the Hub; name its file with --source {source.id}=PATH.")
    return None


def read_items(run: Run, source: SourceConfig, path: Path | None, split: str, part: Part) -> Items:
    """The rows of the file at `path`, else of `split` on the Hub, as questions of one part of a source.

    Where the source lists its authors' test items, rows of those ids never train, in whatever file they stand; and they
    alone test. Only a file with none of them is taken whole for testing: it is not the authors', but the user's own.
    """
    if path:
        rows, origin = read_table(path), path.name
    else:
        assert source.hub is not None
        rows, origin = hub_rows(source.hub, split, run.options.offline, dataset_cache(run))
    kept, rejected = questions_of(source, rows, origin, part, _tests(run.domain, source))
    return Items(kept, rejected, origin)


def _tests(domain: Domain, source: SourceConfig) -> set[str]:
    """The authors' ids of their test items, where the source lists them."""
    if source.hub is None or source.hub.test_ids is None:
        return set()
    path = domain.folder / source.hub.test_ids
    try:
        return set(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as e:
        raise RequestError(f"{path}, the test_ids of the source {source.id}, cannot be read: {e}.") from e


def digest_of_tests(domain: Domain, source: SourceConfig) -> str:
    """Over the list of the authors' test items; empty where the source has none."""
    return domain.digest_of(source.hub.test_ids) if source.hub and source.hub.test_ids else ""


def dataset_cache(run: Run) -> Path:
    return run.workspace.cache / "datasets"


def check_sources(run: Run) -> None:
    """Refuses, before any work, a source of this run that does not exist, lies nowhere or whose file does not fit;
    documents need be there."""
    for source_id in dict.fromkeys([*run.options.sources, *run.recipe.annotate.sources]):
        source = run.domain.source(source_id)
        named = run.options.sources.get(source_id)
        if source.kind == "documents":
            if named and not named.exists():
                raise RequestError(f"There is nothing at {named}, where --source {source_id} should lie.")
            continue
        listed, path = _tests(run.domain, source), place_of(run, source)
        if path:
            check_table(source, path)
            if listed:
                load_questions(run, source_id)


def check_table(source: SourceConfig, path: Path) -> None:
    """Refuses a file whose columns, or whose numbers of the right choices, do not fit the source."""
    if variant(source, read_table(path, HEAD), path.name).gold_number:
        ToQuestion(source, read_table(path), path.name)


def telling_texts(questions: list[Question]) -> list[str]:
    """The text that tells each question from the others of its set: itself, or where the set asks one thing of many
    texts or of many options, its context or its options. The shared instruction stays out: embedded with it, all those
    texts would look alike."""
    shared = Counter(q.question for q in questions)
    return [
        (q.context or "; ".join(q.choices) or q.question) if shared[q.question] > 1 else q.question for q in questions
    ]
