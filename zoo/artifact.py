"""What a step leaves: a folder of files and a `record.json` written last, atomically. Without the record it does not exist.

<workspace>/<domain>/<step>/<fingerprint>/record.json
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel

from zoo.errors import ZooError
from zoo.lock import locked

R = TypeVar("R", bound=BaseModel)
RECORD = "record.json"
EVENTS = "tensorboard"  # training curves as TensorBoard reads them
WORK = "work"  # a step's unfinished state lives here, and is removed when the step is done
_PLACES = ("folder", "items", "files")  # of a step's result
_PACKAGES = (
    "srm-zoo", "torch", "transformers", "tokenizers", "peft", "datasets", "accelerate", "lm-eval", "unstructured",
    "pypdfium2", "faiss-cpu", "sentence-transformers", "openai", "huggingface-hub", "numpy",
)  # fmt: skip


def canonical(value: Any) -> str:
    """JSON with one spelling. Raises TypeError on anything that is not plain data, so that nothing vague enters a fingerprint."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(identity: dict[str, Any]) -> str:
    """16 hex digits over everything that decides what a step leaves."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()[:16]


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_file(path: Path) -> str:
    h = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(1 << 22):
            h.update(block)
    return h.hexdigest()


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its place at `path` at the end; on a disk that is full nothing of it stays. One process
    at a time writes it, over what a kill left of the one before."""
    part = path.with_name(f".{path.name}.part")
    file = locked(part, wait=True)
    assert file
    with file:
        try:
            file.truncate(0)
            yield file
            file.flush()
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_atomic(path: Path, data: str | bytes) -> None:
    """Either the whole file is there or none of it, also after a power cut."""
    with _whole(path) as f:
        f.write(data.encode() if isinstance(data, str) else data)
        f.flush()
        os.fsync(f.fileno())


def write_rows(path: Path, rows: Iterable[BaseModel | dict[str, Any] | bytes]) -> int:
    """JSONL, one row a line, written whole or not at all; the number of rows. A row of bytes is a line already."""
    n = 0
    with _whole(path) as f:
        for row in rows:
            f.write(row if isinstance(row, bytes) else _line(row))
            n += 1
    return n


def _line(row: BaseModel | dict[str, Any]) -> bytes:
    text = row.model_dump_json() if isinstance(row, BaseModel) else json.dumps(row, ensure_ascii=False)
    return text.encode() + b"\n"


def read_rows(path: Path, row: type[R]) -> Iterator[R]:
    with path.open(encoding="utf-8") as f:
        for line in f:
            if line.strip():
                yield row.model_validate_json(line)


def packages() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Artifact:
    """A finished step's folder."""

    folder: Path

    @property
    def exists(self) -> bool:
        return (self.folder / RECORD).is_file()

    @cached_property
    def record(self) -> dict[str, Any]:
        """Raises ZooError where the file is none that `finish` wrote."""
        path = self.folder / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise ZooError(f"{path} is broken ({e}); remove its folder, and what it held can be made again.") from e
        if not isinstance(record, dict) or not {"files", "content", "result"} <= set(record):
            raise ZooError(f"{path} is no record of a finished step; remove its folder, and it can be made again.")
        return record

    @property
    def content(self) -> str:
        """The digest of everything in it but logs: what later steps take as this input's identity."""
        return str(self.record["content"])

    @property
    def result(self) -> dict[str, Any]:
        """What the step left to say. Its places (`folder`, `items`, `files`) are relative to this folder."""
        return dict(self.record["result"])

    @property
    def printed(self) -> dict[str, Any]:
        """The result with its places as they are on this disk now, wherever the step was run."""
        return {k: self._here(v) if k in _PLACES else v for k, v in self.result.items()}

    def _here(self, place: Any) -> Any:
        return {n: self._here(p) for n, p in place.items()} if isinstance(place, dict) else str(self.folder / place)

    def path(self, name: str) -> Path:
        return self.folder / name

    def rows(self, name: str, row: type[R]) -> Iterator[R]:
        return read_rows(self.folder / name, row)

    @property
    def damage(self) -> str:
        """What keeps a finished step's folder from being used, by the sizes of its files; '' where nothing does."""
        try:
            files = self.record["files"]
        except ZooError:
            return "its record.json is broken"
        missing = next((n for n, f in files.items() if not _has_size(self.path(n), f["bytes"])), None)
        return f"{missing} is missing or has another size" if missing else ""

    def changed_files(self) -> list[str]:
        """The names of files that are missing or no longer have the digest in the record."""
        return [
            name
            for name, entry in self.record["files"].items()
            if not (self.folder / name).is_file() or digest_file(self.folder / name) != entry["sha256"]
        ]


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def content_of(files: dict[str, dict[str, Any]]) -> str:
    """One digest over a record's `files` but those that hold times: logs and TensorBoard's events."""
    timed = (".log", f"{EVENTS}/")
    counted = {n: f["sha256"] for n, f in files.items() if not (n.endswith(timed[0]) or n.startswith(timed[1]))}
    return digest_text(canonical(counted))


def log_name(step: str) -> str:
    """The file of an artifact in which what its step said stands."""
    return f"{step}.log"


def pretty(data: Any) -> str:
    """JSON as records are written: for people to read."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def without_paths(value: Any) -> Any:
    """The same plain data with only the last part of every absolute path: where it lay here is nobody else's business."""
    if isinstance(value, dict):
        return {k: without_paths(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_paths(v) for v in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def finish(folder: Path, record: dict[str, Any]) -> Artifact:
    """Writes `record.json` over what lies in `folder`, with the digest of every file; after this the artifact exists.
    What a kill left of files half written is removed."""
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or name.parts[0] == WORK or path.name == RECORD:
            continue
        if path.name.startswith(".") and path.name.endswith(".part"):
            path.unlink()
        else:
            files[name.as_posix()] = {"sha256": digest_file(path), "bytes": path.stat().st_size}
    done = {**record, "packages": packages(), "files": files, "content": content_of(files)}
    write_atomic(folder / RECORD, pretty(done))
    return Artifact(folder)


@dataclass(frozen=True)
class Workspace:
    """Where everything of a user lies."""

    root: Path

    def step(self, domain: str, step: str, fingerprint: str) -> Path:
        return self.root / domain / step / fingerprint

    def releases(self, domain: str) -> Path:
        return self.root / domain / "releases"

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def answers(self) -> Path:
        """The teachers', one file for all domains."""
        return self.cache / "teacher.sqlite"
