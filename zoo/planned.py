"""A run's plan in sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from zoo.console import money

Entry = dict[str, Any]


def sentences(entries: list[Entry]) -> Iterator[str]:
    """A line a step, and one with the sums of what is known."""
    for e in entries:
        for w in e.get("weights", []):
            yield f"weights: {w['name']} is not on this disk: {_fetching(w)}"
        if e["cached"]:
            yield f"{e['step']}: done, would be skipped"
            continue
        amount = ", ".join(_AMOUNTS[e["step"]](e)) if e["step"] in _AMOUNTS else ""
        line = f"{e['step']}: would run" + (f" over {amount}" if amount else "")
        spent = [f"about {roughly(s)}"] if (s := e.get("seconds")) is not None else []
        spent += [f"{mb:,} MB of disk"] if (mb := e.get("disk_mb")) else []
        line += f"; {', '.join(spent)}" if spent else ""
        yield line + (f" ({e['note']})" if e.get("note") else "")
    if any(not e["cached"] for e in entries):
        yield _sum(entries)


def _fetching(weights: Entry) -> str:
    sizes = [f"about {mb} MB to download"] if (mb := weights["download_mb"]) else []
    sizes += [f"{mb} MB of disk"] if (mb := weights["disk_mb"]) else []
    return str(weights["how"]) + (f" ({', '.join(sizes)})" if sizes else "")


def _ingest(e: Entry) -> Iterator[str]:
    size = f"{e['megabytes']} MB" if e["megabytes"] >= 0.1 else "less than 0.1 MB"
    yield f"{e['documents']:,} documents ({size})"
    if "coverage" in e:
        yield f"of {e['coverage']['files']:,} files found"


def _annotate(e: Entry) -> Iterator[str]:
    yield f"{e['seeds']:,} seeds"
    yield f"{'about ' if e.get('passages_are') == 'estimated' else ''}{e['passages']:,} passages"
    if e.get("readings"):
        yield f"{e['readings']:,} more for reading tasks"
    if e["sources"]:
        count = "the" if e["questions"] is None else f"{e['questions']:,}"
        yield f"{count} questions of {' and '.join(e['sources'])}"
    if graph := e.get("graph"):
        yield f"a graph of {graph['passages']:,} passages (at most {graph['questions']:,} questions)"
    teacher = "the local teacher" if e["teacher"] == "local" else e["teacher"]
    if e["calls"] is None:
        yield f"as many calls of {teacher} as they need (--max-calls, --max-tokens and --max-cost cap them)"
        return
    calls, most = f"{e['calls']:,} calls of {teacher}", e["most_calls"]
    if e["calls"] == most:
        yield f"at most {calls}"
    else:
        yield f"about {calls}" + (f" (at most {most:,})" if most is not None else "")
    yield f"about {e['tokens']['in']:,} tokens in and {e['tokens']['out']:,} out"
    if e["cost"] is None:
        yield f"at a price that no list has (prices.yaml in the workspace can name that of {teacher})"
    elif e["cost"]:
        yield f"about {money(e['cost'])}"
    yield from _student(e)


def _student(e: Entry) -> Iterator[str]:
    if "student" in e:
        yield f"at most {e['student']['calls']:,} calls of the base, to see what it knows already"


def _tokens(e: Entry) -> Iterator[str]:
    if e.get("rows") is not None:
        yield f"{e['rows']:,} rows"
    if e["tokens"] is not None:
        yield f"{e['tokens']:,} tokens"


def _evaluate(e: Entry) -> Iterator[str]:
    for suite, items in e["suites"].items():
        yield f"{suite} ({f'{items:,} items' if items is not None else 'items on the Hub, not counted'})"
    yield f"{e['requests']:,} requests in all"


_AMOUNTS: dict[str, Callable[[Entry], Iterator[str]]] = {
    "ingest": _ingest, "annotate": _annotate, "pretrain": _tokens, "finetune": _tokens, "evaluate": _evaluate,
}  # fmt: skip


def _sum(entries: list[Entry]) -> str:
    steps = [e for e in entries if not e["cached"]]
    unknown = [e["step"] for e in steps if e.get("seconds") is None and e["step"] != "release"]
    seconds = sum(e.get("seconds") or 0 for e in steps)
    weights = [w for e in steps for w in e.get("weights", [])]
    disk = sum(e.get("disk_mb") or 0 for e in (*steps, *weights))
    times = [f"about {roughly(seconds)}"] if seconds or not unknown else []
    times += [f"the time of {' and '.join(unknown)}"] if unknown else []
    return f"in all: {' and '.join(times)}" + (f", {disk:,} MB of disk" if disk else "")


def roughly(seconds: float) -> str:
    """What is only estimated, in one unit: seconds below two minutes, else minutes, or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
