"""The passages nearest in meaning to a question, out of what ingest left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.api import Passage
from zoo.artifact import Artifact, Workspace
from zoo.embedding import Embed, load_embedder
from zoo.errors import RequestError, ZooError
from zoo.index import Index
from zoo.lastrun import FILE, read_last
from zoo.weights import resolve_embedder


def last_ingest(workspace: Workspace, domain: str) -> Artifact:
    """The ingest artifact of the domain's last run, skipped or not; where that run has none (it failed, or its artifact
    is gone), the one finished last. Raises RequestError if there is none."""
    if (used := _of_last_run(workspace, domain)) and used.exists:
        return used
    folders = [p.parent for p in (workspace.root / domain / "ingest").glob("*/record.json")]
    if not folders:
        raise RequestError(
            f"Nothing of {domain} has been ingested into {workspace.root}; run `zoo ingest {domain}` first."
        )
    return max((Artifact(f) for f in folders), key=lambda a: str(a.record["ended"]))


def _of_last_run(workspace: Workspace, domain: str) -> Artifact | None:
    if not (workspace.root / domain / FILE).is_file():
        return None
    steps = read_last(workspace, domain).steps
    return next((Artifact(workspace.root / domain / s.artifact) for s in steps if s.step == "ingest"), None)


def ingest_of(release: Artifact, workspace: Workspace, domain: str) -> Artifact:
    """The ingest artifact that a release was made from. Raises RequestError if it is not in the workspace any more."""
    fingerprint = release.record["inputs"]["ingest"]["fingerprint"]
    artifact = Artifact(workspace.step(domain, "ingest", fingerprint))
    if not artifact.exists:
        raise RequestError(f"its ingest {fingerprint} is not in {workspace.root}")
    return artifact


@dataclass(frozen=True)
class Retriever:
    """An ingest artifact, open to be asked. `embed` is None where it has no passages at all."""

    artifact: Artifact
    index: Index
    embed: Embed | None

    @classmethod
    def open(cls, artifact: Artifact, cache: Path, offline: bool) -> Retriever:
        """Loads the index and its embedder, which may be fetched unless `offline`. Raises ZooError where either is
        missing or the embedder is another one."""
        index = Index.load(artifact.folder)
        if not index.facts["passages"]:
            return cls(artifact, index, None)
        embedder = resolve_embedder(artifact.record["config"]["embedder"], cache, offline)
        if embedder.digest != index.facts["embedder"]["digest"]:
            raise ZooError(
                f"The embedder {embedder.name} is not the one that {artifact.folder} was indexed with; ingest again."
            )
        return cls(artifact, index, load_embedder(embedder.folder))

    def nearest(self, query: str, top: int) -> list[tuple[Passage, float]]:
        """Up to `top` (passage, cosine to the query), the nearest first."""
        if self.embed is None:
            return []
        hits = dict(next(self.index.nearest(self.embed([query]), top)))
        rows: dict[int, Passage] = {}
        with self.artifact.path("passages.jsonl").open(encoding="utf-8") as f:
            for n, line in enumerate(f):
                if n in hits:
                    rows[n] = Passage.model_validate_json(line)
                if len(rows) == len(hits):
                    break
        return [(rows[n], score) for n, score in hits.items()]
