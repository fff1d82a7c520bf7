"""What a teacher's answers cost: the packaged price list, and what a user adds to it or puts in its place."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from zoo.artifact import Workspace
from zoo.errors import RequestError
from zoo.strict import Strict, read_yaml, validated
from zoo.teachers import Answer
from zoo.teachers.budget import PICO

PACKAGED = Path(__file__).with_name("prices.yaml")
_DATE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
_MILLION = 10**6


class Price(Strict):
    """USD per million tokens. `cached_input` is for tokens of a prompt that the server still had at hand; `batch` the share
    of all prices that an answer out of a batch costs. `page` and `read` say where it stood and when."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(None, ge=0)
    batch: float = Field(0.5, ge=0, le=1)
    page: str = ""
    read: date | None = None

    @property
    def priced(self) -> bool:
        return self.input > 0 or self.output > 0

    def identity(self) -> dict[str, Any]:
        """What of it decides a cost."""
        return self.model_dump(mode="json", exclude={"page", "read"})

    def by_batch(self) -> Price:
        """What the same model costs where every answer comes by a batch."""
        shares = {n: p * self.batch for n in ("input", "output", "cached_input") if (p := getattr(self, n)) is not None}
        return self.model_copy(update={**shares, "batch": 1.0})

    def most(self, tokens_in: int, tokens_out: int) -> int:
        """The most that tokens can cost, in 1e-12 USD."""
        dearest = max(self.input, self.cached_input or 0.0)
        return tokens_in * _pico(dearest) + tokens_out * _pico(self.output)

    def cost(self, tokens_in: int, tokens_out: int, answer: Answer) -> int:
        """What an answer costs, in 1e-12 USD, of which the tokens are given: a server may not count them."""
        reused = min(answer.tokens_reused, tokens_in)
        cached = self.input if self.cached_input is None else self.cached_input
        whole = (tokens_in - reused) * _pico(self.input) + reused * _pico(cached) + tokens_out * _pico(self.output)
        return -(-whole * round(self.batch * _MILLION) // _MILLION) if answer.batched else whole


FREE = Price(input=0, output=0)  # a model on one's own machine


def _pico(price: float) -> int:
    """USD a million tokens as 1e-12 USD a token."""
    return round(price * PICO / _MILLION)


class _List(Strict):
    models: dict[str, dict[str, Any]]


def read_prices(path: Path) -> dict[str, Price]:
    """Prices by model. Raises RequestError, naming the file, for one that is not of this form."""
    data = validated(_List, read_yaml(path), str(path))
    return {name: validated(Price, entry, f"{path}, models.{name}") for name, entry in data.models.items()}


def own_file(workspace: Workspace) -> Path:
    """Where a user's own prices stand: the file that ZOO_PRICES names, else prices.yaml in the workspace."""
    named = os.environ.get("ZOO_PRICES")
    return Path(named).expanduser() if named else workspace.root / "prices.yaml"


def price_of(model: str, workspace: Workspace) -> Price | None:
    """The price of a model, or of the one it is a dated version of (`name-2025-01-01`, `name-20250101`); the user's own
    before the packaged ones. None where no list has it."""
    own = own_file(workspace)
    if os.environ.get("ZOO_PRICES") and not own.is_file():
        raise RequestError(f"There is no file {own}, which ZOO_PRICES names; name a price list, or unset it.")
    prices = read_prices(PACKAGED) | (read_prices(own) if own.is_file() else {})
    return prices.get(model) or prices.get(_DATE.sub("", model))


def require_price(model: str, workspace: Workspace) -> Price:
    """The same, where a limit in money needs one: raises RequestError with the line to write, and where."""
    if price := price_of(model, workspace):
        return price
    raise RequestError(
        f"What {model} costs is not known, so annotate.max_cost (--max-cost) cannot hold; write it into "
        f'{own_file(workspace)} in USD per million tokens, such as: models: {{"{model}": {{input: 0.40, output: 1.60}}}}'
    )
