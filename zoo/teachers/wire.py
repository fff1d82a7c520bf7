"""What goes over the wire to an OpenAI-compatible server: requests with the parameters it knows, and its replies read."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from zoo.teachers import Answer, Finish, Request

if TYPE_CHECKING:
    from openai import APIStatusError

# A parameter that a server may not know, and what it says then.
_OPTIONAL = {
    "response_format": re.compile(r"response_format|json_schema|json_object|guided|structured output|grammar", re.I),
    "max_tokens": re.compile(r"max_completion_tokens", re.I),
    "temperature": re.compile(r"temperature.*(support|default|deprecat)", re.I | re.S),
}
_FILTERED = re.compile(r"content_filter|content_policy|content management policy|responsible ?ai", re.I)
_SPENT = re.compile(r"insufficient_quota|exceeded your current quota|credit balance", re.I)
_FINISH: dict[str, Finish] = {"length": "length", "max_tokens": "length", "content_filter": "filtered"}
FORMATS = ("json_schema", "json_object", "none")  # how JSON is asked for, the best first; `none` is by the prompt
PROBE_S = 1.0
_MOST_TOKENS = 2**40


class Malformed(Exception):
    """A reply that is no chat completion."""


class Wire:
    """One server's and model's: what it lacks is found out once, by the first request that has it.

    A request of a kind that the server has not answered yet goes alone, the others wait for it, PROBE_S seconds at the
    most: a server that refuses a parameter does so at once, while an answer, or a stuck connection, may take long.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._lacks: set[str] = set()
        self._format = FORMATS[0]
        self._proven: set[bool] = set()
        self._probes: dict[bool, asyncio.Event] = {}

    def body(self, request: Request, form: str | None = None) -> dict[str, Any]:
        """The request as JSON. `form` is one of FORMATS, the best that is not known to be lacking unless it is named."""
        messages = list(request.messages)
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        body["max_completion_tokens" if "max_tokens" in self._lacks else "max_tokens"] = request.max_tokens
        if "temperature" not in self._lacks:
            body["temperature"] = request.temperature
        if request.schema is None:
            return body
        form = form or self._format
        if form == "json_schema":
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
            return body
        if form == "json_object":
            body["response_format"] = {"type": "json_object"}
        told = f"Reply with one JSON object that follows this JSON schema:\n{json.dumps(request.schema, ensure_ascii=False)}"
        body["messages"] = [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n\n{told}"}]
        return body

    async def cleared(self, request: Request) -> None:
        """Returns at once where the server has answered a request of this kind, or this is the first one."""
        kind = request.schema is not None
        if kind in self._proven:
            return
        probe = self._probes.get(kind)
        if probe is None:
            self._probes[kind] = probe = asyncio.Event()
            asyncio.get_running_loop().call_later(PROBE_S, probe.set)
        else:
            await probe.wait()

    def answered(self, request: Request, sent: dict[str, Any]) -> None:
        """The server has taken `sent`."""
        kind = request.schema is not None
        self._proven.add(kind)
        if kind:
            self._format = _form(sent)
        if probe := self._probes.get(kind):
            probe.set()

    def blames(self, status: int, said: str) -> bool:
        """Whether an error names a parameter that can be left out."""
        if status in (400, 422):
            return any(pattern.search(said) for pattern in _OPTIONAL.values())
        return status in (404, 500, 501) and bool(_OPTIONAL["response_format"].search(said))

    def learned(self, status: int, said: str, sent: dict[str, Any]) -> bool:
        """Whether the server has just refused a parameter of `sent` that can be left out. From then on it is, also in
        what was under way already and comes back with the same refusal."""
        if not self.blames(status, said):
            return False
        for name, pattern in _OPTIONAL.items():
            if name not in sent or not pattern.search(said):
                continue
            if name != "response_format":
                self._lacks.add(name)
            elif FORMATS.index(_form(sent)) >= FORMATS.index(self._format):
                self._format = _next(_form(sent))
            return True
        return False

    def simpler(self, status: int, request: Request, sent: dict[str, Any]) -> str | None:
        """The next way to ask for JSON, where a server that has never given JSON in this way refuses `sent` without
        saying why; None where there is none."""
        unsure = request.schema is not None and True not in self._proven
        return _next(_form(sent)) if unsure and status in (400, 422, 501) and _form(sent) != FORMATS[-1] else None


def passing(status: int) -> bool:
    """Whether the same request may fare better later."""
    return status in (408, 409, 429) or status >= 500


def said(error: APIStatusError) -> str:
    """The server's own words, shortened."""
    text = error.body.get("message") if isinstance(error.body, dict) else None
    return str(text or error.message)[:300].rstrip(".")


def hopeless(error: APIStatusError, where: str) -> str | None:
    """What is wrong where no request of this key can fare better: the key is refused, or the account is empty."""
    status = error.status_code
    if status in (401, 403) and not filtered(status, error.body):
        return f"The teacher at {where} refused the key (status {status}); check OPENAI_API_KEY."
    if status == 402 or (status in (400, 429) and _SPENT.search(json.dumps(error.body) if error.body else "")):
        return (
            f"The teacher at {where} says that the account has nothing left to spend (status {status}: {said(error)}); "
            "fill it up and give the same command again, which asks nothing twice."
        )
    return None


def filtered(status: int, body: Any) -> bool:
    """Whether an error says that the provider's filter took the request."""
    return status in (400, 403) and bool(_FILTERED.search(json.dumps(body) if body else ""))


def parsed(reply: bytes, place: str) -> Answer:
    """The answer of a reply's body. Raises Malformed, showing how it begins, where it is not JSON: often a page of a
    server in between, that wants a login or says that it is busy."""
    try:
        completion = json.loads(reply)
    except (ValueError, RecursionError) as e:
        begins = repr(reply[:80].decode("utf-8", "replace")) if reply.strip() else "nothing"
        raise Malformed(f"the server's reply is no chat completion but {begins}") from e
    return read(completion, place)


def read(completion: Any, place: str) -> Answer:
    """A chat completion's first choice. Raises Malformed where it has none."""
    try:
        choice = completion["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
        text = content if isinstance(content, str) else "".join(p.get("text") or "" for p in content or [])
        finish: Finish = _FINISH.get(choice.get("finish_reason") or "", "refused" if refusal else "stop")
        text = text or (refusal if isinstance(refusal, str) else "")
        usage = _fields(completion.get("usage"))
        reused = _count(_fields(usage.get("prompt_tokens_details")).get("cached_tokens"))
        tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        return Answer(text, finish, tokens_in, tokens_out, reused, place=place)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        raise Malformed(f"the server's reply is no chat completion ({type(e).__name__}: {e})") from e


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    """A number of tokens; 0, as where none is given, for what can be none. The answer beside it is paid for either way."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 < number < _MOST_TOKENS else 0


def _form(sent: dict[str, Any]) -> str:
    return str(sent["response_format"]["type"]) if "response_format" in sent else FORMATS[-1]


def _next(form: str) -> str:
    return FORMATS[FORMATS.index(form) + 1]
