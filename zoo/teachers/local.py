"""A teacher in this process: a causal language model, asked in batches. Slow and small, for a machine with no
endpoint."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from zoo.artifact import canonical, digest_text
from zoo.teachers import Answer, Request

if TYPE_CHECKING:
    import torch

    from zoo.weights import Weights

BATCH = 8
# Requests of one round arrive within a few turns of the event loop; waiting a little longer fills the batch.
GATHER_S = 0.02


class LocalTeacher:
    """Greedy for the first sample of a request; further samples are drawn with noise that depends on the request
    alone, so that an answer does not depend on what else was in its batch. Where JSON is wanted, the answer is begun
    for the model and ended at its closing brace."""

    def __init__(self, weights: Weights, answer_tokens: int, seed: int) -> None:
        self.model = weights.name
        self.places: tuple[str, ...] = (weights.digest,)
        self.answer_tokens = answer_tokens
        self._weights, self._seed = weights, seed
        self._loaded: tuple[Any, Any] | None = None
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        if self._worker and not self._worker.done():
            self._worker.cancel()
        self._loaded = None

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                answers = await asyncio.to_thread(self._generate, [r for r, _ in batch])
            except Exception as e:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(e)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            gpu = torch.cuda.is_available()
            tokenizer = AutoTokenizer.from_pretrained(self._weights.folder, padding_side="left")
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token
            model = AutoModelForCausalLM.from_pretrained(
                self._weights.folder, dtype=torch.bfloat16 if gpu else torch.float32, use_safetensors=True
            )
            self._loaded = model.to("cuda" if gpu else "cpu").eval(), tokenizer
        return self._loaded

    def _generate(self, requests: list[Request]) -> list[Answer]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        model, tokenizer = self._load()
        begun = [_beginning(r) for r in requests]
        texts = [
            tokenizer.apply_chat_template(list(r.messages), tokenize=False, add_generation_prompt=True) + start
            for r, start in zip(requests, begun, strict=True)
        ]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        width, tokens = inputs["input_ids"].shape[1], max(r.max_tokens for r in requests)
        closed = _Closed(tokenizer, width, begun, [r.max_tokens for r in requests])
        config = GenerationConfig(
            do_sample=False, max_new_tokens=tokens, pad_token_id=tokenizer.pad_token_id,
            eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        )  # fmt: skip
        with torch.inference_mode():
            out = model.generate(
                **inputs, generation_config=config, stopping_criteria=StoppingCriteriaList([closed]),
                logits_processor=LogitsProcessorList([_Noise([self._noise(r) for r in requests], requests)]),
            )  # fmt: skip
        ends = {tokenizer.pad_token_id, *_as_list(config.eos_token_id)}
        return [
            self._answer(r, start, row[width:].tolist(), ends, int(mask.sum()))
            for r, start, row, mask in zip(requests, begun, out, inputs["attention_mask"], strict=True)
        ]

    def _answer(self, request: Request, start: str, ids: list[int], ends: set[int], tokens_in: int) -> Answer:
        ids = ids[: request.max_tokens]  # what follows is padding, for a row that others in its batch outlast
        kept = ids[: next((i for i, t in enumerate(ids) if t in ends), len(ids))]
        text = start + str(self._load()[1].decode(kept, skip_special_tokens=True))
        ended = len(kept) < len(ids) or (start != "" and _closes(text))
        return Answer(text.strip(), "stop" if ended else "length", tokens_in, len(kept), place=self.places[0])

    def _noise(self, request: Request) -> torch.Generator | None:
        if request.sample == 0 or request.temperature == 0:
            return None
        import torch

        seed = digest_text(canonical({"seed": self._seed, **request.as_data()}))
        return torch.Generator().manual_seed(int(seed[:15], 16))


class _Noise:
    """Gumbel noise on a row's logits: taking the largest is then a draw at the request's temperature, from its own
    generator."""

    def __init__(self, generators: list[torch.Generator | None], requests: list[Request]) -> None:
        self._rows = [(i, g, r.temperature) for i, (g, r) in enumerate(zip(generators, requests, strict=True)) if g]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        for i, generator, temperature in self._rows:
            uniform = torch.rand(scores.shape[1], generator=generator).clamp_min(1e-20)
            scores[i] = scores[i] / temperature - torch.log(-torch.log(uniform)).to(scores)
        return scores


class _Closed:
    """Ends a row whose JSON object has closed, that has used the tokens its own request allows, or that goes in
    circles, as small models do: it would only be cut off later."""

    def __init__(self, tokenizer: Any, width: int, begun: list[str], limits: list[int]) -> None:
        self._tokenizer, self._width, self._begun, self._limits = tokenizer, width, begun, limits

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        import torch

        rows = input_ids[:, self._width :]
        done = [
            rows.shape[1] >= limit
            or _circles(row.tolist())
            or (start != "" and _closes(start + self._tokenizer.decode(row)))
            for row, start, limit in zip(rows, self._begun, self._limits, strict=True)
        ]
        return torch.tensor(done, device=input_ids.device)


def _beginning(request: Request) -> str:
    """`{"<first field>": "`: a small model asked for JSON seldom begins it by itself."""
    if request.schema is None:
        return ""
    first = next(iter(request.schema["properties"]))
    return "{" + json.dumps(first) + ': "'


def _closes(text: str) -> bool:
    """Whether `text`, which begins with a brace, holds a whole JSON object."""
    if "}" not in text:
        return False
    try:
        json.JSONDecoder(strict=False).raw_decode(text)
    except ValueError:
        return False
    return True


def _circles(ids: list[int]) -> bool:
    """Whether the last 24 tokens or more are one stretch of up to 12, over and over."""
    for period in range(1, 13):
        times = -(-24 // period)
        if len(ids) >= period * times and ids[-period * times :] == ids[-period:] * times:
            return True
    return False


def _as_list(value: Any) -> list[int]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
