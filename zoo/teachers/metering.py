"""What a request may cost at the most, and what its answer did."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from zoo.artifact import canonical
from zoo.console import say
from zoo.teachers import Answer, Request, Teacher
from zoo.teachers.budget import NOTHING, Spend
from zoo.teachers.prices import Price

# A chat template puts names of roles and marks around each message, and some a system message of their own before
# them (a date, how to reason), of up to about a hundred tokens.
TEMPLATE_TOKENS, MESSAGE_TOKENS = 256, 16


def most_in(request: Request) -> int:
    """More tokens than the prompt of a request can have. Tokenizers of today's models cut bytes or characters into
    pieces, each of at least one byte, so that a text has no more tokens than bytes; a server that cannot hold an answer
    to a schema may put the schema into the prompt."""
    size = sum(len(m["content"].encode("utf-8", "surrogatepass")) + MESSAGE_TOKENS for m in request.messages)
    schema = len(canonical(request.schema)) if request.schema else 0
    return size + schema + TEMPLATE_TOKENS


def most(request: Request, price: Price | None) -> Spend:
    """What a request may cost at the most: a server writes no more than `max_tokens`, thoughts included."""
    tokens_in = most_in(request)
    return Spend(1, tokens_in, request.max_tokens, price.most(tokens_in, request.max_tokens) if price else 0)


def spent(request: Request, answer: Answer, price: Price | None) -> Spend:
    """What an answer cost. Where the server did not count, the most there can be is counted: it follows from the texts
    alone, and a budget holds all the same."""
    tokens_in = answer.tokens_in or most_in(request)
    written = len(answer.text.encode("utf-8", "surrogatepass"))
    tokens_out = answer.tokens_out or min(written, request.max_tokens)
    return Spend(1, tokens_in, tokens_out, price.cost(tokens_in, tokens_out, answer) if price else 0)


@dataclass
class Metered:
    """A teacher whose answers are counted as they are paid for: below a cache, what that holds is not among them."""

    teacher: Teacher
    price: Price | None
    paid: Spend = NOTHING
    began: float | None = None
    ended: float = 0.0
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.model, self.places, self.answer_tokens = (
            self.teacher.model,
            self.teacher.places,
            self.teacher.answer_tokens,
        )

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return 0.0 if self.began is None else max(self.ended - self.began, 0.0)

    async def ask(self, request: Request) -> Answer:
        if self.began is None:
            self.began = time.monotonic()
        answer = await self.teacher.ask(request)
        self.ended = time.monotonic()
        cost = spent(request, answer, self.price)
        self.paid = self.paid.plus(cost)
        if answer.text.strip() and not (answer.tokens_in and answer.tokens_out):
            self._say("counts no tokens: the most that its answers can have is counted instead")
        many = cost.tokens_in > sum(len(m["content"]) for m in request.messages)  # seldom: only then is it worth a look
        if (many and cost.tokens_in > most_in(request)) or cost.tokens_out > request.max_tokens:
            self._say(
                "counts more tokens than its requests can have: a budget in tokens or money may be exceeded by those"
            )
        return answer

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            say(f"  the teacher {self.model} {what}")

    async def close(self) -> None:
        await self.teacher.close()
