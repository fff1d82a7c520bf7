"""GGUF files: whether one can be read, its licence, and its model as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.console import say
from zoo.errors import RequestError, ZooError, first_line

_MEND = "download it anew, or convert it with a current llama.cpp"


def require_readable(path: Path) -> None:
    """Reads the file's header and its list of tensors; RequestError where they are not those of a whole GGUF file."""
    _reader(path)


def licence(path: Path) -> str:
    found = _reader(path).get_field("general.license")
    return str(found.contents()) if found else "unknown"


def _reader(path: Path) -> Any:
    from gguf import GGUFReader

    try:
        return GGUFReader(str(path))
    except (
        Exception
    ) as e:  # what the reader raises on a file that is cut short or made of other bytes is no one's contract
        raise RequestError(f"{path} cannot be read as a GGUF file ({first_line(e)}); {_MEND}.") from e


def dequantise(path: Path, into: Path) -> None:
    """Writes the GGUF file's model in float32 safetensors with its tokenizer and chat template to `into`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    say(f"  {path.name}: dequantising, once")
    where: dict[str, Any] = {"gguf_file": path.name}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **where)
    except Exception as e:  # the same: it raises whatever its parsers meet
        raise ZooError(
            f"The model in {path} cannot be dequantised ({first_line(e)}); give --base its folder of safetensors instead."
        ) from e
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
