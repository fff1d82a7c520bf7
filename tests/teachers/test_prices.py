"""The price list: which price a model has, and what an answer costs by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zoo.artifact import Workspace
from zoo.errors import RequestError
from zoo.teachers import Answer, Request
from zoo.teachers.metering import most, most_in, spent
from zoo.teachers.prices import PACKAGED, Price, price_of, read_prices, require_price

USD = 10**12


def test_every_packaged_price_says_where_and_when_it_was_read() -> None:
    prices = read_prices(PACKAGED)
    assert prices
    for name, price in prices.items():
        assert price.page.startswith("https://") and price.read, name
        assert price.output >= price.input > 0 and (price.cached_input or 0) <= price.input


def test_a_model_and_its_dated_versions_have_a_price_and_no_other_name_has(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    (tmp_path / "prices.yaml").write_text(
        "models: {large: {input: 2, output: 8}, large-2025-01-01: {input: 1, output: 4}}"
    )
    assert price_of("large", space) == price_of("large-2024-05-06", space) == price_of("large-20240506", space)
    assert price_of("large-2025-01-01", space) == Price(input=1, output=4)
    assert all(price_of(name, space) is None for name in ("larg", "large-mini", "large-2025", "Large"))


def test_a_users_own_prices_come_before_the_packaged_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, known = Workspace(tmp_path), next(iter(read_prices(PACKAGED)))
    packaged = price_of(known, space)
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump({"models": {known: {"input": 7, "output": 9}}}))
    assert price_of(known, space) == Price(input=7, output=9) != packaged
    other = tmp_path / "other.yaml"
    monkeypatch.setenv("ZOO_PRICES", str(other))
    with pytest.raises(RequestError, match=r"no file .*other\.yaml, which ZOO_PRICES names"):
        price_of(known, space)
    other.write_text("models: {mine: {input: 1, output: 2}}")
    assert price_of("mine", space) and price_of(known, space) == packaged


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: {large: {inptu: 1, output: 2}}", r"prices\.yaml, models\.large 'inptu'; did you mean 'input'"),
        ("modles: {}", "'modles'; did you mean 'models'"),
        ("models: {large: {input: 1}}", "output is missing"),
        ("models: {large: {input: -1, output: 2}}", "input is -1.*at least 0"),
        ("models: {large: [", r"prices\.yaml is not valid YAML"),
    ],
)
def test_a_list_that_is_not_of_this_form_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(RequestError, match=message):
        price_of("large", Workspace(tmp_path))


def test_a_model_without_a_price_is_told_what_to_write_and_where(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with pytest.raises(RequestError, match="What my-model costs is not known") as refused:
        require_price("my-model", space)
    said = str(refused.value)
    assert str(tmp_path / "prices.yaml") in said
    (tmp_path / "prices.yaml").write_text(said[said.index("models:") :])
    assert require_price("my-model", space).input > 0


def test_what_an_answer_costs() -> None:
    price = Price(input=2, output=8, cached_input=0.5, batch=0.5)
    request = Request(({"role": "user", "content": "x" * 400},), 100)

    def cost(**counts: int) -> int:
        return spent(request, Answer("text", "stop", **counts), price).cost

    assert cost(tokens_in=1_000_000, tokens_out=1) == 2 * USD + 8 * USD // 10**6
    assert cost(tokens_in=1_000_000, tokens_out=1_000_000, tokens_reused=1_000_000) == round(8.5 * USD)
    assert cost(tokens_in=1_000_000, tokens_out=1_000_000, batched=True) == 5 * USD
    free = spent(request, Answer("text", "stop", 5, 6), None)
    assert (free.tokens_in, free.tokens_out, free.cost) == (5, 6, 0)


def test_a_server_that_counts_nothing_is_taken_to_have_used_the_most_there_can_be() -> None:
    price = Price(input=2, output=8)
    request = Request(({"role": "user", "content": "ä" * 400},), 100, schema={"type": "object"})
    bound = most(request, price)
    assert bound.tokens_in == most_in(request) > 800 and bound.tokens_out == 100
    uncounted = spent(request, Answer("a" * 1000, "length"), price)
    assert uncounted == bound
    assert spent(request, Answer("a" * 30, "stop"), price).tokens_out == 30
