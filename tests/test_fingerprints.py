"""What decides what a step leaves is in its fingerprint: a plugin's whole Python, its licences, its choice of verifiers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from zoo.artifact import Workspace, fingerprint
from zoo.config import Options
from zoo.library import find_domains, load_domain
from zoo.recipes import load_recipe
from zoo.run import Run, identity, load_step
from zoo.weights import Weights

STEPS = ("ingest", "annotate", "evaluate")
HELPED = """
from zoo.api import Verdict
from .limits import LEAST
VERIFIERS = {"long": lambda example, response: Verdict(check="long", verdict="right")}
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the built-in domain with a verifier that rests on a module beside it."""
    place = tmp_path / "clinic"
    built_in = load_domain("healthcare").folder
    shutil.copytree(built_in, place, ignore=shutil.ignore_patterns("__pycache__", "*.pdf", "*.docx", "*.pptx"))
    (place / "verifiers.py").write_text(HELPED)
    (place / "limits").mkdir()
    (place / "limits" / "__init__.py").write_text("LEAST = 3\n")
    change(place, lambda d: d.update(name="clinic", aliases=[]))
    return place


def change(place: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load((place / "domain.yaml").read_text())
    edit(data)
    (place / "domain.yaml").write_text(yaml.safe_dump(data))


def fingerprints(place: Path) -> dict[str, str]:
    find_domains.cache_clear()
    options = Options(workspace=place.parent / "ws", domain_path=(place,))
    run = Run(load_domain("clinic", (place,)), load_recipe("laptop"), options, Workspace(options.workspace))
    weights = Weights("w", place, "0" * 64, "cc0-1.0", "made for a test", None, False)
    run.__dict__.update(base=weights, embedder=weights)
    return {name: fingerprint(identity(run, load_step(name), {})) for name in STEPS}


def changed(before: dict[str, str], place: Path) -> set[str]:
    after = fingerprints(place)
    return {name for name in STEPS if before[name] != after[name]}


def test_a_module_beside_parsers_and_verifiers_decides_what_they_leave(plugin):
    before = fingerprints(plugin)
    (plugin / "limits" / "__init__.py").write_text("LEAST = 4\n")
    assert changed(before, plugin) == set(STEPS)


def test_what_tools_keep_in_a_plugins_folder_decides_nothing(plugin):
    before = fingerprints(plugin)
    for name in (".venv/lib", "__pycache__", ".git"):
        (plugin / name).mkdir(parents=True)
        (plugin / name / "x.py").write_text("x = 1\n")
    assert changed(before, plugin) == set()


def test_a_licence_that_was_mended_is_written_into_the_documents_anew(plugin):
    before = fingerprints(plugin)
    change(plugin, lambda d: d["sources"][0].update(licence="CC-BY-4.0"))
    assert yaml.safe_load((plugin / "domain.yaml").read_text())["sources"][0]["kind"] == "documents"
    assert "ingest" in changed(before, plugin)


def test_another_verifier_of_a_kind_judges_anew(plugin):
    before = fingerprints(plugin)
    change(plugin, lambda d: d["verifiers"].update(short="long"))
    assert changed(before, plugin) == {"annotate", "evaluate"}
