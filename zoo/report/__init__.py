"""`report.html`: the last run of a domain on one page that needs nothing but itself, from the records of its artifacts.

It quotes the run's documents, so it stays in the workspace and is no part of a release.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zoo.artifact import Workspace, write_atomic
from zoo.console import duration
from zoo.errors import ReleaseRefused
from zoo.interrupt import before_the_end
from zoo.lastrun import LastRun, read_last
from zoo.report import excerpts, facts, plots, wording
from zoo.run import Run, train

FILE = "report.html"


def train_and_report(run: Run) -> dict[str, Any]:
    """What `zoo train` does: the result of `zoo.run.train`, and the page, which is written however the run ends."""
    write = partial(write_report, run.workspace, run.domain.name)
    try:
        with before_the_end(write):
            result = train(run)
    except ReleaseRefused as e:
        e.result["report"] = str(write()[0])
        raise
    except BaseException:
        write()
        raise
    return {**result, "report": str(write()[0])}


def write_report(workspace: Workspace, domain: str) -> tuple[Path, LastRun]:
    """Writes the page of the domain's last run; its path, and the run. Raises RequestError where there was none, and
    ZooError where an artifact of it is gone."""
    run = read_last(workspace, domain)
    path = workspace.root / domain / FILE
    write_atomic(path, render(run, path.parent))
    return path, run


def render(run: LastRun, folder: Path) -> str:
    """The page as HTML. `folder` is what the run's artifacts are relative to. The same run gives the same page."""
    steps = facts.load_steps(run, folder)
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    env.filters |= {
        "number": wording.number,
        "seconds": duration,
        "signed": wording.signed,
        "words": wording.words,
        "change": wording.change,
        "folded": excerpts.folded,
    }
    suites = facts.suites_of(steps)
    return env.get_template("page.html.j2").render(
        run=run, verdict=facts.verdict(run, steps), facts=facts.headline(run, steps), suites=suites,
        forest=plots.forest(suites), stages=facts.stages(steps), ledger=facts.ledger(steps),
        unread=facts.unread(steps), trainings=facts.trained(steps), examples=excerpts.gather(steps),
        costs=facts.costs(steps), steps=steps,
        recipe=yaml.safe_dump(run.recipe, sort_keys=False, allow_unicode=True, width=1000), packages=facts.packages(steps),
    )  # fmt: skip
