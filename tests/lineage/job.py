"""A small corpus, a scripted teacher and tiny random models: a run to a trained model in a few seconds."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import yaml

import zoo
from tests.fakes.runs import Models
from tests.fakes.teacher import Reply
from tests.steps.annotate_job import make, passage_text
from zoo.api import Citation, Example

RECIPE = {
    "summary": "small", "base": "none", "steps": ["ingest", "annotate", "finetune"],
    "ingest": {"passage_tokens": 800, "sample": False, "workers": 1},
    "annotate": {"max_answer_tokens": 64, "duplicate": 1.0}, "pretrain": {"max_tokens": 4000},
    "finetune": {"epochs": 1, "max_tokens": 4000, "max_length": 1024, "validation": 0.0},
}  # fmt: skip
NAMES = ("drugs0.md", "drugs1.md", "drugs2.md", "more/drugs2.md")


def sentence(n: int) -> str:
    """What document `n` says and no other does."""
    return passage_text(n)


def reply(body: dict[str, Any], before: int) -> Reply:
    """A question from any passage, and the way to its answer."""
    prompt = body["messages"][0]["content"]
    n = re.search(r"disease(\d+)", prompt)
    assert n, prompt
    quote = f"The drug zalor{n[1]} is given first in the treatment of disease{n[1]}, at a dose of {int(n[1]) + 10} mg once a day."
    said: dict[str, Any] = {"quotes": [quote], "answer": f"zalor{n[1]}", "level": "basic"}
    if "Question:" in prompt:
        last = f"So zalor{n[1]} is the first of the three."
        said["reasoning"] = f"Belam{n[1]} and corin{n[1]} come later. {last}"
        said["steps"] = [{"text": quote, "passage": "1", "quote": quote}, {"text": last, "passage": "", "quote": ""}]
    else:
        said["question"] = f"Which drug is given first in the treatment of disease{n[1]}?"
        said["distractors"] = [f"belam{n[1]}", f"corin{n[1]}"]
    return Reply(json.dumps(said))


def prepare(root: Path) -> tuple[Path, Path]:
    """The domain, with a seed for each of the first two documents, and the corpus."""
    corpus = root / "corpus"
    (corpus / "more").mkdir(parents=True)
    for n, name in enumerate(NAMES):
        (corpus / name).write_text(f"# Drugs {n}\n\n{sentence(n)}\n")
    seeds = [
        Example(
            id=f"seed-{n}", kind="choice", question=f"Which drug is kept for those who bear no other in disease{n}?",
            choices=[f"belam{n}", f"corin{n}"], answer=f"corin{n}", reasoning=f"Of the three corin{n} is the one that is kept.",
            citations=[Citation(quote=f"corin{n} is kept for those who tolerate neither", document=f"drugs{n}.md")],
            origin="person", source="seeds", licence="CC0-1.0",
        )
        for n in range(2)
    ]  # fmt: skip
    make(root / "domain", 0, seeds)
    (root / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return root / "domain" / "pharmacy", corpus


def train(root: Path, url: str, models: Models, workspace: Path, **options: Any) -> dict[str, Any]:
    base, embedder = models
    recipe = options.pop("recipe", str(root / "recipe.yaml"))
    return zoo.train(
        "pharmacy", workspace=workspace, recipe=recipe, corpus=(root / "corpus",), base=str(base),
        teacher_url=url, teacher_model="scripted", domain_path=(root / "domain" / "pharmacy",),
        settings=(f"ingest.embedder={embedder}", *options.pop("settings", ())), **options,
    )  # fmt: skip


def holding(workspace: Path, text: str) -> list[str]:
    """Every file below the workspace that has the text in it: as it is, as JSON writes it, in a database or in its log."""
    wanted = {text.encode(), json.dumps(text)[1:-1].encode()}
    found = []
    for path in sorted(p for p in workspace.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as db:
                data += "\n".join(db.iterdump()).encode()
        if any(w in data for w in wanted):
            found.append(path.relative_to(workspace).as_posix())
    return found
