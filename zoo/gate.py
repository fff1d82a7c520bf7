"""The rule that lets a model be released: better on the domain, not worse in general, both by paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.run import Run

GENERAL = "general"
_GENERAL_ITEMS = 300  # fewer cannot tell a loss of the margin from noise


@dataclass(frozen=True)
class Gate:
    suite: str
    general_margin: float
    reasons: list[str]

    @property
    def passed(self) -> bool:
        return not self.reasons


def gate_suite(run: Run) -> str:
    """The suite that decides: the recipe's, else the first one named in the request, else the domain's."""
    named = [*run.options.suites, *run.options.suite_data]
    return run.recipe.release.suite or (named[0] if named else run.domain.config.gate.suite)


def sure_refusals(run: Run) -> list[str]:
    """The reasons for which the request's own settings already decide that the gate will refuse."""
    from zoo.evaluation.suites import suite_ids

    chosen, limit = suite_ids(run), run.recipe.evaluate.limit.get(GENERAL)
    reasons = [
        f"the suite {name} {why} is not among those evaluated; add it to evaluate.suites"
        for name, why in ((gate_suite(run), "that decides"), (GENERAL, "that shows what the model forgot"))
        if name not in chosen
    ]
    if limit is not None and limit < _GENERAL_ITEMS:
        reasons.append(
            f"evaluate.limit.{GENERAL} is {limit} and the gate needs {_GENERAL_ITEMS} items of it; raise or drop that limit"
        )
    return reasons


def judge(run: Run, suites: list[dict[str, Any]]) -> Gate:
    """Holds evaluate's scores against the rule; every reason is a sentence with the numbers in it."""
    own = run.recipe.release.general_margin
    margin = run.domain.config.gate.general_margin if own is None else own
    by_id = {s["suite"]: s for s in suites}
    name = gate_suite(run)
    reasons = []
    if not (domain := by_id.get(name)):
        reasons.append(f"the suite {name} that decides was not evaluated")
    elif domain["difference"]["low"] <= 0:
        d = domain["difference"]
        reasons.append(
            f"on {name} the model ({domain['model']:.3f}) is not surely better than {domain['baseline']} "
            f"({domain['baselines'][domain['baseline']]:.3f}): difference {d['value']:+.3f}, "
            f"95% interval {d['low']:+.3f} to {d['high']:+.3f} over {domain['n']} items"
        )
    if not (general := by_id.get(GENERAL)):
        reasons.append(f"the suite {GENERAL} was not evaluated, so what the model forgot is not known")
    elif general["n"] < _GENERAL_ITEMS:
        reasons.append(f"only {general['n']} items of {GENERAL} were evaluated; {_GENERAL_ITEMS} are needed")
    elif (d := general["versus_zero_shot"])["low"] < -margin:
        reasons.append(
            f"on {GENERAL} the model may have lost more than {margin:.3f} against its base: difference {d['value']:+.3f}, "
            f"95% interval {d['low']:+.3f} to {d['high']:+.3f} over {general['n']} items"
        )
    return Gate(name, margin, reasons)
