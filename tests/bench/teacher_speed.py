"""How much of a server's capacity is used: by a plain openai client with `--peer` requests in flight, by our engine, and by
the step `annotate` as a whole process, both finding their own pace. Passages of 1,000 characters; a new server for each.

    python -m tests.bench.teacher_speed [--delay 0.2] [--slots 64] [--calls 5000] [--peer 96] [--times 3]

Rates are the server's: from the first request that it gets to its last answer. Of `--times` tries the best stands. With
`--parts`, one more run of the engine and of the step says where their CPU goes. Exits 1 where the engine uses less of the
capacity than `--least` (0.95; 0.5 for delays under 0.1 s).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.engine import TEMPERATURE, TOKENS, annotate, ask_all, corpus, passage, serving
from tests.bench.sampled import Sampled
from zoo.settings import AnnotateSettings


def plain(url: str, prompts: Sequence[str], concurrency: int) -> None:
    from openai import AsyncOpenAI

    async def run() -> None:
        slots = asyncio.Semaphore(concurrency)
        async with AsyncOpenAI(base_url=url, api_key="none") as client:

            async def one(prompt: str) -> str | None:
                async with slots:
                    done = await client.chat.completions.create(
                        model="scripted", messages=[{"role": "user", "content": prompt}], max_tokens=TOKENS,
                        temperature=TEMPERATURE,
                    )  # fmt: skip
                return done.choices[0].message.content

            answers = await asyncio.gather(*(one(p) for p in prompts))
        assert all(answers)

    asyncio.run(run())


class Contest:
    """The contenders' ways to ask for `calls` answers; each says how much CPU it took."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.prompts = [passage(n) for n in range(given.calls)]

    def plain(self, url: str, folder: Path) -> float:
        began = time.process_time()
        plain(url, self.prompts, self.given.peer)
        return time.process_time() - began

    def engine(self, url: str, folder: Path) -> float:
        began = time.process_time()
        ask_all(url, folder / "teacher.sqlite", self.prompts, self.given.concurrency)
        return time.process_time() - began

    def step(self, url: str, folder: Path) -> float:
        corpus(folder, self.given.calls // 2)
        done = annotate(folder, url, self.given.concurrency)
        if done["result"]["kept"] != self.given.calls // 2:
            raise SystemExit(f"annotate should keep every passage: {done['result']}")
        return float(done["cpu_s"])

    def best(self, ask: Callable[[str, Path], float]) -> dict[str, Any]:
        """The server's summary of the fastest try, with our CPU a call in ms."""
        tries = []
        for _ in range(self.given.times):
            with tempfile.TemporaryDirectory() as folder, serving(self.given.slots, self.given.delay) as server:
                cpu = ask(server.url, Path(folder))
            requests = server.summary["requests"]
            if requests != self.given.calls:
                raise SystemExit(f"the server got {requests} requests for {self.given.calls} calls")
            tries.append({**server.summary, "our_cpu_ms": 1000 * cpu / requests})
        return max(tries, key=lambda t: t["calls_per_s"])

    def parts(self) -> None:
        with tempfile.TemporaryDirectory() as folder, serving(self.given.slots, self.given.delay) as server:
            with Sampled() as sampled:
                self.engine(server.url, Path(folder))
        self._say("zoo's engine", sampled.seconds()["parts"])
        with tempfile.TemporaryDirectory() as folder, serving(self.given.slots, self.given.delay) as server:
            corpus(Path(folder), self.given.calls // 2)
            found = annotate(Path(folder), server.url, self.given.concurrency, "--parts")
        self._say("zoo annotate", found["parts"])

    def _say(self, name: str, parts: dict[str, float]) -> None:
        shown = ", ".join(f"{n} {1000 * s / self.given.calls:.2f}" for n, s in parts.items() if s)
        sys.stdout.write(f"{name}, ms of CPU a call: {shown}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--peer", type=int, default=96)
    parser.add_argument("--concurrency", type=int, default=AnnotateSettings().concurrency)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--least", type=float)
    parser.add_argument("--only", choices=("plain", "engine", "step"), action="append")
    parser.add_argument("--parts", action="store_true")
    given = parser.parse_args()
    least = given.least or (0.95 if given.delay >= 0.1 else 0.5)
    contest, shares = Contest(given), {}
    sys.stdout.write(f"capacity {given.slots / given.delay:.0f} calls/s; best of {given.times}\n")
    names = {"plain": "plain openai client", "engine": "zoo's engine", "step": "zoo annotate"}
    for key in given.only or names:
        found = contest.best(getattr(contest, key))
        shares[key] = found["share"]
        sys.stdout.write(
            f"{names[key]}: {found['calls_per_s']:.0f} calls/s, {found['share']:.1%} of the capacity; "
            f"{found['our_cpu_ms']:.2f} ms of CPU a call, the server {found['cpu_ms']:.3f}; at most "
            f"{found['most_at_once']} at once and {found['most_waiting']} waiting, slots {found['busy']:.1%} taken\n"
        )
        sys.stdout.flush()
    if given.parts:
        contest.parts()
    if (reached := shares.get("engine", 1.0)) < least:
        sys.stdout.write(f"missed: the engine should use {least:.0%} of the capacity, not {reached:.1%}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
