"""Whether pretrain gains by reading texts over the passages as they are, at an equal number of tokens: perplexity of held-out
documents and general text, and exam scores before and after finetune.

    python -m tests.bench.reading_texts --workspace FOLDER [--domain medical] [--tokens 30000] [--set key=value ...] [--json FILE]

All four runs share what ingest and annotate left in the workspace. A difference is that of the models on the same items, reading
texts minus passages, with a bootstrap 95% interval. `--set` cuts it down: `--tokens 300 --set finetune.max_tokens=300
--set 'evaluate.limit={healthcare_exam: 4, healthcare_exam_open: 4, general: 8}'` shows in minutes that it works, and nothing more.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from zoo import train
from zoo.evaluation.contestants import MODEL
from zoo.evaluation.paired import paired_difference

TEXTS = ("passages", "reading_comprehension")
# evaluate measures what finetune leaves: a step at next to no rate leaves the model of pretrain.
STAGES = {"before finetune": ("finetune.max_tokens=1", "finetune.learning_rate=1e-12"), "after finetune": ()}
DRAWS = 10_000
Scores = dict[str, dict[str, float]]


def scores(items: str) -> Scores:
    """By suite and item, what the model got."""
    out: Scores = {}
    for line in Path(items).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["contestant"] == MODEL:
            out.setdefault(row["suite"], {})[row["id"]] = row["score"]
    return out


def run(
    domain: str, workspace: Path, recipe: str, text: str, settings: tuple[str, ...], offline: bool
) -> dict[str, Any]:
    """What pretrain says and the model's scores."""
    asked = (f"pretrain.text={text}", *settings)
    common: dict[str, Any] = {"workspace": workspace, "recipe": recipe, "settings": asked, "offline": offline}
    pretrained = train(domain, until="pretrain", **common)
    evaluated = train(domain, until="evaluate", **common)
    kept = ("tokens", "corpus_tokens", "replay_tokens", "coverage", "texts", "tasks", "perplexity", "replay_perplexity")
    return {"pretrain": {k: pretrained[k] for k in kept}, "scores": scores(evaluated["items"])}


def compared(one: Scores, other: Scores) -> list[dict[str, Any]]:
    rows = []
    for suite, found in one.items():
        ids = sorted(found)
        pair = [found[i] for i in ids], [other[suite][i] for i in ids]
        rows.append({
            "suite": suite, "n": len(ids), "reading_comprehension": sum(pair[0]) / len(ids),
            "passages": sum(pair[1]) / len(ids), "difference": paired_difference(*pair, DRAWS, 0).rounded(),
        })  # fmt: skip
    return rows


def table(found: dict[str, Any]) -> list[str]:
    out = ["| text | tokens | held-out documents | general text |", "|---|---|---|---|"]
    for text in TEXTS:
        p = found["pretrain"][text]
        both = [f"{p[name]['before']:.2f} to {p[name]['after']:.2f}" for name in ("perplexity", "replay_perplexity")]
        out.append(f"| {text} | {p['tokens']:,} | {both[0]} | {both[1]} |")
    out += ["", "| stage | suite | items | passages | reading texts | difference |", "|---|---|---|---|---|---|"]
    for stage, rows in found["stages"].items():
        for r in rows:
            d = r["difference"]
            spread = f"{d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f})"
            out.append(
                f"| {stage} | {r['suite']} | {r['n']} | {r['passages']:.3f} | {r['reading_comprehension']:.3f} | {spread} |"
            )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--domain", default="medical")
    parser.add_argument("--recipe", default="laptop")
    parser.add_argument("--tokens", type=int, default=30_000)
    parser.add_argument("--suites", default="[healthcare_exam, healthcare_exam_open, general]")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    # As many epochs as the tokens need: the shorter corpus is read again.
    budget = (f"pretrain.max_tokens={given.tokens}", "pretrain.epochs=100", f"evaluate.suites={given.suites}")
    found: dict[str, Any] = {"pretrain": {}, "stages": {}}
    for stage, more in STAGES.items():
        arms = {}
        for text in TEXTS:
            settings = ("evaluate.limit={}", *budget, "evaluate.few_shot=0", *given.settings, *more)
            arms[text] = run(given.domain, given.workspace, given.recipe, text, settings, given.offline)
            found["pretrain"][text] = arms[text]["pretrain"]
        found["stages"][stage] = compared(arms["reading_comprehension"]["scores"], arms["passages"]["scores"])
    sys.stdout.write("\n".join(table(found)) + "\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
