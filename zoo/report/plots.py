"""The page's plots as SVG that keeps its text size at any width: places are percentages, colours are classes of the style
sheet, and labels lie outside the plot in its margins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from zoo.report.wording import number, signed, words

_MOST_POINTS = 400
_USUAL = 0.98  # of the steps, which the scale of a curve is made for


def share(part: int, whole: int) -> Markup:
    """A bar of which `part` of `whole` is filled."""
    percent = 100 * part / whole if whole else 0.0
    return Markup(
        '<svg class="share" role="img" aria-label="{} of {}"><rect class="rest" width="100%" height="100%"/>'
        '<rect class="kept" width="{}%" height="100%"/></svg>'
    ).format(part, whole, f"{percent:.2f}")


def forest(suites: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For every suite, by id, its difference to the strongest baseline with the interval, all on one scale; and, as
    `axis`, that scale."""
    gaps = [s["difference"] for s in suites]
    low = min([0.0, *(g["low"] for g in gaps)])
    high = max([0.0, *(g["high"] for g in gaps)])
    pad = 0.06 * (high - low) or 0.1
    low, high = low - pad, high + pad

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    rows = {s["suite"]: _interval(s, at) for s in suites}
    marks = [
        Markup('<text x="{}" y="12" class="{}">{}</text>').format(
            at(t), "zero" if t == 0 else "", "0" if t == 0 else _tick(t)
        )
        for t in ticks(low, high, 5)
    ]
    axis = Markup('<svg class="axis" aria-hidden="true">{}</svg>').format(Markup("").join(marks))
    return {"rows": rows, "axis": axis}


def tone(gap: dict[str, float]) -> str:
    """Whether an interval lies above zero, below it, or holds it."""
    return "better" if gap["low"] > 0 else "worse" if gap["high"] < 0 else "unclear"


def _interval(suite: dict[str, Any], at: Callable[[float], str]) -> Markup:
    gap = suite["difference"]
    said = (
        f"{suite['suite']}: difference to {words(suite['baseline'])} {signed(gap['value'])}, "
        f"95% interval {signed(gap['low'])} to {signed(gap['high'])}"
    )
    return Markup(
        '<svg class="interval {tone}" role="img" aria-label="{said}"><line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="100%"/>'
        '<line class="range" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
        '<line class="range" x1="{low}" x2="{low}" y1="32%" y2="68%"/><line class="range" x1="{high}" x2="{high}" y1="32%" y2="68%"/>'
        '<circle cx="{value}" cy="50%" r="5"/></svg>'
    ).format(tone=tone(gap), said=said, zero=at(0), low=at(gap["low"]), high=at(gap["high"]), value=at(gap["value"]))


def _tick(value: float) -> str:
    return f"{value:+g}".replace("-", "−")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most about `most`, with zero among them where it lies between."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [round(n * step, 10) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def curve(rows: Sequence[dict[str, Any]]) -> Markup:
    """Training loss by tokens: each step faint, the mean of the last tenth of steps strong, validation with a mark at
    each. `rows` have `tokens` and, where taken, `loss` and `validation_loss`; what is not finite is left out. The few
    steps that lie far above all others are cut off at the top, which says so: they would press the rest flat."""
    steps = [(r["tokens"], r["loss"]) for r in rows if math.isfinite(r.get("loss", math.nan))]
    checks = [(r["tokens"], r["validation_loss"]) for r in rows if math.isfinite(r.get("validation_loss", math.nan))]
    if not steps:
        return Markup("")
    right = max(x for x, _ in (*steps, *checks)) or 1
    smooth = _trailing([y for _, y in steps])
    usual = sorted(y for _, y in steps)[: max(1, round(_USUAL * len(steps)))]
    marks, low, top = _scale([*usual, *smooth, *(y for _, y in checks)])

    def height(value: float) -> float:
        """In percent from the top."""
        return max(0.0, 100 - 100 * (value - low) / (top - low))

    lines = [
        ("raw", _thin(steps)), ("mean", _thin([(x, y) for (x, _), y in zip(steps, smooth, strict=True)])), ("checks", checks),
    ]  # fmt: skip
    drawn = [
        Markup('<polyline class="{}" points="{}"/>').format(
            name, " ".join(f"{100 * x / right:.2f},{height(y):.2f}" for x, y in (points * 2)[: max(2, len(points))])
        )
        for name, points in lines if points
    ]  # fmt: skip
    dots = [
        Markup('<circle class="checks" cx="{:.2f}%" cy="{:.2f}%" r="3"/>').format(100 * x / right, height(y))
        for x, y in checks
    ]
    grid = [_grid_line(f"{height(t):.2f}%", number(t)) for t in marks]
    feet = [
        Markup('<text class="x" x="{:.2f}%" y="100%" dy="18">{}</text>').format(100 * t / right, _thousands(t))
        for t in ticks(0.0, float(right), 4)
    ]
    if above := [y for _, y in steps if y > top]:
        said = f"{len(above)} higher, up to {number(max(above))}"
        grid.append(Markup('<text class="y" x="100%" y="0" dy="-6">{}</text>').format(said))
    return Markup(
        '<svg class="curve" role="img" aria-label="Loss over {right} tokens, from {first} to {last}">{under}'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">{lines}</svg>{over}</svg>'
    ).format(
        right=number(right), first=number(smooth[0]), last=number(smooth[-1]), under=Markup("").join([*grid, *feet]),
        lines=Markup("").join(drawn), over=Markup("").join(dots),
    )  # fmt: skip


def _scale(values: Sequence[float]) -> tuple[list[float], float, float]:
    """Round numbers around the values, and the first and last of them; from zero on, where the values come near it."""
    low, high = min(values), max(values) or 1.0
    low = 0.0 if low < high / 2 else low
    marks = ticks(low, high, 6) if high > low else []
    step = marks[1] - marks[0] if len(marks) > 1 else high or 1.0
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = [round(n * step, 10) for n in range(first, max(last, first + 1) + 1)]
    return marks, marks[0], marks[-1]


def _grid_line(y: str, label: str) -> Markup:
    return Markup(
        '<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/><text class="y" x="0" y="{y}" dx="-8" dy="4">{label}</text>'
    ).format(y=y, label=label)


def _trailing(values: Sequence[float]) -> list[float]:
    """The mean of the last tenth of all values, as many as there are so far."""
    width = max(1, len(values) // 10)
    sums = [0.0, *accumulate(values)]
    return [(sums[n] - sums[max(0, n - width)]) / min(n, width) for n in range(1, len(sums))]


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `_MOST_POINTS` of them, each the mean of its neighbours, with the last one's place kept."""
    width = math.ceil(len(points) / _MOST_POINTS)
    groups = [points[n : n + width] for n in range(0, len(points), width)]
    return [(g[-1][0], sum(y for _, y in g) / len(g)) for g in groups]


def _thousands(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"
