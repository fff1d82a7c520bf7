"""A teacher by llama.cpp, from a GGUF file: a server on loopback in a process of its own, asked as any endpoint is.

A process of its own because llama.cpp aborts the one it is in where something is wrong, and because it can be ended
within a moment whatever it is in the middle of.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from zoo.errors import RequestError, ZooError
from zoo.teachers import Answer, Request, Unanswered
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher

MOST_SLOTS = 8
_START_S = 900.0  # a large file from a slow disk
# A slow machine is no reason to ask again: the process itself tells whether there is still somebody to wait for.
_ANSWER_S, _RETRIES = 3600.0, 1
_COMMAND = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo.teachers.llama_server import main; main()"
# The server needs no keys, proxies or tokens.
_ENVIRONMENT = (
    "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT",
    "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
)  # fmt: skip


def require_llama(what: str) -> None:
    """Raises RequestError where llama.cpp is not installed; `what` needs it."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise RequestError(f"{what} needs llama.cpp, which is not installed; run pip install 'srm-zoo[llama]'.")


@dataclass(frozen=True)
class Served:
    """How a file is served: `slots` requests at a time, each with `context` tokens for its prompt and answer (less where
    the model was made for less), by `threads` threads."""

    slots: int
    context: int
    threads: int


class LlamaTeacher:
    """`file` gives the GGUF file when the first question is asked, as making one may take a while; nothing is started
    before. `place` tells its answers from those of other weights.

    `ask` raises `Unanswered` for one request, and ZooError where the server cannot start or has ended.
    """

    def __init__(self, file: Callable[[], Path], name: str, place: str, served: Served, answer_tokens: int) -> None:
        self.model = name
        self.places: tuple[str, ...] = (place,)
        self.answer_tokens = answer_tokens
        self._file, self._served = file, served
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BinaryIO | None = None
        self._server: EndpointTeacher | None = None
        self._failed: ZooError | None = None
        self._starting = asyncio.Lock()

    async def ask(self, request: Request) -> Answer:
        server = await self._ready()
        try:
            answer = await server.ask(request)
        except Unanswered as e:
            if self._process is not None and self._process.poll() is None:
                raise
            raise self._ended() from e
        return replace(answer, place=self.places[0])

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
        if self._process is not None:
            self._process.kill()  # first: a thread may be waiting for what it says
            await asyncio.to_thread(self._process.wait)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        if self._log is not None:
            self._log.close()

    async def _ready(self) -> EndpointTeacher:
        """The server, started by whoever asks first; one that could not start is not started again."""
        async with self._starting:
            if self._failed is not None:
                raise self._failed
            if self._server is None:
                try:
                    self._server = await self._started()
                except ZooError as e:
                    self._failed = e
                    raise
            return self._server

    async def _started(self) -> EndpointTeacher:
        file, key = await asyncio.to_thread(self._file), secrets.token_hex(16)
        environment = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT}
        self._log = tempfile.TemporaryFile()
        # Not from another thread: the kernel ends the child with the thread that started it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, json.dumps([p for p in sys.path if p])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"file": str(file), "key": key, **self._served.__dict__}
        with suppress(BrokenPipeError):  # it died: reading from it says so
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
        try:
            async with asyncio.timeout(_START_S):
                line = await asyncio.to_thread(self._process.stdout.readline)
        except TimeoutError:
            raise ZooError(f"llama.cpp did not load {file.name} within {_START_S:.0f} s; try a smaller file.") from None
        said = json.loads(line) if line else {}
        if "url" not in said:
            raise self._ended(said.get("failed"))
        _spare_loopback()
        endpoint = Endpoint(f"{said['url']}/v1", self.model, key)
        return EndpointTeacher(endpoint, _ANSWER_S, _RETRIES, self._served.slots, self.answer_tokens)

    def _ended(self, why: str | None = None) -> ZooError:
        assert self._process is not None and self._log is not None
        try:
            status = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            status = 0
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        errors = [line.split(" E ", 1)[1].strip() for line in lines if " E " in line]
        said = errors[0] if errors else why or (lines[-1].strip() if lines else "it says nothing")
        return ZooError(
            f"The llama.cpp server of the teacher {self.model} ended ({how}: {said[:300]}); see that the file is whole and "
            "that there is memory for it, then give the same command again, which asks nothing twice."
        )


def _spare_loopback() -> None:
    """Clients read from the environment which proxy to go through, and no proxy can reach this machine's own server."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [h for h in os.environ.get(name, "").split(",") if h]
        if "127.0.0.1" not in hosts and "*" not in hosts:
            os.environ[name] = ",".join([*hosts, "127.0.0.1"])
