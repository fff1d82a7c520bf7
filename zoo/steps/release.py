"""release: the gate, and behind it an immutable version: model, adapter, tokenizer, card and record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.artifact import WORK, Artifact, digest_file, digest_text, log_name, pretty, without_paths, write_atomic
from zoo.card import write_card
from zoo.console import progress, say
from zoo.errors import ReleaseRefused, RequestError, unknown
from zoo.gate import gate_suite, judge, sure_refusals
from zoo.library import folder as library_folder
from zoo.releases import next_version, versions
from zoo.run import Job, Run, Step, step_names
from zoo.weights import NotOnDisk

_MB, _BLOCK = 10**6, 1 << 24


def check(run: Run) -> None:
    if gate_suite(run) not in run.domain.suite_ids:
        raise unknown(f"suite of {run.domain.name}", gate_suite(run), run.domain.suite_ids)
    wanted = STEP.name in step_names(run)
    if wanted and not run.recipe.release.override_gate and (reasons := sure_refusals(run)):
        raise RequestError(
            f"This request would end in a refused release: {'; '.join(reasons)}. To do without a release, say --until "
            "evaluate; to release it marked as such, --set release.override_gate=true."
        )


def identity(run: Run) -> dict[str, Any]:
    card = digest_file(library_folder("model_cards") / "card.md.j2")
    about = digest_text(run.domain.config.model_dump_json())
    return {"base": run.base.digest, "card": card, "about": about, "gate_suite": gate_suite(run)}


def plan(run: Run, inputs: dict[str, Artifact]) -> dict[str, Any]:
    """The model is as large as its base; finetune has written it, and a release links to it."""
    try:
        disk: int | None = round(sum(p.stat().st_size for p in run.base.folder.glob("*.safetensors")) / 2**20)
    except NotOnDisk as e:
        disk = e.missing.disk_mb
    return {"disk_mb": disk, "note": "the model that finetune writes; the release links to it if the gate lets it"}


def place(run: Run, step: str, fingerprint: str) -> Path:
    """The version that has this content already, else the next one."""
    known = versions(run.workspace, run.domain.name)
    for version, artifact in known.items():
        if artifact.record["fingerprint"] == fingerprint:
            return run.workspace.releases(run.domain.name) / version
    return run.workspace.releases(run.domain.name) / next_version(list(known))


def run(job: Job) -> dict[str, Any]:
    scores = job.inputs["evaluate"].result["suites"]
    gate = judge(job.run, scores)
    decision = "passed" if gate.passed else "overridden" if job.settings.override_gate else "refused"
    version = job.folder.name
    result: dict[str, Any] = {
        "domain": job.domain.name, "version": version, "folder": ".", "gate": decision, "reasons": gate.reasons,
        "rule": {"suite": gate.suite, "general_margin": gate.general_margin},
    }  # fmt: skip
    if decision == "refused":
        shutil.rmtree(job.folder)
        result |= {"version": None, "folder": None}
        raise ReleaseRefused(
            f"No release of {job.domain.name}: {'; '.join(gate.reasons)}. Mend the data or the recipe, or say "
            "--set release.override_gate=true to release it marked as such.", result
        )  # fmt: skip
    for left in job.folder.iterdir():
        if left.name not in {WORK, log_name(job.step.name)}:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    finetune = job.inputs["finetune"]
    link_tree(finetune.path("merged"), job.folder)
    if finetune.path("adapter").is_dir():
        link_tree(finetune.path("adapter"), job.folder / "adapter")
    link_tree(job.inputs["evaluate"].path("items.jsonl"), job.folder / "items.jsonl")
    write_atomic(job.folder / "README.md", write_card(job.run, job.inputs, version, gate, decision))
    records = {n: without_paths(a.record) for n, a in job.inputs.items()}
    write_atomic(job.folder / "steps.json", pretty(records))
    say(f"  {job.domain.name}@{version}: gate {decision}; the card is {job.folder / 'README.md'}")
    return result


def link_tree(source: Path, target: Path) -> None:
    """The same files at another place, by hard link where the file system allows, else by copy."""
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    pairs = [(p, target / p.relative_to(source)) for p in files]
    if left := [pair for pair in pairs if not _linked(*pair)]:
        with progress("MB copied", sum(p.stat().st_size for p, _ in left) // _MB) as bar:
            came = 0
            for path, place in left:
                for size in _copied(path, place):
                    came += size
                    bar.advance(came // _MB - bar.done)


def _linked(source: Path, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        return target.is_file() and target.samefile(source)
    return True


def _copied(source: Path, target: Path) -> Iterator[int]:
    """Copies a file; the bytes of each block as it is written."""
    with source.open("rb") as old, target.open("wb") as new:
        while block := old.read(_BLOCK):
            new.write(block)
            yield len(block)
    shutil.copystat(source, target)


STEP = Step(
    name="release", version=2, needs=("ingest", "annotate", "pretrain", "finetune", "evaluate"),
    check=check, identity=identity, plan=plan, run=run, folder=place,
)  # fmt: skip
