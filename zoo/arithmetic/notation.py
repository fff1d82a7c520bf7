"""Calculations as people and models write them, in plain signs: LaTeX, typographic signs, and operations in words."""

from __future__ import annotations

import re

from zoo.verifiers.number_words import in_digits

WORDED = "≡"  # an equality in words: "is", "gives"
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SIGNS = str.maketrans({
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "—": ";", "[": "(",
    "]": ")", "≃": "≈", "≅": "≈", "∼": "≈", "~": "≈", "≒": "≈", "\u202f": " ", "\u00a0": " ", "\u2009": " ",
})  # fmt: skip
_PARTS = {"½": "(1/2)", "¼": "(1/4)", "¾": "(3/4)", "⅓": "(1/3)", "⅔": "(2/3)"}
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX = [
    (r"\\(?:[dt]?frac)\s*(\d)\s*(\d)", r"((\1)/(\2))"),
    (r"\\(?:times|cdot|ast)(?![a-zA-Z])", " * "), (r"\\div(?![a-zA-Z])", " / "),
    (r"\\(?:approx|simeq|cong|sim)(?![a-zA-Z])", " ≈ "), (r"\\(?:left|right|big|Big|displaystyle)(?![a-zA-Z])", ""),
    (r"\\(?:text|mathrm|mathbf|mathit|textbf|operatorname|rm|boxed)\s*\{([^{}]*)\}", r" \1 "),
    (r"\\sqrt\s*\{([^{}]*)\}", r" sqrt(\1) "), (r"\\circ", "°"), (r"\\mu(?![a-zA-Z])\s*", "µ"), (r"\\pi(?![a-zA-Z])", "π"),
    (r"\\%", "%"), (r"\\(?:quad|qquad|[,;:!])|\\ ", " "), (r"\\\\", "\n"), (r"\\[()\[\]]", " "), (r"\\\$|\$+|&", " "),
    (r"(\d)\s*\\[dt]?frac\s*\{\s*([A-Za-zµ]{1,5})\s*\}\s*\{\s*([A-Za-z]{1,5})\s*\}", r"\1 \2/\3"),  # a number's unit
    (r"\^\s*\{([^{}]*)\}", r"^(\1)"),
]  # fmt: skip
_UNIT = (
    r"(?:\s?(?!(?:and|from|to|by|we|you|is|are|gives?|giving|equals?|makes?|leaves?|yields?|comes?|results?)\b)"
    r"[A-Za-zµ]+(?:/[A-Za-z]+)*)"
)
_Q = rf"((?:\d[\d,]*(?:\.\d+)?|\([^()\n]+\))\s?%?{_UNIT}?)"
_SHARES = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
    "hundredth": 100,
}
_COUNTS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "1": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "2": 2,
    "3": 3,
    "4": 4,
    "5": 5,
}
_SHARE = re.compile(rf"\b(?:({'|'.join(_COUNTS)})[\s-])?({'|'.join(_SHARES)})s?\s+of\s+(?:the\s+|a\s+)?(?=\d|\()", re.I)
_BEFORE = r"(?=\s*-?\$?[\d(.√])"  # an operand comes
_WORDS = [
    (rf"\b(?:the\s+)?sum\s+of\s+{_Q}\s+and\s+{_Q}", r"(\1 + \2)"),
    (rf"\b(?:the\s+)?product\s+of\s+{_Q}\s+and\s+{_Q}", r"(\1 * \2)"),
    (rf"\b(?:the\s+)?difference\s+(?:between|of)\s+{_Q}\s+and\s+{_Q}", r"(\1 - \2)"),
    (rf"\b(?:the\s+)?(?:quotient\s+of)\s+{_Q}\s+and\s+{_Q}", r"(\1 / \2)"),
    (rf"\badd(?:ing)?\s+{_Q}\s+(?:to|and)\s+{_Q}", r"(\2 + \1)"),
    (rf"\b(?:subtract|tak|deduct)(?:ing|e)?\s+{_Q}\s+from\s+{_Q}", r"(\2 - \1)"),
    (rf"\bmultiply(?:ing)?\s+{_Q}\s+by\s+{_Q}", r"(\1 * \2)"),
    (rf"\bdivid(?:ing|e)\s+{_Q}\s+by\s+{_Q}", r"(\1 / \2)"),
    (rf"\b(?:twice|double)\s+(?:the\s+)?{_BEFORE}", "2 * "), (rf"\btriple\s+(?:the\s+)?{_BEFORE}", "3 * "),
    (r"\bper\s?cent\b", "%"), (rf"%\s+of\s+(?:the\s+|a\s+)?{_BEFORE}", "% * "),
    (rf"(?<=\d)(/\d+)\s+of\s+(?:the\s+)?{_BEFORE}", r"\1 * "),
    (rf"\b(?:multiplied\s+by|times){_BEFORE}", " * "), (rf"\bdivided\s+by{_BEFORE}", " / "),
    (rf"(?<=[\w)%])\s+out\s+of\s+(?:the\s+)?{_BEFORE}", " / "),
    (rf"\bplus{_BEFORE}", " + "), (rf"\bminus{_BEFORE}", " - "), (r"(?<=\d)\s+squared\b", "^2"), (r"(?<=\d)\s+cubed\b", "^3"),
    (rf"\b(?:raised\s+)?to\s+the\s+power\s+(?:of\s+)?{_BEFORE}", " ^ "),
    (r"\b(?:the\s+)?square\s+root\s+of\s+([\d.,]+)", r"sqrt(\1)"), (r"√\s*([\d.]+)", r"sqrt(\1)"), (r"√\s*(?=\()", "sqrt"),
    (r"(?<=\d)[xX](?=\d)|(?<=[\w)%])[ ]+[xX][ ]+(?=[$]?[\d(.])|(?<=\))[ ]*[xX][ ]*(?=[\d(])", " * "),
    (r"\b(\d+)\s+and\s+(?:a\s+)?(\(?\d/\d\)?)(?![\d/])(?!\s*\*)", r"(\1+\2)"),
]  # fmt: skip
_ABOUT = r"(?:about|approximately|roughly|around|nearly|almost|some|close\s+to|approx\.?|circa)"
_EQUAL = (
    r"(?:is|are|equals?|(?:gives?|giving|leaves?|leaving)\s+(?:us|me|you)|gives?|giving|makes?|making|leaves?|leaving|yields?|yielding|totals|becomes?|comes?\s+(?:out\s+)?(?:to|at)|"
    r"amounts?\s+to|adds?\s+up\s+to|results?\s+in|works?\s+out\s+(?:at|to|as)|evaluates?\s+to|is\s+equal\s+to|are\s+equal\s+to|equal\s+to)"
)
_RELATION = re.compile(
    rf"(?:,?\s*\b(?:which|that|this|it|we\s+get|so\s+we\s+get)\b)?,?\s*\b{_EQUAL}\s+(?P<about>(?:only\s+|just\s+|exactly\s+|then\s+)?{_ABOUT}?)\s*(?=[-+]?\$?\s?[\d.(])",
    re.I,
)  # fmt: skip


