"""Names of things: which spellings are the same name, which abbreviation stands for what, and where a name stands in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MOST_WORDS = 12
_PRONOUNS = frozenset(
    "it they them he she him we us you i this that these those one ones some others other both such which who what there "
    "here none all each either neither another any many most several someone something anything everyone".split()
)
_POINTING = frozenset("this that these those such its their his her our your my which".split())
# With "the", or alone, they name no certain thing: they would tie together whatever is said of any of them.
_GENERIC = frozenset(
    "patient person people individual child adult man woman doctor clinician author researcher study trial result finding "
    "treatment therapy drug medicine medication agent dose disease disorder condition illness problem symptom sign case cause "
    "effect risk factor level test method approach process system group type form part area change use way time number amount "
    "rate value example thing body cell blood tissue organ complication outcome evidence data guideline student model function "
    "structure substance product".split()
)
_ARTICLES = frozenset("a an the An The".split())
_LINKS = frozenset("of in for to on and or with by at from".split())
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*%?|[^\W\d_]+(?:\d+[^\W_]*)?\+*|[<>≤≥]")
_BRACKETS = re.compile(r"([^\s()][^()]*?)\s*\(([^()]{2,60})\)")
_SHORT_FORM = re.compile(r"[^\W_][\w+-]{1,9}")


def key(name: str) -> str:
    """What all spellings of a name have in common: no case, articles, accents, hyphens, plurals or British letters. Short
    words in capitals keep them (AIDS is no aid)."""
    return _joined(words(name))


def words(text: str) -> list[str]:
    """The words of a name in the form that `key` compares."""
    return [word for word, _, _ in _words(text)]


def content(name: str) -> frozenset[str]:
    """The words that mean something."""
    return frozenset(words(name)) - _LINKS


def _joined(parts: list[str]) -> str:
    """In one, so that "heart beat" is "heartbeat"; two numbers stay two."""
    out = ""
    for part in parts:
        out += f" {part}" if out[-1:].isdigit() and part[:1].isdigit() else part
    return out


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _TOKEN.finditer(text):
        # A capital A within a text is a name: vitamin A.
        if match.group() in _ARTICLES or (match.start() == 0 and match.group().casefold() in _ARTICLES):
            continue
        yield _word(match.group()), match.start(), match.end()


@lru_cache(maxsize=65536)
def _word(token: str) -> str:
    if re.fullmatch(r"[A-Z][A-Z\d]{1,4}s?\+*", token):
        return token.removesuffix("s")
    bare = "".join(c for c in unicodedata.normalize("NFKD", token) if not unicodedata.combining(c)).casefold()
    american = _singular(bare).replace("ae", "e").replace("oe", "e")
    return re.sub(r"(?<=\w)our$", "or", re.sub(r"([iy])s(?=(?:ed?|ing|ation)$)", r"\1z", american))


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("uses", "sses", "xes", "zes", "ches", "shes")) else word[:-1]


def fault(name: str) -> str | None:
    """Why a text is no name of a thing, as a reject reason, or None."""
    said = re.findall(r"[^\W_]+", name.casefold())
    if not words(name) or not any(c.isalnum() for c in name):
        return "empty_name"
    if len(said) > MOST_WORDS:
        return "name_too_long"
    if said[0] in _POINTING or (said[0] == "the" and generic(name)) or all(w in _PRONOUNS | _ARTICLES for w in said):
        return "name_is_a_pronoun"
    return None


def generic(name: str) -> bool:
    """Whether it names no certain thing: a patient, the treatment."""
    return all(w in _GENERIC or w in _PRONOUNS for w in words(name))


def find_name(name: str, text: str) -> list[tuple[int, int]]:
    """`(start, end)` of each place where `text` has the name, in whatever spelling; of one with its abbreviation in brackets
    either of the two will do."""
    shown = [name, *(expanded(name) or ())]
    found = [place for form in shown for place in _places(form, text)]
    return list(dict.fromkeys(found))


def _places(name: str, text: str) -> Iterator[tuple[int, int]]:
    """Compared without spaces: a hyphen at a line's end parts no word."""
    wanted = "".join(words(name))
    tokens = list(_words(text))
    for i, (_, start, _) in enumerate(tokens):
        seen = ""
        for word, _, end in tokens[i:]:
            seen += word
            if seen == wanted:
                yield start, end
            if not wanted.startswith(seen):
                break


def expanded(name: str) -> tuple[str, str] | None:
    """(long form, short form) of a name that is given with its abbreviation: "angiotensin-converting enzyme (ACE)"."""
    found = _BRACKETS.fullmatch(name.strip())
    return _pair(found.group(1), found.group(2)) if found else None


def abbreviations(text: str) -> dict[str, str]:
    """Short forms that a text explains, to their long forms: "long form (SF)", or "SF (long form)".

    After Schwartz and Hearst, "A simple algorithm for identifying abbreviation definitions in biomedical text" (PSB 2003)."""
    out: dict[str, str] = {}
    for match in re.finditer(r"\(([^()]{2,60})\)", text):
        sentence = re.split(r"[.;:,]\s|\n\n|[()]", text[: match.start()])[-1]
        if pair := _pair(sentence, match.group(1)):
            out.setdefault(pair[1], pair[0])
    return out


def _pair(before: str, inside: str) -> tuple[str, str] | None:
    inside = re.split(r"[;,]", inside)[0].strip()
    if _short(inside):
        long = _long_form(inside, before)
        return (long, inside) if long else None
    last = before.split()[-1:] or [""]
    if _short(last[0]) and _long_form(last[0], inside) == inside:
        return inside, last[0]
    return None


def _short(text: str) -> bool:
    return bool(_SHORT_FORM.fullmatch(text)) and sum(c.isupper() for c in text) >= 2


def _long_form(short: str, text: str) -> str | None:
    """The end of `text` whose letters, from the last to the first, are those of the short form, the first beginning a word."""
    letters = [c for c in short.casefold() if c.isalnum()]
    most = min(len(letters) + 5, 2 * len(letters))
    window = re.search(rf"(?:\S+\s+){{0,{most - 1}}}\S+\s*$", text)
    if not window:
        return None
    long = window.group().rstrip()
    at = len(long)
    for n, letter in reversed(list(enumerate(letters))):
        at -= 1
        while at >= 0 and (long[at].casefold() != letter or (n == 0 and at > 0 and long[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return None
    found = long[at:].strip()
    return found if len(found) > len(short) and short not in found.split() else None
