"""What annotating will take: calls, tokens, cost and time, from a sample of the items; and how far off that was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from zoo.annotating import Annotator, annotator_digest, kind_of
from zoo.artifact import RECORD, canonical, digest_text
from zoo.asking import Asked, Item, limits_of, usd
from zoo.errors import ZooError
from zoo.passages import Tokens
from zoo.run import Run
from zoo.teachers.budget import UNLIMITED, Limits, Spend
from zoo.teachers.chosen import answer_tokens, chosen, teacher_name
from zoo.teachers.prices import Price

SAMPLE = 200  # items
FRAME_TOKENS = 10  # what a chat template puts around a message
LOCAL_START_S, LOCAL_CALL_S, LOCAL_BYTES = 5.0, 2.3, 538e6  # 135M parameters in float32 on two CPU cores
# An endpoint that nobody has timed yet: no measurement, and said to be none.
FIRST_TOKEN_S, TOKENS_PER_SECOND, AT_A_TIME = 1.0, 50.0, 16


@dataclass(frozen=True)
class Need:
    """What a number of items takes. `items`, calls and tokens are means times numbers, and need not be whole."""

    items: float = 0.0
    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def plus(self, other: Need) -> Need:
        return Need(*(a + b for a, b in zip(self._all(), other._all(), strict=True)))

    def times(self, factor: float) -> Need:
        return Need(*(factor * a for a in self._all()))

    def whole(self) -> Need:
        """Rounded up: of a call that a budget has no room for, nothing is spent."""
        return Need(*(math.ceil(a) for a in self._all()))

    def _all(self) -> tuple[float, float, float, float]:
        return self.items, self.calls, self.tokens_in, self.tokens_out

    def spend(self, price: Price | None) -> Spend:
        tokens_in, tokens_out = round(self.tokens_in), round(self.tokens_out)
        return Spend(round(self.calls), tokens_in, tokens_out, price.most(tokens_in, tokens_out) if price else 0)

    def data(self) -> dict[str, Any]:
        tokens = {"in": round(self.tokens_in), "out": round(self.tokens_out)}
        return {"items": round(self.items), "calls": round(self.calls), "tokens": tokens}


@dataclass(frozen=True)
class Past:
    """What an earlier run of the same teacher and annotators took, as a ratio to what was reckoned of it: calls an item,
    tokens a call. `seconds` a call, as many at a time as it had under way; None where the cache answered it all."""

    calls: float = 1.0
    tokens_in: float = 1.0
    tokens_out: float = 1.0
    seconds: float | None = None

    def applied(self, need: Need) -> Need:
        calls = self.calls
        return Need(
            need.items, calls * need.calls, calls * self.tokens_in * need.tokens_in,
            calls * self.tokens_out * need.tokens_out,
        )  # fmt: skip


class Sample:
    """The first items and some spread over all `count` of them, taken from an iterator that is gone through once."""

    def __init__(self, items: Iterable[Item], count: int) -> None:
        step = max(1, -(-count // SAMPLE))
        self.count = count
        self.first: list[Item] = []
        self.spread: list[Item] = []
        for n, item in enumerate(items):
            if n < SAMPLE:
                self.first.append(item)
            if n % step == 0:
                self.spread.append(item)


def needs_of(
    run: Run, items: Iterable[Item], annotators: dict[str, Annotator], tokens: Tokens, longest: int
) -> Iterator[Need]:
    """What each item usually takes, by what its annotator would ask; no answer is longer than `longest` tokens."""
    for item in items:
        annotator = annotators[kind_of(item)]
        usual = annotator.usual(item, run.domain, run.recipe.annotate)
        sizes = [len(s) for s in tokens.starts([t for u in usual for t in (u.prompt.text, u.answer)])] if usual else []
        written = sum(min(n, longest) for n in sizes[1::2])
        yield Need(1, len(usual), sum(sizes[0::2]) + FRAME_TOKENS * len(usual), written)


def estimate(
    run: Run, sample: Sample, annotators: dict[str, Annotator], tokens: Tokens, price: Price | None
) -> dict[str, Any]:
    """`calls`, `tokens` in and out, `cost` (None without a price), `seconds` (None by batches) and a `note` on these; `raw` is
    what was reckoned of all items, before budgets and before what an earlier run showed was applied."""
    settings = run.recipe.annotate
    price = price.by_batch() if price and settings.batch else price
    limits, past = limits_of(settings), past_of(run, annotators)
    longest = answer_tokens(run)
    seen = _sum(needs_of(run, sample.spread, annotators, tokens, longest))
    raw = seen.times(sample.count / seen.items) if seen.items else Need()
    need = past.applied(raw)
    share = _share(need, limits, price)
    reached = need.times(share)
    if share < 1 and reached.items < len(sample.first):
        each = (past.applied(n) for n in needs_of(run, sample.first, annotators, tokens, longest))
        reached = _until(each, limits, price)
    seconds, note = _time(run, reached, past)
    spend = reached.spend(price)
    return {
        "calls": spend.calls, "tokens": {"in": spend.tokens_in, "out": spend.tokens_out},
        "cost": usd(spend.cost) if price else None, "seconds": seconds, "note": note, "raw": raw.data(),
    }  # fmt: skip


def _sum(needs: Iterable[Need]) -> Need:
    total = Need()
    for need in needs:
        total = total.plus(need)
    return total


def _share(need: Need, limits: Limits, price: Price | None) -> float:
    """How much of what is needed the budgets allow."""
    spend = need.spend(price)
    shares = [most / used for most, used in _pairs(limits, spend) if used]
    return min([1.0, *shares])


def _pairs(limits: Limits, spend: Spend) -> list[tuple[int, int]]:
    used = (spend.calls, spend.tokens, spend.cost)
    return [(most, n) for most, n in zip(limits, used, strict=True) if most is not None]


def _until(needs: Iterable[Need], limits: Limits, price: Price | None) -> Need:
    """The needs of the first items, the last of them in part, that the budgets allow."""
    total = Need()
    for need in needs:
        with_it = total.plus(need)
        if limits.over(with_it.whole().spend(price)):
            low, high = 0.0, 1.0
            for _ in range(20):
                middle = (low + high) / 2
                over = limits.over(total.plus(need.times(middle)).whole().spend(price))
                low, high = (low, middle) if over else (middle, high)
            return total.plus(need.times(low))
        total = with_it
    return total


def _time(run: Run, need: Need, past: Past) -> tuple[float | None, str]:
    if run.recipe.annotate.batch:
        held = limits_of(run.recipe.annotate) != UNLIMITED
        more = ", and a budget, of which the most that items may need is set aside, makes more of them" if held else ""
        return None, f"a batch may take a day, and what its answers lead to makes another{more}"
    if past.seconds is not None:
        return round(past.seconds * need.calls, 1), "the time as an earlier run with this teacher took"
    if chosen(run) is None:
        seconds = LOCAL_START_S + LOCAL_CALL_S * _times_as_large(run) * need.calls if need.calls else 0.0
        return round(seconds, 1), "rough: as 135M parameters answer on 2 CPU cores, larger ones in proportion"
    many = min(run.recipe.annotate.concurrency, AT_A_TIME)
    seconds = (FIRST_TOKEN_S * need.calls + need.tokens_out / TOKENS_PER_SECOND) / many
    note = (
        f"the time is not measured: as if an answer began after {FIRST_TOKEN_S:g} s and came at {TOKENS_PER_SECOND:.0f} tokens/s, "
        f"{many} at a time"
    )
    return round(max(seconds, FIRST_TOKEN_S if need.calls else 0.0), 1), note


def _times_as_large(run: Run) -> float:
    """The local teacher's weights against those of 135M parameters; 1 where they are not on this disk yet."""
    try:
        place = run.local_teacher.folder
    except ZooError:
        return 1.0
    files = [place] if place.is_file() else list(place.glob("*.safetensors"))
    return sum(f.stat().st_size for f in files) / LOCAL_BYTES or 1.0


