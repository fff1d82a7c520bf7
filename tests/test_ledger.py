from __future__ import annotations

from typing import Any

from zoo.api import Attempt, Example, Judgement, Rejected, Verdict
from zoo.ledger import Ledger, table

STAGES = ("pick", "write", "solve")


def attempts(**said: Judgement | None) -> list[Attempt]:
    return [
        Attempt(stage=s, prompt="p", said="", verdicts=[Verdict(check="c", verdict=v)] if v else [])
        for s, v in said.items()
    ]


def kept(**said: Judgement | None) -> Example:
    return Example(
        id="e", kind="short", question="q", answer="a", origin="document", source="s", licence="l", attempts=attempts(**said)
    )  # fmt: skip


def rejected(reason: str, mistake: Any = None, **said: Judgement | None) -> Rejected:
    return Rejected(reason=reason, mistake=mistake, attempts=attempts(**said))


def test_every_count_adds_up() -> None:
    ledger = Ledger({"qa": STAGES, "idle": ("solve",)})
    rows = [
        rejected("too_short"), rejected("malformed", write="wrong"), rejected("leans", write="right"),
        rejected("disagree", "calculation", write="right", solve="wrong"),
        rejected("leaked", write="right", solve="right"), kept(write="right", solve="right"), kept(write=None, solve="right"),
    ]  # fmt: skip
    for row in rows:
        ledger.add("qa", row)
    ledger.sieve("repeats", 5, ["same", "same"])
    pick, write, solve, idle, repeats = ledger.data()
    assert pick == {
        "of": "qa", "stage": "pick", "in": 7, "right": 6, "kept": 0, "went_on": 6, "rejected": {"too_short": 1},
    }  # fmt: skip
    assert write["in"] == 6 and write["right"] == 4 and write["rejected"] == {"leans": 1, "malformed": 1}
    assert (solve["in"], solve["right"], solve["kept"]) == (4, 3, 2) and solve["rejected"] == {
        "disagree": 1,
        "leaked": 1,
    }
    assert idle["in"] == 0 and repeats["in"] == 5 and repeats["kept"] == 3 and repeats["rejected"] == {"same": 2}
    for line in ledger.data():
        assert line["in"] == line["kept"] + line["went_on"] + sum(line["rejected"].values())
    for before, after in ((pick, write), (write, solve)):
        assert before["went_on"] == after["in"]
    assert ledger.mistakes == {"calculation": 1}


def test_it_is_printed_with_what_was_given_and_without_stages_that_had_no_row() -> None:
    ledger = Ledger({"qa": ("solve",), "idle": ("solve",)})
    ledger.given(1200, {"quote_not_in_document": 3})
    ledger.add("qa", kept(solve="right"))
    ledger.add("qa", rejected("malformed", solve="wrong"))
    ledger.sieve("repeats", 1201, ["same"])
    assert list(table(ledger.data())) == [
        "stage              in  right   kept  went on  rejected",
        "given, checked  1,203  1,200  1,200        0  3: quote_not_in_document 3",
        "qa, solve           2      1      1        0  1: malformed 1",
        "sieve, repeats  1,201  1,200  1,200        0  1: same 1",
    ]
