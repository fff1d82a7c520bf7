"""One run, trained once; each test has its own copy of the workspace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.runs import Models, tiny_models
from tests.fakes.teacher import ScriptedTeacher, serving
from tests.lineage.job import prepare, reply, train
from zoo.artifact import Workspace
from zoo.library import Domain, load_domain


@dataclass(frozen=True)
class Made:
    root: Path
    workspace: Workspace
    models: Models
    teacher: ScriptedTeacher

    @property
    def domain(self) -> Domain:
        return load_domain("pharmacy", (self.root / "domain" / "pharmacy",))

    @property
    def home(self) -> Path:
        return self.workspace.root / "pharmacy"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    root = tmp_path_factory.mktemp("lineage")
    prepare(root)
    models = tiny_models(root / "models")
    with serving(reply) as teacher:
        train(root, teacher.url, models, root / "ws")
        yield Made(root, Workspace(root / "ws"), models, teacher)


@pytest.fixture
def made(whole: Made, tmp_path: Path) -> Made:
    """With a copy of the workspace; its run's corpus and models are those of all."""
    shutil.copytree(whole.root / "ws", tmp_path / "ws")
    return Made(whole.root, Workspace(tmp_path / "ws"), whole.models, whole.teacher)
