"""Examples as token rows in the base's chat template, with the loss on the assistant's turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zoo.api import Example, Rejected
from zoo.errors import ZooError
from zoo.library import Domain
from zoo.prompting import assistant_turn, cut_to_fit, offered, user_turn
from zoo.settings import FinetuneSettings
from zoo.training.forms import Form, draw, forms, shuffled

IGNORED = -100  # what the libraries take for "no loss here"
LEAST, MOST = 0.01, 0.99


@dataclass(frozen=True)
class TokenRow:
    """One conversation as tokens. The assistant's turn, its end token included, is `tokens[start:]`; only it trains.

    `whole`: read back as text, the trained tokens are the whole assistant's turn and nothing else. `others`: what the
    assistant's turn would be with each wrong option, without its end token, for the choice loss.
    """

    example: str
    kind: str
    form: str
    tokens: tuple[int, ...]
    start: int
    whole: bool
    others: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        """Tokens that go through the model where the row stands alone."""
        return len(self.tokens) + sum(map(len, self.others))

    @property
    def trained(self) -> int:
        return len(self.tokens) - self.start

    @property
    def labels(self) -> list[int]:
        return [IGNORED] * self.start + list(self.tokens[self.start :])


@dataclass
class Made:
    """What came of the examples; `truncated` counts the rows whose context was cut to fit."""

    rows: list[TokenRow] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    truncated: int = 0


class Template:
    """The base's chat template and tokenizer. Raises ZooError where they cannot mark the assistant's turn."""

    def __init__(self, tokenizer: Any, name: str, ends: Iterable[int] = ()) -> None:
        if not tokenizer.chat_template:
            raise ZooError(f"The base {name} has no chat template; fine-tune an instruction-tuned base.")
        self.tokenizer, self.name = tokenizer, name
        self.ends = {*ends, tokenizer.eos_token_id} - {None}

    def row(self, user: str, assistant: str) -> tuple[list[int], int, bool]:
        """The conversation's tokens, where the assistant's turn starts, and whether the rest reads as that turn.

        The row stops at the token that ends the turn: what templates write after it is never generated.
        """
        turns = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        prompt = self._ids(self.tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True))
        tokens = self._ids(self.tokenizer.apply_chat_template(turns, tokenize=False))
        if tokens[: len(prompt)] != prompt:
            raise ZooError(
                f"The chat template of {self.name} writes a prompt differently once it is answered, so the assistant's "
                "tokens cannot be told apart; use a base whose template extends the prompt."
            )
        last = max((n for n, t in enumerate(tokens) if n >= len(prompt) and t in self.ends), default=None)
        if last is None:
            raise ZooError(
                f"The chat template of {self.name} does not end the assistant's turn with an end token, so a model "
                "trained on it would never stop; use a base whose template does."
            )
        said = self.tokenizer.decode(tokens[len(prompt) : last]).strip()
        return tokens[: last + 1], len(prompt), said == assistant.strip()

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def make_rows(
    domain: Domain, template: Template, examples: Iterable[Example], settings: FinetuneSettings, seed: int
) -> Made:
    """Every form of every example as tokens, exact duplicates and rows that cannot fit `max_length` set aside."""
    made, seen = Made(), set[tuple[int, ...]]()
    for example in examples:
        for form in forms(example, settings, seed):
            row, cut = _fitted(domain, template, shuffled(example, form, seed), form, settings)
            if len(row.tokens) > settings.max_length:
                detail = {"form": form.name, "tokens": len(row.tokens), "max_length": settings.max_length}
                made.rejected.append(Rejected(reason="too_long", id=example.id, detail=detail))
            elif row.tokens in seen:
                made.rejected.append(Rejected(reason="duplicate_row", id=example.id, detail={"form": form.name}))
            else:
                seen.add(row.tokens)
                made.truncated += cut
                made.rows.append(row)
    return made


def _fitted(
    domain: Domain, template: Template, example: Example, form: Form, settings: FinetuneSettings
) -> tuple[TokenRow, bool]:
    """The example's row, the end of its context cut off as far as `max_length` asks, and whether it was cut."""
    answer = assistant_turn(example.reasoning if form.reasoning else "", example.answer)

    def user(shown: Example) -> str:
        return user_turn(domain, shown, context=form.context, reasoning=form.reasoning, options=form.options)

    @cache
    def made(context: str) -> tuple[list[int], int, bool]:
        return template.row(user(example.model_copy(update={"context": context})), answer)

    context = example.context
    if form.context:
        context = cut_to_fit(template.tokenizer, context, lambda c: len(made(c)[0]) - settings.max_length)
    tokens, start, whole = made(context)
    cut = context != example.context
    if cut:
        example = example.model_copy(update={"context": context})
    wrong = other_options(example) if settings.choice_loss and not form.reasoning else []
    others = tuple(tuple(template.row(user(example), o)[0][start:-1]) for o in wrong)
    return TokenRow(example.id, example.kind, form.name, tuple(tokens), start, whole, others), cut


def other_options(example: Example) -> list[str]:
    """The wrong answers a question offers; none where it offers no answers."""
    options = offered(example)
    return [o for o in dict.fromkeys(options) if o != example.answer] if example.answer in options else []


def split(rows: Sequence[TokenRow], share: float, most: int, seed: int) -> tuple[list[TokenRow], list[TokenRow]]:
    """Rows to train on and rows to validate on. Whole examples are held out, `share` of each kind, and no more of
    them than `most` rows hold."""
    kinds: dict[str, dict[str, int]] = {}
    for row in rows:
        of_kind = kinds.setdefault(row.kind, {})
        of_kind[row.example] = of_kind.get(row.example, 0) + 1
    share = min(share, most / len(rows)) if rows else share
    held: set[str] = set()
    for of_kind in kinds.values():
        order = sorted(of_kind, key=lambda e: draw(seed, e, "validation"))
        held.update(order[: round(len(order) * share)])
    return [r for r in rows if r.example not in held], [r for r in rows if r.example in held]


def trained_share(rows: Sequence[TokenRow]) -> float:
    """Trained tokens over all tokens. Raises ZooError where the loss mask is wrong.

    It is wrong when more than 99% of the tokens train (the prompt trains too), or when fewer than 1% do (nothing
    trains). Right rows can come out below 1% as well, where long texts get answers of one word; so below 1% the rows
    decide: the mask is right if the trained tokens of 99% of them, read back as text, are exactly the assistant's turn.
    """
    share = sum(r.trained for r in rows) / max(1, sum(len(r.tokens) for r in rows))
    if share > MOST:
        raise ZooError(
            f"{share:.1%} of the tokens would train, prompts and all, which no conversation asks for; "
            "check the base's chat template."
        )
    whole = sum(r.whole and r.trained > 0 for r in rows) / max(1, len(rows))
    if share < LEAST and whole < MOST:
        raise ZooError(
            f"Only {share:.2%} of the tokens would train, and in {1 - whole:.0%} of the rows they are not the "
            "assistant's turn; check the base's chat template."
        )
    return share
