"""A released model, to ask questions of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from zoo.api import Kind, Question
from zoo.artifact import Workspace
from zoo.errors import RequestError, unknown
from zoo.library import Domain, load_domain
from zoo.prompting import split_response, user_turn
from zoo.releases import find_release
from zoo.workspace import workspace_path


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
        import torch

        if kind not in get_args(Kind):
            raise unknown("kind of question", kind, get_args(Kind))
        row = Question(
            id="asked", kind="choice" if choices else kind, question=question, context=context, choices=choices or [],
            gold="", source="asked", licence="unknown",
        )  # fmt: skip
        prompt = user_turn(self.domain, row, context=bool(context), reasoning=reasoning)
        inputs = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            out = self.model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        return str(self.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


def load_release(reference: str, workspace: str | Path | None, domain_path: Sequence[str | Path]) -> Loaded:
    """Loads `DOMAIN[@VERSION]`, or `ORG/NAME[@VERSION]` once it was pulled; refuses files that are not the record's.

    A domain that is no built-in one is found in `domain_path`.
    """
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
    return Loaded(load_domain(name, paths), version, model.eval(), tokenizer)
