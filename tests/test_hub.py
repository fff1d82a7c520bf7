"""`zoo publish` and `zoo pull`, each in a process of its own, against a Hub on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo as package
from tests.fakes.hub import READ, WRITE, FakeHub, Fault, serving
from tests.fakes.models import tiny_weights
from tests.steps.test_release import FINETUNED, GOOD, Case
from zoo.artifact import Artifact, Workspace, digest_file, finish
from zoo.publishing import published_here

REPO = "clinic/tiny-srm"


class TinyCase(Case):
    """The release step's case with weights that load, and an adapter that names its base's revision or not."""

    revision: str | None = None

    def inputs(self, suites: list[dict[str, Any]]) -> dict[str, Artifact]:
        super().inputs(suites)
        tiny_weights(self.root / "finetune" / "merged")
        config = {"base_model_name_or_path": "org/base", "revision": self.revision}
        (self.root / "finetune" / "adapter" / "adapter_config.json").write_text(json.dumps(config))
        self.artifact("finetune", {**FINETUNED, "log": str(self.root / "finetune" / "train.log")})
        return {s: Artifact(self.root / s) for s in ("ingest", "annotate", "finetune", "evaluate")}

    @property
    def workspace(self) -> Path:
        return self.run.workspace.root


@pytest.fixture
def case(tmp_path: Path) -> TinyCase:
    return TinyCase(tmp_path / "maker")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as hub:
        yield hub


class User:
    """Someone at a terminal, with a workspace and a token."""

    def __init__(self, hub: FakeHub, workspace: Path, token: str | None = WRITE) -> None:
        self.workspace = workspace
        self.env = os.environ | {
            "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1",
            "HF_HOME": str(workspace.parent / "hf"), "HF_TOKEN": token or "",
        }  # fmt: skip

    def start(self, *args: str) -> subprocess.Popen[str]:
        code = "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()"
        command = [sys.executable, "-c", code, *args, "--workspace", str(self.workspace)]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def zoo(self, *args: str) -> dict[str, Any]:
        process = self.start(*args, "--json")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return dict(json.loads(out))

    def fails(self, code: int, *args: str) -> str:
        """The one sentence that a failing command says last."""
        process = self.start(*args)
        _, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        assert "Traceback" not in err
        last = err.strip().splitlines()[-1]
        assert last.startswith("zoo: ")
        return last


@pytest.fixture
def maker(hub: FakeHub, case: TinyCase) -> User:
    return User(hub, case.workspace)


@pytest.fixture
def other(hub: FakeHub, tmp_path: Path) -> User:
    return User(hub, tmp_path / "other" / "ws", token=None)


def files_of(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): digest_file(p) for p in folder.rglob("*") if p.is_file()}


def versions_here(user: User) -> list[str]:
    return [p.name for p in (user.workspace / "hub" / REPO).glob("[0-9]*")]


def test_a_release_goes_to_the_hub_and_comes_back_the_same_elsewhere(case, hub, maker, other):
    release, _ = case.release(GOOD)
    done = maker.zoo("publish", "medical", "--to", REPO)
    repo = hub.repos[REPO]
    assert (done["version"], done["commit"], done["gate"]) == ("0.1.0", repo.tags["0.1.0"], "passed")
    assert len(repo.commits) == 2, "the repository's first, and one for the release"
    assert published_here(Workspace(maker.workspace), "healthcare", "0.1.0") == [f"{REPO}@0.1.0"]

    pulled = other.zoo("pull", REPO)
    folder = Path(pulled["folder"])
    assert folder == other.workspace / "hub" / REPO / "0.1.0"
    here, there = files_of(folder), files_of(release.folder)
    same = [n for n in there if n not in {"record.json", "steps.json"} and not n.startswith("adapter/")]
    assert "model.safetensors" in same and {n: here[n] for n in same} == {n: there[n] for n in same}
    assert Artifact(folder).changed_files() == []
    assert set(Artifact(folder).record["files"]) | {"record.json"} == set(here), "nothing is there without a digest"
    for path in folder.rglob("*"):
        if path.is_file():
            assert str(case.root).encode() not in path.read_bytes() and WRITE.encode() not in path.read_bytes()

    assert other.zoo("list")["pulled"] == [
        {"repo": REPO, "domain": "healthcare", "releases": [{"version": "0.1.0", "gate": "passed", "folder": str(folder)}]}
    ]  # fmt: skip
    assert other.zoo("show", f"{REPO}@0.1.0")["suites"] == maker.zoo("show", "medical")["suites"]
    model = package.load(f"{REPO}@0.1.0", other.workspace)
    assert (model.domain.name, model.version) == ("healthcare", "0.1.0")
    assert isinstance(model.respond("Which drug?", max_tokens=2), str)


def test_the_megabytes_that_go_up_are_counted(case, hub, maker):
    release, _ = case.release(GOOD)
    large = release.folder / "model-00002.safetensors"
    large.write_bytes(bytes(25_000_000))
    finish(release.folder, release.record)
    process = maker.start("publish", "medical", "--to", REPO)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert re.search(r"  MB uploaded: (2[5-9]) of \1 in .* MB/s", err)
    (commit,) = [files for files in hub.repos[REPO].commits.values() if large.name in files]
    assert digest_file(large) == hashlib.sha256(commit[large.name]).hexdigest()
    assert "model.safetensors" in commit and len(hub.repos[REPO].commits) == 2


def test_the_adapter_goes_along_only_if_it_fits_the_hubs_base(case, hub, maker):
    case.release(GOOD)
    assert maker.zoo("publish", "medical", "--to", REPO)["left_out"] == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    ]
    assert not any(n.startswith("adapter/") for n in hub.repos[REPO].commits[hub.repos[REPO].head])
    case.revision = "c" * 40
    case.release(GOOD)
    assert maker.zoo("publish", "medical@0.2.0", "--to", REPO)["left_out"] == []
    assert "adapter/adapter_model.safetensors" in hub.repos[REPO].commits[hub.repos[REPO].head]


def test_a_published_version_never_changes_and_the_next_replaces_its_files(case, hub, maker, other):
    case.revision = "c" * 40
    case.release(GOOD)
    first = maker.zoo("publish", "medical", "--to", REPO)
    before = hub.writes
    assert "has 0.1.0 already" in maker.fails(2, "publish", "medical@0.1.0", "--to", REPO)
    assert hub.writes == before

    case.revision = None
    case.release(GOOD)
    second = maker.zoo("publish", "medical", "--to", REPO)
    repo = hub.repos[REPO]
    assert repo.tags == {"0.1.0": first["commit"], "0.2.0": second["commit"]}
    assert not any(n.startswith("adapter/") for n in repo.commits[repo.head]), "of the version before"
    assert other.zoo("pull", REPO)["version"] == "0.2.0"
    assert other.zoo("pull", f"{REPO}@0.1.0")["version"] == "0.1.0"
    assert (other.workspace / "hub" / REPO / "0.1.0" / "adapter" / "adapter_model.safetensors").is_file()


def test_an_overridden_release_is_published_as_what_it_is(case, hub, maker, other):
    release, _ = case.release(GOOD)
    record = release.record
    record["result"] |= {"gate": "overridden", "reasons": ["healthcare_exam_open is not surely better"]}
    release.path("record.json").write_text(json.dumps(record))
    process = maker.start("publish", "medical", "--to", REPO)
    assert "against the gate's advice" in process.communicate(timeout=120)[1]
    pulled = other.zoo("pull", REPO)
    assert (pulled["gate"], pulled["reasons"]) == ("overridden", ["healthcare_exam_open is not surely better"])


def test_a_changed_release_is_refused_before_the_hub_is_asked(case, hub, maker):
    release, _ = case.release(GOOD)
    release.path("README.md").write_text(release.path("README.md").read_text() + "It is the best.\n")
    assert "README.md is missing or was changed" in maker.fails(2, "publish", "medical", "--to", REPO)
    assert hub.log == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["publish", "medical", "--to", ""], "The repository's name is empty"),
        (["publish", "medical@", "--to", REPO], "'medical@' names no version after its @"),
        (["publish", "", "--to", REPO], "'' names no domain"),
        (["pull", f"{REPO}@"], f"'{REPO}@' names no version after its @"),
        (["show", "medical@"], "'medical@' names no version after its @"),
    ],
)
def test_a_value_that_is_empty_is_refused_and_nothing_is_sent(hub, maker, args, said):
    assert said in maker.fails(2, *args)
    assert hub.log == []


def test_what_is_something_else_or_public_is_left_alone(case, hub, maker):
    case.release(GOOD)
    assert maker.zoo("publish", "medical", "--to", "clinic/closed", "--private")["private"] is True
    assert hub.repos["clinic/closed"].private
    maker.zoo("publish", "medical", "--to", REPO)
    before = hub.writes
    hub.repos[REPO].tags.clear()
    assert "public already" in maker.fails(2, "publish", "medical", "--to", REPO, "--private")
    hub.repos[REPO].commit({"record.json": b'{"step": "release", "domain": "law", "files": {}}'})
    assert "no release of healthcare" in maker.fails(2, "publish", "medical", "--to", REPO)
    hub.repos[REPO].commit({"model.safetensors": b"someone's"})
    assert "no release of healthcare" in maker.fails(2, "publish", "medical", "--to", REPO)
    assert hub.writes == before


def test_a_publication_that_broke_off_is_finished_by_the_same_command(case, hub, maker):
    case.release(GOOD)
    hub.fault = lambda method, path: Fault(drop=True) if "/commit/" in path else None
    assert "broke off" in maker.fails(1, "publish", "medical", "--to", REPO)
    committed = hub.repos[REPO].head
    hub.fault = lambda method, path: Fault(500) if "/tag/" in path else None
    assert "500" in maker.fails(1, "publish", "medical", "--to", REPO)
    hub.fault = lambda method, path: Fault(drop=True) if "/tag/" in path else None
    done = maker.zoo("publish", "medical", "--to", REPO)
    assert done["commit"] == committed == hub.repos[REPO].head, "what was there was not committed again"
    assert hub.repos[REPO].tags == {"0.1.0": committed}


@pytest.mark.parametrize(
    ("token", "status", "code", "expected"),
    [
        (None, 0, 2, "needs a token"),
        ("hf_unknown", 0, 2, "does not accept your token (401: Invalid credentials"),
        (READ, 0, 2, "403: this token may not write"),
        (WRITE, 500, 1, "The Hub failed while publishing (500: as scripted)"),
    ],
)
def test_a_refusal_to_publish_is_one_sentence(case, hub, token, status, code, expected):
    case.release(GOOD)
    hub.fault = lambda method, path: Fault(status) if status and "/commit/" in path else None
    assert expected in User(hub, case.workspace, token).fails(code, "publish", "medical", "--to", REPO)
    assert all(not repo.tags for repo in hub.repos.values())


def test_somebody_elses_commit_meanwhile_is_not_mixed_with_a_release(case, hub, maker):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    case.revision = "c" * 40
    case.release(GOOD)
    repo = hub.repos[REPO]

    def fault(method: str, path: str) -> None:
        if "/preupload/" in path:
            repo.commit({**repo.commits[repo.head], "config.json": b"{}"})

    hub.fault = fault
    assert "changed by somebody else" in maker.fails(1, "publish", "medical", "--to", REPO)
    assert list(repo.tags) == ["0.1.0"] and repo.commits[repo.head]["config.json"] == b"{}"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["publish", "medcal", "--to", REPO], "did you mean 'medical'?"),
        (["publish", "medical", "--to", REPO], "has no release"),
        (["publish", "medical", "--to", "tiny"], "ORG/NAME"),
        (["publish", REPO], "--to"),
        (["publish", "medical"], "names no `hub`"),
        (["pull", "medical"], "names no `hub`"),
        (["pull", "clinic/../x"], "ORG/NAME"),
        (["pull", "clinic/absent"], "The Hub has no clinic/absent"),
        (["show", REPO], f"`zoo pull {REPO}`"),
    ],
)
def test_a_wrong_request_is_one_sentence(other, args, expected):
    assert expected in other.fails(2, *args)
    assert not other.workspace.exists()


def test_a_domain_is_pulled_from_the_repository_that_it_names(case, hub, maker, other, tmp_path):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    text = (case.run.domain.folder / "domain.yaml").read_text(encoding="utf-8")
    text = text.replace("name: healthcare", "name: clinic", 1).replace("[medical]", "[]", 1)
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "domain.yaml").write_text(f"hub: {REPO}\n{text}")
    assert other.zoo("pull", "clinic@0.1.0", "--domain-path", str(tmp_path / "clinic"))["repo"] == REPO


def test_an_unknown_version_is_answered_with_the_nearest(case, hub, maker, other):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    assert "did you mean '0.1.0'?" in other.fails(2, "pull", f"{REPO}@0.1.1")
    hub.repos[REPO].tags.clear()
    assert "no released version" in other.fails(2, "pull", REPO)
    assert not other.workspace.exists()


def test_a_second_pull_is_skipped_without_the_hub_unless_a_file_was_changed(case, hub, maker, other):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    folder = Path(other.zoo("pull", REPO)["folder"])
    before = len(hub.log)
    assert other.zoo("pull", f"{REPO}@0.1.0")["skipped"] is True
    assert len(hub.log) == before
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert other.zoo("pull", f"{REPO}@0.1.0")["skipped"] is False
    assert Artifact(folder).changed_files() == []


def test_wrong_bytes_leave_nothing(case, hub, maker, other):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    hub.fault = lambda method, path: Fault(bytes=True) if path.endswith("/model.safetensors") else None
    assert "model.safetensors" in other.fails(1, "pull", REPO)
    assert list((other.workspace / "hub" / REPO).iterdir()) == []


def test_a_download_that_broke_off_leaves_no_version_and_is_gone_on_with(case, hub, maker, other):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    got: list[str] = []

    def fault(method: str, path: str) -> Fault | None:
        if method != "GET" or not path.endswith("/model.safetensors"):
            return None
        got.append(path)
        return Fault(cut=1000) if len(got) == 1 else Fault(500)

    hub.fault = fault
    assert "500" in other.fails(1, "pull", REPO)
    assert versions_here(other) == [] and other.zoo("list")["pulled"] == []
    hub.fault = lambda method, path: None
    before = len(hub.log)
    assert other.zoo("pull", REPO)["skipped"] is False
    assert sum(path.endswith("/config.json") for _, path in hub.log[before:]) == 0, "it was here already"


def test_a_killed_pull_leaves_no_version(case, hub, maker, other):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    weights = ("GET", f"/{REPO}/resolve/{hub.repos[REPO].head}/model.safetensors")
    hub.fault = lambda method, path: Fault(cut=1000, hang=True) if (method, path) == weights else None
    process = other.start("pull", REPO)
    deadline = time.monotonic() + 60
    while weights not in hub.log and time.monotonic() < deadline:
        time.sleep(0.05)
    assert weights in hub.log
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert versions_here(other) == []
    hub.fault = lambda method, path: None
    assert other.zoo("pull", REPO)["files"] > 5
    assert [p.name for p in (other.workspace / "hub" / REPO).iterdir()] == ["0.1.0"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"files": {"../../evil": {"sha256": "0" * 64, "bytes": 1}}}, "cannot be a file of a release"),
        ({"result": {"version": "0.3.0", "gate": "passed", "reasons": []}}, "says 0.3.0"),
        ({"step": "finetune"}, "no release of this zoo"),
        ({"files": {}}, "lists no README.md"),
    ],
)
def test_what_is_no_release_is_not_taken(case, hub, maker, other, change, expected):
    case.release(GOOD)
    maker.zoo("publish", "medical", "--to", REPO)
    repo = hub.repos[REPO]
    files = repo.commits[repo.head]
    record = json.loads(files["record.json"])
    repo.tags["0.1.0"] = repo.commit({**files, "record.json": json.dumps(record | change).encode()})
    assert expected in other.fails(1, "pull", REPO)
    assert list((other.workspace / "hub" / REPO).iterdir()) == []


def test_a_hub_that_does_not_answer_is_one_sentence(case, tmp_path):
    case.release(GOOD)
    with serving() as gone:
        pass
    for args in (["pull", REPO], ["publish", "medical", "--to", REPO]):
        said = User(gone, case.workspace).fails(1, *args)
        assert f"The Hub ({gone.url}) does not answer" in said
    user = User(gone, case.workspace)
    user.env["HF_HUB_OFFLINE"] = "1"
    assert "HF_HUB_OFFLINE" in user.fails(2, "pull", REPO)
