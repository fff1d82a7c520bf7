"""About how many passages a corpus will have, before ingest has read it: a few of its files are read as ingest does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from zoo.api import Document, Passage
from zoo.corpus import corpus_of
from zoo.errors import ZooError
from zoo.passages import BaseTokens, Block, Tokens, passages
from zoo.reading.files import Found
from zoo.reading.isolate import Confinement, Task, read_all
from zoo.run import Run

FILES, BYTES, PATIENCE_S = 12, 4 * 2**20, 20.0  # of the sample; a plan should take seconds
CHARACTERS_PER_TOKEN = (
    4.2  # of the packaged sample by the default base's tokenizer: texts 4.3, prompts 4.1, answers 4.0
)


@dataclass(frozen=True)
class Extent:
    """`count` passages are expected; `documents` and `passages` are those of the files that were read for it."""

    count: int
    documents: list[Document]
    passages: list[Passage]


class Rough:
    """Counts tokens where the base's tokenizer is not on this disk."""

    def starts(self, texts: list[str]) -> list[list[int]]:
        each = CHARACTERS_PER_TOKEN
        return [[int(n * each) for n in range(max(1, round(len(text) / each)))] for text in texts]


def tokens_of(run: Run) -> Tokens:
    """The base's tokenizer where it is on this disk, else a rough count."""
    try:
        folder = run.base.folder
    except ZooError:
        return Rough()
    return BaseTokens(folder) if (folder / "tokenizer.json").is_file() else Rough()


def extent_of(run: Run, tokens: Tokens) -> Extent:
    """Files of a kind are taken to have as many passages a byte as those of the sample."""
    settings = run.recipe.ingest
    files = [f for f in corpus_of(run).chosen if not f.problem]
    chosen = {f.id: f for f in _sample(files)}
    limits = Confinement(
        run.domain.name, tuple(str(p) for p in run.options.domain_path), min(settings.timeout_s, PATIENCE_S),
        settings.memory_mb, settings.max_expanded_mb,
    )  # fmt: skip
    # One process reads them all: to start a second takes longer than its share.
    tasks = [Task(f.id, str(f.path), f.name, f.digest()) for f in chosen.values() if not f.unopened]
    documents: list[Document] = []
    found: list[Passage] = []
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])  # by kind: passages, bytes
    for task, answer in sorted(read_all(tasks, limits, 1), key=lambda done: done[0].id):
        file = chosen[task.id]
        counts[_kind(file)][1] += file.size
        if "rejected" in answer:
            continue
        document = Document(
            id=file.id, path=file.name, text=answer["text"], source=file.source, licence=file.licence, meta={}
        )  # fmt: skip
        cut = list(passages(document, [Block(*b) for b in answer["blocks"]], tokens, settings.passage_tokens))
        counts[_kind(file)][0] += len(cut)
        documents.append(document)
        found += cut
    whole = [sum(c) for c in zip(*counts.values(), strict=True)] or [0, 0]
    count = 0.0
    for file in files:
        there, size = counts.get(_kind(file), whole)
        count += file.size * there / max(size, 1)
    return Extent(round(count), documents, found)


def _kind(file: Found) -> str:
    return PurePosixPath(file.name).suffix.lower()


def _sample(files: Iterable[Found]) -> list[Found]:
    """Files of every kind, by its share of the bytes and spread over its list."""
    kinds: dict[str, list[Found]] = defaultdict(list)
    for f in files:
        if f.size <= BYTES:
            kinds[_kind(f)].append(f)
    sizes = {kind: sum(f.size for f in of) for kind, of in kinds.items()}
    whole, chosen, size = max(sum(sizes.values()), 1), list[Found](), 0
    for kind in sorted(kinds, key=lambda k: (-sizes[k], k)):
        of = kinds[kind]
        most = min(max(round(FILES * sizes[kind] / whole), 1), len(of))
        for f in (of[len(of) * n // most] for n in range(most)):
            if len(chosen) < FILES and size + f.size <= BYTES:
                chosen.append(f)
                size += f.size
    return chosen
