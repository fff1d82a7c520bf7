"""The released versions in a workspace: those made here, by domain, and those pulled from the Hub, by repository."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from zoo.artifact import Artifact, Workspace
from zoo.errors import RequestError, unknown
from zoo.library import load_domain

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def order(version: str) -> tuple[int, ...]:
    """A version as numbers, so that 0.10.0 comes after 0.9.0."""
    return tuple(int(n) for n in version.split("."))


def is_version(name: str) -> bool:
    return _VERSION.fullmatch(name) is not None


def versions(workspace: Workspace, domain: str) -> dict[str, Artifact]:
    """Every release of the domain that was made here, oldest first."""
    return _versions_in(workspace.releases(domain))


def pulled(workspace: Workspace) -> dict[str, dict[str, Artifact]]:
    """By repository (`ORG/NAME`) the versions that were pulled, oldest first."""
    found = {p.relative_to(workspace.hub).as_posix(): _versions_in(p) for p in sorted(workspace.hub.glob("*/*"))}
    return {repo: releases for repo, releases in found.items() if releases}


def _versions_in(root: Path) -> dict[str, Artifact]:
    found = [p for p in root.glob("*") if is_version(p.name)] if root.is_dir() else []
    artifacts = {p.name: Artifact(p) for p in sorted(found, key=lambda p: order(p.name))}
    return {v: a for v, a in artifacts.items() if a.exists}


def next_version(existing: list[str]) -> str:
    """The next minor version; the first is 0.1.0."""
    if not existing:
        return "0.1.0"
    major, minor, _ = order(existing[-1])
    return f"{major}.{minor + 1}.0"


def read_reference(reference: str) -> tuple[str, str | None]:
    """`NAME` and `VERSION` of `NAME[@VERSION]`; None where it names no version, which means the latest.

    Raises RequestError where either is empty: an unset shell variable, which never means the latest.
    """
    name, at, version = reference.partition("@")
    if not name:
        raise RequestError(f"{reference!r} names no domain and no repository; say NAME, or NAME@VERSION.")
    if at and not version:
        raise RequestError(f"{reference!r} names no version after its @; say {name}@0.1.0, or {name} for the latest.")
    return name, version or None


def names_release(reference: str) -> bool:
    """Whether it can mean nothing but a release: it names a version, or a repository."""
    return "@" in reference or "/" in reference


def find_release(workspace: Workspace, reference: str, domain_path: tuple[Path, ...] = ()) -> tuple[str, str, Artifact]:
    """(domain, version, artifact) of `DOMAIN` or `ORG/NAME` (its latest), `DOMAIN@VERSION` or `ORG/NAME@VERSION`.

    A domain's releases are those made here; what was pulled is found by its repository. Raises RequestError.
    """
    name, version = read_reference(reference)
    if "/" in name:
        here = pulled(workspace)
        if name not in here:
            raise RequestError(f"{unknown('pulled repository', name, here)} `zoo pull {name}` fetches it from the Hub.")
        known = here[name]
    else:
        given, name = name, load_domain(name, domain_path).name
        known = versions(workspace, name)
        if not known:
            raise RequestError(f"{name} has no release in {workspace.root} yet; `zoo train {given}` makes one.")
    version = one_of(known, version, name)
    return str(known[version].record["domain"]), version, known[version]


def one_of(known: Iterable[str], version: str | None, name: str) -> str:
    """`version`, else the last of the `known` ones; RequestError with the nearest where it is none of them."""
    known = list(known)
    if version is None:
        return known[-1]
    if version not in known:
        raise unknown(f"version of {name}", version, known)
    return version
