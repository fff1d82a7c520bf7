"""Reads files in worker processes, each file at its own risk: a crash, a hang or a memory blow-up costs that file
alone.

Workers are programs of their own (not forks: no threads, locks or main module of the caller come along), live long,
and are replaced when they die, run past their time or past their memory.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import ZooError

_START_S = 180.0
_FILES_PER_WORKER = 500  # a new process now and then, lest what libraries leak is charged to a file
_COMMAND = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo.reading.worker import main; main()"
# Workers need no keys, proxies or tokens.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "ZOO_DOMAINS",
    "SYSTEMROOT",
)


@dataclass(frozen=True)
class Task:
    """A file to read: its id, where it lies, its name (for its suffix), and the digest it had when it was listed."""

    id: str
    path: str
    name: str
    sha256: str

    def line(self) -> bytes:
        # Undecodable bytes of a path travel as the lone surrogates Python made of them; JSON escapes those.
        return json.dumps(self.__dict__).encode("ascii") + b"\n"


@dataclass(frozen=True)
class Confinement:
    """What a worker is told: which plugin's parsers to use, and the limits of one file."""

    domain: str
    domain_path: tuple[str, ...]
    timeout_s: float
    memory_mb: int
    max_expanded_mb: float

    def line(self) -> bytes:
        return json.dumps(self.__dict__).encode() + b"\n"


@dataclass(eq=False)
class _Worker:
    confinement: Confinement
    process: subprocess.Popen[bytes] = field(init=False)
    ready: bool = False
    task: Task | None = None
    deadline: float = 0.0
    served: int = 0
    buffer: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT}
        limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, json.dumps([p for p in sys.path if p])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**environment, **limits},
            start_new_session=True,
        )  # fmt: skip
        self.deadline = time.monotonic() + _START_S
        self._send(self.confinement.line())

    def _send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died: reading from it says so
            self.process.stdin.write(line)
            self.process.stdin.flush()

    @property
    def out(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def give(self, task: Task) -> None:
        self.task, self.deadline = task, time.monotonic() + self.confinement.timeout_s
        self.served += 1
        self._send(task.line())

    def answers(self) -> list[dict[str, Any]] | None:
        """The answers that have arrived whole; None when the process has ended."""
        block = os.read(self.out, 1 << 20)
        if not block:
            return None
        self.buffer += block
        *lines, rest = bytes(self.buffer).split(b"\n") if b"\n" in block else (bytes(self.buffer),)
        if lines:
            self.buffer = bytearray(rest)
        return [json.loads(line) for line in lines]

    def end(self, patience: float = 0.0) -> int:
        """Ends it and all that it started; its exit status, its own if it had ended already."""
        if patience:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return self.process.wait()


def read_all(tasks: Iterable[Task], confinement: Confinement, workers: int) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Each task with what its worker answered (`title`, `text`, ... or `rejected`), in the order they are done.

    Raises ZooError if workers cannot start at all.
    """
    waiting = deque(tasks)
    if waiting:
        pool = _Pool(confinement, min(workers, len(waiting)))
        try:
            yield from pool.run(waiting)
        finally:
            pool.close()


class _Pool:
    def __init__(self, confinement: Confinement, size: int) -> None:
        self.confinement, self.size = confinement, size
        self.selector = selectors.DefaultSelector()
        self.workers: list[_Worker] = []
        self.again: set[str] = set()

    def run(self, waiting: deque[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
        busy = 0
        while waiting or busy:
            while len(self.workers) < min(self.size, len(waiting) + busy):
                self._hire()
            for worker in self.workers:
                if waiting and worker.ready and worker.task is None:
                    worker.give(waiting.popleft())
            for worker, answers in self._heard():
                yield from self._settled(worker, answers, waiting)
            busy = sum(w.task is not None for w in self.workers)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.selector.close()

    def _hire(self) -> None:
        worker = _Worker(self.confinement)
        self.workers.append(worker)
        self.selector.register(worker.out, selectors.EVENT_READ, worker)

    def _dismiss(self, worker: _Worker, ended: bool = False) -> int:
        self.selector.unregister(worker.out)
        self.workers.remove(worker)
        return worker.end(2.0 if ended else 0.0)

    def _heard(self) -> Iterator[tuple[_Worker, list[dict[str, Any]] | str | None]]:
        """Workers with news: answers, None for an end, 'late' for one past its time."""
        timed = [w for w in self.workers if w.task is not None or not w.ready]
        patience = max(0.0, min((w.deadline for w in timed), default=0.0) - time.monotonic())
        for key, _ in self.selector.select(patience):
            yield key.data, key.data.answers()
        now = time.monotonic()
        for worker in timed:
            if worker in self.workers and now > worker.deadline and (worker.task is not None or not worker.ready):
                yield worker, "late"

    def _settled(
        self, worker: _Worker, answers: list[dict[str, Any]] | str | None, waiting: deque[Task]
    ) -> Iterator[tuple[Task, dict[str, Any]]]:
        task = worker.task
        if isinstance(answers, list):
            for answer in answers:
                if "failed" in answer:
                    raise ZooError(f"Files cannot be read: a reading process failed ({answer['failed']}).")
                if not worker.ready:
                    worker.ready = True
                elif task is not None:
                    worker.task = None
                    yield from self._done(worker, task, answer, waiting)
            return
        status = self._dismiss(worker, ended=answers is None)
        if not worker.ready:
            late = (
                f"was not ready after {_START_S:.0f} s, so this machine is too busy; give the same command again later"
            )
            ended = f"ended ({_status(status)}) before it was ready"
            raise ZooError(f"Files cannot be read: a reading process {late if answers == 'late' else ended}.")
        if task is not None and answers == "late":
            limit = f"{self.confinement.timeout_s:g}"
            yield task, {"rejected": f"timed out: reading it takes over ingest.timeout_s={limit}"}
        elif task is not None and not self._second_chance(worker, task, waiting):
            yield task, {"rejected": f"crashed: the parser process ended ({_status(status)})"}

    def _done(
        self, worker: _Worker, task: Task, answer: dict[str, Any], waiting: deque[Task]
    ) -> Iterator[tuple[Task, dict[str, Any]]]:
        if answer.get("memory"):
            self._dismiss(worker)
            if self._second_chance(worker, task, waiting):
                return
            limit = self.confinement.memory_mb
            answer = {
                "rejected": f"out of memory: reading it takes over ingest.memory_mb={limit}; raise it or split the file"
            }
        elif worker.served >= _FILES_PER_WORKER:
            self._dismiss(worker)
        yield task, answer

    def _second_chance(self, worker: _Worker, task: Task, waiting: deque[Task]) -> bool:
        """A process that had read other files before may have failed for what they left; a new one settles it."""
        if worker.served == 1 or task.id in self.again:
            return False
        self.again.add(task.id)
        waiting.append(task)
        return True


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
