"""What a task that a teacher wrote must pass, each check decided by code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import get_args

from zoo.alike import normal, telling
from zoo.api import Passage, Task, TaskKind
from zoo.fencing import order_in
from zoo.quotes import find_quote

GAP = "____"
FEWEST, LONGEST = 3, 80  # words of a question and of a quote at the least; of a question or an answer at the most
_SHARE = 0.8  # of a summary's words that mean something, as many stand in the text
_ELSEWHERE = re.compile(
    r"\b(?:tables?|figures?|diagrams?|charts?|images?|slides?|pages?|chapters?|authors?|previous (?:section|passage|text)s?"
    r"|other sources?|your (?:own )?(?:knowledge|experience|opinion)|do you think|in general knowledge"
    r"|outside (?:of )?the (?:text|passage))\b",
    re.I,
)
_MARKUP = re.compile(r"<\||\|>|</?(?:think|s|system|user|assistant)>|\[/?INST\]|```")
_GAP = re.compile(r"_{2,}|\[(?:blank|gap|\.{3})\]|\.{4,}")
_SAID = re.compile(r"^(yes|no|true|false)\b\W*", re.I)
_LEAD_IN = re.compile(
    r"^[^:?]*\b(?:text|passage|statement|true|false|supported?|correct|said|says?|states?|whether)\b[^:?]*[:?]\s*(?=\S)",
    re.I,
)
_SMALL = frozenset(
    "a an the of in on at to for from by with and or as is are was were be been being it its their his her this that these "
    "those which who what why how when where does do did has have had can may because so then there they them than such if but "
    "also says say said text passage according states state statement true false yes no".split()
)


class Refused(Exception):
    """A check that a task did not pass; `str` of it is the reason."""


def checked(data: dict[str, str], passage: Passage) -> Task:
    """The task with its quote in the passage's own characters. Raises Refused."""
    kind = next((k for k in get_args(TaskKind) if k == data["kind"].strip().lower()), None)
    if kind is None:
        raise Refused("unknown_kind")
    question, answer = data["question"].strip(), data["answer"].strip()
    if not answer or len(question.split()) < FEWEST:
        raise Refused("incomplete")
    if max(len(question.split()), len(answer.split())) > LONGEST:
        raise Refused("too_long")
    if any(map(order_in, (question, answer, data["quote"]))):
        raise Refused("carries_an_order")
    if _MARKUP.search(question + answer):
        raise Refused("markup")
    if _ELSEWHERE.search(question):
        raise Refused("leans_on_more_than_the_text")
    place = find_quote(data["quote"], passage.text)
    if place is None or len(data["quote"].split()) < FEWEST:
        raise Refused("quote_not_in_passage")
    task = Task(kind=kind, question=question, answer=answer, quote=passage.text[slice(*place)])
    return _CHECKS[kind](task, passage)


def words(text: str) -> set[str]:
    """The words that tell what a text says."""
    return telling(re.findall(r"[^\W_]+", text.lower()), _SMALL)


def _from_quote(task: Task, passage: Passage) -> Task:
    """An answer in the words of its quote, which says more than the question does."""
    if words(task.answer) - words(task.quote):
        raise Refused("answer_not_in_quote")
    if not words(task.answer) - words(task.question):
        raise Refused("answer_in_question")
    return task


def _summary(task: Task, passage: Passage) -> Task:
    said, there = words(task.answer), words(passage.text)
    if len(task.answer.split()) < FEWEST or not said or len(said & there) < _SHARE * len(said):
        raise Refused("answer_not_in_text")
    if len(task.answer.split()) > max(FEWEST, len(passage.text.split()) // 2):
        raise Refused("no_summary")
    return task


def _cloze(task: Task, passage: Passage) -> Task:
    """One gap, which the answer fills to make the quote."""
    question, gaps = _GAP.subn(GAP, task.question)
    if gaps != 1:
        raise Refused("not_one_gap")
    quote = normal(task.quote)
    if quote in normal(question.replace(GAP, "")) or quote not in normal(question.replace(GAP, task.answer)):
        raise Refused("answer_does_not_fill_the_gap")
    return task.model_copy(update={"question": question})


def _entailment(task: Task, passage: Passage) -> Task:
    """A statement that says what the quote says, or all but that."""
    said = _SAID.match(task.answer)
    if said is None:
        raise Refused("no_yes_or_no")
    if words(task.answer[said.end() :]) - words(task.quote):
        raise Refused("answer_not_in_quote")
    statement, quote = words(_LEAD_IN.sub("", task.question)), words(task.quote)
    denied = _denials(task.question) != _denials(task.quote)
    new = statement - quote
    if said.group(1).lower() in {"yes", "true"}:
        if new or denied or not statement:
            raise Refused("statement_not_in_quote")
    elif not (new or denied) or len(statement & quote) < len(statement) / 2:
        raise Refused("no_contradiction")
    return task


def _denials(text: str) -> int:
    return len(re.findall(r"\b(?:not|never|no|cannot|without|nor|neither)\b|n[’']t\b", text, re.I)) % 2


_CHECKS: dict[TaskKind, Callable[[Task, Passage], Task]] = {
    "definition": _from_quote, "cause": _from_quote, "summary": _summary, "cloze": _cloze, "entailment": _entailment,
}  # fmt: skip
