"""The released versions of a domain in a workspace."""

from __future__ import annotations

import re
from pathlib import Path

from zoo.artifact import Artifact, Workspace
from zoo.errors import RequestError, unknown
from zoo.library import load_domain

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def order(version: str) -> tuple[int, ...]:
    """A version as numbers, so that 0.10.0 comes after 0.9.0."""
    return tuple(int(n) for n in version.split("."))


def versions(workspace: Workspace, domain: str) -> dict[str, Artifact]:
    """Every release of the domain that exists, oldest first."""
    root = workspace.releases(domain)
    found = [p for p in root.glob("*") if _VERSION.fullmatch(p.name)] if root.is_dir() else []
    artifacts = {p.name: Artifact(p) for p in sorted(found, key=lambda p: order(p.name))}
    return {v: a for v, a in artifacts.items() if a.exists}


def next_version(existing: list[str]) -> str:
    """The next minor version; the first is 0.1.0."""
    if not existing:
        return "0.1.0"
    major, minor, _ = order(existing[-1])
    return f"{major}.{minor + 1}.0"


def find_release(workspace: Workspace, reference: str, domain_path: tuple[Path, ...] = ()) -> tuple[str, str, Artifact]:
    """(domain, version, artifact) of `DOMAIN` (its latest) or `DOMAIN@VERSION`."""
    name, _, version = reference.partition("@")
    domain = load_domain(name, domain_path).name
    known = versions(workspace, domain)
    if not known:
        raise RequestError(f"{domain} has no release in {workspace.root} yet; `zoo train {name}` makes one.")
    version = version or list(known)[-1]
    if version not in known:
        raise unknown(f"version of {domain}", version, known)
    return domain, version, known[version]
