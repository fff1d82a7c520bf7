"""How well a wrong solution's mistake is told from the solution alone, on 60 solutions with planted faults and 60 sound ones.

    python -m tests.bench.mistakes_found [--show]

The data, `data/mistakes.jsonl`, is the project's own. Calculation mistakes are found by replaying the arithmetic, the other
two kinds by rules, here without what a reflection would declare.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.api import Question
from zoo.arithmetic import equations

DATA = Path(__file__).with_name("data") / "mistakes.jsonl"
KINDS = ("comprehension", "calculation", "reasoning")


@dataclass(frozen=True)
class Found:
    """Of each planted fault what it was taken for, and the sound solutions with an equation called false."""

    taken: Counter[tuple[str, str]]
    alarms: list[str]
    wrong: list[str]

    def recall(self, kind: str) -> float:
        of = [n for (planted, _), n in self.taken.items() if planted == kind]
        return self.taken[kind, kind] / sum(of)

    def f1(self, kind: str) -> float:
        planted = sum(n for (p, _), n in self.taken.items() if p == kind)
        told = sum(n for (_, t), n in self.taken.items() if t == kind)
        return 2 * self.taken[kind, kind] / (planted + told)


def measure() -> Found:
    mistake_of = importlib.import_module("zoo.annotators.sciglm.mistakes").mistake_of
    taken, alarms, wrong = Counter[tuple[str, str]](), list[str](), list[str]()
    for row in map(json.loads, DATA.read_text(encoding="utf-8").splitlines()):
        if row["mistake"] is None:
            alarms += [f"{row['id']}: {e}" for e in equations(row["steps"]) if not e.holds]
            continue
        told = mistake_of(question(row), row["steps"], row["answer"], None)
        taken[row["mistake"], told] += 1
        if told != row["mistake"]:
            wrong.append(f"{row['id']}: taken for {told}")
    return Found(taken, alarms, wrong)


def question(row: dict[str, Any]) -> Question:
    return Question(
        id=row["id"], kind=row["kind"], question=row["question"], choices=row["choices"], gold=row["gold"], source="bench",
        licence="Apache-2.0",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="the rows that were told wrong")
    shown = parser.parse_args().show
    found = measure()
    sys.stdout.write(f"calculation: recall {found.recall('calculation'):.2f}\n")
    for kind in KINDS:
        sys.stdout.write(f"{kind}: F1 {found.f1(kind):.2f}\n")
    sys.stdout.write(f"sound solutions with an equation called false: {len(found.alarms)} of 60\n")
    for line in [*found.alarms, *found.wrong] if shown else []:
        sys.stdout.write(f"  {line}\n")


if __name__ == "__main__":
    main()
