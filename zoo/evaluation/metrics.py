"""What is ours to score: the domain's verifier and ROUGE-L, on responses that lm-eval logged."""

from __future__ import annotations

from zoo.api import Question
from zoo.library import Domain
from zoo.prompting import offered, split_response
from zoo.verifiers.text import overlap

LABELS = {"yes_no_maybe", "label"}


def verified(domain: Domain, question: Question, response: str) -> float:
    """1 where the domain's verifier says right, else 0: an answer that it cannot judge is not an answer."""
    return float(domain.verifiers[question.kind](question, response).verdict == "right")


def rouge_l(reference: str, response: str) -> float:
    """ROUGE-L F1 with stemming of the answer, its reasoning left out."""
    return overlap(reference, split_response(response)[1])


def score(metric: str, domain: Domain, question: Question, response: str) -> float:
    """A response under one of our metrics, from 0 to 1."""
    if metric == "rougeL":
        return rouge_l(question.gold, response)
    assert metric == "verified"
    return verified(domain, question, response)


def prediction_of(domain: Domain, question: Question, response: str) -> str:
    """What a response amounts to, for counting: the option that the domain's verifier reads in it (empty where that is
    none), without options its label, else its answer."""
    if (options := offered(question)) and question.kind in domain.verifiers:
        said = (question.model_copy(update={"gold": option}) for option in options)
        return next((q.gold for q in said if verified(domain, q, response)), "")
    answer = split_response(response)[1]
    return answer.strip().split("\n")[0].strip(" .:*\"'").upper() if question.kind in LABELS else answer