# --- what an earlier run showed --------------------------------------------------------------------------------------


def key_of(run: Run, annotators: dict[str, Annotator]) -> str:
    """A digest of what an earlier run must have had in common for its ratios to hold: the model, and the annotators with
    their prompts."""
    made_by = {a.name: [a.version, annotator_digest(a.name, run.domain)] for a in annotators.values()}
    return digest_text(canonical({"teacher": teacher_name(run), "annotators": made_by}))[:16]


def past_of(run: Run, annotators: dict[str, Annotator]) -> Past:
    """The ratios of the last finished run in this workspace with the same teacher and annotators, and the seconds a
    call of the last one that truly asked; ones where there is none."""
    key = key_of(run, annotators)
    folder = run.workspace.root / run.domain.name / "annotate"
    results = [r["result"] for r in _records(folder) if r["result"].get("estimate", {}).get("key") == key]
    results = [r for r in results if r["calls"] and r["asked"] and r["estimate"]["raw"]["calls"]]
    if not results:
        return Past()
    last, raw = results[0], results[0]["estimate"]["raw"]
    calls = (last["calls"] / last["asked"]) / (raw["calls"] / raw["items"])
    each = {
        way: (last["tokens"][way] / last["calls"]) / (raw["tokens"][way] / raw["calls"]) if raw["tokens"][way] else 1.0
        for way in ("in", "out")
    }
    timed = next((r["estimate"]["timed"] for r in results if r["estimate"]["timed"]["calls"]), None)
    seconds = timed["seconds"] / timed["calls"] if timed else None
    return Past(calls, each["in"], each["out"], seconds)


