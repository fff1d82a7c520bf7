"""A tiny random chat model on disk: real files, real tokenizer, no download, and a fraction of a second to train."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from zoo.artifact import digest_file
from zoo.weights import Weights
from zoo.weights.to_gguf import write_f16

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = [
    "Question: Which drug is given first for anaphylaxis? Think step by step, then answer in a few words.",
    "The guideline says that adrenaline is given into the muscle at once. Answer yes, no or maybe. Options: user",
]


def tiny_tokenizer(folder: Path) -> Any:
    """A byte-level BPE tokenizer of 400 tokens with a ChatML template, saved in `folder`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>",
        unk_token="<|endoftext|>", chat_template=TEMPLATE,
    )  # fmt: skip
    fast.save_pretrained(folder)
    return fast


def tiny_weights(folder: Path, name: str = "zoo-tests/tiny-llama", dtype: str = "float32") -> Weights:
    """A random Llama (two layers, width 32, about 30,000 parameters) and its tokenizer, saved in `folder`; the same
    weights every time."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    return Weights(
        name=name, folder=folder, digest=digest_file(folder / "model.safetensors"), licence="Apache-2.0",
        origin="made for tests", revision=None, on_hub=False,
    )  # fmt: skip


def tiny_gguf(file: Path) -> Path:
    """The tiny Llama as a GGUF file in float16."""
    with tempfile.TemporaryDirectory() as folder:
        write_f16(tiny_weights(Path(folder)).folder, file)
    return file


def tiny_embedder(folder: Path) -> Path:
    """A random sentence embedder (one BERT layer, width 32) as sentence-transformers saves it; the same every time."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel

    inner = folder / "bert"
    tokenizer = tiny_tokenizer(inner)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
        )
        BertModel(config).save_pretrained(inner)
    transformer = Transformer(str(inner), max_seq_length=256)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder))
    return folder


def scripted_weights(
    folder: Path, said: list[str], special: bool = False, window: int = 1024, again: bool = False
) -> Path:
    """A chat model that answers every prompt with `said`, each entry a token of its own, in `folder`. `special`: the
    think tags count among its tokenizer's special tokens. `again`: it never ends, but begins anew.

    Attention and MLP add nothing, so that each token decides the next one alone: a prompt ends with a line end, and
    from there `said` is a chain to the end token.
    """
    import torch
    from tokenizers import AddedToken
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(folder)
    assert len({*said}) == len(said), "a token that comes twice has no one successor"
    tokenizer.add_tokens([AddedToken(t, special=special and "think>" in t, normalized=False) for t in said])
    tokenizer.save_pretrained(folder)
    size = 512
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=8, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=window, tie_word_embeddings=False, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    layer = model.model.layers[0]
    chain = tokenizer.convert_tokens_to_ids(["Ċ", *said, said[0] if again else "<|im_end|>"])
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight, model.lm_head.weight):
            weight.zero_()
        for now, following in itertools.pairwise(chain):
            model.lm_head.weight[following, now] = 1.0
    model.save_pretrained(folder)
    return folder
