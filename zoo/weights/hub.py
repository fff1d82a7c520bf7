"""Weights of the Hub: whether it answers, what it has sent, and what of it lies on this disk."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path

from zoo.errors import RequestError, kind_and_line
from zoo.hub import http_error

_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]


def hub_endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def hub_is_off() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub, as its own library reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}


@lru_cache
def hub_reachable(seconds: float = 5.0) -> bool:
    """Whether the Hub (or HF_ENDPOINT) answers; asked once a process. A thread, because a name look-up has no timeout."""
    if hub_is_off():
        return False
    answered: list[bool] = []

    def ask() -> None:
        import httpx

        try:
            httpx.head(hub_endpoint(), timeout=seconds, follow_redirects=False)
            answered.append(True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            answered.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered and answered[0])


def in_hub_cache(name: str) -> Path | None:
    """The repository's weights as the Hub's own cache on this disk has them, whole; asks nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _with_weights(snapshot_download(name, allow_patterns=_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def downloaded(name: str, offline: bool, tried: list[str]) -> Path | None:
    """The repository's weights, fetched where the Hub answers and `offline` allows it. None where they cannot be had:
    `tried` then says why. Raises RequestError where the Hub has no such model, or not for this user."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    if offline or not hub_reachable():
        tried.append("the Hub's cache on this disk" + ("" if offline else ", the Hub (no answer)"))
        return in_hub_cache(name)
    try:
        if folder := _with_weights(snapshot_download(name, allow_patterns=_FILES)):
            return folder
        tried.append("the Hub, which has no *.safetensors of it")
    except (RepositoryNotFoundError, GatedRepoError) as e:
        raise RequestError(f"The Hub has no model {name}, or it is not open to you; check the name, or log in.") from e
    except LocalEntryNotFoundError:
        tried.append("the Hub (no answer)")
    except (http_error(), OSError, RuntimeError) as e:
        tried.append(f"the Hub, whose download broke off ({kind_and_line(e)})")
    return None


def _with_weights(found: str) -> Path | None:
    folder = Path(found)
    return folder if list(folder.glob("*.safetensors")) else None
