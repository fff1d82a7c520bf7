"""The adapter as files, and merged into its base; what was written is loaded again and must give the same logits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zoo.errors import ZooError
from zoo.training.rows import TokenRow
from zoo.weights import Weights

TOLERANCE = 1e-3  # greatest difference of a logit, float32
ROUNDED = 2**-5  # the same relative to the largest logit, where the base's own 16-bit type rounds the merged weights
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json",
)  # fmt: skip


def load_base(base: Weights, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        base.folder, dtype=dtype, attn_implementation="sdpa", local_files_only=True
    )


def load_adapted(base: Weights, adapter: Path, dtype: torch.dtype) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(base, dtype), str(adapter)).eval()


def write_adapter(saved: Path, folder: Path, base: Weights) -> None:
    """The adapter in `saved` (as peft left it) with the base's name instead of a path of this disk, spelled one way."""
    config = json.loads((saved / "adapter_config.json").read_text(encoding="utf-8"))
    config.update(
        base_model_name_or_path=base.name, revision=base.revision if base.on_hub else None, inference_mode=True
    )
    # peft keeps these as sets, whose order differs from one process to the next.
    config = {k: sorted(v) if isinstance(v, list) else v for k, v in config.items()}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(saved / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def merge(base: Weights, adapter: Path, folder: Path, rows: Sequence[TokenRow]) -> float:
    """Writes the merged model in the base's own dtype with the base's tokenizer and chat template, and returns the
    greatest difference of a logit between base with adapter and the merged model as loaded from disk, over `rows`.

    Raises ZooError where it exceeds 1e-3 in float32, or a 32nd of the largest logit where the base is kept in 16 bits.
    """
    adapted = load_adapted(base, adapter, torch.float32)
    expected = _logits(adapted, rows)
    stored = _dtype_of(base)
    merged = adapted.merge_and_unload().to(stored)
    merged.config._name_or_path = base.name
    shutil.rmtree(folder, ignore_errors=True)
    merged.save_pretrained(folder)
    _complete(folder, base)
    del adapted, merged
    found = _logits(_load_merged(folder), rows)
    difference = max(float((a - b).abs().max()) for a, b in zip(expected, found, strict=True))
    largest = max(float(a.abs().max()) for a in expected)
    limit = TOLERANCE if stored == torch.float32 else ROUNDED * largest
    if not difference < limit:
        raise ZooError(
            f"The merged model's logits differ from the adapter's by {difference:.2g} (at most {limit:.2g} is "
            "rounding); do not use it, and report the base and the versions in record.json."
        )
    return difference


def write_model(saved: Path, folder: Path, base: Weights) -> None:
    """The whole weights in `saved` (as the library left them) with the base's tokenizer, and its name instead of a path."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder)
    path = folder / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), "_name_or_path": base.name}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _complete(folder, base)


def _complete(folder: Path, base: Weights) -> None:
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)  # the library lets nobody but the owner read them
    for name in _TOKENIZER:
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, folder / name)


def _load_merged(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True
    ).eval()


def _dtype_of(base: Weights) -> torch.dtype:
    config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    return getattr(torch, name)  # type: ignore[no-any-return]


@torch.no_grad()
def _logits(model: Any, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
    return [model(input_ids=torch.tensor([row.tokens])).logits[0].float() for row in rows]
