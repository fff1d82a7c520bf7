"""Whether memory stays flat: what the process holds at every tenth of 100,000 prompts through our engine, from a server
that answers at once.

    python -m tests.bench.teacher_memory [--calls 100000] [--limit 8] [--step]

With `--step` the same of the step `annotate` over a corpus of half as many passages, which is shown and not judged: the
step holds the corpus and the rows it keeps. Exits 1 where the engine holds over `--limit` MB more at the end than after a
fifth of the prompts. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench.engine import Prompts, annotate, ask_all, corpus, serving
from tests.bench.sampled import held_mb
from zoo.settings import AnnotateSettings


def engine(folder: Path, calls: int, concurrency: int) -> float:
    """MB that came on top after the first fifth."""
    held: list[float] = []
    done = 0

    def watch() -> None:
        nonlocal done
        done += 1
        if done % (calls // 10) == 0:
            held.append(held_mb())
            sys.stdout.write(f"zoo's engine, after {done} prompts: {held[-1]:.1f} MB\n")
            sys.stdout.flush()

    with serving(64, 0) as server:
        ask_all(server.url, folder / "teacher.sqlite", Prompts(calls), concurrency, watch)
    return held[-1] - held[1]


def step(folder: Path, calls: int, concurrency: int) -> None:
    corpus(folder, calls // 2)
    with serving(64, 0) as server:
        done = annotate(folder, server.url, concurrency, "--memory")
    for calls_done, mb in done["held_mb"].items():
        sys.stdout.write(f"zoo annotate, after {calls_done} calls: {mb:.1f} MB\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=AnnotateSettings().concurrency)
    parser.add_argument("--limit", type=float, default=8.0)
    parser.add_argument("--step", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        more = engine(Path(folder), given.calls, given.concurrency)
    if given.step:
        with tempfile.TemporaryDirectory() as folder:
            step(Path(folder), given.calls, given.concurrency)
    if more > given.limit:
        sys.stdout.write(
            f"missed: {more:.1f} MB more than after a fifth of the prompts; at most {given.limit:g} are meant\n"
        )
    return int(more > given.limit)


if __name__ == "__main__":
    sys.exit(main())
