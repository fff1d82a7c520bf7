"""A suite is an lm-eval task in YAML; what it evaluates on, and how its items are put, stands under `metadata.zoo`.

The items are materialised as JSONL with the prompt already rendered, so that lm-eval, training and serving ask alike.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zoo.api import Example, Question, Row
from zoo.artifact import canonical, digest_file, digest_text, write_rows
from zoo.config import Fields, SourceConfig
from zoo.errors import RequestError, unknown
from zoo.library import Domain
from zoo.prompting import assistant_turn, offered, user_turn
from zoo.questions import Items, check_table, digest_of_tests, read_items
from zoo.run import Run
from zoo.strict import Strict, read_yaml, validated
from zoo.tables import RowDict, read_table

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


class _Metadata(Strict):
    version: str | int | float
    zoo: ZooMeta


@dataclass(frozen=True)
class Suite:
    """One suite of a domain. `config` is the YAML as lm-eval takes it."""

    id: str
    path: Path
    config: dict[str, Any]
    version: str
    meta: ZooMeta
    domain: Domain

    @property
    def generates(self) -> bool:
        return bool(self.config["output_type"] == "generate_until")

    @cached_property
    def packaged(self) -> Path | None:
        """The file that comes with the suite, if its items are not a source's."""
        if Path(self.meta.data).suffix != ".jsonl":
            return None
        beside = self.path.parent / self.meta.data
        return beside if beside.is_file() else self.domain.folder / self.meta.data

    def file(self, run: Run) -> Path | None:
        """Its items as a file on this disk: the one that the request names, else the packaged one; None for the Hub's."""
        given = run.options.suite_data
        return given.get(self.id) or given.get(self.meta.data) or self.packaged

    def data_key(self, run: Run) -> tuple[str, str | None]:
        """Equal for suites that put the same items."""
        path = self.file(run)
        return (str(path), None) if path else (self.meta.data, self.meta.split)

    def data_identity(self, run: Run) -> str:
        """What decides the items: a file's content, or the dataset with its revision and split; which of them test; and
        the mapping."""
        path, source = self.file(run), self._source
        where = digest_file(path) if path else self.meta.split
        return digest_text(canonical([where, digest_of_tests(self.domain, source), source.model_dump(mode="json")]))

    @property
    def _source(self) -> SourceConfig:
        if self.packaged is None:
            return self.domain.source(self.meta.data)
        return SourceConfig(
            id=self.id, kind="questions", licence=self.meta.licence, answer="choice", fields=self.meta.fields
        )

    def check(self, run: Run) -> None:
        """Refuses, before any work, items that are missing or do not fit; what lies on the Hub is only known later."""
        path = self.file(run)
        if path is None:
            if self._source.hub is None or self.meta.split is None:
                raise self._nowhere()
        elif self.packaged and not self.meta.fields:
            self._examples(path)
        else:
            check_table(self._source, path)

    def questions(self, run: Run) -> list[Question]:
        """All its items, those held out for few-shot included, in the order of the file."""
        return self.load(run).questions

    def load(self, run: Run) -> Items:
        """The items with the rows that cannot be items, and where they are from.

        Raises ZooError where the Hub has not got them, RequestError where the file does not fit.
        """
        path, source = self.file(run), self._source
        if path and self.packaged and not self.meta.fields:
            return Items(self._examples(path), [], path.name)
        if path is None and (source.hub is None or self.meta.split is None):
            raise self._nowhere()
        items = read_items(run, source, path, self.meta.split or "", "test")
        if not items.questions:
            raise RequestError(f"No row of {items.origin} can be an item of {self.id} ({items.why_none}).")
        return items

    def _nowhere(self) -> RequestError:
        where = f" (see {self._source.homepage})" if self._source.homepage else ""
        return RequestError(
            f"The items of {self.id} are not on the Hub; name their file with --suite-data {self.id}=PATH{where}."
        )

    def _examples(self, path: Path) -> list[Question]:
        return [_as_question(row, f"{path.name} row {n}") for n, row in enumerate(read_table(path), 1)]

    def prompt(self, question: Question) -> str:
        return user_turn(
            self.domain, question, context=self.meta.context == "shown", reasoning=self.meta.reasoning,
            options=self.meta.options == "shown",
        )  # fmt: skip

    def row(self, question: Question) -> RowDict:
        """What lm-eval reads of an item: options and gold for likelihoods, `target` for generated shots."""
        options = offered(question)
        return {
            "id": question.id, "prompt": self.prompt(question), "gold": question.gold, "options": options,
            "gold_index": options.index(question.gold) if question.gold in options else -1,
            "target": assistant_turn(question.reasoning if self.meta.reasoning else "", question.gold),
        }  # fmt: skip

    def task(self, items: Path, shots: list[Question], work: Path, max_tokens: int) -> dict[str, Any]:
        """The lm-eval task over materialised `items`, with the same `shots` before each; its cache lies in `work`."""
        config = copy.deepcopy(self.config)
        config["metadata"] = {"version": self.version}
        config["dataset_kwargs"] = {"data_files": {"test": str(items)}, "cache_dir": str(work / "datasets")}
        config["num_fewshot"] = len(shots)
        if shots:
            config["fewshot_config"] = {"sampler": "first_n", "samples": [self.row(q) for q in shots]}
            if self.generates:
                config["fewshot_config"]["doc_to_target"] = "target"
        if self.generates:
            own = config.get("generation_kwargs") or {}
            limit = min(max_tokens, own.get("max_gen_toks", max_tokens))
            config["generation_kwargs"] = {"until": [], "do_sample": False, **own, "max_gen_toks": limit}
        return config

    def write_items(self, questions: list[Question], path: Path) -> Path:
        write_rows(path, [self.row(q) for q in questions])
        return path


