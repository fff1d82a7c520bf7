"""Text from documents in a prompt: it cannot end its own fence, open a turn of the chat, or be obeyed unnoticed.

A document may hold orders to whoever reads it (indirect prompt injection, Greshake et al., arXiv 2302.12173). No
wording keeps a model from following them for sure, so rows are checked for the traces by code.
"""

from __future__ import annotations

import re

# Special tokens of chat templates, by what stands before or after the bracket that is taken from the rest.
_NAMES = "|".join([
    r"s|bos|eos|eod|sop|eop|pad|unk|mask|think|thinking|image|video|audio|system|user|assistant|human|tools?",
    r"tool_(?:call|response|result)s?|function_calls?|(?:start|end|begin)_of_\w+|end_header_id|fim_\w+",
    r"extra_id_\d+|reserved_\w+|unused_?\d+",
])  # fmt: skip
_TOKEN = re.compile(
    "|".join([
        r"[<\uff1c](?=\s?[|\uff5c])",  # <|im_start|>
        r"(?<=[|\uff5c])[>\uff1e]",
        rf"[<\uff1c](?=/?(?:{_NAMES})[>\uff1e])",  # </s>, <start_of_turn>
        r"[<\uff1c](?=[<\uff1c]/?SYS[>\uff1e])",  # <<SYS>>
        r"\[(?=/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|[gs]?MASK|CLS|SEP|PAD|UNK"
        r"|BOS|EOS)\])",
    ]),
    re.I,
)  # fmt: skip
_APART = "\u200b"  # nobody sees it, a quote is found with or without it, and a tokenizer knows no token with it
_QUOTES = re.compile(r'"+')
# Those that no text has but one about chat templates; `<s>` and the like HTML has too.
_TEMPLATE = re.compile(
    "|".join([
        r"<\s?[|\uff5c]\s?\w+[^<>\n]{0,20}[|\uff5c]\s?>", r"\[/?INST\]", r"\[/?SYSTEM_PROMPT\]", r"<<\s?/?SYS\s?>>",
        r"<(?:start|end)_of_turn>", r"</?think>",
    ]),
    re.I,
)  # fmt: skip
_MODEL = (
    r"(?:(?:an?|the|any|all|every|dear)\s+)*(?:LLMs?|(?:AI\s+)?(?:large\s+)?language\s+models?|chat\s?bots?"
    r"|GPT[\w.-]*"
    r"|(?:AI|digital|virtual)\s+(?:assistants?|models?|agents?|systems?)|AIs?)\b"
)
_EARLIER = (
    r"(?:(?:all|any|of|the|your|my|these|those|previous|prior|above|earlier|preceding|foregoing|other|system|original"
    r"|given|existing|initial)\s+)*"
)
_SAY = r"(?:answer|reply|respond|output|print|say|write|return)"
_ALONE = r"(?:only|just|simply|always|exactly|nothing\s+but)"
_WORDS = r"(?:the\s+(?:single\s+)?(?:words?|phrase|string|letter|token|text)\b|[\"'\u201c\u2018]\w)"
_ORDER = re.compile(
    "|".join([
        rf"\b(?:ignore|disregard|forget|override|bypass|(?:do\s+not|don't)\s+(?:follow|obey))\s+{_EARLIER}"
        r"(?:instructions?|prompts?|directions|directives|commands?|messages?)\b",
        r"\b(?:ignore|disregard|forget)\s+(?:(?:all|everything)\s+(?:of\s+)?)?(?:the\s+)?(?:above|previous"
        r"|foregoing)\b",
        r"\b(?:ignore|disregard|forget)\s+(?:everything|anything|whatever|what|all)\s+(?:that\s+)?you\b",
        r"\b(?:your|new|updated|revised)\s+(?:system\s+(?:prompt|message)|instructions?)\s*(?::|\b(?:is|are)\b)",
        r"\bsystem\s+(?:prompt|message|override)\b",
        rf"\b(?:note|message|instructions?|attention|warning|notice|request|important)\s*(?:,|:|to|for)\s+{_MODEL}",
        rf"^\W*dear\s+{_MODEL}", rf"\b(?:if|as|since|because)\s+(?:you\s+are\s+)?{_MODEL}\s*,?\s*you\b",
        rf"\byou\s+are\s+(?:now\s+|actually\s+)?(?:{_MODEL}|ChatGPT\b|DAN\b|in\s+(?:developer|debug"
        rf"|maintenance)\s+mode)",
        rf"\b{_SAY}\s+(?:\w+\s+){{0,3}}with\s+(?:{_ALONE}\s+)?{_WORDS}", rf"\b{_SAY}\s+{_ALONE}\s+(?:with\s+)?{_WORDS}",
        r"\b(?-i:answer|reply|respond|say|output|print)\s+(?:only\s+|just\s+|always\s+|with\s+)*(?-i:[A-Z]{4,})\b",
        r"\byour\s+(?:only\s+|final\s+|entire\s+|next\s+)*(?:answer|reply|response|output)s?\s+(?:must|should"
        r"|shall|has\s+to|is)\b",
        r"\b(?:answer|reply|response)s?\s+to\s+(?:every|all|any|each)\s+(?:\w+\s+)?questions?\s+(?:is|are|must"
        r"|should)\b",
        r"\b(?:do\s+not|don't|never)\s+(?:cite|quote|mention|reveal|disclose)\s+(?:\w+\s+){0,2}(?:prompt"
        r"|instructions?)\b",
        r"\b(?:make|take|treat|use|give|choose|pick|put)\s+(?:\S+\s+){1,4}(?:as\s+|for\s+)?(?:the"
        r"|your)\s+(?:right\s+|correct\s+)?(?:reply|answer)(?=\s*(?:[.,;:!?]|$))",
        r"[{,]\s*[\"']?(?:question|quotes|steps|distractors|verdict)[\"']\s*:",  # an answer in advance
        rf"\b{_SAY}\s+(?:only\s+)?(?:in|with|as)\s+(?:plain\s+text|(?:valid\s+)?JSON|markdown|base64|rot13)\b",
        r"^\W*(?:system|assistant|instruction|human|user)\s*:[^\n]*\b(?:you|must|answer|ignore|reply|respond"
        r"|always)\b",
    ]),
    re.I | re.M,
)  # fmt: skip


def fence(*texts: str) -> str:
    """Quotation marks to put around texts in a prompt: more of them than stand together anywhere in these."""
    longest = max((len(run) for text in texts for run in _QUOTES.findall(text)), default=0)
    return '"' * max(3, longest + 1)


def defused(text: str) -> str:
    """The text with every special token of a chat template taken apart by a character that nobody sees: a tokenizer
    reads letters where it would have read the end of a turn."""
    return _TOKEN.sub(lambda m: m.group() + _APART, text)


def order_in(text: str) -> str | None:
    """The first words of a text that order a model about or are a chat template's, None where there are none."""
    text = text.replace(_APART, "")
    found = _TEMPLATE.search(text) or _ORDER.search(text)
    return found.group() if found else None
