"""Whether one way to train is better than another: several runs that differ in a few settings, each up to its evaluation,
and the paired differences of their models on the same items, with 95% intervals.

    python -m tests.bench.training_arms medical --workspace DIR --arm 'seeds: finetune.origins=[person]' \
        --arm 'written: finetune.origins=[document]' --set finetune.examples=100 --set finetune.max_tokens=100000

Further options are those of `zoo train`, for all arms. The first arm is what the others are compared with. An arm that is
there already is not run again. It says how many examples, rows and tokens each trained on: to be compared they have to be
equal, which is for the settings to see to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.evaluation.paired import paired_difference

DRAWS = 10_000


@dataclass(frozen=True)
class Arm:
    """`scores` by suite: score by item id, of the model; `base` the same of the base, zero-shot."""

    name: str
    trained: dict[str, Any]
    scores: dict[str, dict[str, float]]
    base: dict[str, dict[str, float]]


def run_arm(name: str, settings: Sequence[str], given: argparse.Namespace) -> Arm:
    command = [sys.executable, "-m", "zoo", "train", given.domain, "--until", "evaluate", "--json"]
    command += ["--workspace", str(given.workspace), *given.rest]
    for setting in (*given.set, *settings):
        command += ["--set", setting]
    sys.stderr.write(f"{name}: {' '.join(command[3:])}\n")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed: {done.stdout}")
    evaluated = Path(json.loads(done.stdout)["artifact"])
    record = json.loads((evaluated / "record.json").read_text(encoding="utf-8"))
    of = record["inputs"]["finetune"]["fingerprint"]
    tuned = json.loads((evaluated.parents[1] / "finetune" / of / "record.json").read_text(encoding="utf-8"))["result"]
    trained = {"examples": tuned["examples"]["train"], "rows": tuned["seen"], "tokens": tuned["tokens"]}
    rows = [json.loads(line) for line in (evaluated / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    return Arm(name, trained, _scores(rows, "model"), _scores(rows, "zero_shot"))


def _scores(rows: Sequence[dict[str, Any]], contestant: str) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["contestant"] == contestant:
            out.setdefault(row["suite"], {})[row["id"]] = row["score"]
    return out


def compare(first: Arm, other: Arm) -> list[dict[str, Any]]:
    """`other` minus `first` on each suite that both were measured on."""
    out = []
    for suite, scores in first.scores.items():
        ids = sorted(scores.keys() & other.scores.get(suite, {}).keys())
        if not ids:
            continue
        ours, theirs = [other.scores[suite][i] for i in ids], [scores[i] for i in ids]
        difference = paired_difference(ours, theirs, DRAWS, 0).rounded()
        out.append({
            "suite": suite, "items": len(ids), "first": sum(theirs) / len(ids), "other": sum(ours) / len(ids),
            "base": sum(first.base[suite][i] for i in ids) / len(ids) if suite in first.base else None, **difference,
        })  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--arm", action="append", required=True, metavar="NAME: SETTING SETTING ...")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all arms")
    given, given.rest = parser.parse_known_args()
    arms = []
    for text in given.arm:
        name, _, settings = text.partition(":")
        arms.append(run_arm(name.strip(), settings.split(), given))
    lines = [f"{arm.name}: {arm.trained}" for arm in arms]
    for other in arms[1:]:
        lines.append(f"\n{other.name} - {arms[0].name}")
        for row in compare(arms[0], other):
            base = "" if row["base"] is None else f" base {row['base']:.3f},"
            interval = f"{row['value']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            lines.append(
                f"  {row['suite']} ({row['items']}):{base} {row['first']:.3f} -> {row['other']:.3f}, {interval}"
            )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
