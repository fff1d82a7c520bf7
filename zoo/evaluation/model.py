"""A causal model as lm-eval sees it, with the same numbers as lm-eval's own and less work.

All options of a question stand in one row behind its context, each seeing only the context and itself, and questions
about one passage behind that: a context is read once, not once an option. What all contexts begin with (the template's
head, fixed shots) is read once for all.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.models.utils_hf import stop_sequences_criteria

from zoo.attention import attends_to_all
from zoo.console import Progress, progress, say
from zoo.evaluation.shared import Row, batches, beginning, lay_out, rows_of
from zoo.output_layer import output_layer_at

Request = tuple[tuple[str, str], list[int], list[int]]
_GENERATED_TOGETHER = 16_384  # tokens in the cache of one generating batch


class Student(HFLM):  # type: ignore[misc]
    """lm-eval's Hugging Face model with shared contexts. Models whose attention cannot be masked by hand (recurrent
    layers, sliding windows), and requests longer than the model, are scored by lm-eval's own code, and that is said.

    `about` is what is being measured, for those who wait for it."""

    about = "evaluated"

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        return list(super().loglikelihood(requests, disable_tqdm=True))

    def _loglikelihood_tokens(
        self, requests: list[Request], disable_tqdm: bool = True, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """(log-likelihood in nats, whether greedy decoding gives it) of each (context, continuation), in order."""
        longest = max((len(c) + len(o) for _, c, o in requests), default=0)
        if not self._plain or longest > self.max_length:
            say("  the model's attention or its length needs lm-eval's own scoring, one option at a time")
            with progress(self.about, len(requests), "options") as bar:
                self.cache_hook = _Counting(bar)
                return list(super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs))
        asked: dict[tuple[int, ...], list[tuple[list[int], int]]] = {}
        for n, (_, context, continuation) in enumerate(requests):
            asked.setdefault(tuple(context), []).append((continuation, n))
        shared = beginning(list(asked))
        prefix = self._prefix(next(iter(asked))[:shared]) if shared else None
        answers: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        with progress(self.about, len(asked), "questions") as bar:
            for batch in batches(rows_of(asked, shared), int(self.batch_size)):
                self._score(batch, prefix, shared, answers)
                bar.advance(sum(len(r.questions) for r in batch))
        return answers

    @property
    def _plain(self) -> bool:
        return attends_to_all(self.model.config) and self.model.get_output_embeddings() is not None

    @torch.inference_mode()
    def _prefix(self, tokens: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of each layer, (1, heads, tokens, size), for what all contexts begin with."""
        ids = torch.tensor([list(tokens)], device=self.device)
        cache = self.model(input_ids=ids, use_cache=True, **self._keep(1)).past_key_values
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _keep(self, n: int) -> dict[str, int]:
        known = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        return {"logits_to_keep": n} if known else {}

    @staticmethod
    def _cache(prefix: list[tuple[torch.Tensor, torch.Tensor]] | None, rows: int) -> Any:
        from transformers import DynamicCache

        if prefix is None:
            return None
        return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in prefix])

    @torch.inference_mode()
    def _score(self, batch: list[Row], prefix: Any, shared: int, answers: list[tuple[float, bool]]) -> None:
        laid = lay_out(batch, shared)
        tokens, dtype = laid.tokens, self.model.dtype
        mask = torch.zeros(tokens.seen.shape, dtype=dtype).masked_fill(~tokens.seen, torch.finfo(dtype).min)[:, None]
        with output_layer_at(self.model, laid.needed.to(self.device)):
            logits = self.model(
                input_ids=tokens.ids.to(self.device), position_ids=tokens.positions.to(self.device),
                attention_mask=mask.to(self.device), past_key_values=self._cache(prefix, len(batch)),
                use_cache=prefix is not None,
            ).logits[0]  # fmt: skip
        logprobs = logits.float().log_softmax(-1)
        place = laid.needed.flatten().cumsum(0).view_as(laid.needed) - 1
        for row, columns, option, n in laid.scored:
            own = logprobs[place[row, columns].to(logprobs.device)]
            target = torch.tensor(option, device=own.device)
            greedy = bool((own.argmax(-1) == target).all())
            answers[n] = (float(own.gather(1, target[:, None]).sum()), greedy)

    def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
        """Greedy continuations up to the end of the turn, a stop text or `max_gen_toks`, in order."""
        contexts = [self.tok_encode(r.args[0]) for r in requests]
        kinds = {str(r.args[1]): r.args[1] for r in requests}
        answers = [""] * len(requests)
        with progress(self.about, len(requests), "answers") as bar:
            for kind, kwargs in kinds.items():
                mine = [n for n, r in enumerate(requests) if str(r.args[1]) == kind]
                for batch, texts in self._generate_all([contexts[n] for n in mine], kwargs):
                    for n, text in zip(batch, texts, strict=True):
                        answers[mine[n]] = text
                    bar.advance(len(batch))
        return answers

    def _generate_all(self, contexts: list[list[int]], kwargs: dict[str, Any]) -> Any:
        """Yields (numbers of the contexts in a batch, their continuations), batched by like length."""
        settings = normalize_gen_kwargs(kwargs, self.max_gen_toks)
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(settings.pop("until", None), eos=eos)
        new = settings.pop("max_gen_toks")
        if not settings.get("do_sample"):
            settings.pop("temperature", None)
        contexts = [c[-(self.max_length - new) :] for c in contexts]
        shared = beginning([tuple(c) for c in contexts]) if self._plain else 0
        prefix = self._prefix(contexts[0][:shared]) if shared else None
        order = sorted(range(len(contexts)), key=lambda n: -len(contexts[n]))
        while order:
            size = max(1, min(4 * int(self.batch_size), _GENERATED_TOGETHER // (len(contexts[order[0]]) + new)))
            batch, order = order[:size], order[size:]
            yield batch, self._generate([contexts[n] for n in batch], prefix, shared, until, new, settings)

    @torch.inference_mode()
    def _generate(
        self, contexts: list[list[int]], prefix: Any, shared: int, until: list[str], new: int, settings: dict[str, Any]
    ) -> list[str]:
        # Padding goes between what is shared and the rest: the cache of the former then serves every row.
        width = max(len(c) for c in contexts)
        ids = torch.full((len(contexts), width), self.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, context in enumerate(contexts):
            gap = width - len(context)
            ids[row, :shared], mask[row, :shared] = torch.tensor(context[:shared], dtype=torch.long), 1
            ids[row, shared + gap :], mask[row, shared + gap :] = torch.tensor(context[shared:]), 1
        stops = [u for u in until if u != self.tok_decode(self.eot_token_id, skip_special_tokens=False)]
        out = self.model.generate(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), max_new_tokens=new,
            past_key_values=self._cache(prefix, len(contexts)), use_cache=True,
            pad_token_id=self.tokenizer.pad_token_id, eos_token_id=self._ends(), **settings,
            stopping_criteria=stop_sequences_criteria(self.tokenizer, stops, width, len(contexts)) if stops else None,
        )  # fmt: skip
        texts = self.tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)
        return [postprocess_generated_text(t, stops, None) for t in texts]

    def _ends(self) -> list[int]:
        own = self.model.generation_config.eos_token_id
        own = own if isinstance(own, list) else [own] if own is not None else []
        return sorted({*own, self.eot_token_id})


class _Counting:
    """Stands where lm-eval keeps answers for later, which it tells of each as it comes."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def add_partial(self, *_: Any) -> None:
        self.bar.advance()


def load_student(folder: Path, batch_size: int) -> Student:
    """The model in `folder`, in float32 on a CPU and in its own precision on an accelerator."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else "auto"
    # Weights may be a stranger's: nothing of them is run.
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", use_safetensors=True, trust_remote_code=False
    ).to(device)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return Student(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
