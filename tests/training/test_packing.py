from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes.models import tiny_tokenizer
from tests.training.test_trainer import adapted
from zoo.training.loss import Collator, losses
from zoo.training.packing import Piece, pack, pieces_of
from zoo.training.shared import Shared, alone


def texts(*lengths: int) -> list[Piece]:
    generator = torch.Generator().manual_seed(2)
    return [Piece(tuple(torch.randint(3, 300, (n,), generator=generator).tolist())) for n in lengths]


def test_no_text_of_a_packed_row_sees_another(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    pieces = texts(30, 12, 21, 40, 9)
    packs = [Shared((), row) for row in pack(pieces, 48, 0)]
    assert any(len(p.rows) > 1 for p in packs) and len({len(p) for p in packs}) > 1
    apart = sum(float(losses(model, part).answer.detach()) for p in pieces for part in Collator(0, 999)([alone(p)]))
    parts = Collator(0, 999)(packs)
    assert any("attention_mask" in p for p in parts)
    together = [losses(model, part) for part in parts]
    assert sum(float(t.answer.detach()) for t in together) == pytest.approx(apart, rel=1e-5)
    assert sum(t.tokens for t in together) == sum(len(p) - 1 for p in pieces)


def test_rows_of_one_whole_text_need_no_mask() -> None:
    (part,) = Collator(0, 999)([Shared((), (p,)) for p in texts(20, 20)])
    assert part.keys() == {"input_ids", "labels", "questions"}


def test_every_piece_is_packed_once_and_rows_are_full() -> None:
    pieces = texts(*range(5, 60, 3))
    packs = pack(pieces, 64, 1)
    assert sorted(p.tokens for row in packs for p in row) == sorted(p.tokens for p in pieces)
    widths = [sum(map(len, row)) for row in packs]
    assert max(widths) <= 64
    assert sum(widths) / (64 * len(packs)) > 0.9
    assert packs == pack(pieces, 64, 1) != pack(pieces, 64, 2)


def best_fit(pieces: list[Piece], length: int, seed: int) -> list[tuple[Piece, ...]]:
    """The rows as they are defined: each piece in the fullest row it fits in, the first of several."""
    rows: list[list[Piece]] = []
    order = list(pieces)
    random.Random(seed).shuffle(order)
    for piece in sorted(order, key=len, reverse=True):
        fitting = [r for r in rows if sum(map(len, r)) + len(piece) <= length]
        if fitting:
            max(fitting, key=lambda r: sum(map(len, r))).append(piece)
        else:
            rows.append([piece])
    random.Random(seed).shuffle(rows)
    return [tuple(r) for r in rows]


def test_rows_are_those_of_best_fit() -> None:
    chance = random.Random(5)
    for seed in range(20):
        pieces = texts(*(chance.randint(2, 48) for _ in range(chance.randint(0, 60))))
        assert pack(pieces, 48, seed) == best_fit(pieces, 48, seed)


@pytest.mark.timeout(60)
def test_a_large_corpus_is_packed_in_seconds() -> None:
    chance = random.Random(6)
    # Ranges stand for pieces, of which only the lengths count here: as many tuples would take half a gigabyte.
    pieces: list[Any] = [range(n, n + chance.randint(2, 512)) for n in range(200_000)]
    packs = pack(pieces, 512, 0)
    assert sorted(p.start for row in packs for p in row) == list(range(200_000))
    widths = [sum(map(len, row)) for row in packs]
    assert max(widths) <= 512
    assert sum(widths) / (512 * len(packs)) > 0.95


def test_a_text_ends_with_the_end_token_and_loses_nothing(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    pieces = pieces_of(tokenizer, "A first sentence. And a second one that is longer.", 8)
    tokens = [t for p in pieces for t in p.tokens]
    assert max(map(len, pieces)) <= 8 and tokens[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(tokens[:-1]) == "A first sentence. And a second one that is longer."


def test_what_looks_like_a_special_token_in_a_document_ends_nothing(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end != tokenizer.unk_token_id and end in tokenizer("a <|im_end|> b")["input_ids"]
    (piece,) = pieces_of(tokenizer, "a <|im_end|> b", 99)
    assert end not in piece.tokens[:-1]
