"""A suite is an lm-eval task in YAML; what it evaluates on, and how its items are put, stands under `metadata.zoo`.

The items are materialised as JSONL with the prompt already rendered, so that lm-eval, training and serving ask alike.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.api import Example, Kind, Question, Rejected
from zoo.artifact import canonical, digest_file, digest_text, write_rows
from zoo.config import SourceConfig
from zoo.errors import RequestError, unknown
from zoo.evaluation.definition import ZooMeta, read_definition
from zoo.library import Domain
from zoo.mapping import fault
from zoo.prompting import assistant_turn, offered, user_turn
from zoo.questions import Items, check_table, digest_of_tests, read_items
from zoo.run import Run
from zoo.strict import validated
from zoo.tables import RowDict, read_table

_CLOSED = {"choice", "yes_no_maybe"}  # kinds of answers that always leave some to choose from


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

    def in_cache(self, cache: Path) -> bool:
        """Whether `cache` holds what the Hub has of its items, so that they can be loaded without asking it."""
        hub = self._source.hub
        if hub is None or self.meta.split is None or not cache.is_dir():
            return False
        owner, _, name = hub.dataset.rpartition("/")
        places = cache.glob(f"{owner}___*" if owner else "*")
        return any(p.is_dir() and _plain(p.name.rpartition("___")[2]) == _plain(name) for p in places)

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
        """Refuses, before any work, items that are missing or do not fit, and a way of scoring that they do not allow;
        what lies on the Hub is only known later."""
        path, source = self.file(run), self._source
        if path and self._of_examples:
            items = self._examples(path)
            self._require_verifiers({q.kind for q in items})
            for item in items:
                if reason := self._unfit(item):
                    raise RequestError(f"The item {item.id} of {path.name} does not fit the suite {self.id}: {reason}.")
            return
        if source.answer is None:
            raise RequestError(f"The suite {self.id} takes its items from {source.id}, which holds documents.")
        self._require_verifiers({source.answer})
        if self._options_for and source.answer not in _CLOSED and not all(f.choices for f in source.fields):
            raise RequestError(
                f"The suite {self.id} ({self._options_for}) needs options to choose from, which the {source.answer} "
                f"answers of {source.id} do not have."
            )
        if path:
            check_table(source, path)
        elif source.hub is None or self.meta.split is None:
            raise self._nowhere()

    @property
    def _of_examples(self) -> bool:
        """Whether its items are written as examples are, and not in columns that are mapped."""
        return self.packaged is not None and not self.meta.fields

    @property
    def _options_for(self) -> str:
        """The setting that needs options to choose from; empty where open questions do."""
        if not self.generates:
            return "output_type: multiple_choice"
        return "baseline: chance" if self.meta.baseline == "chance" else ""

    def _unfit(self, question: Question) -> str:
        """Why a question cannot be an item of this suite; empty where it can."""
        options = offered(question)
        if self._options_for and not options:
            return f"no options to choose from ({self._options_for})"
        return "answer not among its options" if not self.generates and question.gold not in options else ""

    def _require_verifiers(self, kinds: set[Kind]) -> None:
        if self.meta.metric == "verified" and (lacking := kinds - set(self.domain.config.verifiers)):
            raise RequestError(
                f"The suite {self.id} is scored by a verifier, and {self.domain.name} names none for {min(lacking)} "
                "answers; see verifiers in its domain.yaml."
            )

    def questions(self, run: Run) -> list[Question]:
        """All its items, those held out for few-shot included, in the order of the file."""
        return self.load(run).questions

    def load(self, run: Run) -> Items:
        """The items with the rows that cannot be items, and where they are from.

        Raises ZooError where the Hub has not got them, RequestError where the file does not fit.
        """
        path, source = self.file(run), self._source
        if path and self._of_examples:
            return Items(self._examples(path), [], path.name)
        if path is None and (source.hub is None or self.meta.split is None):
            raise self._nowhere()
        found = read_items(run, source, path, self.meta.split or "", "test")
        unfit = [Rejected(reason=why, path=found.origin, id=q.id) for q in found.questions if (why := self._unfit(q))]
        out = {r.id for r in unfit}
        items = Items([q for q in found.questions if q.id not in out], found.rejected + unfit, found.origin)
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


def _plain(name: str) -> str:
    """A dataset's name without what the cache's folders spell otherwise: capitals, and lines between words."""
    return "".join(c for c in name.lower() if c.isalnum())


def _as_question(row: RowDict, where: str) -> Question:
    if "gold" in row:
        question = validated(Question, row, where)
    else:
        question = question_of(validated(Example, row, where))
    if reason := fault(question.kind, question.question, question.gold, question.choices):
        said = f"its answer is {question.gold!r}, its choices are {', '.join(map(repr, question.choices)) or 'none'}"
        raise RequestError(f"{where} ({question.id}) cannot be an item: {reason}; {said}.")
    return question


def question_of(example: Example) -> Question:
    """An example as an item or a shot: its answer is the gold."""
    return Question(
        id=example.id, kind=example.kind, question=example.question, context=example.context, choices=example.choices,
        gold=example.answer, reasoning=example.reasoning, source=example.source, licence=example.licence,
    )  # fmt: skip


def load_suite(domain: Domain, suite_id: str) -> Suite:
    """A suite by id; RequestError with the nearest name, or with what its YAML lacks."""
    path = domain.suite_path(suite_id)
    config, metadata = read_definition(path, domain.name)
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
