"""Which passages bear a question that takes reasoning, by rule, before a call is spent on one.

Of what documents are made of, prose that gives causes, conditions, comparisons, mechanisms, quantities or definitions
is worth asking about (to harvest such passages is the first step of NaturalReasoning, arXiv 2502.13124); lists of
references, contents, indexes, notices, forms and bare numbers are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoo.api import Passage
from zoo.fencing import order_in

FEWEST_WORDS = 20  # a passage with fewer bears no question worth asking
FEWEST_PROSE_WORDS, FEWEST_PROSE_SHARE = 20, 0.4  # words in whole sentences, and their share of all words
_TITLES = re.compile(
    r"^\W*(?:[\dIVX]+[.\s]+)*(?:references?(?:\s+(?:cited|list))?|bibliography|(?:works|literature)\s+cited"
    r"|(?:further|suggested|additional)\s+(?:reading|resources)"
    r"|(?:table\s+of\s+)?contents|(?:subject\s+)?index|list\s+of\s+(?:figures|tables|abbreviations|authors"
    r"|contributors)|acknowledge?ments?"
    r"|funding(?:\s+\w+)?|(?:author|authors.?)\s+(?:contributions?|information|affiliations?|details)"
    r"|contributors|(?:conflicts?\s+of|competing)\s+interests?"
    r"|copyright(?:\s+\w+)?|licen[cs]e|permissions|supplementa(?:l|ry)\s+\w+|answer\s+key|sources?|citations?"
    r"|about\s+the\s+authors?)\W*$",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.!?;:])[\"')\]\u201d\u2019]*\s+|\n+")
_WORD = re.compile(r"[^\W\d_][\w'\u2019-]*")
# What of running text in English nearly every sentence has some of, and a list of names or titles has not.
_FUNCTION = frozenset(
    "a an the of to in on at by for with from as is are was were be been has have had can may must should will "
    "would not and or but if that which who when it its this these those they he she we you their his her than "
    "such also there into between after before during".split()
)
_REFERENCE = re.compile(
    r"\bdoi\b|https?://|www\.|\bet\s+al\b|\bpp?\.\s?\d|\bvol\.\s?\d|\bretrieved\s+(?:from|\w+\s+\d)|\bISBN\b"
    r"|\bISSN\b|\bPMID\b|\bPubMed\b"
    r"|\(\s?(?:19|20)\d\d[a-z]?\s?\)|\b(?:19|20)\d\d;\s?\d+|\b\d+\s?\(\d+\)\s?[:,]\s?\d+"
    r"|\b[A-Z][a-z]+,?\s(?:[A-Z]\.\s?){1,3}[,;&]",
    re.I,
)  # fmt: skip
_NOTICE = re.compile(
    r"\ball\s+rights\s+reserved|\u00a9|\(c\)\s+(?:19|20)\d\d|\bcopyright\s+(?:notice|holders?|(?:19|20)\d\d)"
    r"|\bcookies?\s+(?:policy|settings)|\bprivacy\s+policy|\bterms\s+of\s+(?:use|service)"
    r"|\bclick\s+(?:here|on)|\bsign\s+(?:in|up)\b|\bskip\s+to\b|\bsubscribe\b|\bnewsletter|\blast\s+(?:updated"
    r"|reviewed|modified)|\bback\s+to\s+top"
    r"|^\W*(?:question|answer|solution|exercise)\s*\d*\s*:|\bcreative\s+commons|\blicensed\s+under"
    r"|\breprinted?\s+(?:with|by)|\bto\s+(?:contact|download|print)\s+(?:us|this)|\bmore\s+information\b"
    r"|\blearn\s+more\b"
    r"|\b(?:by|at)\s+the\s+end\s+of\s+this\s+(?:section|chapter|module|unit)\b|\bcredit:"
    r"|\bsee\s+(?:the\s+)?(?:appendix|exhibit|schedule)\b",
    re.I,
)  # fmt: skip
_CAUSE = re.compile(
    r"\b(?:because|for\s+(?:this|that|these)\s+reasons?|due\s+to|owing\s+to|caus(?:e[sd]?|ing)|lead(?:s"
    r"|ing)?\s+to|led\s+to|result(?:s|ed|ing)?\s+(?:in|from)|therefore|thus|hence|thereby"
    r"|consequen(?:t|ce)\w*|as\s+a\s+result|so\s+that|responsible\s+for|contribut\w+\s+to|trigger\w*|prevent\w*"
    r"|inhibit\w*|stimulat\w+|induc\w+|promot\w+"
    r"|reduc\w+|allow\w*|enabl\w+|depend\w*\s+(?:on|upon)|in\s+order\s+to|mediat\w+|affect\w*|relie\w+"
    r"|protect\w*|produc(?:e[sd]?|ing)|improv\w+|damag\w+)\b",
    re.I,
)  # fmt: skip
_CONDITION = re.compile(
    r"\b(?:if|unless|when(?:ever)?|provided\s+that|except|subject\s+to|in\s+(?:case|the\s+event)\s+of|only|must"
    r"|shall|should|may\s+not|cannot|is\s+required"
    r"|are\s+required|not\s+(?:be\s+)?(?:exceed|apply|construed)|until|without|regardless|notwithstanding"
    r"|liable|entitled|prohibited)\b",
    re.I,
)  # fmt: skip
_COMPARISON = re.compile(
    r"\b(?:than|whereas|while|however|although|though|unlike|in\s+contrast|compar\w+|rather|instead|differ\w*"
    r"|increas\w+|decreas\w+|higher|lower|greater"
    r"|larger|smaller|fewer|more\s+\w+|less\s+\w+|most|least|both|neither|similar\w*|equal\w*|proportional)\b",
    re.I,
)
_DEFINITION = re.compile(
    r"\b(?:mean(?:s|ing)\b|defined\s+(?:as|to\s+be)|refers?\s+to|called|known\s+as|consists?\s+of"
    r"|characteri[sz]ed\s+by|(?:is|are)\s+(?:a|an|the)\b|includ(?:e|es|ing)\b"
    r"|used\s+(?:to|for)|treat(?:ed|s|ment)?\b|occurs?\b)",
    re.I,
)
# A figure with what it counts or measures; not that of a section, a table, a source or a date.
QUANTITY = re.compile(
    r"(?<![\w.,\u00a7#\[(/-])(?<!(?i:section) )(?<!(?i:table) )(?<!(?i:figure) )(?<!(?i:part) )(?<!(?i:page) )(?<!(?i:type) )"
    r"(?!(?:19|20)\d\d\b)\d[\d,]*(?:\.\d+)?"
    r"(?:\s?(?:%|\u00b0|[\u00b5\u03bc]?[gmlLJNWKV]\b|k[gmJWVNP]a?\b|[mMk]?Pa\b|m[mlLgV]\b|mmol\b|mol\b|cm\b"
    r"|nm\b|k?Hz\b|mmHg\b)"
    r"|[\s-](?!(?:of|and|or|to|in|on|by|at|the|as|for|from|with|is|are|was|were|then|which|through)\b)[a-z]{3,})"
    r"|[$\u20ac\u00a3]\s?\d",
)


def turned_down(passage: Passage, english: bool) -> str | None:
    """The reject reason of a passage that no question is asked about, None where it bears one. What words mean is only
    looked at in `english` ones."""
    words = passage.text.split()
    if len(words) < FEWEST_WORDS:
        return "passage_too_short"
    if order_in(f"{passage.title}\n{passage.text}"):
        return "passage_gives_orders"
    return None if _bears(passage, words, english) else "bears_no_reasoning"


def _bears(passage: Passage, words: list[str], english: bool) -> bool:
    if _TITLES.match(passage.title.rpartition(" > ")[2]) or _TITLES.match(passage.text.partition("\n")[0]):
        return False
    if 12 * len(_REFERENCE.findall(passage.text)) >= len(words):
        return False
    prose = list(_prose(passage.text, english))
    count = sum(len(s.split()) for s in prose)
    if count < FEWEST_PROSE_WORDS or count < FEWEST_PROSE_SHARE * len(words):
        return False
    telling = [s for s in prose if not _NOTICE.search(s) and not s.endswith("?")]
    if sum(len(s.split()) for s in telling) < max(FEWEST_PROSE_WORDS, count / 2):
        return False
    return not english or _signals(telling) >= 2


def _prose(text: str, english: bool) -> Iterator[str]:
    """The parts of a text that read as sentences, or as clauses of one: no table rows, headings, names or formulas."""
    for part in _SENTENCE.split(text):
        words = _WORD.findall(part)
        if len(words) < 6 or part.count(" | ") > 1 or sum(map(len, words)) < 0.6 * len(part.replace(" ", "")):
            continue
        if not english or sum(w.lower() in _FUNCTION for w in words) >= 0.15 * len(words):
            yield part


def _signals(sentences: list[str]) -> int:
    """How much the sentences hold that can be reasoned from: a cause or a condition counts for two, a comparison, a
    definition or a quantity for one."""
    strong, weak = (_CAUSE, _CONDITION), (_COMPARISON, _DEFINITION, QUANTITY)
    return sum(2 * any(p.search(s) for p in strong) + sum(bool(p.search(s)) for p in weak) for s in sentences)
