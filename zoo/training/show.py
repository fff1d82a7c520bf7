"""One row as text with its trained tokens marked, so that a wrong loss mask is seen before it costs anything."""

from __future__ import annotations

from typing import Any

from zoo.training.rows import IGNORED, TokenRow

OPEN, CLOSE = "⟦", "⟧"


def marked(row: TokenRow, tokenizer: Any, most: int = 1200) -> str:
    """The row's text, each run of trained tokens between ⟦ and ⟧, and the options the answer is trained against; the
    middle of a long untrained run is left out."""
    out = []
    for trained, tokens in _runs(row):
        text = tokenizer.decode(tokens)
        if trained:
            out.append(f"{OPEN}{text}{CLOSE}")
        else:
            cut = len(text) - most
            out.append(text if cut <= 0 else f"{text[: most // 2]} [... {cut} characters ...] {text[-most // 2 :]}")
    if row.others:
        out.append(f"  (against: {' | '.join(map(tokenizer.decode, row.others))})")
    return "".join(out)


def _runs(row: TokenRow) -> list[tuple[bool, list[int]]]:
    runs: list[tuple[bool, list[int]]] = []
    for token, label in zip(row.tokens, row.labels, strict=True):
        if not runs or runs[-1][0] != (label != IGNORED):
            runs.append((label != IGNORED, []))
        runs[-1][1].append(token)
    return runs
