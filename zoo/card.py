"""The model card: everything a reader needs to decide whether to trust a release, from the records of its steps."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from zoo.api import Document, Example, Kind
from zoo.artifact import Artifact, without_paths
from zoo.config import SourceConfig
from zoo.evaluation.report import leaning, leans
from zoo.gate import Gate
from zoo.library import folder
from zoo.run import Run

# Licences under which a derived model may carry its base's licence; any other makes the release's own `other`.
PERMISSIVE = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "public-domain"}
_TASKS: dict[Kind, str] = {
    "choice": "choosing one of several options", "yes_no_maybe": "answering yes, no or maybe",
    "short": "answering in a few words", "number": "answering with a number and its unit",
    "explanation": "saying why or how in a sentence or two",
    "label": "giving a text its label", "summary": "putting a text in one sentence",
}  # fmt: skip
_BASELINES = {"zero_shot": "the base, zero-shot", "few_shot": "the base, few-shot", "trivial": "the trivial answer"}


def trained_forms(finetune: Artifact) -> dict[str, set[str]]:
    """The forms in which an example trained the model, by the example's id; it holds no example that did not."""
    forms: dict[str, set[str]] = {}
    with finetune.path("rows.jsonl").open(encoding="utf-8") as f:
        for row in map(json.loads, f):
            if row["split"] == "train":
                forms.setdefault(row["example"], set()).add(row["form"])
    return forms


def with_text(examples: list[Example], forms: dict[str, set[str]]) -> int:
    """Of how many examples the model saw the text that they are about, at least once."""
    return sum(bool(e.context) and any("open" in form.split("-") for form in forms[e.id]) for e in examples)


def data_by_source(examples: list[Example]) -> list[dict[str, Any]]:
    """Examples counted by source, licence, origin and teacher."""
    counts = Counter(
        (e.source, e.licence, e.origin, e.teacher.model if e.teacher else "", bool(e.reasoning)) for e in examples
    )
    keys = ("source", "licence", "origin", "teacher", "reasoning")
    return [{**dict(zip(keys, key, strict=True)), "rows": n} for key, n in sorted(counts.items())]


def tasks(examples: list[Example]) -> list[tuple[str, int]]:
    """What the examples ask for, in words, and how many do so, the most frequent first."""
    return [(_TASKS[kind], n) for kind, n in Counter(e.kind for e in examples).most_common()]


def kept_passages(examples: list[Example]) -> int:
    """Passages that an example was written from and that passed every check."""
    return len({c.passage for e in examples if e.origin == "document" for c in e.citations})


def pretraining_data(run: Run, inputs: dict[str, Artifact]) -> list[dict[str, Any]]:
    """Texts of continued pretraining by source and licence; none where the recipe does without it."""
    if "pretrain" not in inputs:
        return []
    counts = Counter((d.source, d.licence) for d in inputs["ingest"].rows("documents.jsonl", Document))
    rows = [{"source": s, "licence": licence, "texts": f"{n} documents"} for (s, licence), n in sorted(counts.items())]
    hub = run.recipe.pretrain.replay.hub
    general = {"source": hub.dataset, "licence": "not known"} if hub else {"source": "SRM Zoo", "licence": "Apache-2.0"}
    return [*rows, {**general, "texts": "general texts against forgetting"}]


def sources_of(run: Run, rows: list[dict[str, Any]]) -> list[SourceConfig]:
    """The domain's sources that `rows` name and of which there is more to say than their id."""
    named = {r["source"] for r in rows}
    return [s for s in run.domain.config.sources if s.id in named and s.title]


def worse(suites: list[dict[str, Any]]) -> list[str]:
    """A sentence for each suite on which the model is surely worse than the strongest baseline."""
    return [
        f"On `{s['suite']}` the model ({s['model']:.3f}) is worse than {_BASELINES[s['baseline']]} "
        f"({s['baselines'][s['baseline']]:.3f}): difference {d['value']:+.3f}, 95% interval {d['low']:+.3f} to {d['high']:+.3f} "
        f"over {s['n']} items."
        for s in suites
        if (d := s["difference"])["high"] < 0
    ]


def said_most(suites: list[dict[str, Any]]) -> list[str]:
    """For each suite of labels, and each other on which the model leans, what it says most often."""
    shown = (s for s in suites if s["trivial"] == "majority" or leans(s))
    return [f"`{s['suite']}`: {said}." for s in shown if (said := leaning(s))]


def licence_of(base: str, rows: list[dict[str, Any]]) -> tuple[str, str]:
    """(licence id, why): the base's own where every source allows it, else `other`."""
    # A row that rests on several documents names all their licences.
    named = {licence for r in rows for licence in r["licence"].split(" AND ")}
    odd = sorted(n for n in named if n.lower() not in PERMISSIVE)
    if odd:
        return "other", f"some of its data come under: {', '.join(odd)}"
    if base == "unknown":
        return "other", "the licence of the base is not known"
    return base.lower(), "the base's licence; every source of its data allows it"


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
    examples = list(inputs["annotate"].rows("examples.jsonl", Example))
    forms = trained_forms(inputs["finetune"])
    trained = [e for e in examples if e.id in forms]
    rows, pretraining = data_by_source(trained), pretraining_data(run, inputs)
    suites = inputs["evaluate"].result["suites"]
    # Of all examples, for those held out had a say in which adapter is kept.
    licence, why = licence_of(base.licence, [*data_by_source(examples), *pretraining])
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
        rows=rows, sources=sources_of(run, [*rows, *pretraining]), tasks=tasks(trained),
        with_text=with_text(trained, forms),
        kept_passages=kept_passages(examples), pretraining=pretraining, worse=worse(suites), said_most=said_most(suites),
        suites=suites, gate=gate, decision=decision, licence=licence, licence_why=why,
        steps={n: a.record for n, a in inputs.items()}, recipe=run.recipe,
        settings={n: yaml.safe_dump(without_paths(a.record["config"]), sort_keys=False).strip() for n, a in inputs.items()},
    )  # fmt: skip
