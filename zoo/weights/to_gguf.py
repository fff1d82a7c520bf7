"""A folder of safetensors as an f16 GGUF file, for llama.cpp: Llama models with a byte-level BPE tokenizer.

Others are refused with the reason: a model that was converted nearly right would answer nonsense, and nothing would tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.console import say
from zoo.errors import RequestError
from zoo.weights import Weights
from zoo.weights.aside import beside

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
# How a tokenizer cuts text before it merges, as its file says it, and llama.cpp's name for that.
_CUTS: list[tuple[list[dict[str, Any]], str]] = [
    ([_BYTES], "gpt-2"),
    ([{"type": "Digits", "individual_digits": True}, _BYTES], "smollm"),
]


def require_convertible(folder: Path) -> None:
    """Raises RequestError, saying why, where `folder` has no model that can be written as GGUF. Reads no weights."""
    if why := _unlike(_json(folder / "config.json"), _json(folder / "tokenizer.json")):
        raise RequestError(
            f"The model in {folder} cannot be put to llama.cpp: {why}; leave annotate.local_engine=transformers, or name a "
            "GGUF file of it with --teacher-model."
        )


def f16_of(weights: Weights, cache: Path) -> Path:
    """The weights as a GGUF file in `cache`, written once. Raises RequestError where they cannot be, ZooError where there
    is no room."""
    place = cache / "gguf" / f"{weights.digest[:16]}-f16.gguf"
    if place.is_file():
        return place
    with beside(place) as aside:
        if not place.is_file():
            say(f"  {weights.name}: written as GGUF in float16, once")
            write_f16(weights.folder, aside / "model.gguf")
            (aside / "model.gguf").rename(place)
    return place


def write_f16(folder: Path, into: Path) -> None:
    """Writes `into`: matrices in float16, norms in float32, the tokenizer, and the chat template."""
    from gguf import GGUFWriter, LlamaFileType

    require_convertible(folder)
    config = _json(folder / "config.json")
    writer = GGUFWriter(str(into), "llama")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_name(folder.name)
    _describe(writer, config)
    _add_tokenizer(writer, folder, int(config["vocab_size"]))
    for name, tensor in _tensors(folder, config):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Positions' settings, which older files keep apart."""
    return {"rope_theta": config.get("rope_theta", 10_000.0), **(config.get("rope_scaling") or {})} | (
        config.get("rope_parameters") or {}
    )


def _unlike(config: dict[str, Any], tokenizer: dict[str, Any]) -> str | None:
    if config.get("architectures") != ["LlamaForCausalLM"]:
        return (
            f"it is a {' and '.join(config.get('architectures') or ['model of no named kind'])}, not a LlamaForCausalLM"
        )
    rope = _rope(config)
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return "its positions are scaled"
    if config.get("attention_bias") or config.get("mlp_bias"):
        return "its layers have biases"
    if config.get("hidden_act", "silu") != "silu":
        return f"its activation is {config['hidden_act']}"
    if (
        tokenizer["model"].get("type") != "BPE"
        or tokenizer["model"].get("byte_fallback")
        or tokenizer.get("normalizer")
    ):
        return "its tokenizer is no byte-level BPE"
    return None if _cut(tokenizer) else "its tokenizer cuts text in a way that is not known here"


def _cut(tokenizer: dict[str, Any]) -> str | None:
    cut = tokenizer.get("pre_tokenizer") or {}
    parts = cut["pretokenizers"] if cut.get("type") == "Sequence" else [cut]
    said = [{k: v for k, v in part.items() if k != "trim_offsets"} for part in parts]
    return next((name for wanted, name in _CUTS if said == wanted), None)


def _describe(writer: Any, config: dict[str, Any]) -> None:
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(float(_rope(config)["rope_theta"]))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))


def _add_tokenizer(writer: Any, folder: Path, size: int) -> None:
    from gguf import TokenType
    from transformers import AutoTokenizer

    described = _json(folder / "tokenizer.json")
    loaded = AutoTokenizer.from_pretrained(folder)
    added = {t["id"]: t for t in described["added_tokens"]}
    by_id = {n: text for text, n in described["model"]["vocab"].items()} | {n: t["content"] for n, t in added.items()}
    tokens, kinds = [], []
    for n in range(size):
        tokens.append(by_id.get(n, f"[PAD{n}]"))
        if n not in by_id:
            kinds.append(TokenType.UNUSED)
        elif n in added:
            kinds.append(TokenType.CONTROL if added[n]["special"] else TokenType.USER_DEFINED)
        else:
            kinds.append(TokenType.NORMAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cut(described))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = described["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    for kind in ("bos", "eos", "pad", "unk"):
        if (number := getattr(loaded, f"{kind}_token_id")) is not None:
            getattr(writer, f"add_{kind}_token_id")(number)
    writer.add_add_bos_token(False)  # a chat template writes it where the model wants it
    writer.add_chat_template(loaded.get_chat_template())


def _tensors(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    import numpy as np
    from gguf import MODEL_ARCH, get_tensor_name_map
    from safetensors import safe_open

    names = get_tensor_name_map(MODEL_ARCH.LLAMA, int(config["num_hidden_layers"]))
    heads = int(config["num_attention_heads"])
    turned = {"q_proj": heads, "k_proj": int(config.get("num_key_value_heads") or heads)}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as stored:
            for name in stored.keys():
                if name.endswith("rotary_emb.inv_freq"):
                    continue
                tensor = stored.get_tensor(name).float().numpy()
                if (part := name.split(".")[-2]) in turned:
                    tensor = _turned(tensor, turned[part])
                yield (
                    f"{names.get_name(name.removesuffix('.weight'))}.weight",
                    tensor.astype(np.float32 if tensor.ndim == 1 else np.float16),
                )


def _turned(weight: Any, heads: int) -> Any:
    """Rows in llama.cpp's order: it turns neighbouring pairs of a head, transformers the halves."""
    rows = weight.shape[0] // heads
    return weight.reshape(heads, 2, rows // 2, -1).swapaxes(1, 2).reshape(weight.shape)
