"""The model card: everything a reader needs to decide whether to trust a release, from the records of its steps."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from zoo.api import Example
from zoo.artifact import Artifact
from zoo.gate import Gate
from zoo.library import folder
from zoo.run import Run

# Licences under which a derived model may carry its base's licence; any other makes the release's own `other`.
PERMISSIVE = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "public-domain"}


def data_by_source(examples: list[Example]) -> list[dict[str, Any]]:
    """Rows that trained the model, counted by source, licence, origin and teacher."""
    counts = Counter(
        (e.source, e.licence, e.origin, e.teacher.model if e.teacher else "", bool(e.reasoning)) for e in examples
    )
    keys = ("source", "licence", "origin", "teacher", "reasoning")
    return [{**dict(zip(keys, key, strict=True)), "rows": n} for key, n in sorted(counts.items())]


def licence_of(base: str, rows: list[dict[str, Any]]) -> tuple[str, str]:
    """(licence id, why): the base's own where every source allows it, else `other`."""
    odd = sorted({r["licence"] for r in rows if r["licence"].lower() not in PERMISSIVE})
    if odd:
        return "other", f"some training rows come under: {', '.join(odd)}"
    if base == "unknown":
        return "other", "the licence of the base is not known"
    return base.lower(), "the base's licence; every source of training rows allows it"


def model_index(name: str, suites: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Scores in the form the Hub reads."""
    results = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"type": s["suite"], "name": s["suite"], "revision": str(s["version"])},
            "metrics": [
                {"type": s["metric"], "value": round(s["model"], 4), "name": f"{s['metric']} over {s['n']} items"}
            ],
        }
        for s in suites
    ]
    return [{"name": name, "results": results}]


def write_card(run: Run, inputs: dict[str, Artifact], version: str, gate: Gate, decision: str) -> str:
    """The card of a release as Markdown with the Hub's metadata in front."""
    config, base = run.domain.config, run.base
    rows = data_by_source(list(inputs["annotate"].rows("examples.jsonl", Example)))
    suites = inputs["evaluate"].result["suites"]
    licence, why = licence_of(base.licence, rows)
    name = f"{config.name}-{version}"
    metadata: dict[str, Any] = {"language": config.languages, "license": licence}
    if licence == "other":
        metadata["license_name"] = "see-the-card"
    metadata |= {
        "library_name": "transformers", "pipeline_tag": "text-generation", "base_model": base.name,
        "base_model_relation": "finetune", "tags": ["srm-zoo", "small-reasoning-model", *config.tags],
        "model-index": model_index(name, suites),
    }  # fmt: skip
    env = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    template = env.from_string((folder("model_cards") / "card.md.j2").read_text(encoding="utf-8"))
    return template.render(
        metadata=yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True), domain=config, version=version, base=base,
        rows=rows, suites=suites, gate=gate, decision=decision, licence=licence, licence_why=why,
        steps={n: a.record for n, a in inputs.items()}, recipe=run.recipe,
        settings={n: yaml.safe_dump(a.record["config"], sort_keys=False).strip() for n, a in inputs.items()},
    )  # fmt: skip
