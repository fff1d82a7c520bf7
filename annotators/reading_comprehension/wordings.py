"""How mined tasks are put: several wordings for each, of which the task's own text decides."""

from __future__ import annotations

from zoo.api import Task, TaskKind
from zoo.artifact import digest_text

_KINDS: dict[str, TaskKind] = {
    **dict.fromkeys(("definition", "definition_of", "name"), "definition"),
    **dict.fromkeys(("reason", "reason_of", "result", "caused_by", "effect"), "cause"),
    "conclusion": "summary", "heading": "summary", "cloze": "cloze", "claim": "entailment",
}  # fmt: skip
_QUESTIONS: dict[str, tuple[str, ...]] = {
    "definition": (
        "What {verb} {term}?", "According to the text, what {verb} {term}?", "How does the text explain what {term} {verb}?",
        "In the words of the text, what {verb} {term}?",
    ),
    "definition_of": (
        "{term}: what does the text say it means?", "Give the text's definition. Term: {term}.",
        "Look up this term in the text and say what it stands for. {term}.",
    ),
    "name": (
        "Which term does the text use for this? {what}", "What is the text's name for {what}?",
        "The text has a name for {what}. Which one?",
    ),
    "reason": (
        "Which reason does the text give for this? {what}.", "Read this statement and name the reason that the text gives. {what}.",
        "The text says why this is so. What is the reason? {what}.", "Finish the sentence with the reason. {what}, because ...",
    ),
    "reason_of": (
        "Which reason does the text give for this? {what}.", "What is this put down to? {what}.",
        "What lies behind this, according to the text? {what}.",
    ),
    "result": (
        "What follows from this, according to the text? {what}.", "Name the consequence that the text draws. {what}.",
        "The text says what comes of this. What is it? {what}.",
    ),
    "caused_by": ("What causes {what}?", "According to the text, what causes {what}?", "What is {what} put down to?"),
    "effect": ("{question}", "According to the text: {question}"),
    "conclusion": (
        "Sum up the text in one sentence.", "Which conclusion does the text draw?", "What does it all come to, in one sentence?",
    ),
    "heading": (
        "Which heading would suit this text?", "Give the text a heading.", "Name the subject of the text in a few words.",
        "What is the text about, in the words of a heading?",
    ),
    "cloze": (
        "Fill in the gap. {what}", "Which quantity is missing here? {what}", "Complete the sentence from the text. {what}",
    ),
    "claim": (
        "Is this true, according to the text? {what}", "Does the text support this statement? {what}",
        "True to the text or not? {what}",
    ),
}  # fmt: skip
_FRAMES = (
    "Question: {question}\nAnswer: {answer}", "Q: {question}\nA: {answer}", "{question}\n{answer}",
    "Task: {question}\nSolution: {answer}",
)  # fmt: skip


def ask(wording: str, key: str, quote: str, answer: str, **values: str) -> Task:
    """A task of that wording. `key` decides which of its forms is taken, `quote` proves the answer."""
    question = _drawn(_QUESTIONS[wording], wording, key).format(**values)
    return Task(kind=_KINDS[wording], question=question, answer=sentence_of(answer), quote=quote)


def sentence_of(words: str) -> str:
    """Words with a capital first and a stop behind them; their own spelling is not touched where it has capitals or digits."""
    first = words.split(" ", 1)[0].rstrip(",;")
    plain = first.isalpha() and first.islower()
    return (words[0].upper() + words[1:] if plain else words) + ("" if words[-1] in ".!?" else ".")


def as_text(task: Task) -> str:
    """A task as plain text to read, its answer behind it."""
    return _drawn(_FRAMES, "frame", task.question + task.answer).format(question=task.question, answer=task.answer)


def _drawn(forms: tuple[str, ...], what: str, key: str) -> str:
    return forms[int(digest_text(f"{what}:{key}")[:8], 16) % len(forms)]
