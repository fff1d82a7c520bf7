from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes.models import tiny_weights
from zoo.console import Progress
from zoo.output_layer import output_layer_at
from zoo.settings import FinetuneSettings
from zoo.training.batches import Layout
from zoo.training.loss import Collator, losses
from zoo.training.merge import load_base
from zoo.training.rows import TokenRow
from zoo.training.shared import Shared, alone, share
from zoo.training.trainer import (
    COMPLETE,
    AnswerTrainer,
    Watch,
    arguments,
    last_checkpoint,
)

LENGTHS = [(40, 10), (41, 3), (44, 20), (90, 1), (17, 12)]


def token_rows() -> list[TokenRow]:
    generator = torch.Generator().manual_seed(1)
    return [
        TokenRow(f"e{n}", "short", "direct", tuple(torch.randint(3, 300, (length,), generator=generator).tolist()),
                 length - trained, True)
        for n, (length, trained) in enumerate(LENGTHS)
    ]  # fmt: skip


def adapted(folder: Path) -> Any:
    """The tiny model with an adapter of two random halves: one that starts at zero hides half of the gradient."""
    from peft import LoraConfig, get_peft_model

    base = load_base(tiny_weights(folder), torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def ours(
    model: Any,
    folder: Path,
    pass_tokens: int = 64,
    rows: list[TokenRow] | None = None,
    choice_weight: float = 0.0,
    fold: bool = True,
) -> AnswerTrainer:
    rows = rows or token_rows()
    layout = Layout([list(range(len(rows)))], [sum(map(len, rows))], None)
    watch = Watch(Progress("tokens", None, "tokens"), layout, folder / "best", 1, 0.0)
    args = arguments(FinetuneSettings(), folder / "checkpoints", 1, 0, 0)
    return AnswerTrainer(model, args, shared(rows), [], layout, Collator(0, pass_tokens), watch, choice_weight, fold)


def shared(rows: list[TokenRow]) -> list[Shared]:
    return [alone(r) for r in rows]


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("fold", [True, False])
def test_loss_and_gradients_are_those_of_trl(tmp_path: Path, fold: bool) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    model = adapted(tmp_path)
    theirs_model = copy.deepcopy(model)
    rows = token_rows()
    data = Dataset.from_list([{"input_ids": list(r.tokens), "labels": r.labels} for r in rows])
    config = SFTConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=len(rows), report_to="none", disable_tqdm=True,
        max_length=None, bf16=False, gradient_checkpointing=False, use_cpu=True,
    )  # fmt: skip
    theirs = SFTTrainer(
        model=theirs_model, args=config, train_dataset=data, processing_class=AutoTokenizer.from_pretrained(tmp_path)
    )
    batch = theirs.data_collator([data[n] for n in range(len(rows))])
    expected = theirs.training_step(theirs_model, batch, num_items_in_batch=sum(r.trained for r in rows))
    trainer = ours(model, tmp_path, fold=fold)
    assert len(trainer.data_collator(shared(rows))) > 1
    found = trainer.training_step(model, trainer.data_collator(shared(rows)))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    a, b = gradients(theirs_model), gradients(model)
    assert a.keys() == b.keys() and len(a) == 28
    for name in a:
        assert torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6), name


