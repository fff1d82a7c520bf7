"""What a model was trained on: the artifacts of a run or a release, and the examples nearest to a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.api import Example, Passage
from zoo.artifact import Artifact, Workspace, canonical, digest_text
from zoo.embedding import Embed, load_embedder
from zoo.errors import RequestError, ZooError
from zoo.index import Index, build
from zoo.lastrun import read_last
from zoo.releases import find_release, names_release
from zoo.retrieval import Retriever
from zoo.vectors import embedded
from zoo.weights import Weights, resolve_embedder

VECTORS = "examples"  # in the workspace's cache, by domain
READ = "texts.jsonl"  # of pretrain: the texts that it read
_VERSION = 1  # of what is embedded of an example


def vectors_of(workspace: Workspace, domain: str) -> Path:
    """Where the vectors of a domain's training examples lie; they can be made again."""
    return workspace.cache / VECTORS / domain


@dataclass(frozen=True)
class Trained:
    """A model by the artifacts that it was made from. `version` is None for the last run's."""

    domain: str
    version: str | None
    ingest: Artifact
    annotate: Artifact
    finetune: Artifact
    pretrain: Artifact | None

    def examples(self) -> Iterator[Example]:
        """Those of which at least one row trained it, in annotate's order."""
        with self.finetune.path("rows.jsonl").open(encoding="utf-8") as f:
            rows = map(json.loads, f)
            ids = {row["example"] for row in rows if row["split"] == "train"}
        return (e for e in self.annotate.rows("examples.jsonl", Example) if e.id in ids)


def find_trained(workspace: Workspace, reference: str, domain_path: tuple[Path, ...]) -> Trained:
    """What DOMAIN (its last run) or DOMAIN@VERSION was made from. Raises RequestError for a pulled release, which comes
    without its data, and where no model was trained or its artifacts are gone."""
    if "/" in reference:
        raise RequestError(
            f"{reference} was pulled, and a release comes without the data it was trained on; ask where it was made."
        )
    if names_release(reference):
        domain, version, release = find_release(workspace, reference, domain_path)
        inputs = release.record["inputs"]
        found = {n: Artifact(workspace.step(domain, n, i["fingerprint"])) for n, i in inputs.items()}
        return _trained(domain, version, found)
    from zoo.library import load_domain

    domain = load_domain(reference, domain_path).name
    last = read_last(workspace, domain)
    return _trained(domain, None, {d.step: Artifact(workspace.root / domain / d.artifact) for d in last.steps})


def _trained(domain: str, version: str | None, found: dict[str, Artifact]) -> Trained:
    named = f"{domain}@{version}" if version else f"The last run of {domain}"
    if "finetune" not in found:
        raise RequestError(f"{named} has trained no model yet; `zoo finetune {domain}` does.")
    for step in ("ingest", "annotate", "pretrain", "finetune"):
        if step in found and not found[step].exists:
            raise RequestError(
                f"What {step} left for {named[0].lower() + named[1:]} is not in the workspace any more, so nobody can tell "
                "what it rests on; train it anew."
            )
    return Trained(domain, version, found["ingest"], found["annotate"], found["finetune"], found.get("pretrain"))


@dataclass(frozen=True)
class Near:
    """A training example near to a text: the cosine to its `part`, the question or the answer with its reasoning."""

    example: Example
    score: float
    part: str


@dataclass(frozen=True)
class Memory:
    """A model's training examples, indexed, to be asked."""

    trained: Trained
    index: Index
    embed: Embed

    @classmethod
    def open(cls, workspace: Workspace, trained: Trained, offline: bool) -> Memory:
        """The first time all examples are embedded. Raises ZooError where the embedder is another than ingest's."""
        config, facts = (
            trained.ingest.record["config"],
            json.loads(trained.ingest.path("index.json").read_text("utf-8")),
        )
        embedder = resolve_embedder(config["embedder"], workspace.cache, offline)
        if "embedder" in facts and embedder.digest != facts["embedder"]["digest"]:
            raise ZooError(f"The embedder {embedder.name} is not the one of {trained.ingest.folder}; ingest again.")
        known = [_VERSION, trained.finetune.content, trained.annotate.content, embedder.digest]
        folder = vectors_of(workspace, trained.domain) / digest_text(canonical(known))[:16]
        if not (folder / "index.faiss").is_file():
            _index(trained, folder, embedder)
        return cls(trained, Index.load(folder), load_embedder(embedder.folder))

    def nearest(self, text: str, top: int) -> list[Near]:
        """Up to `top` examples, the nearest first."""
        # Of each example there are two rows, and both may be near.
        hits = next(self.index.nearest(self.embed([text]), 2 * top))
        best: dict[int, tuple[float, str]] = {}
        for row, score in hits:
            best.setdefault(row // 2, (score, ("question", "answer")[row % 2]))
        chosen = dict(list(best.items())[:top])
        found = {n: e for n, e in enumerate(self.trained.examples()) if n in chosen}
        return [Near(found[n], score, part) for n, (score, part) in chosen.items()]

    def passages_of(self, near: list[Near]) -> dict[str, Passage]:
        """The passages that the examples cite, by id."""
        wanted = {c.passage for n in near for c in n.example.citations}
        return {p.id: p for p in self.trained.ingest.rows("passages.jsonl", Passage) if p.id in wanted}

    def read(self, text: str, top: int) -> list[tuple[Passage, float]] | None:
        """The passages nearest to the text of those that continued pretraining trained on; none where there was none, None
        where it did not note them."""
        if self.trained.pretrain is None:
            return []
        if not self.trained.pretrain.path(READ).is_file():
            return None
        retriever = Retriever(self.trained.ingest, Index.load(self.trained.ingest.folder), self.embed)
        trained, count = _read(self.trained.pretrain), retriever.index.facts["passages"]
        looked, found = top, list[tuple[Passage, float]]()
        while len(found) < top and looked < 8 * count:
            looked *= 8
            near = retriever.nearest(text, looked)
            found = [(p, score) for p, score in near if p.id in trained]
        return found[:top]


def _index(trained: Trained, folder: Path, embedder: Weights) -> None:
    texts = [text for e in trained.examples() for text in (_asked(e), _answered(e))]
    if not texts:
        raise ZooError(f"No example trained the model of {trained.finetune.folder}; fine-tune it anew.")
    vectors = embedded(
        texts, len(texts), lambda done: load_embedder(embedder.folder, done), folder / "vectors", embedder.digest
    )
    named = {"name": embedder.name, "digest": embedder.digest}
    build(vectors, folder, len(texts) + 1, named, 0)


def _asked(example: Example) -> str:
    """The question; where many rows ask one thing of their own texts, that tells them apart."""
    return example.question if example.citations or not example.context else f"{example.question}\n{example.context}"


def _answered(example: Example) -> str:
    return f"{example.reasoning}\n{example.answer}" if example.reasoning else example.answer


def _read(pretrain: Artifact) -> set[str]:
    """Ids of the passages in texts that trained; those that its budget did not reach did not."""
    with pretrain.path(READ).open(encoding="utf-8") as f:
        return {passage for row in map(json.loads, f) if row.get("seen") != 0 for passage in row["passages"]}
