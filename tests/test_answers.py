from __future__ import annotations

from typing import Any

import pytest

from zoo.answers import read_json

STEP = {
    "type": "object", "properties": {"text": {"type": "string"}, "quote": {"type": "string"}}, "required": ["text"],
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "steps": {"type": "array", "items": STEP},
        "tags": {"type": "array", "items": {"type": "string"}},
        "answer": {"type": "string"},
        "level": {"type": "string", "enum": ["basic", "complex"]},
        "first": STEP,
    },
    "required": ["steps", "answer"],
}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"steps": [{"text": "a", "more": 1}], "answer": 5}', {"steps": [{"text": "a"}], "answer": "5"}),
        ('Sure: {"answer": "x", "steps": [], "tags": ["b"]} done', {"steps": [], "tags": ["b"], "answer": "x"}),
        ('<think>{"no": 1}</think>{"steps": [{"text": "a", "quote": "q"}], "answer": "x", "level": "basic"}',
         {"steps": [{"text": "a", "quote": "q"}], "answer": "x", "level": "basic"}),
        ('```json\n{"steps": [{"text": "$\\frac{1}{2}$"}], "answer": "\\beta"}\n```',
         {"steps": [{"text": "$\\frac{1}{2}$"}], "answer": "\\beta"}),
    ],
)  # fmt: skip
def test_the_known_fields_are_read_each_of_its_type(text: str, read: dict[str, Any]) -> None:
    assert read_json(text, SCHEMA) == read


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("nothing", "there is no JSON object"),
        ('{"steps": []}', "the field 'answer' is missing"),
        ('{"steps": "a", "answer": "x"}', "the field 'steps' should be a list of objects"),
        ('{"steps": ["a"], "answer": "x"}', "the field 'steps' should be an object"),
        ('{"steps": [{"quote": "a"}], "answer": "x"}', "the field 'steps.text' is missing"),
        ('{"steps": [], "tags": [1], "answer": "x"}', "the field 'tags' should be a list of strings"),
        ('{"steps": [], "answer": true}', "the field 'answer' should be a string"),
        ('{"steps": [], "answer": "x", "level": "hard"}', "the field 'level' should be one of basic, complex"),
        ('{"steps": [], "answer": "x", "first": []}', "the field 'first' should be an object"),
    ],
)
def test_what_is_wrong_is_said_by_the_fields_name(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_json(text, SCHEMA)
