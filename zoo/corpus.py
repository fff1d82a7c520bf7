"""Which files a request is about: the domain's packaged sample, and the paths it names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import RequestError
from zoo.reading.files import Found, Root, find

if TYPE_CHECKING:
    from zoo.run import Run

OWN = "corpus"  # the source id of what --corpus names


@dataclass(frozen=True)
class Corpus:
    """The files of a request, sorted by source and name. `chosen` is what is read of the `found`."""

    found: int
    hidden: int
    chosen: list[Found]

    @property
    def ids(self) -> list[str]:
        return [f.id for f in self.chosen]

    @property
    def coverage(self) -> dict[str, Any]:
        """How much of the corpus is read, where not all of it is."""
        out: dict[str, Any] = {"hidden": self.hidden} if self.hidden else {}
        if len(self.chosen) < self.found:
            out["coverage"] = {"files": self.found, "read": len(self.chosen)}
        return out


def roots_of(run: Run) -> list[Root]:
    """Where documents come from: the paths of the request, and the packaged sample, on which the domain's seeds rest. A
    packaged source that the request names elsewhere is read there alone.

    Raises RequestError for a path that is not there and a source that the domain lacks.
    """
    roots = [Root(OWN, "unknown", _existing(p, "--corpus")) for p in run.options.corpus]
    for source_id, path in run.options.sources.items():
        source = run.domain.source(source_id)
        if source.kind == "documents":
            roots.append(Root(source.id, source.licence, _existing(path, f"--source {source_id}")))
    packaged = [
        s for s in run.domain.config.sources if s.kind == "documents" and s.path and s.id not in run.options.sources
    ]
    if roots and not run.recipe.ingest.sample:
        return roots
    return [
        *roots,
        *(
            Root(s.id, s.licence, _existing(run.domain.folder / str(s.path), f"the source {s.id} of {run.domain.name}"))
            for s in packaged
        ),
    ]


def _existing(path: Path, where: str) -> Path:
    path = path.expanduser().absolute()
    if not path.exists():
        raise RequestError(f"{path}, given as {where}, does not exist; name a file or a folder of documents.")
    return path


def corpus_of(run: Run) -> Corpus:
    """The files as they are now; a cap takes a sample of them that only the seed and the files' ids decide."""
    settings = run.recipe.ingest
    found, hidden = find(roots_of(run), int(settings.max_file_mb * 2**20))
    chosen = found
    if settings.max_documents is not None and len(found) > settings.max_documents:
        drawn = sorted(found, key=lambda f: hashlib.sha256(f"{run.recipe.seed}\0{f.id}".encode()).digest())
        chosen = sorted(drawn[: settings.max_documents], key=lambda f: (f.source, f.name))
    return Corpus(len(found), hidden, chosen)
