"""A released model, to ask questions of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from zoo.api import Kind, Question
from zoo.artifact import Workspace
from zoo.errors import RequestError, unknown
from zoo.library import Domain, load_domain
from zoo.prompting import THINK_TAGS, cut_to_fit, split_response, user_turn
from zoo.releases import find_release
from zoo.workspace import workspace_path

Stopped = Literal["max_tokens", "repetition"]


@dataclass(frozen=True)
class Turn:
    """The whole assistant's turn, `<think>` block included. `stopped` says what cut it off; None where it ended itself."""

    text: str
    stopped: Stopped | None


@dataclass(frozen=True)
class Loaded:
    """`model` and `tokenizer` are the transformers objects; `answer` puts a question the way the model was trained."""

    domain: Domain
    version: str
    model: Any
    tokenizer: Any

    def answer(
        self, question: str, *, context: str = "", choices: list[str] | None = None, kind: Kind = "short",
        reasoning: bool = False, max_tokens: int = 256,
    ) -> str:  # fmt: skip
        """The model's answer by greedy decoding, without its reasoning. `choices` makes it a choice question."""
        return split_response(
            self.respond(
                question, context=context, choices=choices, kind=kind, reasoning=reasoning, max_tokens=max_tokens
            )
        )[1]

    def respond(
        self, question: str, *, context: str = "", choices: list[str] | None = None, kind: Kind = "short",
        reasoning: bool = True, max_tokens: int = 256,
    ) -> str:  # fmt: skip
        """The whole assistant's turn, `<think>` block included where `reasoning` asks for one."""
        row = asked(question, context, choices, kind)
        return self.turn(row, reasoning=reasoning, max_tokens=max_tokens).text

    def turn(
        self, row: Question, *, reasoning: bool, max_tokens: int, heard: Callable[[str], None] | None = None
    ) -> Turn:
        """The turn by greedy decoding; `heard` gets it word by word as it is made, and is spared a model that says one
        thing for ever."""
        import torch
        from transformers import StoppingCriteriaList

        from zoo.streaming import Heard, Repeating

        prompt = self._prompt(row, reasoning)
        ids = torch.tensor([prompt], device=self.model.device)
        added = self.tokenizer.added_tokens_decoder.items()
        # A tokenizer may count the tags among its special tokens: without them reasoning would read as answer.
        unsaid = {n for n, token in added if token.special and token.content not in THINK_TAGS}
        repeating = Repeating(len(prompt))
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False,
                streamer=Heard(self.tokenizer, unsaid, heard) if heard else None,
                stopping_criteria=StoppingCriteriaList([repeating] if heard else []),
            )[0, len(prompt) :].tolist()  # fmt: skip
        text = self.tokenizer.decode([t for t in out if t not in unsaid], skip_special_tokens=False)
        cut = len(out) >= max_tokens and out[-1] not in unsaid
        return Turn(str(text).strip(), "repetition" if repeating.found else "max_tokens" if cut else None)

    def fitted(self, row: Question, passages: Iterable[str], *, reasoning: bool, max_tokens: int) -> list[str]:
        """As much of `passages`, in their order and the last of them cut off, as leaves room for `max_tokens` in what
        the model can read. Raises RequestError where the question alone leaves none."""

        shown: list[str] = []

        def excess(next_one: str) -> int:
            said = with_passages(row, [*shown, next_one] if next_one else shown)
            return len(self._prompt(said, reasoning)) + max_tokens - self.window

        if (over := excess("")) > 0:
            raise RequestError(
                f"The question and an answer of {max_tokens} tokens are {over} tokens too many for the model, which "
                f"reads {self.window}; ask more briefly, or for less with --max-tokens."
            )
        for text in passages:
            piece = cut_to_fit(self.tokenizer, text, excess)
            if piece:
                shown.append(piece)
            if piece != text:
                break
        return shown

    @property
    def window(self) -> int:
        """How many tokens, prompt and answer together, the model can read. A recurrent model names no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize

    def _prompt(self, row: Question, reasoning: bool) -> list[int]:
        text = user_turn(self.domain, row, context=bool(row.context), reasoning=reasoning)
        encoded = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return list(encoded["input_ids"])


def asked(question: str, context: str = "", choices: list[str] | None = None, kind: Kind = "short") -> Question:
    """A question that somebody asks, as a row. Raises RequestError for a `kind` that there is not."""
    if kind not in get_args(Kind):
        raise unknown("kind of question", kind, get_args(Kind))
    return Question(
        id="asked", kind="choice" if choices else kind, question=question, context=context, choices=choices or [],
        gold="", source="asked", licence="unknown",
    )  # fmt: skip


def with_passages(row: Question, passages: list[str]) -> Question:
    """The row with these passages as its context, put together as in training."""
    return row.model_copy(update={"context": "\n\n".join(passages)})


def load_release(reference: str, workspace: str | Path | None, domain_path: Sequence[str | Path]) -> Loaded:
    """Loads `DOMAIN[@VERSION]`, or `ORG/NAME[@VERSION]` once it was pulled, onto the GPU if there is one; refuses files
    that are not the record's.

    A domain that is no built-in one is found in `domain_path`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    root, paths = workspace_path(Path(workspace) if workspace else None), tuple(map(Path, domain_path))
    name, version, artifact = find_release(Workspace(root), reference, paths)
    if changed := artifact.changed_files():
        raise RequestError(
            f"{reference}: {changed[0]} is missing or was changed since the release; release it anew, or pull it again."
        )
    # Weights may be a stranger's: nothing of them is run.
    model = AutoModelForCausalLM.from_pretrained(artifact.folder, use_safetensors=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(artifact.folder, trust_remote_code=False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Loaded(load_domain(name, paths), version, model.to(device).eval(), tokenizer)
