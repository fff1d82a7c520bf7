"""Solutions in one shape, read out of what a teacher said: what tells a right one from a wrong one has to be what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zoo.api import Attempt, Example, Rejected
from zoo.prompting import split_response
from zoo.verifiers.reading import MARKER, plain, sentence_before

_HEADING = re.compile(r"^[ \t]*(?:#+[ \t].*|\*\*[^*\n]+\*\*:?[ \t]*)$", re.M)
_LINE_MARK = re.compile(r"^[ \t]*(?:[-*•>]+|\(?\d{1,2}[.)]|step\s+\d{1,2}\s*[:.)-])[ \t]+", re.I | re.M)
_LATEX = re.compile(r"\\[()\[\]]|\$+|\\(?:text|mathrm|mathbf|boxed)\s*\{([^{}]*)\}")
_EMPHASIS = re.compile(r"\*\*|__|`+")
_EVIDENCE = {"quote", "quotes", "passage", "passages", "citation", "citations", "source"}


@dataclass(frozen=True)
class Solution:
    """A question with the reasoning and the answer given to it, each on one line and without markup."""

    question: str
    reasoning: str
    answer: str

    @property
    def text(self) -> str:
        return f"Question: {self.question}\nReasoning: {self.reasoning}\nAnswer: {self.answer}"

    @cached_property
    def asked(self) -> str:
        """What two questions that are the same have in common."""
        return plain(self.question)


@dataclass(frozen=True)
class Judged:
    """A solution, and whether it was judged right. Those of one `form` answer one prompt about one kind of question.
    `made`: a wrong one that was made out of a right one."""

    solution: Solution
    form: str
    right: bool
    made: bool = False


def judged_of(row: Example | Rejected) -> Iterator[Judged]:
    """The solutions among a row's attempts. A rejected row's right ones are left out: something else was wrong with them;
    so is what was never judged because its form was."""
    for attempt in row.attempts:
        right = attempt.right
        if (right and isinstance(row, Rejected)) or not _was_judged(attempt):
            continue
        if (solution := read_solution(attempt.question, attempt.said)) is not None:
            yield Judged(solution, _form(attempt), right)


def solution_of(row: Example) -> tuple[Solution, str] | None:
    """The solution that a kept row was made of, as its teacher gave it, and its form; None where no teacher solved it."""
    last = next((j for j in reversed(list(judged_of(row))) if j.right), None)
    return (last.solution, last.form) if last else None


def _was_judged(attempt: Attempt) -> bool:
    last = attempt.verdicts[-1] if attempt.verdicts else None
    return last is not None and last.check != "answer" and last.verdict != "abstain" and bool(attempt.question)


def _form(attempt: Attempt) -> str:
    return f"{attempt.prompt} {attempt.stage} {attempt.kind}"


def read_solution(question: str, said: str) -> Solution | None:
    """A solution out of an answer in prose or in JSON; None where no steps or no answer can be told in it."""
    found = _of_json(said) or _of_prose(said)
    if found is None:
        return None
    reasoning, answer = (bare(part) for part in found)
    answer = answer.strip(" .})(\"'")
    return Solution(bare(question), reasoning.rstrip(" .") + ".", answer) if reasoning.strip(" .") and answer else None


def _of_json(said: str) -> tuple[str, str] | None:
    text = split_response(said)[1] or said
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1], strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("answer"), (str, int, float)):
        return None
    steps = value.get("reasoning", value.get("steps"))
    return ("\n".join(_texts(steps)), str(value["answer"])) if steps else None


def _texts(value: Any) -> Iterator[str]:
    """All that is said in steps however they are nested, but for quotes and where those stand."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else []:
        yield from _texts(inner)
    for name, inner in value.items() if isinstance(value, dict) else []:
        if name not in _EVIDENCE:
            yield from _texts(inner)


def _of_prose(said: str) -> tuple[str, str] | None:
    """What stands before the last "the answer is", and what follows it in its line; else a think block and what follows."""
    thought, text = split_response(said)
    for match in reversed(list(MARKER.finditer(text))):
        answer = text[match.end() :].strip(" \t\n:=*(").split("\n")[0]
        if re.search(r"\w", answer):
            steps = text[: match.start() - len(sentence_before(text, match.start()))]
            return (steps if re.search(r"\w", steps) else thought), answer
    return (thought, text) if thought and text else None


def bare(text: str) -> str:
    """The text on one line, without headings, the marks of lists, emphasis and the delimiters of formulas."""
    text = _LINE_MARK.sub("", _HEADING.sub("", text))
    text = _LATEX.sub(r"\1", _EMPHASIS.sub("", text))
    return " ".join(text.split())
