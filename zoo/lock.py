"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import BinaryIO

from zoo.console import say
from zoo.errors import ZooError


@contextmanager
def alone(work: Path, waiting: str = "") -> Iterator[None]:
    """Two processes never work in one folder; the kernel drops the lock with the process, however it ends.

    One who is done may remove the folder, lock and all. Where another process stays in it, `waiting` is said and this
    one waits; without it ZooError is raised.
    """
    # A process that was just killed may hold on for as long as the kernel takes to clear its memory away.
    for n, wait in enumerate(chain((0.2, 0.4, 0.8, 1.6), repeat(2.0) if waiting else (0.0,))):
        if lock := locked(work / "lock", wait=False):
            with lock:
                yield
            return
        if waiting and n == 4:
            say(waiting)
        time.sleep(wait)
    raise ZooError(f"Another zoo process is working in {work.parent}; wait for it or stop it.")


def locked(path: Path, wait: bool) -> BinaryIO | None:
    """The file at `path`, made where there is none, open for appending and locked until it is closed. Without `wait`
    None where another process has it, or has just removed it: a lock on a file that is gone would keep nobody out."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file: BinaryIO | None = None
        try:
            file = path.open("ab")
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except (BlockingIOError, FileNotFoundError):
            pass
        if file:
            file.close()
        if not wait:
            return None
