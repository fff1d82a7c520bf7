"""Which kind of question is asked about a passage."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

from zoo.annotating import Material
from zoo.api import Kind
from zoo.library import Domain

from .checks import Refused
from .pick import QUANTITY

# Where a domain does not say: of these, the kinds that it has a verifier for.
WEIGHTS: dict[Kind, float] = {"choice": 3, "short": 1, "number": 1, "yes_no_maybe": 1, "explanation": 1}
HAVE_QUANTITIES = 0.3  # of passages of guidelines, textbooks and statutes: these make up for those that have none
_GOLDEN = (5**0.5 - 1) / 2


def kind_for(item: Material, domain: Domain) -> Kind:
    """By the passage's number, so that any run of them has about the proportions that the domain asks for (multiples of
    the golden ratio lie evenly); a number only where the passage has a quantity. Raises Refused where the domain could
    check none."""
    declared: Mapping[Kind, float] = dict(domain.config.kinds.items()) or WEIGHTS
    weights = {k: w for k, w in declared.items() if k in domain.verifiers}
    if "number" in weights and len(weights) > 1:
        others = sum(weights.values()) - weights["number"]
        share = min(0.9, weights["number"] / (others + weights["number"]) / HAVE_QUANTITIES)
        weights["number"] = others * share / (1 - share) if QUANTITY.search(item.passage.text) else 0
    if not weights:
        raise Refused("domain_has_no_verifier")
    at = (item.number + 1) * _GOLDEN % 1 * sum(weights.values())
    ends = list(accumulate(weights.values()))
    return list(weights)[min(bisect_right(ends, at), len(ends) - 1)]
