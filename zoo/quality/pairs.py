"""As many right solutions as wrong ones of every form, and questions apart, so that neither tells them."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zoo.api import Example
from zoo.quality.solutions import Judged, solution_of
from zoo.training.forms import draw
from zoo.verifiers.reading import plain

# Over so many pairs the 95% interval of an AUROC of 0.7 is about 0.12 to either side: it leaves out what chance gives,
# and the 0.6 that a rule of form may reach is below it only from there on.
FEWEST = 40


@dataclass(frozen=True)
class Pairs:
    """Solutions to learn from and to test on: in `judged` every form has as many right ones as wrong ones, of each question
    one of either at the most."""

    judged: Sequence[Judged]

    @property
    def questions(self) -> int:
        """How many questions there are with a right solution, or with a wrong one, where those are fewer."""
        return min(len({j.solution.asked for j in self.judged if j.right == side}) for side in (True, False))

    @property
    def made(self) -> int:
        return sum(j.made for j in self.judged)


def matched(judged: Iterable[Judged], seed: int) -> Pairs:
    """Of every form as many right as wrong ones, a teacher's own mistakes before made ones, and those first whose question has
    both; which ones is drawn."""
    forms: dict[str, dict[bool, dict[str, Judged]]] = defaultdict(lambda: {True: {}, False: {}})
    for one in sorted(judged, key=lambda j: (j.made, draw(seed, j.solution.text, "pair"))):
        forms[one.form][one.right].setdefault(one.solution.asked, one)
    out: list[Judged] = []
    for _, sides in sorted(forms.items()):
        right, wrong = sides[True], sides[False]
        count = min(len(right), len(wrong))
        order = sorted(wrong, key=lambda a: (wrong[a].made, a not in right, draw(seed, a, "match")))
        chosen = set(order[:count])
        out += [wrong[a] for a in order[:count]]
        out += [right[a] for a in sorted(right, key=lambda a: (a not in chosen, draw(seed, a, "match")))[:count]]
    return Pairs(out)


def folds_of(pairs: Pairs, others: Iterable[str], count: int, seed: int) -> dict[str, int]:
    """A fold for every question, `others` included; those of the pairs are spread evenly."""
    asked = {j.solution.asked for j in pairs.judged}
    orders = (sorted(part, key=lambda a: draw(seed, a, "fold")) for part in (asked, set(others) - asked))
    return {a: n % count for order in orders for n, a in enumerate(order)}


def made_wrong(row: Example, seed: int) -> Judged | None:
    """A wrong solution out of a right one to a question from a document, in the same form: with another of the options as its
    answer, or with one number of its evidence changed. None where neither can be done."""
    found = solution_of(row)
    if found is None or row.origin != "document":
        return None
    solution, form = found
    others = [c for c in row.choices if plain(c) != plain(row.answer)]
    if others:
        wrong = replace(solution, answer=others[int(draw(seed, row.id, "option") * len(others))])
        return Judged(wrong, form, right=False, made=True)
    changed = _other_number(
        solution.reasoning, " ".join(c.quote for c in row.citations), random.Random(f"{seed}:{row.id}")
    )
    return Judged(replace(solution, reasoning=changed), form, right=False, made=True) if changed else None


def _other_number(text: str, evidence: str, rng: random.Random) -> str:
    """The text with one of the evidence's whole numbers changed wherever it stands, to another with as many digits; empty
    where it has none of them."""
    numbers = sorted(set(re.findall(r"\b\d+\b", text)) & set(re.findall(r"\b\d+\b", evidence)))
    if not numbers:
        return ""
    old = rng.choice(numbers)
    low, high = 10 ** (len(old) - 1), 10 ** len(old) - 1
    new = rng.choice([n for n in {rng.randint(low, high) for _ in range(8)} | {low, high} if n != int(old)])
    return re.sub(rf"\b{old}\b", str(new), text)
