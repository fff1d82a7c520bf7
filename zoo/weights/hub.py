"""Weights of the Hub: whether it answers, what it has sent, and what of it lies on this disk."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.errors import RequestError

_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]


def hub_endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


@lru_cache
def hub_reachable(seconds: float = 5.0) -> bool:
    """Whether the Hub (or HF_ENDPOINT) answers; asked once a process. A thread, because a name look-up has no timeout."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
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
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    if offline or not hub_reachable():
        tried.append("the Hub's cache on this disk" + ("" if offline else ", the Hub (no answer)"))
        return in_hub_cache(name)
    # The first base is the HTTP library's own error, whichever library this release of huggingface_hub is built on.
    broken: Any = HfHubHTTPError.__bases__[0]
    try:
        if folder := _with_weights(snapshot_download(name, allow_patterns=_FILES)):
            return folder
        tried.append("the Hub, which has no *.safetensors of it")
    except (RepositoryNotFoundError, GatedRepoError) as e:
        raise RequestError(f"The Hub has no model {name}, or it is not open to you; check the name, or log in.") from e
    except LocalEntryNotFoundError:
        tried.append("the Hub (no answer)")
    except (broken, OSError, RuntimeError) as e:
        said = (str(e).strip().splitlines() or [""])[0].rstrip(".")
        tried.append(f"the Hub, whose download broke off ({type(e).__name__}{': ' + said if said else ''})")
    return None


def _with_weights(found: str) -> Path | None:
    folder = Path(found)
    return folder if list(folder.glob("*.safetensors")) else None
