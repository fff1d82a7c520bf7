"""A run as its steps would have left it, with documents, answers and reasons that try to break out of the page."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from zoo.api import Attempt, Citation, Example, Passage, Rejected, Teacher, Verdict
from zoo.artifact import Artifact, Workspace, finish, write_rows
from zoo.errors import ZooError
from zoo.lastrun import Track
from zoo.ledger import Ledger
from zoo.recipes import load_recipe

HOSTILE = (
    "<script>document.title='owned'</script> A dose of 5 < 10 mg & more.\n\n"
    "</blockquote></style><img src=x onerror=alert(1)> \u202eReversed {{ 7 * 7 }} tail. " + "unbroken" * 40
)
LONG = "It begins here. " + "Nothing is said. " * 80 + "Plain text of the second passage." + " Nothing more." * 80
QUOTES = ("A dose of 5 < 10 mg & more.", "10 mg & more.\n\n</blockquote></style><img src=x onerror=alert(1)>")
REASONS = {"cut_off": 14, "quote_not_in_passage": 3, "<b>odd</b>": 1}
KEPT = 23


def suite(name: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    gap = {"value": (low + high) / 2, "low": low, "high": high}
    return {
        "suite": name, "version": "1.0", "metric": "acc", "n": 1288, "of": 2000, "model": 0.5, "baseline": "few_shot",
        "baselines": {"zero_shot": 0.41, "few_shot": 0.42, "trivial": None}, "trivial": "chance", "difference": gap,
        "versus_zero_shot": gap, **more,
    }  # fmt: skip


SUITES = [suite("healthcare_exam_open", 0.02, 0.14), suite("lost", -0.3, -0.1), suite("general", -0.03, 0.05)]
REFUSED = {
    "domain": "healthcare", "version": None, "folder": None, "gate": "refused", "reasons": ["on <i>x</i> it is not better"],
    "rule": {"suite": "healthcare_exam_open", "general_margin": 0.05},
}  # fmt: skip


class Made:
    """The artifacts of a run in `root`, each step's folder named `made`, and the run's own record."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.planned = ["ingest", "annotate", "pretrain", "finetune", "evaluate", "release"]
        recipe = load_recipe("laptop").model_dump(mode="json")
        self.track = Track(self.workspace, "healthcare", "Health & <em>care</em>", recipe, self.planned)

    @property
    def page(self) -> Path:
        return self.workspace.root / "healthcare" / "report.html"

    def leave(self, step: str, result: dict[str, Any]) -> Artifact:
        folder = self.folder(step)
        folder.mkdir(parents=True, exist_ok=True)
        record = {"step": step, "fingerprint": "made", "result": result, "seconds": 61.2, "peak_memory_mb": 1234}
        artifact = finish(folder, record)
        self.track.done(step, artifact, step == "ingest", 0.1)
        return artifact

    def folder(self, step: str) -> Path:
        if step == "release":
            return self.workspace.releases("healthcare") / "0.3.0"
        return self.workspace.step("healthcare", step, "made")

    def ingest(self) -> None:
        document = "sample/<u>a</u>.md"
        texts = [HOSTILE, LONG]
        write_rows(self.folder("ingest") / "passages.jsonl", [
            Passage(id=f"{document}#{n}", document=document, text=t, start=0, end=len(t), title="T > <u>", page=n + 1)
            for n, t in enumerate(texts)
        ])  # fmt: skip
        write_rows(self.folder("ingest") / "rejected.jsonl", [
            Rejected(reason="unreadable: <hr>", path="<b>broken</b>.pdf"), Rejected(reason="duplicate of a.md", path="b.md"),
        ])  # fmt: skip
        self.leave("ingest", {
            "documents": 1200, "passages": 2, "rejected": 1, "duplicates": 1, "reasons": {"unreadable": 1, "duplicate": 1},
            "coverage": {"files": 5000, "read": 1202},
        })  # fmt: skip

    def annotate(self) -> None:
        passage = "sample/<u>a</u>.md#0"
        cited = [
            Citation(quote=q, passage=passage, start=HOSTILE.index(q), end=HOSTILE.index(q) + len(q)) for q in QUOTES
        ]
        teacher = Teacher(model="org/<s>teacher</s>", prompt="grounded_qa", version="1")
        common = {"kind": "choice", "choices": ["<a href=x>right</a>", "wrong"], "answer": "<a href=x>right</a>"}
        right = Verdict(check="quotes", verdict="right", reason="2 <q>")
        prompt = "grounded_qa/write@0123456789ab"
        attempt = Attempt(stage="write", prompt=prompt, said="<iframe src=x></iframe>", verdicts=[right])
        wrong = Verdict(check="arithmetic", verdict="wrong", reason="2 < 1")
        failed = attempt.model_copy(update={"said": "", "verdicts": [wrong], "mistake": "calculation"})
        written = [
            Example(
                id=f"e{n}", question=f"Question {n}?", origin="document", source="sample", licence="CC0-1.0", teacher=teacher,
                attempts=[failed, attempt], reasoning="<svg onload=alert(2)>", citations=cited, verdicts=[right], **common,
            )
            for n in range(KEPT - 1)
        ]  # fmt: skip
        seed = Example(
            id="seed", question="The only seed?", origin="person", source="sample", licence="CC0-1.0",
            citations=[Citation(quote="A quote of a file that is not here.", document="gone.md")], **common,
        )  # fmt: skip
        write_rows(self.folder("annotate") / "examples.jsonl", [*written, seed])
        detail = {
            "written": {"question": "<p>Q</p>", "quotes": ["more.", "Plain text of the second", "Not there at all"]}
        }
        rejected = [
            Rejected(reason=reason, id="sample/<u>a</u>.md#1", detail=detail, attempts=[failed])
            for reason, n in REASONS.items()
            for _ in range(n)
        ]  # fmt: skip
        write_rows(self.folder("annotate") / "rejected.jsonl", rejected)
        ledger = Ledger({"grounded_qa": ("write",)})
        ledger.given(1, {})
        for row in [*written, written[0], *rejected[:-1]]:
            ledger.add("grounded_qa", row)
        ledger.sieve("repeats", KEPT + 1, [rejected[-1].reason])
        self.leave("annotate", {
            "asked": 30, "kept": KEPT, "rejected": REASONS, "calls": 64, "cached": 4, "cost": 0.25,
            "paid": 0.2, "estimate": {"calls": 60, "cost": 0.3}, "tokens": {"in": 9000, "out": 800},
            "by_origin": {"document": KEPT - 1, "person": 1}, "teacher": teacher.model, "stopped": "the budget was reached",
            "ledger": ledger.data(), "contamination": {"items": 608, "checked": ["general"], "not_checked": ["<medqa>"]},
        })  # fmt: skip

    def pretrain(self) -> None:
        noise = random.Random(0)
        curve = [{"step": n, "tokens": 1024 * n, "loss": 2.4 + n**-0.5 + noise.gauss(0, 0.15)} for n in range(1, 201)]
        curve[99]["loss"] = 14.5
        write_rows(self.folder("pretrain") / "curve.jsonl", curve)
        self.leave("pretrain", {
            "tokens": 204_800, "loss": {"first": 3.1, "last": 2.5}, "perplexity": {"before": 16.0, "after": 12.0},
            "replay_perplexity": {"before": 20.0, "after": 20.5}, "text": "reading_comprehension",
            "tasks": {"cause": 30, "cloze": 1200}, "taught": 12,
        })  # fmt: skip

    def finetune(self) -> None:
        curve = [{"step": n, "tokens": 1000 * n, "loss": 3.0 / n, "learning_rate": 1e-3} for n in range(1, 41)]
        curve[9]["loss"] = float("nan")
        curve[19]["validation_loss"] = 1.5
        write_rows(self.folder("finetune") / "curve.jsonl", curve)
        write_rows(self.folder("finetune") / "rejected.jsonl", [Rejected(reason="too_long", id="e1")])
        self.leave("finetune", {
            "rows": 40, "seen": 33, "tokens": 40_000, "loss": {"first": 2.5, "last": 0.08}, "truncated": 2, "validation": {"rows": 9},
        })  # fmt: skip

    def evaluate(self) -> None:
        self.leave("evaluate", {"suites": SUITES})

    def release(self, gate: str, reasons: list[str]) -> None:
        result = {**REFUSED, "version": "0.3.0", "gate": gate, "reasons": reasons}
        self.leave("release", result)
        self.track.ended()

    def until(self, step: str) -> Made:
        """The steps up to and with `step`, which is not release."""
        for name in self.planned[: self.planned.index(step) + 1]:
            getattr(self, name)()
        return self

    def failed(self, step: str, error: ZooError) -> None:
        self.track.failed(step, error)