def _as_question(row: RowDict, where: str) -> Question:
    model: type[Row] = Question if "gold" in row else Example
    read = validated(model, row, where)
    if isinstance(read, Question):
        return read
    assert isinstance(read, Example)
    return question_of(read)


def question_of(example: Example) -> Question:
    """An example as an item or a shot: its answer is the gold."""
    return Question(
        id=example.id, kind=example.kind, question=example.question, context=example.context, choices=example.choices,
        gold=example.answer, reasoning=example.reasoning, source=example.source, licence=example.licence,
    )  # fmt: skip


def load_suite(domain: Domain, suite_id: str) -> Suite:
    """A suite by id; RequestError with the nearest name, or with what its YAML lacks."""
    path = domain.suite_path(suite_id)
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise RequestError(f"{path.name} is not a suite: it should be an lm-eval task.")
    for key in _REQUIRED:
        if key not in config:
            raise RequestError(f"The suite {path.name} has no {key!r}; see the other suites of {domain.name}.")
    metadata = validated(_Metadata, config["metadata"], f"metadata of {path.name}")
    if config["task"] != suite_id:
        raise RequestError(f"The suite {path.name} calls itself {config['task']!r}; task should be its file's name.")
    if config["output_type"] not in {"multiple_choice", "generate_until"}:
        raise unknown(f"output_type in {path.name}", str(config["output_type"]), ["multiple_choice", "generate_until"])
    own = OWN if config["output_type"] == "generate_until" else NATIVE_CHOICE
    metrics = {*own, *(m["metric"] for m in config["metric_list"])}
    if metadata.zoo.metric not in metrics:
        raise unknown(f"metric in {path.name}", metadata.zoo.metric, metrics)
    return Suite(suite_id, path, config, str(metadata.version), metadata.zoo, domain)


def suite_ids(run: Run) -> list[str]:
    """The suites this run evaluates: the recipe's or the domain's, and those that the request names."""
    settings = run.recipe.evaluate
    chosen = settings.suites if settings.suites is not None else run.domain.config.suites
    ids = list(dict.fromkeys([*chosen, *run.options.suites, *run.options.suite_data]))
    for suite_id in [*ids, *settings.limit]:
        if suite_id not in run.domain.suite_ids:
            raise unknown(f"suite of {run.domain.name}", suite_id, run.domain.suite_ids)
    return ids


def packaged_suites(domain: Domain) -> list[str]:
    """The suites whose items come with the domain or with the project."""
    return [i for i in domain.suite_ids if load_suite(domain, i).packaged]


def split_items(
    suite: Suite, questions: list[Question], limit: int | None, seed: int
) -> tuple[list[Question], list[Question]]:
    """(items to score, items held out as shots). Held out are items evenly apart in the file; a limit takes the first
    of a seeded shuffle, the same for suites over the same data."""
    held = _spread(questions, suite.meta.held_out)
    left = [q for q in questions if q.id not in {h.id for h in held}]
    if limit is not None and limit < len(left):
        order = list(range(len(left)))
        random.Random(f"{seed} {suite.meta.data}").shuffle(order)
        left = [left[i] for i in sorted(order[:limit])]
    return left, held


def _spread(questions: list[Question], n: int) -> list[Question]:
    """`n` items evenly apart, so that a file sorted by area gives shots of several."""
    return [questions[i * len(questions) // n] for i in range(n)] if n else []
