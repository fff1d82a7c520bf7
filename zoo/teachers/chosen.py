"""Which teacher a run asks: the endpoints that are named, else a local model.

A local one is a GGUF file, a folder, a Hub id, or the base itself. Which of the two engines answers is part of what the
teacher is: transformers reads a folder's weights as they are, llama.cpp reads them in float16, so their answers differ.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.artifact import digest_file
from zoo.console import say
from zoo.errors import RequestError
from zoo.hub import is_repository
from zoo.run import Run, threads
from zoo.teachers import Teacher
from zoo.weights import Weights, resolve_base
from zoo.weights.folder import lacking
from zoo.weights.to_gguf import f16_of, require_convertible

LOCAL = "local"
BATCHES = "batches"  # in the workspace's cache: what is under way at a provider
_GGUF = ".gguf"
_TAKES = (
    "--teacher-model takes, with --teacher-url local, a GGUF file, a folder of safetensors with its tokenizer and chat template, "
    "or ORG/NAME"
)
_LEAST_CONTEXT = 4096  # tokens of a prompt and its answer
_AROUND_PASSAGE = 1024  # tokens of a prompt that are neither passage nor an earlier answer, at the most


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server. The key is kept out of every printed form."""

    url: str | None
    model: str
    key: str = field(repr=False, default="none")


def chosen(run: Run) -> Endpoint | None:
    """The endpoint this run asks, of several the first; None where the teacher is local. Errors as of `endpoints`."""
    return next(iter(endpoints(run)), None)


def endpoints(run: Run) -> tuple[Endpoint, ...]:
    """All endpoints this run asks, for one model with one key; none where the teacher is local. A key, or a model's name,
    that the environment holds for other programs asks nobody: that spends money.

    Raises RequestError where an endpoint is named without a model, or a model without endpoint and key, and for a list
    of endpoints that cannot be one teacher.
    """
    listed = run.options.teacher_url or os.environ.get("OPENAI_BASE_URL") or None
    key = os.environ.get("OPENAI_API_KEY") or ""
    model = run.options.teacher_model or os.environ.get("OPENAI_MODEL") or ""
    if local_name(run):
        return ()
    if not model:
        raise RequestError(
            "A teacher endpoint is set but no model; name one with --teacher-model or OPENAI_MODEL, or say local."
        )
    if not listed and not key:
        raise RequestError(f"The teacher model {model!r} needs --teacher-url, OPENAI_BASE_URL or OPENAI_API_KEY.")
    return tuple(Endpoint(url, model, key or "none") for url in (addresses(listed) if listed else [None]))


def addresses(listed: str) -> list[str]:
    """The addresses of a list with commas between them. Raises RequestError for one that is empty, no address, or there
    twice."""
    from zoo.teachers.endpoint import address

    urls = [url.strip() for url in listed.split(",")]
    if "" in urls:
        raise RequestError(
            "The list of teacher addresses has an empty item; put one comma between two; see --teacher-url."
        )
    if LOCAL in urls:
        raise RequestError("The local teacher cannot be listed beside addresses; give --teacher-url one or the other.")
    for n, url in enumerate(urls, 1):
        if not url.startswith(("http://", "https://")):
            which = f" {n} of {len(urls)}" if len(urls) > 1 else ""
            raise RequestError(f"The teacher's address{which} must start with http:// or https://; see --teacher-url.")
    try:
        seen = [address(url) for url in urls]
    except ValueError as e:
        raise RequestError(f"The teacher's address cannot be read ({e}); see --teacher-url.") from e
    if twice := [a for a in seen if seen.count(a) > 1]:
        raise RequestError(f"The teacher's address {twice[0]} is listed twice; name each server once.")
    return urls


def local_name(run: Run) -> str | None:
    """What the local teacher is, as it was named: LOCAL for the base itself; None where endpoints are asked. A GGUF file
    that is named without an address is this disk's, whatever address the environment holds for other programs."""
    url, model = run.options.teacher_url, run.options.teacher_model
    if (model or os.environ.get("OPENAI_MODEL")) == LOCAL:
        return LOCAL
    if url == LOCAL or (model and not url and _is_gguf(model)):
        return model or LOCAL
    return None if url or model or os.environ.get("OPENAI_BASE_URL") else LOCAL


def teacher_name(run: Run) -> str:
    """What the teacher is called to people: a model's name, or a file's without its folder."""
    if endpoint := chosen(run):
        return endpoint.model
    name = local_name(run) or LOCAL
    return Path(name).name if _is_gguf(name) or Path(name).is_absolute() else name


def require_teacher(run: Run) -> None:
    """Raises RequestError where the request or the disk alone shows that the teacher cannot be asked."""
    name = local_name(run)
    batch = run.recipe.annotate.batch
    if name is None:
        if len(endpoints(run)) > 1 and batch:
            raise RequestError("--batch asks the batch endpoint of one provider; name one address with --teacher-url.")
        return
    if batch:
        raise RequestError("--batch asks a provider's batch endpoint, and no endpoint is named; see --teacher-url.")
    if name != LOCAL:
        _require_usable(name)
    if not _by_llama(run):
        return
    from zoo.teachers.llama import require_llama

    path = Path(run.recipe.base if name == LOCAL else name).expanduser()
    require_llama(f"The teacher {path.name}" if _is_gguf(name) else "The setting annotate.local_engine=llama")
    if path.is_dir() and not lacking(path, "base"):
        require_convertible(path)


