"""In which ways an example is put to the student: with or without its context, with steps or the answer alone."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo.api import Example
from zoo.settings import FinetuneSettings


@dataclass(frozen=True)
class Form:
    """One way to ask. `copy` counts the shuffles of a choice question's options."""

    reasoning: bool
    context: bool
    options: bool = True
    copy: int = 0

    @property
    def name(self) -> str:
        parts = ["reasoning" if self.reasoning else "direct", "open" if self.context else "closed"]
        return "-".join([*parts, *([] if self.options else ["cloze"]), str(self.copy)])


def draw(*parts: object) -> float:
    """A number in [0, 1) that depends on `parts` alone: the same on every machine and in whatever order."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def taking_part(examples: Iterable[Example], settings: FinetuneSettings, seed: int) -> list[Example]:
    """The examples that `origins` and `examples` let train, in their order."""
    able = [e for e in examples if e.origin in settings.origins]
    if settings.examples is None or len(able) <= settings.examples:
        return able
    drawn = sorted(range(len(able)), key=lambda n: (draw(seed, able[n].id, "examples"), n))[: settings.examples]
    return [able[n] for n in sorted(drawn)]


def context_is_optional(example: Example) -> bool:
    """Whether the question stands without its context: it does where the context is passages cited as evidence, not
    where it is part of the question (a question set's text, a dialogue to label, a text to summarise)."""
    return bool(example.citations) and example.origin != "questions" and example.kind not in {"label", "summary"}


def forms(example: Example, settings: FinetuneSettings, seed: int) -> Iterator[Form]:
    """The forms an example is trained in, decided by its id and the seed.

    With reasoning: a row that asks for steps, for `reasoning_share` of the examples (the context shown in `open_share` of
    those where it is optional), and the answer alone, for `direct_share` of them. Without: the answer alone. Where the
    context is optional, the answer alone comes with it and, for `closed_share` of the examples, without it too. The
    answer alone to a choice question comes without its options shown (cloze) but for `options_share` of them; where they
    are shown, it comes `choice_shuffles` times.
    """
    if not example.context:
        shown = [False]
    elif context_is_optional(example):
        shown = [True, False]
    else:
        shown = [True]
    copies = settings.choice_shuffles if example.choices else 1
    if example.reasoning.strip() and draw(seed, example.id, "reasoning") < settings.reasoning_share:
        opened = draw(seed, example.id, "open") < settings.open_share
        context = shown[0] if len(shown) == 1 else opened
        for copy in range(copies):
            yield Form(True, context, copy=copy)
    for context in shown:
        share = settings.direct_share if example.reasoning.strip() else 1.0
        if len(shown) == 2 and not context:
            share = settings.closed_share
        if draw(seed, example.id, "direct", context) >= share:
            continue
        if example.choices and draw(seed, example.id, "options", context) >= settings.options_share:
            yield Form(False, context, options=False)
            continue
        for copy in range(copies):
            yield Form(False, context, copy=copy)


def shuffled(example: Example, form: Form, seed: int) -> Example:
    """The example with its options in an order of the form's own, so that a position says nothing about the answer."""
    if not example.choices:
        return example
    choices = list(example.choices)
    random.Random(f"{seed}:{example.id}:{form.name}").shuffle(choices)
    return example.model_copy(update={"choices": choices})
