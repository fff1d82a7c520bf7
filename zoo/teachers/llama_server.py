"""The process that serves a GGUF file for `llama`: settings come in as a line of JSON, the address goes out as one, and
it ends when its input does, however its parent ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def main() -> None:
    _die_with_parent()
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # llama.cpp may print: that must not break the conversation
    settings = json.loads(sys.stdin.readline())
    heeding = threading.Thread(target=_heed_end, daemon=True)
    heeding.start()
    try:
        server = _serve(settings)
    except Exception as e:  # what a binding of C++ raises is no one's contract
        _say(out, {"failed": f"{type(e).__name__}: {e}"})
        os._exit(1)
    _say(out, {"url": server.listening_address})
    heeding.join()


def _serve(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["file"]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["context"] * settings["slots"]
    params.cpuparams.n_threads = settings["threads"]
    params.port = 0
    params.api_keys = [settings["key"]]  # others on this machine have no business here
    params.ui = params.endpoint_slots = False
    params.cache_ram_mib = (
        0  # of earlier prompts, beside what the slots hold: gigabytes for nothing, as no prompt comes back
    )
    params.verbosity = 2  # warnings and errors
    return xllamacpp.Server(params)


def _die_with_parent() -> None:
    """Where the kernel can see to it; elsewhere the end of the input ends this process."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _heed_end() -> None:
    sys.stdin.read()
    os._exit(0)


def _say(out: Any, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