def _require_usable(name: str) -> None:
    path = Path(name).expanduser()
    if _is_gguf(name):
        _require_file(path)
    elif path.is_dir():
        if problem := lacking(path, "base"):
            raise RequestError(f"The teacher model in {path} cannot be used: it {problem}; {_TAKES}.")
    elif path.exists() or not is_repository(name):
        raise RequestError(f"There is no teacher model {name} on this disk, nor can it be ORG/NAME; {_TAKES}.")


def resolve_local(run: Run) -> Weights:
    """The local teacher's weights: a GGUF file itself, else a folder as for a base. Errors as for a base."""
    name = local_name(run)
    if name is None or name == LOCAL:
        return run.base
    if not _is_gguf(name):
        return resolve_base(name, run.workspace.cache, run.options.offline, run.fetch)
    path = Path(name).expanduser().resolve()
    return Weights(path.name, path, digest_file(path), "unknown", f"GGUF file {path.name}", None, False)


def identity_of_teacher(run: Run) -> dict[str, Any]:
    """What of the teacher decides what the step leaves: the model's name; for a local one its weights' digest, and its
    engine where that is not transformers."""
    if endpoint := chosen(run):
        return {"model": endpoint.model}
    weights = run.local_teacher
    named = {"file": weights.name} if weights.folder.is_file() else {}
    return {"model": LOCAL, "digest": weights.digest, **named, **({"engine": "llama"} if _by_llama(run) else {})}


def open_teacher(run: Run) -> Teacher:
    """The run's teacher, without its cache. Use it inside one event loop and close it there."""
    if several := endpoints(run):
        return _by_endpoints(run, several)
    weights, tokens = run.local_teacher, answer_tokens(run)
    if _by_llama(run):
        return _by_llama_cpp(run, weights, tokens)
    from zoo.teachers.local import LocalTeacher

    return LocalTeacher(weights, tokens, run.recipe.seed)


def open_student(run: Run) -> Teacher:
    """The base as it is before training, on this machine by `annotate.local_engine`, without a cache; used as the teacher
    is."""
    tokens = run.recipe.evaluate.max_generated_tokens
    if run.recipe.annotate.local_engine == "llama":
        return _by_llama_cpp(run, run.base, tokens)
    from zoo.teachers.local import LocalTeacher

    return LocalTeacher(run.base, tokens, run.recipe.seed)


def identity_of_student(run: Run) -> list[str]:
    """What decides the base's own answers: its weights and the engine."""
    return [run.base.digest, run.recipe.annotate.local_engine]


def require_student(run: Run) -> None:
    """Raises RequestError where the disk alone shows that the engine cannot run."""
    if run.recipe.annotate.local_engine == "llama":
        from zoo.teachers.llama import require_llama

        require_llama("The setting annotate.local_engine=llama")


def _by_endpoints(run: Run, several: tuple[Endpoint, ...]) -> Teacher:
    from zoo.teachers.batch import BatchTeacher
    from zoo.teachers.batch_journal import under_way
    from zoo.teachers.endpoint import EndpointTeacher, address
    from zoo.teachers.pool import PoolTeacher

    settings, folder = run.recipe.annotate, run.workspace.cache / BATCHES
    if settings.batch:
        return BatchTeacher(several[0], settings.max_answer_tokens, settings.retries, settings.batch_rows, folder)
    if n := sum(under_way(folder, address(e.url), e.model) for e in several):
        say(
            f"  {n} requests are under way in batches: --batch waits for their answers, without it they are asked again"
        )
    limits = (settings.timeout_s, settings.retries, settings.concurrency, settings.max_answer_tokens)
    return EndpointTeacher(several[0], *limits) if len(several) == 1 else PoolTeacher(several, *limits)


def answer_tokens(run: Run) -> int:
    """The longest answer to ask the teacher for. The base, which nobody chose for its answers, is given less."""
    settings = run.recipe.annotate
    if local_name(run) == LOCAL:
        return int(min(settings.local_answer_tokens, settings.max_answer_tokens))
    return int(settings.max_answer_tokens)


def _by_llama_cpp(run: Run, weights: Weights, tokens: int) -> Teacher:
    from zoo.teachers.llama import MOST_SLOTS, LlamaTeacher, Served

    # An annotator may show a passage, and earlier answers of which it wants better ones.
    needs = 2 * run.recipe.ingest.passage_tokens + 3 * tokens + _AROUND_PASSAGE
    served = Served(min(run.recipe.annotate.concurrency, MOST_SLOTS), max(_LEAST_CONTEXT, needs), threads())
    if weights.folder.is_file():
        return LlamaTeacher(lambda: weights.folder, weights.name, weights.digest, served, tokens)
    require_convertible(weights.folder)
    return LlamaTeacher(
        lambda: f16_of(weights, run.workspace.cache), weights.name, f"{weights.digest} in float16", served, tokens
    )


def _by_llama(run: Run) -> bool:
    return _is_gguf(local_name(run) or "") or run.recipe.annotate.local_engine == "llama"


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(_GGUF)


def _require_file(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            if file.read(4) == b"GGUF":
                return
        raise RequestError(f"The teacher model {path} is no GGUF file; download it anew, or name another.")
    there = sorted(p.name for p in path.parent.glob(f"*{_GGUF}")) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, there, n=1, cutoff=0.3)
    hint = f"did you mean {close[0]}?" if close else "see --teacher-model."
    raise RequestError(f"There is no teacher model {path}; {hint}")