def _records(folder: Any) -> list[dict[str, Any]]:
    """The records below a step's folder, the last to end first; one that is broken is none."""
    found = []
    for path in folder.glob(f"*/{RECORD}"):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return sorted((r for r in found if "result" in r), key=lambda r: str(r.get("ended", "")), reverse=True)


def compared(before: dict[str, Any], asked: Asked, price: Price | None, key: str) -> dict[str, Any]:
    """The estimate for the record: as it was, with `off`, the share by which each number was too high (+) or too low (-);
    None where there is nothing to compare, as for the time of a run that the cache answered in part. `timed` is what a later
    plan takes the time of a call from."""
    spent = asked.ended.spent
    timed = before["seconds"] is not None  # a batch's time is its provider's, and foretells nothing
    fresh = timed and not asked.usage.cached
    off = {
        "calls": _off(before["calls"], spent.calls),
        "tokens": _off(before["tokens"]["in"] + before["tokens"]["out"], spent.tokens),
        "cost": _off(before["cost"], usd(spent.cost)) if price else None,
        "seconds": _off(before["seconds"], asked.seconds) if fresh else None,
    }
    took = {"calls": asked.paid.calls if timed else 0, "seconds": round(asked.seconds, 2)}
    return {**{k: v for k, v in before.items() if k != "note"}, "off": off, "timed": took, "key": key}


def _off(estimated: float, actual: float) -> float | None:
    return round(estimated / actual - 1, 3) if actual else None


def said(off: dict[str, float | None]) -> str:
    """For example: `the estimate was 3% too high in calls, 5% too low in tokens`."""
    parts = [f"{_too(share)} in {name}" for name, share in off.items() if share is not None]
    return f"the estimate was {', '.join(parts)}" if parts else ""


def _too(share: float) -> str:
    if round(100 * share) == 0:
        return "right"
    if share >= 1:
        return f"{1 + share:.1f} times too high"
    return f"{abs(share):.0%} too {'high' if share > 0 else 'low'}"
