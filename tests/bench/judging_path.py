"""How often the judging path takes a wrong answer for right, and a right one for wrong, on 200 labelled pairs.

    python -m tests.bench.judging_path [--show]                              # the verifiers alone: the model says "unclear"
    python -m tests.bench.judging_path --teacher-model FILE.gguf [--teacher-url URL]

The pairs, `data/judged.jsonl`, are the project's own: right answers in other words, units and forms, and wrong ones that look
right. A model is asked only where the verifier abstains.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.steps.annotate_job import make
from zoo.api import Question
from zoo.artifact import Workspace
from zoo.ask import Ask, Asks
from zoo.config import Options
from zoo.console import progress
from zoo.judging import CHECK, judge
from zoo.library import Domain, load_domain
from zoo.run import Run
from zoo.settings import AnnotateSettings, Recipe
from zoo.teachers import Answer, Request
from zoo.teachers.chosen import open_teacher

DATA = Path(__file__).with_name("data") / "judged.jsonl"
VERIFIERS = {
    "choice": "choice", "yes_no_maybe": "yes_no_maybe", "short": "short", "number": "number", "explanation": "text",
}  # fmt: skip
MOST_WRONG, FEWEST_RIGHT = 0.02, 0.85  # of the wrong answers, and of the right ones, that may and must be accepted


class Fixed:
    """A judge that always gives the same verdict."""

    def __init__(self, verdict: str) -> None:
        self.verdict = verdict

    async def ask(self, request: Request) -> Answer:
        return Answer(json.dumps({"why": "it always says so", "verdict": self.verdict}), "stop")


@dataclass
class Judged:
    """Pairs by whether they are the same, and whether they were accepted; those that a model was asked about."""

    counts: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    asked: Counter[bool] = field(default_factory=Counter)
    off: list[str] = field(default_factory=list)

    def accepted(self, same: bool) -> float:
        return self.counts[same, True] / (self.counts[same, True] + self.counts[same, False])


def pairs() -> list[tuple[Question, str, bool]]:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    return [(question(row), row["response"], row["same"]) for row in rows]


def question(row: dict[str, Any]) -> Question:
    return Question(
        id=row["id"], kind=row["kind"], question=row["question"], choices=row["choices"], gold=row["gold"], source="bench",
        licence="Apache-2.0",
    )  # fmt: skip


async def measure(teacher: Asks, domain: Domain, tokens: int = 128) -> Judged:
    found = Judged()
    rows = pairs()
    with progress("pairs judged", len(rows)) as bar:
        for row, response, same in rows:
            last = (await judge(row, response, Ask(teacher, tokens, 0.0), domain))[-1]
            found.counts[same, last.verdict == "right"] += 1
            found.asked[same] += last.check == CHECK
            if (last.verdict == "right") != same:
                how = f"{last.verdict} ({last.check}: {last.reason})"
                found.off.append(f"{row.id} {row.kind} {row.gold!r}: {response!r} {how}")
            bar.advance()
    return found


def domain_in(root: Path) -> Domain:
    make(root, 0, verifiers=VERIFIERS)
    return load_domain("pharmacy", (root / "pharmacy",))


def opened(root: Path, url: str | None, model: str) -> Any:
    recipe = Recipe(name="bench", base="none", steps=["annotate"], annotate=AnnotateSettings(local_answer_tokens=128))
    given = Options(workspace=root, domain_path=(root / "pharmacy",), teacher_url=url, teacher_model=model)
    return open_teacher(
        Run(load_domain("pharmacy", (root / "pharmacy",)), recipe, given, Workspace(root / "workspace"))
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher-url")
    parser.add_argument("--teacher-model")
    parser.add_argument("--show", action="store_true", help="the pairs that were judged wrong")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        domain = domain_in(root)
        teacher = opened(root, o.teacher_url, o.teacher_model) if o.teacher_model else Fixed("unclear")
        try:
            found = await measure(teacher, domain)
        finally:
            if o.teacher_model:
                await teacher.close()
    sys.stdout.write(
        f"accepted: {found.accepted(False):.3f} of the wrong answers (limit {MOST_WRONG}), {found.accepted(True):.3f} of the "
        f"right ones (limit {FEWEST_RIGHT}); asked about {found.asked[False]} wrong and {found.asked[True]} right ones\n"
    )
    for line in found.off if o.show else []:
        sys.stdout.write(f"  {line}\n")


if __name__ == "__main__":
    asyncio.run(main())
