"""Which teacher a run asks: the endpoint that is named, else a local model in this process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from zoo.console import say
from zoo.errors import RequestError
from zoo.run import Run
from zoo.teachers import Teacher

LOCAL = "local"
BATCHES = "batches"  # in the workspace's cache: what is under way at a provider


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server. The key is kept out of every printed form."""

    url: str | None
    model: str
    key: str = field(repr=False, default="none")


def chosen(run: Run) -> Endpoint | None:
    """The endpoint this run asks, or None for the local teacher. A key, or a model's name, that the environment holds for
    other programs asks nobody: that spends money.

    Raises RequestError where an endpoint is named without a model, or a model without endpoint and key.
    """
    url = run.options.teacher_url or os.environ.get("OPENAI_BASE_URL") or None
    key = os.environ.get("OPENAI_API_KEY") or ""
    model = run.options.teacher_model or os.environ.get("OPENAI_MODEL") or ""
    if model == LOCAL or run.options.teacher_url == LOCAL:
        return None
    if not url and not run.options.teacher_model:
        return None
    if not model:
        raise RequestError(
            "A teacher endpoint is set but no model; name one with --teacher-model or OPENAI_MODEL, or say local."
        )
    if not url and not key:
        raise RequestError(f"The teacher model {model!r} needs --teacher-url, OPENAI_BASE_URL or OPENAI_API_KEY.")
    if url and not url.startswith(("http://", "https://")):
        raise RequestError("The teacher's address must start with http:// or https://; see --teacher-url.")
    return Endpoint(url, model, key or "none")


def identity_of_teacher(run: Run) -> dict[str, Any]:
    """What of the teacher decides what the step leaves: the model's name; for the local one its weights' digest."""
    endpoint = chosen(run)
    return {"model": endpoint.model} if endpoint else {"model": LOCAL, "digest": run.base.digest}


def open_teacher(run: Run) -> Teacher:
    """The run's teacher, without its cache. Use it inside one event loop and close it there."""
    settings = run.recipe.annotate
    endpoint, folder = chosen(run), run.workspace.cache / BATCHES
    if endpoint and settings.batch:
        from zoo.teachers.batch import BatchTeacher

        return BatchTeacher(endpoint, settings.max_answer_tokens, settings.retries, settings.batch_rows, folder)
    if endpoint:
        from zoo.teachers.batch_journal import under_way
        from zoo.teachers.endpoint import EndpointTeacher, address

        if n := under_way(folder, address(endpoint.url), endpoint.model):
            say(
                f"  {n} requests are under way in batches: --batch waits for their answers, without it they are asked again"
            )

        return EndpointTeacher(
            endpoint, settings.timeout_s, settings.retries, settings.concurrency, settings.max_answer_tokens
        )
    from zoo.teachers.local import LocalTeacher

    return LocalTeacher(run.base, min(settings.local_answer_tokens, settings.max_answer_tokens), run.recipe.seed)
