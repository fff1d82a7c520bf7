"""How long answered calls take again: 10,000 of them from the cache through our engine, and the step `annotate` over as many,
as a whole process, with where its CPU goes.

    python -m tests.bench.teacher_replay [--calls 10000] [--limit 10]

The server that gave the answers is gone when they are replayed. Exits 1 where the engine needs more than `--limit`
seconds, or the step's rows differ from those of the first run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.engine import Prompts, annotate, ask_all, corpus, serving
from zoo.settings import AnnotateSettings


def engine(folder: Path, calls: int, concurrency: int) -> float:
    """Seconds for all calls, the second time."""
    cache, prompts = folder / "teacher.sqlite", Prompts(calls)
    with serving(64, 0) as server:
        ask_all(server.url, cache, prompts, concurrency)
    began = time.monotonic()
    usage = ask_all(server.url, cache, prompts, concurrency).usage
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"zoo's engine: {usage.cached} of {usage.calls} calls from the cache in {seconds:.2f} s, "
        f"{1000 * seconds / calls:.2f} ms each\n"
    )
    return seconds


def step(folder: Path, calls: int, concurrency: int) -> bool:
    """Whether the step's rows are the same again."""
    corpus(folder, calls // 2)
    with serving(64, 0) as server:
        annotate(folder, server.url, concurrency)
    place = folder / "workspace" / "pharmacy" / "annotate"
    before = _rows(place)
    shutil.rmtree(place)
    again = annotate(folder, server.url, concurrency, "--parts")
    sys.stdout.write(
        f"zoo annotate: {again['result']['cached']} of {again['result']['calls']} calls from the cache in "
        f"{again['seconds']:.2f} s, {again['cpu_s']:.2f} s of CPU with its start\n"
    )
    for name in ("phases", "parts"):
        shown = ", ".join(f"{n} {s:.2f}" for n, s in again[name].items())
        sys.stdout.write(f"  seconds of CPU by {name}: {shown}\n")
    return before == _rows(place)


def _rows(place: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in place.glob("*/*.jsonl")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=AnnotateSettings().concurrency)
    parser.add_argument("--limit", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = engine(Path(folder), given.calls, given.concurrency)
    with tempfile.TemporaryDirectory() as folder:
        same = step(Path(folder), given.calls, given.concurrency)
    if not same:
        sys.stdout.write("missed: the step's rows differ from those of the first run\n")
    if seconds > given.limit:
        sys.stdout.write(f"missed: the engine should replay them in {given.limit:g} s\n")
    return 0 if same and seconds <= given.limit else 1


if __name__ == "__main__":
    sys.exit(main())
