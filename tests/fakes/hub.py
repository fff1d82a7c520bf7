"""A Hugging Face Hub on loopback: model repositories over real HTTP, as huggingface_hub speaks it with Xet disabled.

It keeps commits, tags and large files in memory, and a log of requests. `fault` may answer any request otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.servers import running

WRITE, READ = "hf_maywrite", "hf_mayread"


@dataclass
class Fault:
    """A status instead of an answer; `drop`: hang up once the work is done; `bytes`: other bytes of the same length for a file;
    `cut`: hang up after so many bytes of the body; `hang`: and keep the connection open instead."""

    status: int = 0
    drop: bool = False
    bytes: bool = False
    cut: int | None = None
    hang: bool = False


@dataclass
class Repo:
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def commit(self, files: dict[str, bytes]) -> str:
        oid = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[oid] = files
        return oid

    def resolve(self, revision: str) -> str | None:
        oid = {"main": self.head, **self.tags}.get(revision, revision)
        return oid if oid in self.commits else None


class FakeHub:
    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault | None] = lambda method, path: None
        self.lock, self.closed = threading.Lock(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def writes(self) -> list[str]:
        """What was asked that changes something, in order."""
        return [p for m, p in self.log if m in {"POST", "PUT"} and "validate-yaml" not in p and "preupload" not in p]


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        method, path = self.command, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.hub.lock:
            self.hub.log.append((method, path))
            self.now = self.hub.fault(method, path) or Fault()
            try:
                if self.now.status:
                    raise Refused(self.now.status, message="as scripted")
                reply = self.route(method, path, body)
            except Refused as e:
                self.reply(e.status, b"{}", {"X-Error-Code": e.code, "X-Error-Message": e.message})
                return
        if self.now.drop:
            self.close_connection = True
        elif isinstance(reply, tuple):
            self.send_file(*reply)
        else:
            self.reply(200, json.dumps(reply).encode())

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def reply(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: self.now.cut])
            self.wfile.flush()
        if self.now.hang:
            self.hub.closed.wait()
        if self.now.cut is not None:
            self.close_connection = True

    def send_file(self, data: bytes, headers: dict[str, str]) -> None:
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range") or "")
        if not start:
            self.reply(200, data, headers)
            return
        begin = int(start[1])
        self.reply(206, data[begin:], {**headers, "content-range": f"bytes {begin}-{len(data) - 1}/{len(data)}"})

    def route(self, method: str, path: str, body: bytes) -> Any:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if token not in {"", READ, WRITE}:
            raise Refused(401, message="Invalid credentials in Authorization header")
        if method == "PUT":
            self.hub.large[path.rpartition("/")[2]] = body
            return {}
        if method == "POST" and path != "/api/validate-yaml" and token != WRITE:
            raise Refused(403 if token else 401, message="this token may not write")
        asked = f"{'GET' if method == 'HEAD' else method} {path}"
        for pattern, act in _ROUTES:
            if found := re.fullmatch(pattern, asked):
                return act(self, *found.groups(), *([_body(body)] if method == "POST" else []))
        raise Refused(404, "EntryNotFound")

    def repo(self, name: str) -> Repo:
        repo = self.hub.repos.get(name)
        known = self.headers.get("authorization")
        if repo is None or (repo.private and not known):
            raise Refused(404 if known else 401, "RepoNotFound", "Repository not found")
        return repo

    # --- one method a call -----------------------------------------------------------------------------------------

    def create(self, asked: dict[str, Any]) -> Any:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repos:
            raise Refused(409)
        repo = self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return {"url": f"{self.hub.url}/{name}"}

    def validate(self, asked: dict[str, Any]) -> Any:
        return {"errors": [], "warnings": []}

    def info(self, name: str) -> Any:
        repo = self.repo(name)
        names = [{"rfilename": n} for n in repo.commits[repo.head]]
        return {"_id": "0", "id": name, "sha": repo.head, "private": repo.private, "siblings": names, "tags": []}

    def tree(self, name: str, revision: str) -> Any:
        repo = self.repo(name)
        files = repo.commits[repo.resolve(revision) or repo.head]
        return [{"type": "file", "path": p, "size": len(d), "oid": oid(d, False)} for p, d in files.items()]

    def refs(self, name: str) -> Any:
        repo = self.repo(name)
        tags = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": oid} for t, oid in repo.tags.items()]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}
        return {"branches": [main], "tags": tags, "converts": []}

    def preupload(self, name: str, asked: dict[str, Any]) -> Any:
        repo = self.repo(name)
        there = repo.commits[repo.head]
        files = []
        for file in asked["files"]:
            lfs = file["path"].endswith(".safetensors")
            known = {"oid": oid(there[file["path"]], lfs)} if file["path"] in there else {}
            mode = "lfs" if lfs else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **known})
        return {"files": files}

    def batch(self, name: str, asked: dict[str, Any]) -> Any:
        self.repo(name)
        objects = []
        for o in asked["objects"]:
            actions = {
                "upload": {"href": f"{self.hub.url}/large/{o['oid']}"},
                "verify": {"href": f"{self.hub.url}/verify"},
            }
            objects.append({**o, **({} if o["oid"] in self.hub.large else {"actions": actions})})
        return {"transfer": "basic", "objects": objects}

    def verify(self, asked: dict[str, Any]) -> Any:
        data = self.hub.large[asked["oid"]]
        if (oid(data, True), len(data)) != (asked["oid"], asked["size"]):
            raise Refused(422)
        return {}

    def commit(self, name: str, lines: list[dict[str, Any]]) -> Any:
        repo = self.repo(name)
        files = dict(repo.commits[repo.head])
        for line in lines:
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit", repo.head) != repo.head:
                raise Refused(412)
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        made = repo.commit(files)
        return {"commitUrl": f"{self.hub.url}/{name}/commit/{made}", "commitOid": made}

    def tag(self, name: str, revision: str, asked: dict[str, Any]) -> Any:
        repo = self.repo(name)
        if asked["tag"] in repo.tags:
            raise Refused(409)
        repo.tags[asked["tag"]] = repo.resolve(revision) or ""
        return {}

    def file(self, name: str, revision: str, path: str) -> Any:
        repo = self.repo(name)
        commit = repo.resolve(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound")
        if path not in repo.commits[commit]:
            raise Refused(404, "EntryNotFound")
        data = repo.commits[commit][path]
        etag = oid(data, path.endswith(".safetensors"))
        sent = bytes(b ^ 1 for b in data) if self.now.bytes else data
        return sent, {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}


def oid(data: bytes, lfs: bool) -> str:
    return hashlib.sha256(data).hexdigest() if lfs else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _body(data: bytes) -> Any:
    lines = [json.loads(line) for line in data.splitlines()]
    return lines if lines and "key" in lines[0] else lines[0]


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES: list[tuple[str, Callable[..., Any]]] = [
    ("POST /api/repos/create", _Handler.create),
    ("POST /api/validate-yaml", _Handler.validate),
    (f"GET /api/models/{_NAME}(?:/revision/main)?", _Handler.info),
    (f"GET /api/models/{_NAME}/tree/([^/]+)", _Handler.tree),
    (f"GET /api/models/{_NAME}/refs", _Handler.refs),
    (f"POST /api/models/{_NAME}/preupload/main", _Handler.preupload),
    (f"POST /api/models/{_NAME}/commit/main", _Handler.commit),
    (rf"POST /api/models/{_NAME}/tag/(\w+)", _Handler.tag),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("POST /verify", _Handler.verify),
    (f"GET /{_NAME}/resolve/([^/]+)/(.+)", _Handler.file),
]


@contextmanager
def serving() -> Iterator[FakeHub]:
    hub = FakeHub()
    with running(hub.server):
        try:
            yield hub
        finally:
            hub.closed.set()
