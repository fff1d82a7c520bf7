"""Ctrl-C and SIGTERM end a run within two seconds, whatever a library is in the middle of.

The process ends as a kill ends it, which loses nothing that was finished, but for a last word. KeyboardInterrupt would
not do: it waits for a library's long call to return and for its threads to end, and raised while one that is written in
C++ is being imported it aborts the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

EXIT_CODE = 130
PATIENCE_S = 0.5  # for what is still to be done; then the process ends without it
_still: list[Callable[[], Any]] = []


def heed(goodbye: Callable[[], None]) -> None:
    """From now on either signal ends this process, unless it is one that the caller's shell had it ignore. `goodbye` has
    the last word. Call it from the main thread."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    # The interpreter writes to it as the signal arrives; Python's own handlers wait for the main thread's next bytecode.
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    threading.Thread(target=_watch, args=(heard, goodbye), daemon=True).start()


@contextmanager
def before_the_end(do: Callable[[], Any]) -> Iterator[None]:
    """`do` is done first where a signal ends the process within this context; in a thread, for PATIENCE_S at most."""
    _still.append(do)
    try:
        yield
    finally:
        _still.remove(do)


def _watch(heard: int, goodbye: Callable[[], None]) -> None:
    while os.read(heard, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    last = [threading.Thread(target=do, daemon=True) for do in _still]
    for thread in last:
        thread.start()
    for thread in last:
        thread.join(PATIENCE_S / len(last))
    try:
        goodbye()
        sys.stdout.flush()
    finally:  # whoever would hear it may be gone already, and their pipe with them
        os._exit(EXIT_CODE)
