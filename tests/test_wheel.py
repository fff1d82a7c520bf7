"""What is installed: nothing but `zoo`, complete, and working from any directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub import WRITE, serving
from tests.fakes.models import tiny_embedder, tiny_weights
from tests.fakes.runs import SMALL
from zoo.artifact import digest_file

REPOSITORY = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet"]
REPO = "clinic/tiny-srm"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    return next(place.glob("srm_zoo-*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    """The wheel unpacked as pip installs it, without its dependencies (which are installed already)."""
    place = wheel.parent / "site"
    install = [*PIP, "install", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return place


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


class User:
    """Someone with the wheel in a virtual environment of their own, a workspace, and a folder that they stand in."""

    def __init__(self, venv: Path, home: Path, hub: str, token: str = "") -> None:
        self.home, self.venv = home, venv
        home.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ZOO_"))}
        self.env = kept | {
            "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1",
            "HF_HOME": str(home / "hf"), "HF_TOKEN": token, "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def run(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.venv / "bin" / command[0]), *command[1:]], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    def zoo(self, *args: str, code: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.run("zoo", *args, "--json", code=code).stdout))


@pytest.fixture(scope="module")
def venv(wheel: Path) -> Path:
    """A virtual environment with the wheel alone; what it depends on is found where it is installed already."""
    place = wheel.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = str(place / "bin" / "python")
    install = [*PIP, "--python", python, "install", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # A folder that a .pth names has its own .pth files left alone, and so the checkout, installed editable, stays out.
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return place


@pytest.mark.slow
def test_what_one_publishes_another_pulls_asks_and_measures_to_the_same_scores(venv, tmp_path):
    base, embedder = tiny_weights(tmp_path / "base").folder, tiny_embedder(tmp_path / "embedder")
    with serving() as hub:
        maker = User(venv, tmp_path / "maker", hub.url, WRITE)
        where = maker.run("python", "-c", "import zoo; print(zoo.__file__)").stdout
        assert Path(where.strip()).is_relative_to(venv)
        small = [x for s in (*SMALL, f"ingest.embedder={embedder}") for x in ("--set", s)]
        trained = maker.zoo("train", "medical", "--base", str(base), *small)
        assert Path(trained["folder"]) == maker.home / ".zoo" / "healthcare" / "releases" / "0.1.0"
        assert maker.zoo("publish", "medical", "--to", REPO)["version"] == "0.1.0"

        other = User(venv, tmp_path / "other", hub.url)
        pulled = Path(other.zoo("pull", f"{REPO}@0.1.0")["folder"])
    # From here on nothing answers any more: what was pulled is all there is.
    card = other.zoo("show", f"{REPO}@0.1.0")["suites"]
    result = other.zoo("evaluate", f"{REPO}@0.1.0")
    assert result["same"] is True and [s["suite"] for s in result["suites"]] == [s["suite"] for s in card]
    for measured, released in zip(result["suites"], card, strict=True):
        assert {k: measured[k] for k in released} == released
    assert digest_file(Path(result["items"])) == digest_file(pulled / "items.jsonl")
    assert maker.zoo("evaluate", "medical@0.1.0")["same"] is True

    question = "Which drug is given first for anaphylaxis?"
    refused = other.zoo("chat", f"{REPO}@0.1.0", question, code=2)["error"]
    assert "--no-passages" in refused and "zoo ingest healthcare" in refused
    said = other.zoo("chat", f"{REPO}@0.1.0", question, "--no-passages", "--max-tokens", "8")
    assert said["version"] == "0.1.0" and said["passages"] == []
    other.zoo("ingest", "medical", "--base", str(base), *small)
    with_passages = ("chat", question, "--max-tokens", "8")
    theirs, ours = (
        user.zoo(with_passages[0], name, *with_passages[1:])
        for user, name in ((other, f"{REPO}@0.1.0"), (maker, "medical@0.1.0"))
    )
    assert theirs == ours and theirs["passages"], "the same documents, the same model"
