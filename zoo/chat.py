"""A question put to a released model with the passages that are nearest to it, as its training rows were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.api import Kind, Passage
from zoo.artifact import Workspace
from zoo.errors import RequestError, ZooError
from zoo.loading import Loaded, Stopped, asked, load_release, with_passages
from zoo.prompting import Part, Parts
from zoo.releases import find_release
from zoo.retrieval import Retriever, ingest_of


@dataclass(frozen=True)
class Reply:
    """`passages` have the text that the model was shown; `found` is how many there were before they were cut to its
    length, `whole` whether the last of them was left whole. `stopped` is what cut the answer off."""

    question: str
    answer: str
    reasoning: str
    passages: list[Passage]
    found: int
    whole: bool
    stopped: Stopped | None


@dataclass(frozen=True)
class Chat:
    """A release, ready to be asked, each question by itself. Without a `retriever` no passages are shown."""

    loaded: Loaded
    retriever: Retriever | None
    top: int
    kind: Kind
    reasoning: bool
    max_tokens: int

    def ask(self, question: str, heard: Callable[[Part, str], None]) -> Reply:
        """The reply; `heard` gets it in pieces as it is made. Raises RequestError for a question that is too long."""
        row = asked(question, kind=self.kind)
        nearest = [p for p, _ in self.retriever.nearest(question, self.top)] if self.retriever else []
        shown = self.loaded.fitted(row, [p.text for p in nearest], reasoning=self.reasoning, max_tokens=self.max_tokens)
        parts = Parts()

        def listen(piece: str) -> None:
            for part, text in parts.feed(piece):
                heard(part, text)

        turn = self.loaded.turn(
            with_passages(row, shown), reasoning=self.reasoning, max_tokens=self.max_tokens, heard=listen
        )
        for part, text in parts.end():
            heard(part, text)
        passages = [p.model_copy(update={"text": text}) for p, text in zip(nearest, shown, strict=False)]
        whole = [p.text for p in nearest[: len(shown)]] == shown
        return Reply(question, parts.answer, parts.reasoning, passages, len(nearest), whole, turn.stopped)


def open_chat(
    reference: str, workspace: Path, domain_path: tuple[Path, ...], *, passages: bool, top: int, kind: Kind,
    reasoning: bool, max_tokens: int, offline: bool,
) -> Chat:  # fmt: skip
    """Loads `DOMAIN[@VERSION]` and, for `passages`, the index of the documents it was made from.

    Raises RequestError where there is no such release, and ZooError where its passages cannot be searched any more.
    """
    root = Workspace(workspace)
    name, version, release = find_release(root, reference, domain_path)
    retriever = None
    if passages:
        try:
            retriever = Retriever.open(ingest_of(release, root, name), root.cache, offline)
        except ZooError as e:
            kind_of_error = RequestError if isinstance(e, RequestError) else ZooError
            raise kind_of_error(
                f"The passages of {name}@{version} cannot be searched: {str(e).rstrip('.')}; ask without them "
                f"(--no-passages), or make them again with `zoo ingest {name}`, as it was run for this release."
            ) from e
    loaded = load_release(reference, workspace, domain_path)
    return Chat(loaded, retriever, top, kind, reasoning, max_tokens)