def test_the_loss_is_that_of_the_model_itself(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    for part in Collator(0, 4096)(shared(token_rows())):
        found = losses(model, part)
        assert float((found.answer / found.tokens).detach()) == pytest.approx(
            float(model(**{k: v for k, v in part.items() if k != "questions"}).loss.detach()), rel=1e-5
        )


OTHERS = [((5, 6, 7), (8,)), (), ((9, 9), (10, 11), (12, 13, 14, 15)), ((16,),), ()]


def choice_rows() -> list[TokenRow]:
    """Rows of which three have other options; the fourth row's answer needs a word before its end token."""
    rows = [replace(row, others=others) for row, others in zip(token_rows(), OTHERS, strict=True)]
    rows[3] = replace(rows[3], start=rows[3].start - 1)
    return rows


def test_the_choice_loss_is_that_of_options_read_one_by_one(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    rows, weight = choice_rows(), 0.7

    def likelihood(prompt: tuple[int, ...], option: tuple[int, ...]) -> torch.Tensor:
        logits = model(input_ids=torch.tensor([[*prompt, *option]])).logits[0, len(prompt) - 1 : -1]
        return logits.log_softmax(-1).gather(1, torch.tensor(option)[:, None]).sum()

    answer, choice = torch.zeros(()), torch.zeros(())
    for row in rows:
        prompt, said = row.tokens[: row.start], row.tokens[row.start :]
        answer -= likelihood(prompt, said)
        if row.others:
            scores = torch.stack([likelihood(prompt, o) for o in (said[:-1], *row.others)])
            choice -= scores.log_softmax(0)[0]
    expected = answer / sum(r.trained for r in rows) + weight * choice / len(rows)
    expected.backward()
    wanted = gradients(model)
    trainer = ours(model, tmp_path, rows=rows, choice_weight=weight)
    assert len(trainer.data_collator(shared(rows))) > 1
    found = trainer.training_step(model, trainer.data_collator(shared(rows)))
    assert float(found) == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, gradient in gradients(model).items():
        assert torch.allclose(gradient, wanted[name], rtol=1e-4, atol=1e-6), name


def rows_about(passages: list[tuple[int, ...]], tails: list[int]) -> list[TokenRow]:
    """For every passage a question of each length, with two options beside the answer but for the first."""
    generator = torch.Generator().manual_seed(4)

    def some(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 300, (n,), generator=generator).tolist())

    return [
        TokenRow(f"{p}-{n}", "choice", "direct", (*passage, *some(tail), *some(3)), len(passage) + tail, True,
                 (some(2), some(4)) if n else ())
        for p, passage in enumerate(passages) for n, tail in enumerate(tails)
    ]  # fmt: skip


def test_questions_about_one_passage_are_read_together_with_the_same_loss_and_gradients(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    passages = [r.tokens[:n] for r, n in zip(token_rows(), (40, 30, 44), strict=False)]
    rows = rows_about(passages, [5, 9, 4])
    trainer = ours(model, tmp_path, rows=rows, choice_weight=0.7)
    expected = float(trainer.training_step(model, trainer.data_collator(shared(rows))))
    wanted = gradients(model)
    together = share(rows, 3, 200)
    assert [len(s.rows) for s in together] == [3, 3, 3] and sum(map(len, together)) < 0.7 * sum(map(len, rows))
    found = trainer.training_step(model, trainer.data_collator(together))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    for name, gradient in gradients(model).items():
        assert torch.allclose(gradient, wanted[name], rtol=1e-4, atol=1e-6), name


def test_rows_share_within_the_budgets_and_none_is_lost() -> None:
    rows = rows_about([r.tokens[:30] for r in token_rows()[:3]], [5, 9, 4, 6, 7])
    for most, length in ((2, 500), (5, 80), (5, 20), (1, 500)):
        together = share(rows, most, length)
        assert sorted(r.tokens for s in together for r in s.rows) == sorted(r.tokens for r in rows)
        assert all(len(s.rows) <= most and (len(s) <= length or len(s.rows) == 1) for s in together)
        assert all(r.tokens[: len(s.head)] == s.head for s in together for r in s.rows)
    (other,) = rows_about([tuple(range(300, 330))], [5])
    assert alone(other) in share([*rows, other], 5, 500)


def test_folded_weights_follow_every_step(tmp_path: Path) -> None:
    found = []
    for fold in (True, False):
        model = adapted(tmp_path)
        trainer = ours(model, tmp_path, fold=fold)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        for _ in range(3):
            found.append(float(trainer.training_step(model, trainer.data_collator(shared(token_rows())))))
            optimizer.step()
            optimizer.zero_grad()
    assert found[:3] == pytest.approx(found[3:], rel=1e-4)
    assert found[2] < found[0]


def test_of_several_gpus_one_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    trainer = ours(model, tmp_path)
    assert trainer.args.n_gpu == 1
    trainer.train()
    assert trainer.model_wrapped is model and trainer.state.global_step == 1


def test_the_output_layer_is_whole_again_after_a_failure(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    with pytest.raises(RuntimeError, match="stop"), output_layer_at(model, torch.ones(1, 4, dtype=torch.bool)):
        raise RuntimeError("stop")
    assert model(input_ids=torch.ones(1, 5, dtype=torch.long)).logits.shape[:2] == (1, 5)


def test_padding_stays_out_of_attention_and_rows_without_it_need_no_mask() -> None:
    rows = [r for r in token_rows() if len(r) < 50]
    parts = Collator(0, 4096)(shared(rows))
    for part in parts:
        lengths = (part["input_ids"] != 0).sum(1)
        if "attention_mask" in part:
            assert part["attention_mask"].sum(1).tolist() == lengths.tolist()
        else:
            assert len(set(lengths.tolist())) == 1
    assert any("attention_mask" in p for p in parts) and not all("attention_mask" in p for p in parts)


def test_a_checkpoint_that_a_kill_cut_off_is_not_used(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    for step in (4, 8, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (4, 8):
        (tmp_path / f"checkpoint-{step}" / COMPLETE).write_text('{"seconds": 1}')
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-8"
    assert not (tmp_path / "checkpoint-12").exists()
