"""The one way a question is put to a student, in training and in evaluation alike, and the one shape of its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined

from zoo.api import Example, Question
from zoo.fencing import defused
from zoo.library import Domain

DEFAULT = Path(__file__).with_name("prompts") / "question.j2"
_INSTRUCTION = {
    "choice": "Answer with one of the options.",
    "yes_no_maybe": "Answer yes, no or maybe.",
    "short": "Answer in a few words.",
    "number": "Answer with a number and its unit.",
    "explanation": "Answer in one or two sentences.",
    "label": "Answer with the label alone.",
    "summary": "Answer in one sentence.",
}
YES_NO_MAYBE = ("yes", "no", "maybe")
_THINK = re.compile(r"^\s*<think>\s*(.*?)\s*</think>\s*", re.S)
_TAG = re.compile(r"(</?think>)")
THINK_TAGS = ("<think>", "</think>")
_BLANK = re.compile(r"\n{3,}")


@lru_cache
def _template(path: Path) -> object:
    env = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return env.from_string(path.read_text(encoding="utf-8"))


def template_path(domain: Domain) -> Path:
    """The domain's own `prompts/question.j2` if it has one, else the general one."""
    own = domain.folder / "prompts" / "question.j2"
    return own if own.is_file() else DEFAULT


def user_turn(
    domain: Domain, row: Example | Question, *, context: bool, reasoning: bool, options: bool = True
) -> str:  # fmt: skip
    """The user's message for a row: with its context and its options shown or not, asking for steps or for the answer alone.

    Options that are not shown are for scoring by likelihood: a small model tells the right one by its words long before
    it can refer to a list (the cloze formulation of OLMES, arXiv 2406.08446). A text from a document ends no turn.
    """
    kind = row.kind if options or row.kind != "choice" else "short"
    text: str = _template(template_path(domain)).render(  # type: ignore[attr-defined]
        question=defused(row.question), choices=[defused(c) for c in row.choices] if options else [],
        context=defused(row.context) if context else "",
        reasoning=reasoning, instruction=_INSTRUCTION[kind],
    )  # fmt: skip
    return _BLANK.sub("\n\n", text).strip()


def offered(row: Example | Question) -> list[str]:
    """The answers a question leaves to choose from; none where it is open."""
    return list(YES_NO_MAYBE) if row.kind == "yes_no_maybe" else row.choices


def cut_to_fit(tokenizer: Any, text: str, excess: Callable[[str], int]) -> str:
    """As much of the beginning of `text`, cut between tokens, as leaves no excess; empty where none of it does.

    `excess` says by how many tokens a prompt with that text is too long.
    """
    over = excess(text)
    if over <= 0:
        return text
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in encoded["offset_mapping"]]
    keep, piece = len(ends), text
    while piece and over > 0:
        keep -= over
        piece = text[: ends[keep - 1]].rstrip() if keep > 0 else ""
        over = excess(piece)
    return piece


def assistant_turn(reasoning: str, answer: str) -> str:
    """`<think>` block and answer; the answer alone where there is no reasoning."""
    return f"<think>\n{reasoning.strip()}\n</think>\n\n{answer.strip()}" if reasoning.strip() else answer.strip()


def split_response(response: str) -> tuple[str, str]:
    """(reasoning, answer) of an assistant's turn. A `<think>` that never closes has no answer."""
    if match := _THINK.match(response):
        return match.group(1), response[match.end() :].strip()
    if "<think>" in response:
        return response.partition("<think>")[2].strip(), ""
    return "", response.strip()


Part = Literal["reasoning", "answer"]


class Parts:
    """An assistant's turn that comes in pieces, taken apart as it comes. Nothing is given out before it is sure which
    part it belongs to, so that no beginning of a tag is ever seen; a block that never closes is reasoning."""

    def __init__(self) -> None:
        self._held = ""
        self._part: Part = "answer"
        self._said: dict[Part, str] = {"reasoning": "", "answer": ""}

    @property
    def reasoning(self) -> str:
        return self._said["reasoning"].strip()

    @property
    def answer(self) -> str:
        return self._said["answer"].strip()

    def feed(self, piece: str) -> Iterator[tuple[Part, str]]:
        """What `piece` adds, in order, as (part, text)."""
        *passed, self._held = _TAG.split(self._held + piece)
        for text in passed:
            if text in THINK_TAGS:
                self._part = "reasoning" if text == THINK_TAGS[0] else "answer"
            else:
                yield from self._say(text)
        sure = len(self._held) - _begun_tag(self._held)
        text, self._held = self._held[:sure], self._held[sure:]
        yield from self._say(text)

    def end(self) -> Iterator[tuple[Part, str]]:
        """What was still held back."""
        text, self._held = self._held, ""
        yield from self._say(text)

    def _say(self, text: str) -> Iterator[tuple[Part, str]]:
        if not self._said[self._part]:
            text = text.lstrip()
        if text:
            self._said[self._part] += text
            yield self._part, text


def _begun_tag(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a tag."""
    return max((n for tag in THINK_TAGS for n in range(1, len(tag)) if text.endswith(tag[:n])), default=0)
