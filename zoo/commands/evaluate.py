"""`zoo evaluate NAME@VERSION`: a release measured again on this machine. Without a version or repository it is the step."""

from __future__ import annotations

from zoo.commands import options as o
from zoo.config import Options
from zoo.console import say


def evaluate_release(reference: str, request: Options, plan: bool, json: bool) -> None:
    """Measures `DOMAIN@VERSION` or `ORG/NAME[@VERSION]` and says how its scores compare with its card's."""
    from zoo.evaluation import released

    measuring = released.prepare(reference, request)
    if plan:
        o.print_plan(released.plan(measuring), json)
        return
    result = released.measure(measuring)
    if json:
        o.print_json(result)
    else:
        say(result["artifact"])
