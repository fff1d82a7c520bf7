"""Finds what comes with the project and with plugins: domains, annotators, cards, suites.

The folders lie beside `zoo/` in a checkout and under `zoo/_library/` in an installed wheel. A domain is a folder with a
`domain.yaml`; it comes from this project, from a folder the user names, or from a distribution with an entry point in the
group `zoo.domains`. All three are loaded the same way, each on its own: a broken one is listed and stops nobody.

A domain's Python is a package of its own, whatever its folder is called: files import each other relatively.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.api import API_VERSION, Example, Parser, Verifier
from zoo.config import DomainConfig, SourceConfig
from zoo.errors import RequestError, ZooError, unknown
from zoo.strict import read_yaml, validated

_HERE = Path(__file__).resolve().parent
ROOT = _HERE / "_library" if (_HERE / "_library").is_dir() else _HERE.parent
GENERAL = _HERE / "suites"


def folder(name: str) -> Path:
    """One of the folders that ship with the project: domains, annotators, recipes or model_cards."""
    return ROOT / name


@dataclass(frozen=True)
class Domain:
    """A plugin as found: its folder, its `domain.yaml`, and the package its Python (if any) is imported from."""

    folder: Path
    config: DomainConfig
    package: str

    @property
    def name(self) -> str:
        return self.config.name

    def source(self, source_id: str) -> SourceConfig:
        found = {s.id: s for s in self.config.sources}
        if source_id not in found:
            raise unknown(f"source of {self.name}", source_id, found)
        return found[source_id]

    def _module(self, name: str) -> ModuleType | None:
        if not (self.folder / f"{name}.py").is_file():
            return None
        try:
            _import_package(self.package, self.folder)
            module = importlib.import_module(f"{self.package}.{name}")
        except Exception as e:
            raise ZooError(f"{name}.py of the domain {self.name} cannot be imported: {type(e).__name__}: {e}.") from e
        if Path(module.__file__ or "").resolve() != (self.folder / f"{name}.py").resolve():
            raise ZooError(
                f"{name}.py of the domain {self.name} was taken from {module.__file__}, not from {self.folder}; give its "
                "package a name that no other installed package has."
            )
        return module

    def _of_module(self, name: str, what: str) -> Any:
        """`what` of the domain's `<name>.py`; None where it has no such file."""
        if (module := self._module(name)) is None:
            return None
        if not hasattr(module, what):
            raise ZooError(f"{name}.py of the domain {self.name} has no {what}.")
        return getattr(module, what)

    def check(self) -> None:
        """Reads what is otherwise read once it is needed, the domain's own Python and seeds, and raises what is wrong with it."""
        _ = self.parsers, self.verifiers, self.seeds

    @cached_property
    def parsers(self) -> list[Parser]:
        """The domain's own parsers, tried before the general ones."""
        found = self._of_module("parsers", "PARSERS")
        if found is None:
            return []
        if not isinstance(found, (list, tuple)) or not all(isinstance(p, Parser) for p in found):
            raise ZooError(f"PARSERS in parsers.py of the domain {self.name} should be a list of zoo.api.Parser.")
        return list(found)

    @cached_property
    def verifiers(self) -> Mapping[str, Verifier]:
        """Verifier by kind of answer, as `domain.yaml` names them: the domain's own first, else the general ones."""
        from zoo.verifiers import VERIFIERS

        own = self._of_module("verifiers", "VERIFIERS")
        if own is not None and not (isinstance(own, dict) and all(map(callable, own.values()))):
            raise ZooError(f"VERIFIERS in verifiers.py of the domain {self.name} should map names to functions.")
        known = {**VERIFIERS, **(own or {})}
        for name in self.config.verifiers.values():
            if name not in known:
                raise unknown(f"verifier of {self.name}", name, known)
        return {kind: known[name] for kind, name in self.config.verifiers.items()}

    @cached_property
    def seeds(self) -> list[Example]:
        path = self.folder / "seeds.jsonl"
        if not path.is_file():
            return []
        try:
            lines = path.read_bytes().decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as e:
            raise RequestError(f"{path} cannot be read: {e}.") from e
        return [self._seed(line, n) for n, line in enumerate(lines, 1) if line.strip()]

    def _seed(self, line: str, number: int) -> Example:
        where = f"seeds.jsonl line {number} of {self.name}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise RequestError(f"{where} is not valid JSON: {e}.") from e
        return validated(Example, row, where).model_copy(update={"place": f"seeds.jsonl, line {number}"})

    def prompt(self, annotator: str, name: str) -> str:
        """The text of a prompt: the domain's `prompts/<annotator>/<name>.j2` if it has one, else the annotator's own. It is
        read once: every item of a run is asked with the same."""
        if (annotator, name) not in self._prompts:
            own = self.folder / "prompts" / annotator / f"{name}.j2"
            path = own if own.is_file() else folder("annotators") / annotator / "prompts" / f"{name}.j2"
            self._prompts[annotator, name] = path.read_text(encoding="utf-8")
        return self._prompts[annotator, name]

    @cached_property
    def _prompts(self) -> dict[tuple[str, str], str]:
        return {}

    def suite_path(self, suite_id: str) -> Path:
        """The YAML of one of the domain's suites, or of a general one."""
        for path in (self.folder / "suites" / f"{suite_id}.yaml", GENERAL / f"{suite_id}.yaml"):
            if path.is_file():
                return path
        raise unknown(f"suite of {self.name}", suite_id, self.suite_ids)

    @cached_property
    def suite_ids(self) -> list[str]:
        """Every suite this domain can run, by name; `config.suites` are those it runs unless told otherwise."""
        return sorted({p.stem for d in (self.folder / "suites", GENERAL) for p in d.glob("*.yaml")})

    def digest_of(self, *patterns: str) -> str:
        """A digest of the contents and names of the domain's files matching `patterns`."""
        files = {p for pattern in patterns for p in self.folder.glob(pattern) if p.is_file() and self._is_own(p)}
        return digest_files(self.folder, files)

    def _is_own(self, path: Path) -> bool:
        """Not what Python or a tool keeps beside it: caches, a virtual environment, a repository."""
        return not any(p == "__pycache__" or p.startswith(".") for p in path.relative_to(self.folder).parts)

    @property
    def code_digest(self) -> str:
        """Over all of the domain's Python: parsers and verifiers may rest on any module beside them."""
        return self.digest_of("**/*.py")


