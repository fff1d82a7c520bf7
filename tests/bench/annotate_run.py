"""The step `annotate` as a process of its own, over a corpus that `tests.bench.engine.corpus` made:

    python -m tests.bench.annotate_run ROOT URL CONCURRENCY [--parts] [--memory]

Its last line is JSON: `result`, the step's; `seconds` of the whole process after its imports; with `--parts` the seconds of
CPU of each part and phase; with `--memory` the memory it held at every tenth of the calls, in MB. Texts are compared by a
stand-in for the sentence embedder, which is not measured here.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.sampled import Sampled, held_mb
from tests.steps.annotate_job import annotate
from zoo.artifact import Artifact, Workspace
from zoo.settings import AnnotateSettings
from zoo.teachers.cache import CachedTeacher


def main(root: Path, url: str, concurrency: int, parts: bool, memory: bool) -> dict[str, Any]:
    ingest = Artifact(Workspace(root / "workspace").step("pharmacy", "ingest", "made"))
    calls = 2 * int(ingest.record["result"]["passages"])
    settings = AnnotateSettings(concurrency=concurrency)
    held = _watched(calls) if memory else {}
    sampled = Sampled()
    began = time.monotonic()
    if parts:
        with sampled:
            artifact = annotate(root, ingest, url, settings)
    else:
        artifact = annotate(root, ingest, url, settings)
    out = {"seconds": time.monotonic() - began, "result": artifact.result, "held_mb": held}
    return {**out, **sampled.seconds()}


def _watched(calls: int) -> dict[int, float]:
    """Fills with the memory held after every tenth of the calls."""
    held: dict[int, float] = {}
    ask, done = CachedTeacher.ask, 0

    async def watched(self: CachedTeacher, request: Any) -> Any:
        nonlocal done
        answer = await ask(self, request)
        done += 1
        if done % (calls // 10) == 0:
            held[done] = round(held_mb(), 1)
        return answer

    CachedTeacher.ask = watched  # type: ignore[method-assign]
    return held


if __name__ == "__main__":
    given = sys.argv[1:]
    out = main(Path(given[0]), given[1], int(given[2]), "--parts" in given, "--memory" in given)
    sys.stdout.write(json.dumps(out) + "\n")
