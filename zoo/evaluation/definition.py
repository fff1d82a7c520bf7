"""What a suite's YAML has to say: lm-eval's own keys, and under `metadata.zoo` what its items are and how they are put."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zoo.config import Fields
from zoo.errors import RequestError, unknown
from zoo.strict import Strict, read_yaml, validated

NATIVE_CHOICE = {"acc", "acc_norm"}
OWN = {"verified", "rougeL"}
_REQUIRED = (
    "task", "dataset_path", "test_split", "output_type", "doc_to_text", "doc_to_target", "metric_list", "metadata",
)  # fmt: skip


class ZooMeta(Strict):
    """`data` is a packaged JSONL file or the id of a questions source; `split` the Hub split that tests, where there is
    one; `fields` maps a packaged file's columns (without it, its rows are examples). `held_out` items serve as shots
    and are not scored."""

    data: str
    split: str | None = None
    fields: list[Fields] = Field(default=[])
    licence: str = ""
    context: Literal["shown", "hidden"]
    options: Literal["shown", "hidden"] = "shown"
    reasoning: bool = False
    baseline: Literal["majority", "last_question", "chance"]
    metric: str
    held_out: int = 0


class Metadata(Strict):
    """`version` is bumped whenever scoring changes."""

    version: str | int | float
    zoo: ZooMeta


def read_definition(path: Path, domain: str) -> tuple[dict[str, Any], Metadata]:
    """A suite's YAML as lm-eval takes it, and its metadata; RequestError with what it lacks or what cannot be scored."""
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise RequestError(f"{path.name} is not a suite: it should be an lm-eval task.")
    for key in _REQUIRED:
        if key not in config:
            raise RequestError(f"The suite {path.name} has no {key!r}; see the other suites of {domain}.")
    metadata = validated(Metadata, config["metadata"], f"metadata of {path.name}")
    if config["task"] != path.stem:
        raise RequestError(f"The suite {path.name} calls itself {config['task']!r}; task should be its file's name.")
    if config["output_type"] not in {"multiple_choice", "generate_until"}:
        raise unknown(f"output_type in {path.name}", str(config["output_type"]), ["multiple_choice", "generate_until"])
    _check_metric(path, config, metadata.zoo.metric)
    return config, metadata


def _check_metric(path: Path, config: dict[str, Any], metric: str) -> None:
    """Refuses a metric that would be missing from the scores: of lm-eval's own it gives those of metric_list, and for
    each item those that it averages."""
    listed = {m["metric"]: m.get("aggregation", "mean") for m in config["metric_list"]}
    choice = config["output_type"] == "multiple_choice"
    known = NATIVE_CHOICE if choice else {*OWN, *listed}
    if metric not in known:
        raise unknown(f"metric in {path.name}", metric, known)
    if metric in OWN - set(listed):
        return
    if metric not in listed:
        raise RequestError(f"The suite {path.name} is scored by {metric}, which its metric_list lacks; add it there.")
    if listed[metric] != "mean":
        raise RequestError(
            f"The suite {path.name} is scored by {metric}, which is one number for all items (aggregation: "
            f"{listed[metric]}) and not one for each; choose another metric."
        )