def digest_files(root: Path, files: Iterable[Path]) -> str:
    h = hashlib.sha256()
    for path in sorted(files):
        h.update(path.relative_to(root).as_posix().encode() + b"\0")
        h.update(hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded, and why."""

    name: str
    where: str
    error: str


def _package(path: Path, name: str) -> str:
    """The package of a domain's folder: that of `zoo.domains` for a built-in one, else one that no other folder has."""
    if path.parent == folder("domains").resolve():
        return f"zoo.domains.{path.name}"
    return f"zoo.domains.{name}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _import_package(package: str, place: Path) -> None:
    """Imports `package` from the folder `place` where Python's own search, which goes by folders' names, has none."""
    if importlib.util.find_spec(package) is not None:
        return
    init = place / "__init__.py"
    spec = importlib.util.spec_from_file_location(package, init, submodule_search_locations=[str(place)])
    assert spec is not None and spec.loader is not None
    sys.modules[package] = importlib.util.module_from_spec(spec)
    if not init.is_file():
        return
    try:
        spec.loader.exec_module(sys.modules[package])
    except BaseException:
        del sys.modules[package]
        raise


def _read_domain(path: Path, package: str | None) -> Domain:
    config = validated(DomainConfig, read_yaml(path / "domain.yaml"), f"domain.yaml of {path.name}")
    if config.api_version != API_VERSION:
        raise RequestError(
            f"The domain {config.name} is written for plugin API {config.api_version}; this zoo has {API_VERSION}."
        )
    return Domain(path, config, package or _package(path, config.name))


def listed_paths() -> list[Path]:
    """The folders that ZOO_DOMAINS names."""
    return [Path(p) for p in os.environ.get("ZOO_DOMAINS", "").split(os.pathsep) if p]


def _candidates(paths: tuple[Path, ...]) -> Iterable[tuple[str, Path | None, str | None, str]]:
    """(name, folder, package, error) of everything that claims to be a domain; built-in ones first. The package is
    None where it is a folder's own, and where it lies instead where there is no folder."""
    for root in (folder("domains"), *paths, *listed_paths()):
        root = root.expanduser().resolve()
        if (root / "domain.yaml").is_file():
            found = [root]
        else:
            found = sorted(p.parent for p in root.glob("*/domain.yaml"))
        if not found and root != folder("domains"):
            error = (
                f"No domain.yaml in {root} or in a folder of it; --domain-path and ZOO_DOMAINS take a domain's folder."
            )
            if root in [p.expanduser().resolve() for p in paths]:
                raise RequestError(error)
            yield root.name, None, str(root), error
        for path in found:
            yield path.name, path, None, ""
    for point in entry_points(group="zoo.domains"):
        try:
            module = importlib.import_module(point.value.partition(":")[0])
            yield point.name, Path(next(iter(module.__path__))), module.__name__, ""
        except Exception as e:
            yield point.name, None, point.value, f"{type(e).__name__}: {e}"


@lru_cache
def find_domains(paths: tuple[Path, ...] = ()) -> tuple[dict[str, Domain], list[Broken]]:
    """Every domain by name, and the plugins that could not be loaded. Nobody takes a name or alias that is taken."""
    domains: dict[str, Domain] = {}
    broken: list[Broken] = []
    taken: dict[str, str] = {}
    for name, path, package, error in _candidates(paths):
        try:
            if path is None:
                raise RequestError(error)
            domain = _read_domain(path, package)
            for claimed in (domain.name, *domain.config.aliases):
                if claimed in taken:
                    raise RequestError(f"The name {claimed!r} is taken by the domain {taken[claimed]}.")
            domains[domain.name] = domain
            taken.update(dict.fromkeys((domain.name, *domain.config.aliases), domain.name))
        except ZooError as e:
            broken.append(Broken(name, str(path or package), str(e)))
    return domains, broken


def load_domain(name: str, paths: tuple[Path, ...] = ()) -> Domain:
    """The domain of that name or alias."""
    domains, broken = find_domains(paths)
    by_name = {n: d for d in domains.values() for n in (d.name, *d.config.aliases)}
    if name in by_name:
        return by_name[name]
    asked_for = {str(p.expanduser().resolve()) for p in paths}
    for b in broken:
        if b.name == name:
            raise RequestError(f"The domain {name} is broken: {b.error}")
        # What a broken one calls itself nobody can read.
        if b.where in asked_for:
            raise RequestError(f"There is no domain {name!r}, and the one in {b.where} is broken: {b.error}")
    raise unknown("domain", name, by_name)
