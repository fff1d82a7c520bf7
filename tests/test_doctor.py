"""`zoo doctor` on machines that lack things: it says so, never hangs, and tells no secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.models import tiny_weights
from tests.fakes.servers import running
from zoo import doctor as machine
from zoo.artifact import Workspace
from zoo.recipes import load_recipe

COMMAND = [sys.executable, "-c", "import sys; from zoo.cli import main; sys.argv[0] = 'zoo'; main()", "doctor"]


def doctor(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_HUB_OFFLINE": "", "NO_PROXY": "*", **environment}
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True, check=False, env=env, timeout=90)


def found(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    return {c["check"]: c for c in json.loads(done.stdout)["checks"]}


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


@contextmanager
def serving(status: int, body: str) -> Iterator[str]:
    """A server that gives every request the same answer; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body.encode())

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with running(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def test_nothing_there_is_said_line_by_line_with_exit_code_0_and_no_secret(closed_port, tmp_path):
    where = {
        "HF_ENDPOINT": f"http://{closed_port}", "OPENAI_BASE_URL": f"http://me:pa55word@{closed_port}/v1?key=h1dden",
        "OPENAI_API_KEY": "sk-h1dden", "OPENAI_MODEL": "m", "PATH": str(tmp_path), "ZOO_WORKSPACE": str(tmp_path / "ws"),
    }  # fmt: skip
    done = doctor(**where)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line[:2] in {"ok", "--"}}
    for name in ("hub", "teacher", "base", "embedder", "ocr", "sandbox"):
        assert lines[name].startswith("--"), lines[name]
    for name in ("python", "libraries", "cores", "memory", "disk"):
        assert "could not be looked at" not in lines[name]
    assert f"http://{closed_port} does not answer" in lines["hub"]
    assert f"http://{closed_port}/v1 does not answer" in lines["teacher"]
    assert "h1dden" not in done.stdout + done.stderr and "pa55word" not in done.stdout + done.stderr
    assert not (tmp_path / "ws").exists()


def test_what_is_there_is_found(tmp_path):
    base = load_recipe("laptop").base
    place = tmp_path / "cache" / "base" / base.replace("/", "--")
    weights = tiny_weights(place, base)
    (place / "found.json").write_text(json.dumps({**asdict(weights), "folder": "."}))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("tesseract", "ocrmypdf", "bwrap"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    models = json.dumps({"data": [{"id": "large"}, {"id": "small"}]})
    with serving(200, models) as url:
        where = {"HF_ENDPOINT": url, "OPENAI_BASE_URL": f"{url}/v1", "PATH": str(programs)}
        seen = found(doctor("--json", "--workspace", str(tmp_path), **where, OPENAI_MODEL="large"))
        assert all(seen[c]["ok"] for c in ("hub", "teacher", "base", "ocr", "sandbox")), seen
        assert not seen["embedder"]["ok"] and str(place) in seen["base"]["found"]
        (programs / "bwrap").write_text("#!/bin/sh\nexit 1\n")
        seen = found(doctor("--json", **where, OPENAI_MODEL="larg"))
    assert "no model 'larg'; it has large, small" in seen["teacher"]["found"] and not seen["teacher"]["ok"]
    assert "confine nothing" in seen["sandbox"]["found"] and not seen["sandbox"]["ok"]


def test_a_switch_that_is_set_to_off_is_not_blamed(closed_port):
    seen = found(doctor("--json", HF_HUB_OFFLINE="0", HF_ENDPOINT=f"http://{closed_port}"))
    assert seen["hub"]["found"] == f"http://{closed_port} does not answer"


@pytest.mark.parametrize("names", [("memory.max", "memory.current"), ("limit_in_bytes", "usage_in_bytes")])
def test_free_memory_in_a_container_is_what_others_in_it_have_left(tmp_path, monkeypatch, names):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    old = names[0] == "limit_in_bytes"
    place = tmp_path / "memory" if old else tmp_path
    place.mkdir(exist_ok=True)
    for name, size in zip(names, (2**30, 2**29), strict=True):
        (place / (f"memory.{name}" if old else name)).write_text(f"{size}\n")
    (place / "memory.stat").write_text(f"anon 5\n{'total_' if old else ''}inactive_file {2**28}\n")
    memory = next(c for c in machine.checks(Workspace(tmp_path)) if c.check == "memory")
    assert memory.found == "0.8 GB free of 1.0" and not memory.ok


def test_servers_that_never_answer_are_not_waited_for(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        seen = found(doctor("--json", HF_ENDPOINT=url, OPENAI_BASE_URL=url, OPENAI_MODEL="m"))
    assert time.monotonic() - began < 60
    assert not seen["hub"]["ok"] and not seen["teacher"]["ok"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OPENAI_BASE_URL": "localhost:1/v1"}, "must start with http"),
        ({"OPENAI_BASE_URL": "http://localhost:port"}, "cannot be read"),
        ({}, "none is set"),
    ],
)
def test_a_teacher_that_is_set_wrongly_is_said_to_be(environment, expected):
    done = found(doctor("--json", HF_HUB_OFFLINE="1", **environment))
    assert expected in done["teacher"]["found"]
    assert "HF_HUB_OFFLINE" in done["hub"]["found"]


def test_a_key_that_is_refused_is_said_to_be():
    with serving(401, "{}") as url:
        seen = found(doctor("--json", HF_HUB_OFFLINE="1", OPENAI_BASE_URL=url, OPENAI_API_KEY="k", OPENAI_MODEL="m"))
    assert "refuses the key" in seen["teacher"]["found"]


def test_every_server_of_a_list_is_looked_at(closed_port):
    with serving(200, '{"data": [{"id": "m"}]}') as good, serving(200, '{"data": [{"id": "other"}]}') as other:
        urls = [f"{good}/v1", f"http://{closed_port}/v1", f"{other}/v1"]
        where = {"HF_HUB_OFFLINE": "1", "OPENAI_MODEL": "m"}
        seen = found(doctor("--json", **where, OPENAI_BASE_URL=",".join(urls)))["teacher"]
        assert found(doctor("--json", **where, OPENAI_BASE_URL=urls[0]))["teacher"]["ok"]
    one, two, three = seen["found"].split("; ", 2)
    assert not seen["ok"] and one == f"{urls[0]} answers, to be asked for m"
    assert two.startswith(f"{urls[1]} does not answer") and three == f"{urls[2]} has no model 'm'; it has other"


def test_how_several_gpus_are_used_is_said(tmp_path, monkeypatch):
    import torch

    gpu = SimpleNamespace(name="Tiny", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda n: gpu)
    for count, said in ((1, "slow without one"), (2, "all under `torchrun --nproc_per_node 2 -m zoo`")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        check = next(c for c in machine.checks(Workspace(tmp_path)) if c.check == "gpu")
        assert check.found == ", ".join(["Tiny 24 GB"] * count) and said in check.limits
