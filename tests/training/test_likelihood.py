from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.training.test_trainer import adapted, choice_rows, shared
from zoo.training.likelihood import likelihoods
from zoo.training.loss import Collator, losses


def scaled() -> Any:
    """A model that divides what its output layer says, as Granite's do."""
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(1)
    return GraniteForCausalLM(GraniteConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, logits_scaling=0.05, tie_word_embeddings=False,
    ))  # fmt: skip


def biased(frozen: bool = True) -> Any:
    """One whose output layer has a bias, and trains unless it is frozen."""
    model = scaled()
    model.config.logits_scaling = 1.0
    model.lm_head = torch.nn.Linear(32, 300, bias=True).requires_grad_(not frozen)
    return model


@pytest.mark.parametrize("make", [scaled, biased, lambda: biased(frozen=False)], ids=["scaled", "biased", "trained"])
@pytest.mark.parametrize("again", [False, True])
def test_losses_and_gradients_are_those_of_the_models_own_logits(make: Any, again: bool) -> None:
    model = make()
    if not model.lm_head.weight.requires_grad:
        model.lm_head.requires_grad_(False)
    ids = torch.randint(0, 300, (2, 9), generator=torch.Generator().manual_seed(2))
    labels = ids.clone()
    labels[:, :4] = -100
    logits = model(input_ids=ids).logits[:, :-1].float()
    expected = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    expected.backward()
    wanted = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    for _ in range(2 if again else 1):  # what the first pass found out about the model holds for the next
        model.zero_grad()
        found = losses(model, {"input_ids": ids, "labels": labels})
        found.answer.backward()
        assert float(found.answer.detach()) == pytest.approx(float(expected.detach()), rel=1e-5) and found.tokens == 10
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        assert gradients.keys() == wanted.keys()
        assert all(torch.allclose(gradients[n], wanted[n], rtol=1e-3, atol=1e-5) for n in wanted)


def test_no_more_than_a_few_positions_logits_are_held_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted(tmp_path)
    whole = [losses(model, part) for part in Collator(0, 4096)(shared(choice_rows()))]
    monkeypatch.setattr("zoo.training.likelihood._AT_ONCE", {"cpu": 2 * model.get_output_embeddings().weight.shape[0]})
    widths: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, args, __: widths.append(args[0].shape[1]))
    parts = [losses(model, part) for part in Collator(0, 4096)(shared(choice_rows()))]
    assert set(widths) == {1}
    for a, b in zip(whole, parts, strict=True):
        assert float(a.answer.detach()) == pytest.approx(float(b.answer.detach()), rel=1e-5)
        assert float(a.choice.detach()) == pytest.approx(float(b.choice.detach()), rel=1e-5)


def test_without_gradients_they_are_the_same(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    ids = torch.randint(3, 300, (1, 12), generator=torch.Generator().manual_seed(3))
    needed = torch.ones(1, 11, dtype=torch.bool)
    with torch.no_grad():
        found = likelihoods(model, needed, input_ids=ids)(torch.arange(11), ids[0, 1:])
        own = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    assert torch.allclose(found, own, atol=1e-5)


def test_in_16_bits_no_token_is_likelier_than_all_together() -> None:
    model = scaled().to(torch.bfloat16)
    model.config.logits_scaling = 1.0
    with torch.no_grad():
        model.lm_head.weight.mul_(500.0)
    model.lm_head.requires_grad_(False)
    ids = torch.randint(0, 300, (4, 60), generator=torch.Generator().manual_seed(4))
    needed = torch.ones(4, 59, dtype=torch.bool)
    with torch.no_grad():
        best = model(input_ids=ids).logits[:, :-1].flatten(0, 1).argmax(-1)
        found = likelihoods(model, needed, input_ids=ids)(torch.arange(4 * 59), best)
        own = model(input_ids=ids).logits[:, :-1].float().log_softmax(-1).flatten(0, 1).gather(1, best[:, None])[:, 0]
    assert float(found.max()) <= 1e-3 and torch.allclose(found, own, atol=0.3)
