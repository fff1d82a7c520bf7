"""How well the quality classifier tells a domain's seeds from the same seeds with a wrong answer: another of the options, or a
number of the evidence changed.

    python -m tests.bench.quality medical --base DIR --embedder DIR --method embedding --seeds 200

What is wrong in them is all in a word or a number, so this is hard, and no teacher's own mistakes are like it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from zoo.api import Attempt, Example, Verdict
from zoo.artifact import Workspace
from zoo.config import Options
from zoo.embedding import load_embedder
from zoo.library import load_domain
from zoo.quality.assessing import Classifier, assess
from zoo.quality.embedded import Embedded
from zoo.quality.pairs import made_wrong, matched
from zoo.quality.solutions import judged_of
from zoo.quality.student import Student
from zoo.recipes import load_recipe
from zoo.run import Job, Run
from zoo.settings import AnnotateSettings, QualitySettings
from zoo.steps.annotate import STEP
from zoo.steps.finetune import load_template


def solved(seed: Example) -> Example:
    """The seed as if a teacher had solved it."""
    attempt = Attempt(
        stage="solve", prompt="seeds", question=seed.question, kind=seed.kind,
        said=f"{seed.reasoning}\nAnswer: {seed.answer}", verdicts=[Verdict(check="person", verdict="right")],
    )  # fmt: skip
    return seed.model_copy(update={"attempts": [attempt], "origin": "document"})


def classifier(given: argparse.Namespace, work: Path) -> Classifier:
    if given.method == "embedding":
        return Embedded(load_embedder(given.embedder))
    settings = AnnotateSettings(quality=QualitySettings(method="student", folds=given.folds, epochs=given.epochs))
    recipe = load_recipe("laptop", (), base=str(given.base)).model_copy(update={"annotate": settings})
    job = Job(Run(load_domain(given.domain), recipe, Options(), Workspace(work)), STEP, {}, work / "annotate")
    return Student(job, load_template(job))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("--method", choices=["embedding", "student"], default="embedding")
    parser.add_argument("--base", type=Path)
    parser.add_argument("--embedder", type=Path)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=2)
    given = parser.parse_args()
    rows = [solved(s) for s in load_domain(given.domain).seeds if s.reasoning.strip()][: given.seeds]
    made = [wrong for row in rows if (wrong := made_wrong(row, 0))]
    pairs = matched([*(j for row in rows for j in judged_of(row)), *made], 0)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        found = assess(classifier(given, Path(work)), pairs, [], given.folds, 0)
    for name, area in found.areas.items():
        sys.stdout.write(f"{name}: {area}\n")
    sys.stdout.write(
        f"{len(pairs.judged) // 2} pairs, {time.monotonic() - began:.0f} s; {found.why_not or 'it may filter'}\n"
    )


if __name__ == "__main__":
    main()
