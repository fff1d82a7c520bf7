"""What people write: `domain.yaml`, and the options of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from zoo.api import Kind
from zoo.strict import Strict

# --- domain.yaml -----------------------------------------------------------------------------------------------------


class Fields(Strict):
    """How one variant of a question set's columns becomes our fields: Jinja over the row's columns.

    `when` names the columns that must be present. `choices` renders to a JSON list, or is empty. The right answer is
    what `gold` renders to, or the choice whose number stands in the column that `gold_number` names. Copies of one set
    count from 0 or from 1; the whole file tells which: a 0 occurs in it, or a number as high as there are choices.
    """

    when: list[str]
    id: str
    question: str
    context: str = ""
    choices: str = ""
    gold: str = ""
    gold_number: str = ""
    reasoning: str = ""

    @field_validator("id", "question", "context", "choices", "gold", "gold_number", "reasoning")
    @classmethod
    def _compiles(cls, template: str) -> str:
        from jinja2 import TemplateError
        from jinja2.sandbox import SandboxedEnvironment

        try:
            SandboxedEnvironment().compile(template)
        except TemplateError as e:
            raise ValueError(f"is not valid Jinja: {e}") from e
        return template

    @model_validator(mode="after")
    def _one_gold(self) -> Self:
        if bool(self.gold) == bool(self.gold_number):
            raise ValueError("fields give the right answer either as gold or as gold_number")
        return self


class HubData(Strict):
    """`test_ids` names a file in the domain's folder, for a set published without a split: the rows of those ids are its
    authors' test items, which never train; all others do."""

    dataset: str
    config: str | list[str] | None = None
    split: str
    revision: str = "main"
    test_ids: str | None = None


class SourceConfig(Strict):
    """Where material lies: `path` in the domain's folder (a file or folder of documents, or a file of questions to train
    on), or for questions the Hub; a request can name another place. `title` and `homepage` are shown with its id."""

    id: str
    kind: Literal["documents", "questions"]
    licence: str
    title: str = ""
    homepage: str = ""
    path: str | None = None
    hub: HubData | None = None
    answer: Kind | None = None
    reasoning: Literal["teacher", "none"] = "teacher"
    fields: list[Fields] = []

    @model_validator(mode="after")
    def _all_is_read(self) -> Self:
        unread = {"hub", "answer", "reasoning", "fields"} & self.model_fields_set if self.kind == "documents" else set()
        if unread:
            raise ValueError(
                f"({self.id}) holds documents, of which {min(unread)} says nothing: they are the files at its path"
            )
        if self.kind == "questions" and self.answer is None:
            raise ValueError(
                f"({self.id}) holds questions and lacks their kind of answers: {', '.join(get_args(Kind))}"
            )
        return self


class GateConfig(Strict):
    """When a model may be released: the lower bound of the paired difference on `suite` is above 0, and that of the
    pooled general items (model - base, zero-shot) is above -`general_margin`."""

    suite: str
    general_margin: float = Field(0.05, ge=0, le=1)


# What a question about a passage may ask for; the other kinds are those of sources alone.
Written = Literal["choice", "short", "number", "yes_no_maybe", "explanation"]


class DomainConfig(Strict):
    """`kinds` weighs the kinds of questions that are written from documents against each other."""

    api_version: int
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    aliases: list[str] = []
    title: str
    summary: str
    intended_use: str
    out_of_scope: str
    disclaimer: str
    languages: list[str] = ["en"]
    tags: list[str] = []
    hub: str | None = None
    sources: list[SourceConfig]
    annotators: dict[Literal["documents", "questions", "pretraining"], str]
    verifiers: dict[Kind, str]
    kinds: dict[Written, Annotated[float, Field(gt=0)]] = {}
    suites: list[str]
    gate: GateConfig
    recipe: str = "laptop"

    @model_validator(mode="after")
    def _kinds_are_verified(self) -> Self:
        if unchecked := [k for k in self.kinds if k not in self.verifiers]:
            raise ValueError(f"names {unchecked[0]} among its kinds, for which its verifiers name none")
        return self


# --- the options of a command ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """What a caller asked for, as given. Nothing here enters a fingerprint but by its content."""

    workspace: Path = Path(".zoo")
    recipe: str | None = None
    corpus: tuple[Path, ...] = ()
    sources: Mapping[str, Path] = field(default_factory=dict)
    suites: tuple[str, ...] = ()
    suite_data: Mapping[str, Path] = field(default_factory=dict)
    base: str | None = None
    teacher_url: str | None = None
    teacher_model: str | None = None
    settings: tuple[str, ...] = ()
    seed: int | None = None
    offline: bool = False
    domain_path: tuple[Path, ...] = ()
