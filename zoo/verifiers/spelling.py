"""Words that differ in spelling alone: British and American, Greek letters, numerals, plurals."""

from __future__ import annotations

import re

_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "κ": "kappa",
    "λ": "lambda",
    "µ": "mu",
    "μ": "mu",
    "ω": "omega",
}
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii".split()
# After these a single letter is a numeral.
_NUMBERED = set("type factor class grade stage phase group nerve level complex collagen part chapter category".split())
_PLURALS = {
    "mitochondria": "mitochondrion", "bacteria": "bacterium", "criteria": "criterion", "ganglia": "ganglion", "fungi": "fungus",
    "alveoli": "alveolus", "nuclei": "nucleus", "vertebrae": "vertebra", "larvae": "larva", "ova": "ovum", "emboli": "embolus",
    "thrombi": "thrombus", "bronchi": "bronchus", "stimuli": "stimulus", "villi": "villus", "radii": "radius", "foci": "focus",
    "metastases": "metastasis", "diagnoses": "diagnosis", "stenoses": "stenosis", "hypotheses": "hypothesis", "axes": "axis",
    "crises": "crisis", "phenomena": "phenomenon", "spectra": "spectrum", "quanta": "quantum", "antennae": "antenna",
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth", "mice": "mouse", "leaves": "leaf",
}  # fmt: skip
_SPELLINGS = [
    (r"ae|oe", "e"), (r"isation", "ization"), (r"(?<=[a-z]{3})ise(?=d|s|r|$)", "ize"), (r"(?<=[a-z]{2})our(?=s|$|ed|ing|less)", "or"),
    (r"(?<=[a-z])tre$", "ter"), (r"sulph", "sulf"), (r"yse(?=d|s|r|$)", "yze"), (r"^grey", "gray"), (r"aluminium", "aluminum"),
]  # fmt: skip


def spelled(text: str) -> str:
    """A text that `plain` has made plain, each word in one spelling and in the singular."""
    for letter, name in _GREEK.items():
        text = text.replace(letter, name)
    out: list[str] = []
    for word in text.split():
        before = out[-1] if out else ""
        out.append(_numeral(word, before) or "-".join(_word(w) for w in word.split("-")))
    return " ".join(out)


def _numeral(word: str, before: str) -> str:
    """Digits for a Roman numeral, empty for any other word."""
    if word in _ROMAN and (len(word) > 1 or before in _NUMBERED):
        return str(_ROMAN.index(word) + 1)
    return ""


def _word(word: str) -> str:
    word = _PLURALS.get(word, word)
    for pattern, spelling in _SPELLINGS:
        word = re.sub(pattern, spelling, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word
