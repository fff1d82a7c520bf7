"""YAML that people write, read strictly: an unknown key is refused with the nearest name, a wrong value in one sentence.

Settings decide a step's fingerprint. Those marked `runtime` (time, processes) change how a step runs but not what it leaves,
and stay out of it; so do those marked `place`, in whose stead the step's identity has a digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from zoo.errors import RequestError, unknown

M = TypeVar("M", bound=BaseModel)
_NOT_IDENTITY: dict[str, JsonValue] = {"identity": False}
_KEY = "[key]"  # ends the place of what pydantic has against a mapping's key


# What pydantic says of a value, by its type of error, as a domain expert would: the key comes before it.
_WORDS = {
    "greater_than_equal": "should be at least {ge}", "greater_than": "should be more than {gt}",
    "less_than_equal": "should be at most {le}", "less_than": "should be less than {lt}",
    "literal_error": "should be {expected}", "missing": "is missing",
    "finite_number": "should be a finite number", "int_from_float": "should be a whole number",
    **dict.fromkeys(("int_type", "int_parsing"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"), "string_type": "should be text",
    "list_type": "should be a list", **dict.fromkeys(("dict_type", "model_type"), "should be a mapping of names to values"),
}  # fmt: skip


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def runtime(default: Any, **constraints: Any) -> Any:
    """A setting about time or processes that decides nothing of what is left: kept in the record, not in the fingerprint."""
    return Field(default, json_schema_extra=_NOT_IDENTITY, **constraints)


def place(default: Any) -> Any:
    """A setting that says where something lies: kept in the record, not in the fingerprint, which has its digest."""
    return Field(default, json_schema_extra=_NOT_IDENTITY)


def read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise RequestError(f"{path} cannot be read: {e}.") from e
    except (yaml.YAMLError, ValueError) as e:  # a date that does not exist is a ValueError
        raise RequestError(f"{path} is not valid YAML{_why(e)}.") from e


def _why(e: Exception) -> str:
    mark = getattr(e, "problem_mark", None)
    line = f" at line {mark.line + 1}" if mark and mark.line else ""
    return f"{line}: {getattr(e, 'problem', None) or e}"


def validated(model: type[M], data: Any, where: str) -> M:
    """`data` as a `model`, or one sentence about the first thing wrong with it, with the nearest name for an unknown key."""
    try:
        return model.model_validate(data)
    except ValidationError as e:
        # A mistyped key is also a missing one: the typo says more.
        first = min(e.errors(), key=lambda error: error["type"] != "extra_forbidden")
        path = [p for p in first["loc"] if p != _KEY]
        dotted = ".".join(str(p) for p in path)
        if first["type"] == "extra_forbidden" or (first["type"] == "literal_error" and _KEY in first["loc"]):
            raise unknown(f"key in {where}{_under(path[:-1])}", str(path[-1]), keys_at(model, path[:-1])) from e
        own = keys_at(model, path) if first["type"] == "model_type" and path else []
        names = f" ({', '.join(own)})" if own else ""
        raise RequestError(f"{where}: {dotted or 'the file'} {_said(first)}{names}.") from e


def _said(error: ErrorDetails) -> str:
    """What is wrong with a value, and the value where it is short enough to be recognised."""
    given = error.get("ctx", {})
    if "error" in given:  # a check of our own
        return str(given["error"])
    if error["type"] not in _WORDS:
        return f"cannot be used: {error['msg'].lower()}"
    words = _WORDS[error["type"]].format(**given)
    value = error["input"]
    return f"is {value}; it {words}" if isinstance(value, (str, int, float)) and len(str(value)) < 40 else words


def _under(path: list[Any]) -> str:
    return f" under {'.'.join(map(str, path))}" if path else ""


def keys_at(model: type[BaseModel], path: list[Any]) -> list[str]:
    """The field names that `model` has at `path` (names and list positions), or the keys that a mapping there takes."""
    current: type[BaseModel] = model
    for part in path:
        if isinstance(part, int):
            continue
        info = current.model_fields.get(part)
        nested = _model_in(info.annotation) if info else None
        if nested is None:
            key = next(iter(get_args(info.annotation)), None) if info else None
            return [str(k) for k in get_args(key)] if get_origin(key) is Literal else []
        current = nested
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _model_in(inner):
            return found
    return None


def with_settings(model: type[BaseModel], recipe: dict[str, Any], settings: tuple[str, ...]) -> dict[str, Any]:
    """`recipe`, which is to be a `model`, with each `key.path=value` applied; values are read as YAML.

    Unknown keys are refused with the nearest name.
    """
    out: dict[str, Any] = yaml.safe_load(yaml.safe_dump(recipe))
    for setting in settings:
        key, eq, value = setting.partition("=")
        if not eq:
            raise RequestError(
                f"--set {setting!r} is not of the form key=value, for example finetune.learning_rate=1e-4."
            )
        parts = key.strip().split(".")
        node: Any = out
        seen: list[Any] = []
        for part in parts[:-1]:
            known = keys_at(model, seen)
            if known and part not in known:
                raise unknown(f"setting{_under(seen)}", part, known)
            node[part] = node.get(part) or {}
            node = node[part]
            seen.append(part)
            if not isinstance(node, dict):
                raise RequestError(f"--set {setting!r}: {'.'.join(seen)} has no settings under it.")
        known = keys_at(model, seen)
        if known and parts[-1] not in known:
            raise unknown(f"setting{_under(seen)}", parts[-1], known)
        node[parts[-1]] = _scalar(value, setting)
    return out


def _scalar(value: str, setting: str) -> Any:
    try:
        parsed = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as e:
        raise RequestError(
            f"--set {setting!r}: {value!r} cannot be read as a value; it takes a number, a word, or a list or mapping as in "
            "YAML: [a, b], {a: 1}."
        ) from e
    if isinstance(parsed, str):
        # YAML 1.1 reads 1e-4 as a string; people who type it mean the number.
        try:
            return float(parsed)
        except ValueError:
            return parsed
    return parsed


def identity_of(settings: BaseModel) -> dict[str, Any]:
    """The part of a step's settings that decides what it leaves (all but those marked `runtime` or `place`)."""
    skip = {name for name, info in type(settings).model_fields.items() if info.json_schema_extra == _NOT_IDENTITY}
    return settings.model_dump(mode="json", exclude=skip)
