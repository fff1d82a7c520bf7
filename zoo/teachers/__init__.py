"""Teachers: whatever answers the annotators' questions, behind one interface.

An OpenAI-compatible endpoint when one is named, else a local model in this process; both are put behind a cache on
disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Finish = Literal["stop", "length", "refused", "filtered"]


@dataclass(frozen=True)
class Request:
    """One question to a teacher. `sample` tells apart several answers wanted to the same messages; `schema` is the JSON
    schema the answer should follow, which a teacher may or may not be able to enforce. `before` are the prompts that led to
    this one: they decide nothing of the answer, and tell what it is about."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float = 0.0
    schema: dict[str, Any] | None = None
    sample: int = 0
    before: tuple[str, ...] = field(default=(), compare=False)

    @property
    def texts(self) -> list[str]:
        """All that was said to get its answer."""
        return [*self.before, *(m["content"] for m in self.messages)]

    def as_data(self) -> dict[str, Any]:
        return {
            "messages": list(self.messages), "max_tokens": self.max_tokens, "temperature": self.temperature,
            "schema": self.schema, "sample": self.sample,
        }  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What came back. `finish` is `length` where the answer was cut off, `refused` where the teacher would not answer,
    `filtered` where the provider's filter kept it from us; an empty `text` with `stop` is an empty answer. Token counts
    are the teacher's own; `tokens_reused` are those of `tokens_in` that the server still had at hand, which providers
    sell for less. `batched` says that it came by a batch, at a batch's price. `place` is the one of the teacher's places
    that answered."""

    text: str
    finish: Finish
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_reused: int = 0
    batched: bool = False
    place: str = ""


class Unanswered(Exception):
    """One request got no answer, after every retry; the message says why. Other requests may still be answered. `final`
    where the teacher will not take this one, however often it is asked."""

    def __init__(self, why: str, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Teacher(Protocol):
    """`model` is named in every row it wrote. `places` are where its answers may come from: addresses without secrets, of
    one server or of several that serve the same model, or a digest of weights; an answer's place enters the cache's
    key. `answer_tokens` is the longest answer to ask it for.

    `ask` raises `Unanswered` for one request that failed, and `ZooError` where no request can succeed.
    """

    model: str
    places: tuple[str, ...]
    answer_tokens: int

    async def ask(self, request: Request) -> Answer: ...

    async def close(self) -> None: ...
