"""The process that reads files for `isolate`: a line of JSON in, a line of JSON out. It may crash, hang or run out of
memory; it reaches no network, and starts no program but pandoc."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_FORBIDDEN = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.bind",
    "socket.sendto",
    "urllib.Request",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "ftplib.connect",
    "smtplib.connect",
    "http.client.connect",
    "webbrowser.open",
}


def main() -> None:
    """Answers until the input ends. The first line in has the settings, the first line out says that it is ready."""
    _die_with_parent()
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # libraries that print must not break the conversation
    settings = json.loads(sys.stdin.readline())
    try:
        parsers = _prepare(settings)
    except Exception as e:
        _say(out, {"failed": f"{type(e).__name__}: {e}"})
        return
    _say(out, {"ready": True})
    for line in sys.stdin:
        task = json.loads(line)
        # The kernel ends this process even if a library hangs and the parent is gone.
        signal.setitimer(signal.ITIMER_REAL, settings["timeout_s"] + 5)
        try:
            answer = _answer(task, parsers, settings)
        except Exception as e:  # an error of ours, not of the file: it must not be put down to the file
            answer = {"failed": f"{type(e).__name__} while reading {task['name']}: {e}"}
        _say(out, answer)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _die_with_parent() -> None:
    """Where the kernel can see to it; elsewhere the end of the input, or a file's time limit, ends this process."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _say(out: Any, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


def _prepare(settings: dict[str, Any]) -> list[Any]:
    # spaCy would load it, and nothing here needs it: 2 s and 300 MB a worker.
    sys.modules["torch"] = None  # type: ignore[assignment]
    from zoo.library import load_domain
    from zoo.reading import office, reader

    office.warm_up()
    parsers = load_domain(settings["domain"], tuple(Path(p) for p in settings["domain_path"])).parsers
    reader.warm_up()
    _confine(settings["memory_mb"])
    return parsers


def _confine(memory_mb: int) -> None:
    sys.addaudithook(_refuse)
    if sys.platform.startswith("linux"):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (memory_mb << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"{event} is not allowed while a document is read")
    if event == "subprocess.Popen" and not os.fsdecode(args[0] or "").endswith("pandoc"):
        raise PermissionError("a document may start no program")


def _answer(task: dict[str, Any], parsers: list[Any], settings: dict[str, Any]) -> dict[str, Any]:
    from zoo.api import Unreadable
    from zoo.minhash import signature
    from zoo.passages import assemble
    from zoo.reading.reader import Limits, read

    try:
        data = Path(task["path"]).read_bytes()
        parsed = read(task["name"], data, parsers, Limits(int(settings["max_expanded_mb"] * 2**20)))
        if parsed.meta["sha256"] != task["sha256"]:
            return {"rejected": "changed: the file was changed while it was being ingested; run the command again"}
        text, blocks = assemble(parsed)
        return {
            "title": parsed.title,
            "text": text,
            "blocks": [b.row() for b in blocks],
            "meta": parsed.meta,
            "signature": signature(text),
        }
    except Unreadable as e:
        return {"rejected": str(e)}
    except MemoryError:
        return {"memory": True}
    except OSError as e:
        return {"rejected": f"unreadable: {e.strerror or e}"}