def plain(text: str) -> str:
    """The text with each operation as one of `+ - * / ^`, roots as `sqrt(...)`, relations as `=` or `≈`, and those in words as
    WORDED before a number."""
    text = _latex(text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda m: f"^({m.group().translate(_SUPERSCRIPTS)})", text)
    for sign, part in _PARTS.items():
        text = re.sub(rf"(\d+)\s?{sign}", rf"(\1+{part})", text).replace(sign, part)
    text = re.sub(r"(?<!\d)\*\*|\*\*(?![\d(])", "", text).replace("**", "^").translate(_SIGNS)
    text = re.sub(r"`|__", "", text)
    text = _SHARE.sub(lambda m: f"({_COUNTS[(m.group(1) or 'a').lower()]}/{_SHARES[m.group(2).lower()]}) * ", text)
    text = in_digits(text)
    for pattern, plainly in _WORDS:
        text = re.sub(pattern, plainly, text, flags=re.I)
    text = re.sub(r"\s*\n\s*(?=[=≈])|(?<=[=≈])\s*\n\s*", " ", text)
    text = re.sub(rf"([=≈])\s*{_ABOUT}\s*(?=[-+$\d.(])", r"≈", text, flags=re.I)
    text = re.sub(r"=\s*≈|≈\s*=", "≈", text).replace("==", "=")
    return _RELATION.sub(lambda m: " ≈ " if re.search(_ABOUT, m.group("about"), re.I) else f" {WORDED} ", text)


def _latex(text: str) -> str:
    if "\\" not in text and "{" not in text and "$" not in text:
        return text
    before = ""
    while before != text:  # from the inside out
        before = text
        for pattern, plainly in _LATEX:
            text = re.sub(pattern, plainly, text)
        text = _FRACTION.sub(r"((\1)/(\2))", text)
    return text.replace("{,}", ",").replace("{", "(").replace("}", ")")
