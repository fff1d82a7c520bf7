"""What is installed: nothing but `zoo`, complete, and working from any directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, unpacked as pip installs it, without its dependencies (which are installed already)."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next(place.glob("srm_zoo-*.whl"))
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(place / "site"), str(wheel)], check=True, capture_output=True
    )
    return place / "site"


def run(site: Path, code: str, *args: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=env, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CLI = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"


def test_only_zoo_lies_in_site_packages(site):
    names = {p.name for p in site.iterdir() if p.name not in {"bin", "__pycache__"}}
    assert {n for n in names if not n.endswith(".dist-info")} == {"zoo"}


def test_it_is_the_wheel_that_runs_and_it_is_complete(site):
    assert Path(run(site, "import zoo; print(zoo.__file__)").strip()).is_relative_to(site)
    missing = [
        path
        for folder in ("domains", "annotators", "recipes", "model_cards")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        and not (site / "zoo" / "_library" / path.relative_to(REPOSITORY)).is_file()
    ]  # fmt: skip
    own = [p for p in (REPOSITORY / "zoo").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    missing += [p for p in own if not (site / p.relative_to(REPOSITORY)).is_file()]
    assert missing == []


def test_the_domains_python_and_the_annotators_import_from_the_wheel(site):
    code = (
        "from zoo.library import load_domain\n"
        "import zoo.annotators.grounded_qa, zoo.annotators.sciglm\n"
        "d = load_domain('medical')\n"
        "print(len(d.parsers), len(d.verifiers), len(d.seeds), zoo.annotators.sciglm.__file__)"
    )
    assert "_library" in run(site, code)


def test_commands_answer_from_any_directory(site, tmp_path):
    listed = json.loads(run(site, CLI, "list", "--json", "--workspace", str(tmp_path)))
    assert listed["domains"][0]["domain"] == "healthcare"
    assert "train" in run(site, CLI, "--help")
