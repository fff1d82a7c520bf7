"""What a line of a batch has come to: an answer, none, or another try in a later batch."""

from __future__ import annotations

from dataclasses import replace

from zoo.teachers import Answer, Unanswered
from zoo.teachers.batch_endpoint import Reply
from zoo.teachers.batch_journal import Line
from zoo.teachers.wire import Malformed, Wire, filtered, read


def completed(reply: Reply | None) -> bool:
    return reply is not None and reply.status == 200


def outcome_of(line: Line, reply: Reply | None, wire: Wire, retries: int, where: str) -> Answer | Unanswered | None:
    """None where the line is to go again, at most `retries` times for a reason that may pass; `line` then says how it asks
    for JSON and how often it failed, and `wire` has learned what the server at `where` can do."""
    reply = reply or Reply(line.id, 0, said="the batch's files do not name it")
    if completed(reply):
        try:
            answer = replace(read(reply.body, where), batched=True)
        except Malformed as e:
            return Unanswered(f"malformed: {e}", final=True)
        wire.answered(line.request, line.body)
        return answer
    if filtered(reply.status, reply.body):
        return Answer("", "filtered", batched=True, place=where)
    if wire.learned(reply.status, reply.said, line.body):
        line.form = None
        return None
    if (form := wire.simpler(reply.status, line.request, line.body)) is not None:
        line.form = form
        return None
    why = f"status {reply.status}: {reply.said}" if reply.status else f"{reply.code or 'no answer'}: {reply.said}"
    line.tries += 1
    if not reply.passing:
        return Unanswered(why, final=True)
    return Unanswered(f"{why} ({line.tries} tries)", final=True) if line.tries > retries else None
