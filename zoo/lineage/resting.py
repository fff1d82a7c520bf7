"""What in a workspace rests on a document: passages, examples, texts that were read, cached answers, artifacts, releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.api import Document, Example, Passage, Rejected
from zoo.artifact import RECORD, Artifact, Workspace
from zoo.errors import ZooError
from zoo.library import Domain
from zoo.lineage.documents import Target, entries
from zoo.lineage.training import READ
from zoo.overlap import marks, runs
from zoo.publishing import published_here
from zoo.releases import pulled
from zoo.teachers.batch_journal import erase
from zoo.teachers.chosen import BATCHES
from zoo.teachers.store import Cache

_READ = ("reading.jsonl", READ)  # what annotate makes of passages for pretrain, and what that read


@dataclass(frozen=True)
class Words:
    """The runs of words that stand in the document and in no other of the same corpora, and the marks among them. What
    others say too is nobody's to forget; `shared` is which part of all its runs that is."""

    runs: frozenset[int]
    marks: frozenset[int]
    shared: float

    def in_text(self, text: str) -> bool:
        return not self.runs.isdisjoint(runs(text))

    def in_texts(self, texts: list[str]) -> bool:
        return any(map(self.in_text, texts))


@dataclass(frozen=True)
class Release:
    """`sure` where the ingest that it was made from has the document; else what it was made from is no longer here.
    `published` are its places on the Hub, as far as this workspace knows them."""

    version: str
    folder: Path
    sure: bool
    published: list[str]


@dataclass
class Resting:
    """`artifacts` go from the last step to the first. `lost` are those of them whose documents nobody can tell any more, and
    `unfinished` the folders of runs that did not end."""

    target: Target
    words: Words
    passages: set[str]
    examples: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    seeds: list[str] = field(default_factory=list)
    reading: set[tuple[str, str]] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    unknown_answers: list[str] = field(default_factory=list)
    under_way: int = 0
    artifacts: list[Artifact] = field(default_factory=list)
    lost: set[Path] = field(default_factory=set)
    unfinished: list[Path] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    near: set[str] = field(default_factory=set)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        return bool(self.target.entries or self.artifacts or self.unfinished)


def resting_on(workspace: Workspace, domain: Domain, target: Target) -> Resting:
    """Everything of the domain that rests on the document; changes nothing."""
    found = Resting(target, _words(target), set(_passages(target)))
    _look_at_artifacts(workspace, domain.name, found)
    for artifact in found.artifacts:
        _look_at_rows(artifact, found)
    names = {PurePosixPath(i).name for i in target.ids}
    found.seeds = [s.id for s in domain.seeds if any(PurePosixPath(c.document).name in names for c in s.citations)]
    found.answers, found.unknown_answers = _answers(workspace, domain.name, found.words)
    found.under_way = erase(workspace.cache / BATCHES, found.words.in_texts, drop=False)
    found.elsewhere = _elsewhere(workspace, domain.name, target)
    return found


def _words(target: Target) -> Words:
    own: set[int] = set()
    marked: set[int] = set()
    others: list[Artifact] = [Artifact(f) for f in sorted(target.folders())]
    for ingest in others:
        for document in ingest.rows("documents.jsonl", Document):
            if target.has(document):
                own.update(runs(document.text))
                marked |= marks([document.text])
    every = len(own)
    for ingest in others:
        for document in ingest.rows("documents.jsonl", Document):
            if not target.has(document):
                own.difference_update(runs(document.text))
    return Words(frozenset(own), frozenset(marked & own), 1 - len(own) / every if every else 0.0)


def _passages(target: Target) -> Iterator[str]:
    for entry in target.entries:
        yield from (p.id for p in entry.ingest.rows("passages.jsonl", Passage) if p.document == entry.id)


def _look_at_artifacts(workspace: Workspace, domain: str, found: Resting) -> None:
    known: dict[tuple[str, str], Artifact] = {}
    home = workspace.root / domain
    for folder in sorted(p for p in home.glob("*/*") if p.is_dir()):
        artifact = Artifact(folder)
        try:
            known[artifact.record["step"], artifact.record["fingerprint"]] = artifact
        except (ZooError, KeyError):
            if folder.parent != workspace.releases(domain):
                found.unfinished.append(folder)
    resting = {key for key, a in known.items() if a.folder in found.target.folders()}
    lost: set[tuple[str, str]] = set()
    ordered = sorted(known, key=lambda k: str(known[k].record["ended"]))
    for key in ordered:  # what was made of something was made after it
        inputs = {(n, i["fingerprint"]) for n, i in known[key].record["inputs"].items()}
        if inputs & resting:
            resting.add(key)
        elif inputs & lost or not inputs <= known.keys():
            lost.add(key)
    for key in reversed(ordered):
        artifact = known[key]
        if key in resting | lost and key[0] != "release":
            found.artifacts.append(artifact)
            found.lost |= {artifact.folder} - {known[k].folder for k in resting}
        elif key in resting | lost:
            version = artifact.folder.name
            places = published_here(workspace, domain, version) + _pulled(workspace, artifact)
            found.releases.append(Release(version, artifact.folder, key in resting, sorted(set(places))))


def _pulled(workspace: Workspace, release: Artifact) -> list[str]:
    """Where on the Hub a copy of the release came from."""
    return [
        f"{repo}@{version}"
        for repo, versions in pulled(workspace).items()
        for version, copy in versions.items()
        if copy.record.get("fingerprint") == release.record["fingerprint"]
    ]


def _look_at_rows(artifact: Artifact, found: Resting) -> None:
    ids, passages = found.target.ids, found.passages
    for name in (n for n in _READ if artifact.path(n).is_file()):
        for row in _json_rows(artifact.path(name)):
            if row.get("document") in ids:
                found.reading.add((name, str(row["id"])))
    if artifact.record["step"] == "ingest":
        found.near |= {
            r.id for r in _rejected(artifact) if r.reason.startswith("near-duplicate") and r.detail.get("kept") in ids
        }
    if artifact.record["step"] != "annotate":
        return
    for example in artifact.rows("examples.jsonl", Example):
        if any(c.document in ids or c.passage in passages for c in example.citations):
            found.examples.add(example.id)
    found.rejected |= {r.id for r in _rejected(artifact) if r.id in passages}


def _rejected(artifact: Artifact) -> Iterator[Rejected]:
    """None of an artifact that rejects nothing, as an ablation's arms do."""
    if artifact.path("rejected.jsonl").is_file():
        yield from artifact.rows("rejected.jsonl", Rejected)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as f:
        yield from (json.loads(line) for line in f if line.strip())


def _answers(workspace: Workspace, domain: str, words: Words) -> tuple[list[str], list[str]]:
    """Keys of the domain's cached answers that hold words of the document or were given to prompts that did, and of those
    of which nobody knows the prompts."""
    if not workspace.answers.is_file():
        return [], []
    cache = Cache(workspace.answers)
    held: list[str] = []
    unknown: list[str] = []
    try:
        for key, text, about in cache.noted(domain):
            if (about is not None and not words.marks.isdisjoint(about)) or words.in_text(text):
                held.append(key)
            elif about is None:
                unknown.append(key)
    finally:
        cache.close()
    return held, unknown


def _elsewhere(workspace: Workspace, domain: str, target: Target) -> list[str]:
    """Other domains of the workspace that have read the document too."""
    others = {p.parts[-4] for p in workspace.root.glob(f"*/ingest/*/{RECORD}")} - {domain}
    return sorted(
        other
        for other in others
        if any(e.file in target.files or e.words in target.words for e in entries(workspace, other))
    )
