"""Asks a server the same requests through a cache, as a process of its own, once a line comes in on stdin:

python -m tests.teachers.ask_job CACHE URL COUNT [backwards]

Prints `ready`, and at the end what it was told, in the requests' order, and its counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from zoo.teachers import Request
from zoo.teachers.cache import Cache, CachedTeacher
from zoo.teachers.chosen import Endpoint
from zoo.teachers.endpoint import EndpointTeacher


def request(n: int) -> Request:
    return Request(({"role": "user", "content": f"question {n}"},), 32)


async def ask(path: Path, url: str, count: int, backwards: bool) -> None:
    teacher = CachedTeacher(EndpointTeacher(Endpoint(url, "m", "k"), 60.0, 2, 8, 32), Cache(path), "pharmacy")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    order = range(count - 1, -1, -1) if backwards else range(count)
    said = dict(zip(order, await asyncio.gather(*(teacher.ask(request(n)) for n in order)), strict=True))
    await teacher.close()
    told = {"texts": [said[n].text for n in range(count)], "calls": teacher.usage.calls, "cached": teacher.usage.cached}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(ask(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:] == ["backwards"]))
