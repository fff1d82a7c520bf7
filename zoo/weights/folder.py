"""Model folders: what keeps one from being used, as far as its files' headers tell, and its digest and licence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from zoo.artifact import digest_file, digest_text

Role = Literal["base", "embedder"]
FOUND = "found.json"
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_LONGEST_HEADER = 100 * 2**20  # bytes; the safetensors format's own limit


def lacking(folder: Path, role: Role) -> str | None:
    """What is missing or damaged, in words that follow 'it'; None where nothing is. Reads no weights."""
    if not isinstance(_json(folder / "config.json"), dict):
        return "has no config.json that can be read"
    if not list(folder.glob("*.safetensors")):
        return "has no *.safetensors"
    for file in sorted(folder.glob("*.safetensors")):
        if not _whole(file):
            return f"has a damaged or incomplete {file.name}"
    for index in folder.glob("*.safetensors.index.json"):
        listed = _json(index)
        shards = listed.get("weight_map") if isinstance(listed, dict) else None
        if not isinstance(shards, dict):
            return f"has no {index.name} that can be read"
        if missing := sorted(s for s in {str(v) for v in shards.values()} if not (folder / s).is_file()):
            return f"has no {missing[0]}, which {index.name} lists"
    if role == "embedder":
        return None if any((folder / name).is_file() for name in _TOKENIZERS) else "has no tokenizer (tokenizer.json)"
    if not _is_tokenizer(folder / "tokenizer.json"):
        return "has no tokenizer.json that can be read"
    if not _has_chat_template(folder):
        return "has no chat template (chat_template.jinja), which an instruction-tuned base has"
    return None


def _json(path: Path) -> Any:
    """What is in the file; None where that is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _whole(path: Path) -> bool:
    """Whether a safetensors file's header can be read and the file is as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            return False
        header = f.read(length)
    try:
        ends = [entry["data_offsets"][1] for name, entry in json.loads(header).items() if name != "__metadata__"]
        return bool(max(ends, default=0) == size - 8 - length)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return False


def _is_tokenizer(path: Path) -> bool:
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower
        return False
    return True


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    settings = _json(folder / "tokenizer_config.json")
    return isinstance(settings, dict) and bool(settings.get("chat_template"))


def digest_of(folder: Path) -> str:
    """One digest over a model folder's weights, config and tokenizer."""
    names = [p for p in sorted(folder.iterdir()) if p.suffix in {".safetensors", ".json", ".jinja"} and p.name != FOUND]
    return digest_text("\n".join(f"{p.name} {digest_file(p)}" for p in names))


def card_licence(folder: Path) -> str:
    """The licence in the head of the folder's README.md; 'unknown' where it names none, or its head cannot be read."""
    import yaml
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    try:
        found = (metadata_load(card) or {}).get("license") if card.is_file() else None
    except (ValueError, yaml.YAMLError):
        found = None
    return found if isinstance(found, str) and found else "unknown"
