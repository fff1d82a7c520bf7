"""What the workspace's cache holds, and dropping of it: teachers' answers, and the weights and data fetched or made once.

No artifact needs any of it. What is dropped is asked for, and paid for, or fetched again by the next run that wants it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.artifact import WORK, Workspace
from zoo.errors import ZooError, unknown
from zoo.lock import locked
from zoo.teachers.askers import models_asked
from zoo.teachers.store import Cache, Count, Selection
from zoo.weights.folder import FOUND

# The folders of the cache whose contents can be had again, and what is in each. What else lies there is a step's or a
# teacher's own and stays.
ROLES = {"base": "base model", "embedder": "sentence embedder"}
DATA = {
    "datasets": "datasets of the Hub",
    "gguf": "weights written for llama.cpp",
    "examples": "vectors of training examples",
}


@dataclass(frozen=True)
class Thing:
    """A model, or all of one kind of data; `folders` are where it lies."""

    name: str
    kind: str
    bytes: int
    folders: tuple[Path, ...]


def look(place: Workspace, selection: Selection) -> list[Count]:
    """The answers that are selected, by domain, model and place; makes no file. Raises RequestError with the nearest name
    for a domain, model or place that no answer is of."""
    if not place.answers.is_file():
        _require_known(selection, [])
        return []
    cache = Cache(place.answers)
    try:
        _require_known(selection, cache.counts(Selection()))
        return cache.counts(selection)
    finally:
        cache.close()


def _require_known(selection: Selection, counts: list[Count]) -> None:
    for what in ("domain", "model", "place"):
        known = {getattr(c, what) for c in counts}
        if (name := getattr(selection, what)) is not None and name not in known:
            raise unknown(f"{what} with answers in this cache called", name, known - {""})


def things(place: Workspace, names: Sequence[str] | None = None) -> list[Thing]:
    """Weights and data, all or those of these names; an unknown name is answered with the nearest one (RequestError)."""
    found = [
        Thing(name, kind, sum(map(_size, folders)), tuple(folders))
        for role, kind in ROLES.items()
        for name, folders in _models(place.cache / role).items()
    ]
    for name, kind in DATA.items():
        if (folder := place.cache / name).is_dir():
            found.append(Thing(name, kind, _size(folder), (folder,)))
    if names is None:
        return found
    known = {t.name for t in found}
    for name in names:
        if name not in known:
            raise unknown("model or data in this cache called", name, known)
    return [t for t in found if t.name in names]


def _models(folder: Path) -> dict[str, list[Path]]:
    """Folders by model; what a kill left of one that was being fetched or made is that model's too."""
    models: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/")):
        name = path.name.removeprefix(".").removesuffix(".part") if path.name.startswith(".") else path.name
        models.setdefault(name.replace("--", "/", 1), []).append(path)
    return models


def _size(path: Path) -> int:
    """Bytes of the files below `path`, also while other processes change them; links are not followed."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def size(place: Workspace) -> int:
    """Bytes of all that is below the cache."""
    return _size(place.cache)


def drop(place: Workspace, selection: Selection, answers: Sequence[Count], chosen: Sequence[Thing]) -> None:
    """Removes the answers of `selection`, which come to `answers`, and the things. Raises ZooError, with nothing
    removed, where a running process asks one of the models, or works in this workspace and may need a thing."""
    with ExitStack() as stack:
        if chosen:
            _hold(place, chosen, stack)
        if answers:
            cache = Cache(place.answers)
            stack.callback(cache.close)
            if busy := sorted({a.model for a in answers} & models_asked(cache.asking)):
                raise ZooError(
                    f"A running zoo process asks {' and '.join(busy)}, so nothing was dropped: wait for it or stop it, or "
                    "select the answers of other models with --model."
                )
            cache.drop(selection)
        for folder in (f for t in chosen for f in t.folders):
            # Without it the folder is taken as not there, also where this is killed half way.
            (folder / FOUND).unlink(missing_ok=True)
            shutil.rmtree(folder)


def _hold(place: Workspace, chosen: Sequence[Thing], stack: ExitStack) -> None:
    """Keeps every step of this workspace from going on that is not running, and things from being made."""
    for lock in (*place.root.glob(f"*/*/*/{WORK}/lock"), *(f / "lock" for t in chosen for f in t.folders)):
        if not lock.is_file():
            continue
        if (file := locked(lock, wait=False)) is None:
            raise ZooError(
                f"A running zoo process is working in {lock.parent}, so nothing was dropped: wait for it or stop it, or "
                "drop answers alone."
            )
        stack.enter_context(file)
