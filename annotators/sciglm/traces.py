"""Words by which a solution betrays how it came about: that its answer was known, or that an earlier solution was wrong.

A student that learned them would speak of an answer that nobody gave it.
"""

from __future__ import annotations

import re

from zoo.verifiers.reading import answer_of

_KNOWN = r"(?:given|known|provided|supplied|stated|stipulated|told|revealed|specified|indicated|expected)"
_GOLD = r"(?:answer|solution|option|choice|result)(?!\s+(?:options?|choices?|sheet)\b)"
_OF = r"(?:correct|right|reference|gold|golden|expected|official|target|true|final|model)"
# "The answer" and how people call it where it is theirs to match: not a "reference range", not "a known solution".
_THE = rf"(?:the|this|that|its|your|our)\s+(?:{_OF}\s+|{_KNOWN}\s+|already\s+)*{_GOLD}"
_SURELY = (
    r"(?:the\s+)?(?:reference|gold(?:en)?(?:[\s-]standard)?|expected|official|provided|supplied|hinted|target)\s+"
    rf"(?:{_OF}\s+)?(?:answer|key)s?|(?:the\s+)?model\s+answer"
)
_BE = r"(?:is|was|has\s+been|being|are|were)"
_AGREES = (
    r"(?:match(?:es|ed|ing)?|agree(?:s|d|ing)?\s+with|consistent\s+with|in\s+(?:line|agreement|accordance)\s+with|"
    r"correspond(?:s|ed|ing)?\s+(?:to|with)|confirm(?:s|ed|ing)?|align(?:s|ed|ing)?\s+with|coincid(?:es|ed|ing)\s+with|"
    r"equals?(?:\s+to)?|same\s+as|lead(?:s|ing)?\s+(?:us\s+)?to|arriv(?:es?|ing)\s+at|reach(?:es|ed|ing)?|get(?:s|ting)?(?:\s+to)?|"
    r"obtain(?:s|ed|ing)?|justif(?:y|ies|ying)|support(?:s|ing)?|work(?:s|ed|ing)?\s+(?:back(?:wards?)?\s+)?(?:from|towards?))"
)
_HINT = re.compile(
    "|".join((
        rf"\b{_SURELY}\b",
        r"\banswer\s+key\b|\b(?:gold|reference)\s+(?:answer|label)s?\b",
        # The answer is given, as the given answer says, we know that the answer is ...
        rf"\b(?:the|this|that|its|your|our)\s+(?:{_OF}\s+)?answer\s+{_BE}\s+(?:already\s+|indeed\s+)*{_KNOWN}\b(?!\s+(?:by|in|on|off|to\s+be\s+by)\b)",
        rf"\b{_THE}\s+{_BE}\s+(?:already\s+{_KNOWN}\b(?!\s+(?:by|in|on)\b)|{_KNOWN}\s*(?:[.,;:]|$))",
        r"\bthe\s+(?:correct\s+|right\s+)?answer\s+(?:provided|given|supplied|stated)\b(?!\s+(?:by|in)\b)",
        rf"\bas\s+(?:given|provided|stated|known|expected|told),\s+{_THE}\b",
        rf"\byou\s+(?:told|gave|informed)\s+(?:me|us)\s+(?:that\s+)?{_THE}\b",
        rf"\b(?:the|this|that|your)\s+(?:already\s+)?(?:given|known|provided|supplied|stated|stipulated)\s+(?:{_OF}\s+)?(?:answer|correct\s+{_GOLD})\b",
        rf"\b(?:we|i|you)(?:'re|\s+are|\s+were|\s+have\s+been|'ve\s+been)?\s+(?:already\s+)?(?:know|knew|told|given|informed)\s+(?:that\s+)?(?:{_THE}|it)\s+(?:is|was|must\s+be|should\s+be|to\s+be)\b",
        rf"\b(?:we|i|you)(?:'re|\s+are|\s+were|\s+have\s+been|'ve\s+been)\s+(?:already\s+)?(?:given|told|provided\s+with|supplied\s+with)\s+{_THE}\b",
        rf"\b(?:we|i)\s+(?:already\s+)?know\s+(?:{_THE})\b",
        rf"\b(?:knowing|assuming|given|since|because|as)\s+(?:that\s+)?(?:we\s+know\s+(?:that\s+)?)?{_THE}\s+(?:is|was|must\s+be|should\s+be|has\s+to\s+be|needs\s+to\s+be|to\s+be)\b(?!\s+(?:asked|wanted|sought|required|needed|a\s+|an\s+|one\s+of|in\s+|not\b|rounded|expressed|reported|between|positive|negative))",
        rf"\b(?:it|which|this|that)\s+is\s+(?:already\s+)?(?:known|given)\s+that\s+{_THE}\s+(?:is|was|must\s+be|should\s+be)\b",
        rf"\b{_KNOWN}\s+(?:to\s+(?:us|me)\s+)?as\s+the\s+(?:{_OF}\s+)?answer\b",
        rf"\b{_THE}\s+(?:that\s+|which\s+)?(?:we|i)\s+(?:(?:were|are|have\s+been)\s+(?:given|told)|already\s+know)\b",
        rf"\b{_THE}\s*(?:\([^()\n]{{1,60}}\)|,[^,.\n]{{1,60}},)\s*{_BE}\s+(?:already\s+)?(?:known|given|provided|stated)\b(?!\s+(?:by|in|on|off)\b)",
        r"\b(?:problem|question|exercise|task|prompt)(?:'s|\u2019s)\s+(?:own\s+)?answer\s+(?:says|states|shows|indicates|tells|confirms)\b",
        r"\b(?:problem|question|exercise|task|prompt|user)\s+(?:says|states|tells\s+(?:us|me)|mentions|indicates|gives|reveals)\s+(?:that\s+)?"
        r"the\s+(?:correct\s+|right\s+)?answer\s+(?:is|was|must\s+be|should\s+be|to\s+be)\b(?!\s+(?:in|to|rounded|expressed|reported|given|one\s+of|an?|either|yes\s+or)\b)",
        # It matches the answer.
        rf"\b{_AGREES}\s+(?:the|your|our|this)\s+(?:{_KNOWN}|{_OF}|desired|required|intended|wanted)\s+(?:\w+\s+)?(?:answer|option|choice)\b",
            rf"\b{_AGREES}\s+(?:the|your)\s+(?:reference|gold|official|model)\s+solution\b",
        rf"\b{_AGREES}\s+(?:the|your)\s+(?:given|provided|known|expected|stated|desired|intended)\s+(?:result|solution)\b",
        r"\b(?:match(?:es|ed|ing)?|agree(?:s|ing)?\s+with|consistent\s+with|confirm(?:s|ing)?)\s+(?:the|your)\s+answer\b",
        r"\bas\s+(?:the\s+answer\s+(?:says|states|shows|indicates|suggests|tells)|(?:expected|required|given|stated|known)\s*[.,;!]?\s*$)",
        r"(?:=|≈|\bis|\bgives|\bequals)\s+[^\n.;=]{1,40},?\s+as\s+(?:given|provided|expected|required|stated|hinted|known)\s*(?:[.!]\s|[.!]?$|\n)",
        rf"\b(?:work(?:ing)?|reason(?:ing)?)\s+back(?:wards?)?\s+from\s+{_THE}",
        # The hint by its name.
        r"\b(?:according\s+to|by|from|with|using|following|per|given|as)\s+(?:the|this|your|that)\s+(?:given\s+|provided\s+)?(?:hint|clue\s+given)s?\b",
        r"\b(?:the|this|your|that|provided|given)\s+hint(?:s|ed)?\b(?!\s+of\b)|\bas\s+hinted\b|\bhint\s+(?:says|states|gives|tells|suggests|indicates)\b",
    )),
    re.I | re.M,
)  # fmt: skip
_EARLIER = re.compile(
    r"\b(?:the|my|our|your|this|that)\s+(?:previous|earlier|prior|wrong|incorrect|flawed|faulty)\s+"
    r"(?:wrong\s+|incorrect\s+)?(?:solution|attempt|answer|reasoning|calculation|response|try|approach)s?\b(?!\s+(?:of|at|to)\b)"
    r"|\b(?:the|my|our|your|this|that)\s+(?:first|original|initial|former|old)\s+(?:solution|reasoning|calculation|response)\b(?!\s+(?:of|at|to)\b)"
    r"|\b(?:previously|earlier),?\s+(?:i|we)\s+(?:wrongly|incorrectly|mistakenly|erroneously)\b"
    r"|\b(?:i|we)\s+(?:wrongly|incorrectly|mistakenly|erroneously)\b|\b(?:i|we)\s+made\s+(?:an?\s+)?(?:error|mistake)s?\b"
    r"|\b(?:my|our)\s+(?:error|mistake)\b|\bthe\s+(?:error|mistake)\s+(?:was|lay|lies|above|here|in\s+the\s+(?:\w+\s+)?(?:solution|reasoning|step))\b"
    r"|\b(?:correcting|fixing|to\s+correct|to\s+fix)\s+(?:the|this|that|my|our)\s+(?:error|mistake)\b"
    r"|\b(?:corrected|revised|new)\s+solution\b|\bin\s+the\s+(?:wrong|incorrect)\s+solution\b"
    r"|\bsolution\s+above\s+(?:is|was)\s+(?:wrong|incorrect)\b",
    re.I,
)


def trace_of_hint(steps: str, told: str = "") -> str:
    """The words by which steps show that the answer was known beforehand; empty where none do, or where the question,
    `told`, says them itself."""
    return _trace(_HINT, steps, told)


def trace_of_earlier(steps: str, told: str = "") -> str:
    """The words by which steps speak of a solution before them; empty where none do."""
    return _trace(_EARLIER, steps, told)


def _trace(words: re.Pattern[str], steps: str, told: str) -> str:
    said = " ".join(told.casefold().split())
    for found in words.finditer(answer_of(steps)):
        trace = " ".join(found.group().split())
        if trace.casefold() not in said:
            return trace
    return ""
