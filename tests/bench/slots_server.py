"""A server of chat completions with a known capacity: SLOTS requests at a time, each DELAY seconds, the rest in a queue.

    python -m tests.bench.slots_server SLOTS DELAY

Prints its port, and at SIGTERM a summary in JSON: `requests`, `most_at_once`, `most_waiting`, `seconds` from the first
request to the last answer, `calls_per_s`, `share` of the capacity (SLOTS / DELAY; null without a delay), `busy`, the mean
share of the slots that were taken, and `cpu_ms`, its own time a request. It answers what `grounded_qa` asks about a
passage of `tests.bench.engine` so that every check passes, in about 80 tokens.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections import deque
from typing import Any

_NUMBER = re.compile(rb"disease(\d+)")
_SOLVE = rb"\nQuestion: "  # as JSON writes it
_MARK = "987654321"
_PROOF = f"The drug zalor{_MARK} is given first in the treatment of disease{_MARK}"
_WRITTEN = {
    "question": f"Which drug is given first in the treatment of disease{_MARK}?",
    "distractors": [f"belam{_MARK}", f"corin{_MARK}", f"delor{_MARK}"], "answer": f"zalor{_MARK}", "quotes": [_PROOF],
    "level": "basic",
}  # fmt: skip
_SOLVED = {
    "steps": [
        {"text": f"Zalor{_MARK} is given first in disease{_MARK}.", "passage": "1", "quote": _PROOF},
        {
            "text": f"Belam{_MARK} is added only after four weeks.", "passage": "1",
            "quote": f"If zalor{_MARK} fails after four weeks, belam{_MARK} is added",
        },
        {"text": f"So zalor{_MARK} is the drug that is given first.", "passage": "", "quote": ""},
    ],
    "answer": f"zalor{_MARK}",
}  # fmt: skip


def _pieces(answer: dict[str, Any]) -> list[bytes]:
    """A reply's body, cut where the passage's number goes."""
    message = {"role": "assistant", "content": json.dumps(answer), "refusal": None}
    body = {
        "id": "x", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 80, "total_tokens": 380},
    }  # fmt: skip
    return json.dumps(body).encode().split(_MARK.encode())


class Slots:
    """The slots and the queue before them."""

    def __init__(self, slots: int, delay: float) -> None:
        self.slots, self.delay = slots, delay
        self.written, self.solved = _pieces(_WRITTEN), _pieces(_SOLVED)
        self.waiting: deque[tuple[asyncio.Transport, bytes]] = deque()
        self.taken = self.served = self.most = self.most_waiting = 0
        self.first = self.last = self.changed = self.cpu = 0.0
        self.area = 0.0  # slot seconds

    def arrive(self, transport: asyncio.Transport, request: bytes) -> None:
        if not self.first:
            self.first, self.cpu = time.monotonic(), time.process_time()
        if self.taken < self.slots:
            self._start(transport, request)
        else:
            self.waiting.append((transport, request))
            self.most_waiting = max(self.most_waiting, len(self.waiting))

    def _start(self, transport: asyncio.Transport, request: bytes) -> None:
        self._count(1)
        self.most = max(self.most, self.taken)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._end, transport, request)
        else:
            self._end(transport, request)

    def _end(self, transport: asyncio.Transport, request: bytes) -> None:
        self._count(-1)
        self.served, self.last = self.served + 1, self.changed
        if not transport.is_closing():
            transport.write(self._reply(request))
        if self.waiting:
            self._start(*self.waiting.popleft())

    def _count(self, change: int) -> None:
        now = time.monotonic()
        self.area += self.taken * (now - (self.changed or now))
        self.taken, self.changed = self.taken + change, now

    def _reply(self, request: bytes) -> bytes:
        number = _NUMBER.search(request)
        if number is None:
            return b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
        body = number.group(1).join(self.solved if _SOLVE in request else self.written)
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    def summary(self) -> dict[str, Any]:
        seconds = max(self.last - self.first, 1e-9)
        rate = self.served / seconds
        return {
            "requests": self.served, "most_at_once": self.most, "most_waiting": self.most_waiting, "seconds": seconds,
            "calls_per_s": rate, "share": rate * self.delay / self.slots if self.delay else None,
            "busy": self.area / (seconds * self.slots), "cpu_ms": 1000 * (time.process_time() - self.cpu) / max(self.served, 1),
        }  # fmt: skip


class Connection(asyncio.Protocol):
    """One client's connection: keep-alive, bodies with a length."""

    def __init__(self, slots: Slots) -> None:
        self.slots, self.rest = slots, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            at = head.find(b"content-length:")
            whole = end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(self.rest) < whole:
                return
            request, self.rest = self.rest[end + 4 : whole], self.rest[whole:]
            self.slots.arrive(self.transport, request)


async def main(slots: Slots) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Connection(slots), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    sys.stdout.write(json.dumps(slots.summary()) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Slots(int(sys.argv[1]), float(sys.argv[2]))))
