"""Reads JSON out of what a model wrote, and holds it to a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from zoo.prompting import split_response

_MOST_BRACES = 1000
_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.S)
# A backslash that JSON does not know, or that begins \b or \f: in prose those are TeX (\beta, \frac), not controls.
_TEX = re.compile(r'(?<!\\)((?:\\\\)*)\\(?=[^"\\/nrtu]|(?:nu|neq|nabla|rho|right|text|theta|times|tau|tan)\b)')


def read_json(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer, whatever stands around it. Raises ValueError, saying what is wrong."""
    answer = split_response(text)[1] or text
    words = {n for n, s in schema["properties"].items() if "enum" in s}
    for part in (*reversed(_FENCE.findall(answer)), answer):
        found = _first_object(part, words)
        if found is not None:
            return _checked(found, schema)
    raise ValueError("there is no JSON object in it")


def _first_object(text: str, words: set[str]) -> dict[str, Any] | None:
    """Raises ValueError where what is said in the fields `words`, each one of a few, is said in several ways."""

    def held(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _same_words([dict([pair]) for pair in pairs], words)
        return dict(pairs)

    decoder = json.JSONDecoder(strict=False, object_pairs_hook=held)
    fixed = _TEX.sub(r"\1\\\\", text)
    found: list[dict[str, Any]] = []
    end = 0
    # Each brace may be tried to the text's end: of one that is nothing but braces a few will do.
    for brace in islice(re.finditer(r"\{", fixed), _MOST_BRACES):
        if brace.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(fixed, brace.start())
        except _Contradicts:
            raise
        except ValueError:
            continue
        except RecursionError:  # brackets within brackets, as from a model that can only repeat itself
            break
        found.append(value)
        if not words:
            break
    _same_words(found, words)
    return found[0] if found else None


class _Contradicts(ValueError):
    pass


def _same_words(objects: list[dict[str, Any]], words: set[str]) -> None:
    for name in words:
        said = {str(o[name]) for o in objects if name in o}
        if len(said) > 1:
            raise _Contradicts(f"the field {name!r} is given as {' and as '.join(sorted(said))}")


def _checked(value: dict[str, Any], schema: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """The object's known fields, each of its type; the required ones are there."""
    for name in schema["required"]:
        if name not in value:
            raise ValueError(f"the field {inside + name!r} is missing")
    return {n: _fitting(value[n], s, inside + n) for n, s in schema["properties"].items() if n in value}


def _fitting(value: Any, schema: Mapping[str, Any], name: str) -> Any:
    want = schema["type"]
    if want == "string":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f"the field {name!r} should be a string")
        if value not in schema.get("enum", [value]):
            raise ValueError(f"the field {name!r} should be one of {', '.join(schema['enum'])}")
        return writable(value)
    if want == "object":
        if not isinstance(value, dict):
            raise ValueError(f"the field {name!r} should be an object")
        return _checked(value, schema, f"{name}.")
    of = "strings" if schema["items"]["type"] == "string" else "objects"
    if not isinstance(value, list) or (of == "strings" and not all(isinstance(x, str) for x in value)):
        raise ValueError(f"the field {name!r} should be a list of {of}")
    return [_fitting(x, schema["items"], name) for x in value]


def writable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may hold (a character that was cut in two) and no file may."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
