"""The classifier of SciInstruct (arXiv 2401.07950): the student with a LoRA adapter that says True or False of a solution,
scored by p(True) - p(False)."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.artifact import digest_text
from zoo.ask import SHARED, render
from zoo.console import progress, say
from zoo.errors import ZooError
from zoo.prompting import cut_to_fit
from zoo.quality import PROMPT
from zoo.quality.solutions import Judged, Solution
from zoo.run import Job
from zoo.settings import FinetuneSettings, TrainingSettings
from zoo.training.batches import lay_out
from zoo.training.rows import Template, TokenRow
from zoo.training.shared import alone

if TYPE_CHECKING:
    from zoo.training.loss import Collator

_WORDS = {True: "True", False: "False"}


@dataclass(frozen=True)
class _Training(Job):
    """One training within annotate, by finetune's settings."""

    chosen: FinetuneSettings

    @property
    def settings(self) -> TrainingSettings:
        return self.chosen


class Student:
    def __init__(self, job: Job, template: Template) -> None:
        self._job, self._template = job, template
        chosen: FinetuneSettings = job.run.recipe.finetune
        self._settings = chosen.model_copy(update={"epochs": job.settings.quality.epochs, "max_tokens": None})
        said = {word: template.row("", word) for word in _WORDS.values()}
        self._true, self._false = (said[w][0][said[w][1]] for w in (_WORDS[True], _WORDS[False]))
        if self._true == self._false:
            raise ZooError(
                f"The tokenizer of {template.name} begins True and False with the same token, so the student cannot say which; "
                "set annotate.quality.method=embedding."
            )

    def scores(self, train: Sequence[Judged], asked: Sequence[Solution], fold: int) -> list[float]:
        """p(True) - p(False) at the first token of its reply; the loss is on that token alone."""
        from zoo.training.fit import adapted_base, fit
        from zoo.training.loss import Collator

        rows = [alone(self._row(j.solution, j.right)) for j in train]
        settings = self._settings
        layout = lay_out(
            [len(r) for r in rows], epochs=settings.epochs, rows=settings.batch_rows, tokens=settings.batch_tokens, max_tokens=None,
            seed=self._job.run.recipe.seed,
        )  # fmt: skip
        # A checkpoint is gone on from only where the same would be trained again.
        mark = digest_text("\0".join(f"{j.right} {j.solution.text}" for j in train))[:16]
        folder = self._job.work / f"quality-{mark}"
        job = _Training(self._job.run, self._job.step, self._job.inputs, folder, settings)
        job.work.mkdir(parents=True, exist_ok=True)
        say(f"  quality classifier {fold + 1} of {self._job.settings.quality.folds}: {len(rows)} solutions")
        base = self._job.run.base
        model = adapted_base(job, base, None)
        collator = Collator(self._template.tokenizer.pad_token_id or 0, settings.pass_tokens)
        fit(job, base, model, collator, rows, [], layout)
        model.eval()
        found = self._score(model, collator, asked)
        del model
        gc.collect()
        return found

    def _row(self, solution: Solution, right: bool) -> TokenRow:
        """The question whether the solution is right up to the first token of the reply, its reasoning cut to fit."""

        def tokens(reasoning: str) -> tuple[list[int], int, bool]:
            prompt = self._job.domain.prompt(SHARED, PROMPT)
            shown = replace(solution, reasoning=reasoning)
            user = render(prompt, question=shown.question, reasoning=shown.reasoning, answer=shown.answer)
            return self._template.row(user, _WORDS[right])

        length = self._settings.max_length
        fitting = cut_to_fit(self._template.tokenizer, solution.reasoning, lambda r: len(tokens(r)[0]) - length)
        found, start, _ = tokens(fitting)
        return TokenRow("", "", PROMPT, tuple(found[: start + 1]), start, whole=False)

    def _score(self, model: Any, collator: Collator, asked: Sequence[Solution]) -> list[float]:
        import torch

        from zoo.training.likelihood import likelihoods
        from zoo.training.rows import IGNORED

        rows = [alone(self._row(s, True)) for s in asked]
        order = sorted(range(len(rows)), key=lambda n: len(rows[n]))  # as the collator leaves them
        said: list[float] = []
        size = self._settings.batch_rows
        with progress("solutions scored", len(rows)) as bar, torch.no_grad():
            for at in range(0, len(order), size):
                for part in collator([rows[n] for n in order[at : at + size]]):
                    batch = {k: v.to(model.device) for k, v in part.items()}
                    needed = batch["labels"][:, 1:] != IGNORED
                    likelihood = likelihoods(
                        model, needed, input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), use_cache=False
                    )  # fmt: skip
                    places = torch.arange(len(needed), device=model.device)
                    true, false = (
                        likelihood(places, torch.full_like(places, t)).exp() for t in (self._true, self._false)
                    )
                    said += (true - false).tolist()
                    bar.advance(len(needed))
        scores = dict(zip(order, said, strict=True))
        return [scores[n] for n in range(len(rows))]
