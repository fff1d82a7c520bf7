"""The Hugging Face Hub as publishing and pulling meet it: a repository's name, its versions, and its refusals in one sentence.

A release is one commit of a model repository, and its version a tag on that commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from zoo.errors import RequestError, ZooError
from zoo.library import Domain
from zoo.releases import is_version, order

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(f"{_WORD}/{_WORD}")


def is_repository(name: str) -> bool:
    return bool(_REPOSITORY.fullmatch(name)) and "--" not in name and ".." not in name


def repository(name: str) -> str:
    """`name` if it can be a repository of the Hub, which is ORG/NAME; else RequestError."""
    if not name:
        raise RequestError("The repository's name is empty; say ORG/NAME.")
    if not is_repository(name):
        raise RequestError(f"{name!r} is no repository: ORG/NAME, in letters, digits, and single '-', '_' and '.'.")
    return name


def repository_of(domain: Domain, instead: str) -> str:
    """The repository that `domain.yaml` names; `instead` says how else to name one."""
    if not domain.config.hub:
        raise RequestError(f"domain.yaml of {domain.name} names no `hub`; {instead}.")
    return repository(domain.config.hub)


def published(api: HfApi, repo: str) -> dict[str, str]:
    """Commit by version of everything published in `repo`, oldest first."""
    tags = {t.name: t.target_commit for t in api.list_repo_refs(repo).tags if is_version(t.name)}
    return {v: tags[v] for v in sorted(tags, key=order)}


def http_error() -> type[Exception]:
    """What a broken connection raises: the HTTP library's own error, whichever library this huggingface_hub is built on."""
    from huggingface_hub.errors import HfHubHTTPError

    base: Any = HfHubHTTPError.__bases__[0]
    return cast(type[Exception], base)


@contextmanager
def asking(repo: str, doing: str) -> Iterator[None]:
    """Raises whatever the Hub, or the way to it, refuses as one sentence. `doing` is what was tried: 'uploading'."""
    broken = http_error()
    try:
        yield
    except ZooError:
        raise
    except (broken, OSError, ValueError, RuntimeError) as e:
        raise _sentence(e, broken, repo, doing) from e


def _sentence(error: BaseException, broken: type[Exception], repo: str, doing: str) -> ZooError:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, HfHubHTTPError):
            return _refusal(cause, repo, doing)
        if isinstance(cause, OfflineModeIsEnabled):
            return RequestError("HF_HUB_OFFLINE forbids to ask the Hub; unset it and give the same command again.")
    if any(isinstance(cause, broken) for cause in causes):
        where = f"The Hub ({constants.ENDPOINT}) does not answer, or broke off, while {doing}"
        return ZooError(f"{where}; check the connection (and HF_ENDPOINT), and give the same command again.")
    reason = " ".join(str(error).split()) or type(error).__name__
    return ZooError(f"{doing.capitalize()} failed for {repo}: {reason.rstrip('.')}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: the library wraps a refusal in errors of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refusal(error: HfHubHTTPError, repo: str, doing: str) -> ZooError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    status = error.response.status_code
    said = f": {error.server_message}" if error.server_message else ""
    if isinstance(error, GatedRepoError):
        return RequestError(f"{repo} is gated; ask for access on its page of the Hub, and set HF_TOKEN or log in.")
    if isinstance(error, RepositoryNotFoundError):
        return RequestError(
            f"The Hub has no {repo}, or your token may not see it; check the name, set HF_TOKEN, or log in."
        )
    if status == 401:
        return RequestError(f"The Hub does not accept your token (401{said}); set HF_TOKEN, or `hf auth login`.")
    if status == 403:
        return RequestError(f"Your token does not allow {doing} for {repo} (403{said}); use one that does.")
    if status in (409, 412):
        return ZooError(f"{repo} was changed by somebody else just now ({status}{said}); give the same command again.")
    return ZooError(f"The Hub failed while {doing} ({status}{said}); give the same command again later.")
