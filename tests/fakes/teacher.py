"""A teacher that follows a script: an OpenAI-compatible server on loopback, over real HTTP, that keeps a log."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.servers import running


@dataclass
class Reply:
    """What to do with one request: answer with `content`, or with a status and headers, after a while, or hang up."""

    content: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: str = "as scripted"
    delay: float = 0.0
    drop: bool = False
    finish: str = "stop"
    refusal: str | None = None
    raw: str | None = None  # the body of a 200, instead of a completion
    usage: tuple[int, int] = (10, 5)  # tokens in and out, as the server counts them


Script = Callable[[dict[str, Any], int], Reply]
"""From a request's body, and how often the same messages came before, to the reply."""


@dataclass
class Entry:
    """One request in the log. `done` is set when the whole reply has been handed to the network, at `answered`."""

    body: dict[str, Any]
    headers: dict[str, str]
    reply: Reply
    done: bool = False
    at: float = 0.0
    answered: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # those who are killed hang up
            super().handle_error(request, client_address)


class ScriptedTeacher:
    def __init__(self, script: Script) -> None:
        self.script, self.log = script, []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: the second would wait for an acknowledgement

            def do_POST(self) -> None:
                outer.answer(self)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.log: list[Entry] = []
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        body = json.loads(http.rfile.read(int(http.headers["content-length"])))
        with self._lock:
            before = sum(e.body["messages"] == body["messages"] for e in self.log)
            entry = Entry(body, dict(http.headers), self.script(body, before), at=time.monotonic())
            self.log.append(entry)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            time.sleep(entry.reply.delay)
            self._send(http, entry)
        except OSError:
            http.close_connection = True
        finally:
            with self._lock:
                self._now -= 1

    def _send(self, http: BaseHTTPRequestHandler, entry: Entry) -> None:
        reply = entry.reply
        data = json.dumps(completion(entry.body, reply) if reply.status == 200 else {"error": {"message": reply.error}})
        data = data if reply.raw is None else reply.raw
        http.send_response(reply.status)
        for name, value in reply.headers.items():
            http.send_header(name, value)
        http.send_header("content-type", "application/json")
        http.send_header("content-length", str(len(data.encode())))
        http.end_headers()
        if reply.drop:
            http.wfile.write(data.encode()[:20])
            http.close_connection = True
            return
        http.wfile.write(data.encode())
        http.wfile.flush()
        entry.answered = time.monotonic()
        entry.done = reply.status == 200


def completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    tokens_in, tokens_out = reply.usage
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out},
    }  # fmt: skip


@contextmanager
def serving(script: Script) -> Iterator[ScriptedTeacher]:
    teacher = ScriptedTeacher(script)
    with running(teacher.server):
        yield teacher
