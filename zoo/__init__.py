"""SRM Zoo: small reasoning models, and the kit that makes them.

import zoo
zoo.train("medical", recipe="laptop")
zoo.load("medical@0.1.0").answer("...", context="...")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.loading import Loaded

__all__ = ["load", "train"]


def train(domain: str, *, until: str | None = None, **options: Any) -> dict[str, Any]:
    """What `zoo train DOMAIN` does; the object that it prints with --json.

    `options` are the fields of `zoo.config.Options` (workspace, recipe, corpus, sources, suites, suite_data, base,
    teacher_url, teacher_model, settings, seed, offline, domain_path). Raises `zoo.errors.ZooError`; a refused release
    raises `zoo.errors.ReleaseRefused`, whose `result` is the object. A script that a launcher starts as several processes
    calls this in each: one does it, the others train with it and return the same.
    """
    from dataclasses import fields

    from zoo.config import Options
    from zoo.errors import unknown
    from zoo.ranks import led
    from zoo.report import train_and_report
    from zoo.run import prepare
    from zoo.workspace import workspace_path

    known = {f.name for f in fields(Options)}
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    given = options.get("workspace")
    options["workspace"] = workspace_path(Path(given) if given else None)
    return led(lambda: train_and_report(prepare(domain, Options(**options), until)))


def load(reference: str, workspace: str | Path | None = None, domain_path: Sequence[str | Path] = ()) -> Loaded:
    """A released model, `DOMAIN` (its latest version) or `DOMAIN@VERSION`, ready to answer."""
    from zoo.loading import load_release

    return load_release(reference, workspace, domain_path)
