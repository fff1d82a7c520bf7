"""A teacher with a batch endpoint, as OpenAI has it: files, batches and their states, beside ordinary completions."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.servers import running
from tests.fakes.teacher import Entry, Reply, Script, ScriptedTeacher, completion


@dataclass
class Line(Reply):
    """A reply of which the batch's files have only an error with `code`, or no line, or one that nobody can read."""

    code: str = ""
    missing: bool = False
    malformed: bool = False


@dataclass
class Plan:
    """The states a batch goes through, one a look; of one that fails, what the server has against it."""

    states: tuple[str, ...] = ("validating", "in_progress", "finalizing", "completed")
    code: str = ""
    message: str = ""
    late_files: int = 0  # looks at which it is over and names no files yet


@dataclass
class Made:
    """A batch: which lines it has, by their ids, and what has become of it."""

    id: str
    file: str
    metadata: dict[str, str]
    lines: dict[str, dict[str, Any]]
    plan: Plan
    looks: int = 0
    at: float = field(default_factory=time.time)

    @property
    def state(self) -> str:
        return self.plan.states[min(self.looks, len(self.plan.states) - 1)]


class BatchServer(ScriptedTeacher):
    """`plans` says how the nth batch goes. `faults` has replies for calls by name (upload, create, list, look, fetch), the
    first for the first: one with a status is sent instead, any other delays or drops the reply to what is done all the
    same. `calls` has the names of all calls; `log` every request that was worked on, in a batch or by itself."""

    def __init__(self, script: Script, plans: Callable[[int], Plan]) -> None:
        super().__init__(script)
        self.plans = plans
        self.calls: list[str] = []
        self.faults: dict[str, list[Reply]] = {}
        self.files: dict[str, bytes] = {}
        self.batches: list[Made] = []
        self.all = threading.Lock()

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        path = http.path.partition("?")[0].removeprefix("/v1")
        if path == "/chat/completions":
            super().answer(http)
            return
        data = http.rfile.read(int(http.headers.get("content-length") or 0))
        parts = path.strip("/").split("/")
        name = {
            ("POST", "files", 1): "upload", ("POST", "batches", 1): "create", ("GET", "batches", 1): "list",
            ("GET", "batches", 2): "look", ("GET", "files", 3): "fetch",
        }[http.command, parts[0], len(parts)]  # fmt: skip
        with self.all:
            waiting = self.faults.get(name)
            fault = waiting.pop(0) if waiting else Reply()
            done = fault.status, {"error": {"message": fault.error}}
            if fault.status == 200:
                done = getattr(self, name)(http, data, parts)
            self.calls.append(name)
        time.sleep(fault.delay)
        self.send(http, *done, drop=fault.drop)

    def send(self, http: BaseHTTPRequestHandler, status: int, what: Any, drop: bool) -> None:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        try:
            http.send_response(status)
            http.send_header("content-type", "application/json")
            http.send_header("content-length", str(len(body)))
            http.end_headers()
            http.wfile.write(body[: len(body) // 2] if drop else body)
        except OSError:
            drop = True
        http.close_connection = drop

    def upload(self, http: BaseHTTPRequestHandler, data: bytes, _: list[str]) -> tuple[int, Any]:
        form = message_from_bytes(b"content-type: " + http.headers["content-type"].encode() + b"\r\n\r\n" + data)
        fields = {
            p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in form.get_payload()
        }  # type: ignore[union-attr]
        assert fields["purpose"] == b"batch"
        id_ = f"file-{len(self.files)}"
        self.files[id_] = fields["file"]  # type: ignore[assignment]
        return 200, {"id": id_, "object": "file", "purpose": "batch", "bytes": len(fields["file"])}  # type: ignore[arg-type]

    def create(self, http: BaseHTTPRequestHandler, data: bytes, _: list[str]) -> tuple[int, Any]:
        wanted = json.loads(data)
        assert (wanted["endpoint"], wanted["completion_window"]) == ("/v1/chat/completions", "24h")
        rows = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        assert all((r["method"], r["url"]) == ("POST", wanted["endpoint"]) for r in rows)
        lines = {r["custom_id"]: r["body"] for r in rows}
        assert len(lines) == len(rows) and len({r["body"]["model"] for r in rows}) == 1
        plan = self.plans(len(self.batches))
        made = Made(f"batch_{len(self.batches)}", wanted["input_file_id"], wanted["metadata"], lines, plan)
        self.batches.append(made)
        if plan.states[-1] != "failed":
            self._work(made, dict(http.headers))
        return 200, self._described(made)

    def _work(self, made: Made, headers: dict[str, str]) -> None:
        output, errors = [], []
        came = Counter(json.dumps(e.body["messages"]) for e in self.log)
        for id_, body in reversed(made.lines.items()):  # no order is promised
            reply = self.script(body, came[json.dumps(body["messages"])])
            good = reply.status == 200 and not getattr(reply, "code", "")
            self.log.append(Entry(body, headers, reply, done=good, at=time.monotonic()))
            if getattr(reply, "missing", False):
                continue
            row: dict[str, Any] = {"id": f"batch_req_{id_}", "custom_id": id_, "response": None, "error": None}
            if code := getattr(reply, "code", ""):
                row["error"] = {"code": code, "message": reply.error}
            else:
                told = completion(body, reply) if good else {"error": {"message": reply.error, "type": "as_scripted"}}
                row["response"] = {"status_code": reply.status, "request_id": "x", "body": told}
            text = json.dumps(row)
            (output if good else errors).append(text[: len(text) // 2] if getattr(reply, "malformed", False) else text)
        for kind, rows in (("output", output), ("errors", errors)):
            if rows:
                self.files[f"{made.id}-{kind}"] = "".join(row + "\n" for row in rows).encode()

    def list(self, http: BaseHTTPRequestHandler, *_: Any) -> tuple[int, Any]:
        return 200, {"object": "list", "data": [self._described(m) for m in reversed(self.batches)], "has_more": False}

    def look(self, http: BaseHTTPRequestHandler, _: bytes, parts: list[str]) -> tuple[int, Any]:
        made = next((m for m in self.batches if m.id == parts[1]), None)
        if made is None:
            return 404, {"error": {"message": "no such batch"}}
        described = self._described(made)
        made.looks += 1
        return 200, described

    def fetch(self, http: BaseHTTPRequestHandler, _: bytes, parts: list[str]) -> tuple[int, Any]:
        return 200, self.files[parts[1]]

    def _described(self, made: Made) -> dict[str, Any]:
        over = made.state in ("completed", "expired", "cancelled")
        named = over and made.looks >= len(made.plan.states) - 1 + made.plan.late_files
        files = {
            kind: f"{made.id}-{kind}" if named and f"{made.id}-{kind}" in self.files else None
            for kind in ("output", "errors")
        }
        counts = [len(self.files.get(f"{made.id}-{k}", b"").splitlines()) if over else 0 for k in ("output", "errors")]
        errors = {"object": "list", "data": [{"code": made.plan.code, "message": made.plan.message, "line": None}]}
        return {
            "id": made.id, "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "input_file_id": made.file, "status": made.state, "created_at": int(made.at), "metadata": made.metadata,
            "output_file_id": files["output"], "error_file_id": files["errors"],
            "errors": errors if made.state == "failed" else None,
            "request_counts": {"total": len(made.lines), "completed": counts[0], "failed": counts[1]},
        }  # fmt: skip


@contextmanager
def batching(script: Script, plans: Callable[[int], Plan] = lambda n: Plan()) -> Iterator[BatchServer]:
    teacher = BatchServer(script, plans)
    with running(teacher.server):
        yield teacher
