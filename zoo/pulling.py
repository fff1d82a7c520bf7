"""Pulling: a published version comes into the workspace whole, every file with the digest that its record names, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from zoo.artifact import RECORD, Artifact, Workspace, digest_file
from zoo.console import Progress, progress, say
from zoo.errors import RequestError, ZooError
from zoo.hub import asking, published, repository, repository_of
from zoo.library import load_domain
from zoo.lock import alone
from zoo.releases import one_of, read_reference

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_MB = 10**6
_LIBRARYS_OWN = ".cache"  # where huggingface_hub keeps notes on what it downloaded into a folder


def _inside(name: str) -> str:
    """A file's name as a record may give it; a stranger's record must not name places outside its folder."""
    parts = name.split("/")
    if "\\" in name or parts[0] == _LIBRARYS_OWN or name == RECORD or any(p in {"", ".", ".."} for p in parts):
        raise ValueError(f"{name!r} cannot be a file of a release")
    return name


class _File(BaseModel):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class _Result(BaseModel):
    version: str
    gate: Literal["passed", "overridden"]
    reasons: list[str]


class _Record(BaseModel):
    """What of a stranger's `record.json` must be there and in order."""

    step: Literal["release"]
    domain: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    files: dict[Annotated[str, AfterValidator(_inside)], _File]
    result: _Result


def pull(workspace: Workspace, reference: str, domain_path: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Downloads `ORG/NAME[@VERSION]`, or `DOMAIN[@VERSION]` from domain.yaml's `hub`; what `zoo pull` prints.

    What is here already, unchanged, is skipped. Raises RequestError for an unknown repository or version, ZooError for a
    download that broke off or a file that is not the record's; no version is left then.
    """
    name, version = read_reference(reference)
    repo = repository(name) if "/" in name else repository_of(load_domain(name, domain_path), f"say `zoo pull {_FORM}`")
    if version and _is_whole(Artifact(workspace.hub / repo / version)):
        return _result(repo, Artifact(workspace.hub / repo / version), skipped=True)
    from huggingface_hub import HfApi

    api = HfApi()
    with asking(repo, "looking for its versions"):
        known = published(api, repo)
    if not known:
        raise RequestError(f"{repo} has no released version on the Hub.")
    version = one_of(known, version, repo)
    artifact = Artifact(workspace.hub / repo / version)
    # The commit is in the name, so that what a killed download left is gone on with only for the same commit.
    part = artifact.folder.with_name(f".{version}-{known[version][:12]}.part")
    part.mkdir(parents=True, exist_ok=True)
    with alone(part):
        if _is_whole(artifact):
            shutil.rmtree(part)
            return _result(repo, artifact, skipped=True)
        try:
            _fetch(api, repo, version, known[version], part / "files")
        except _Unfit:
            shutil.rmtree(part)
            raise
        shutil.rmtree(artifact.folder, ignore_errors=True)
        (part / "files").rename(artifact.folder)
        shutil.rmtree(part)
    return _result(repo, artifact, skipped=False)


_FORM = "ORG/NAME[@VERSION]"


class _Unfit(ZooError):
    """What came is not what was released; none of it is kept."""


def _is_whole(artifact: Artifact) -> bool:
    return artifact.exists and not artifact.changed_files()


def _fetch(api: HfApi, repo: str, version: str, commit: str, folder: Path) -> None:
    """Every file that the record names, each checked as it comes; nothing else that the repository may hold."""
    record = _record(api, repo, version, commit, folder)
    say(f"pulling {repo}@{version}: {len(record.files)} files")
    with progress("MB pulled", sum(f.bytes for f in record.files.values()) // _MB) as bar:
        came = 0
        for name, entry in record.files.items():
            counter = _counter(bar, came)
            with asking(repo, f"downloading {name}"):
                path = api.hf_hub_download(repo, name, revision=commit, local_dir=folder, tqdm_class=counter)
            came += entry.bytes
            bar.advance(came // _MB - bar.done)
            if digest_file(Path(path)) != entry.sha256:
                raise _Unfit(
                    f"{name} of {repo}@{version} is not the file that was released (its digest is not the record's); "
                    "nothing was kept: pull it again, and if it stays so do not use it."
                )
    shutil.rmtree(folder / _LIBRARYS_OWN)


def _record(api: HfApi, repo: str, version: str, commit: str, folder: Path) -> _Record:
    from huggingface_hub.errors import EntryNotFoundError

    try:
        with asking(repo, f"downloading {RECORD}"):
            path = api.hf_hub_download(repo, RECORD, revision=commit, local_dir=folder)
        record = _Record.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except ZooError as e:
        if isinstance(e.__cause__, EntryNotFoundError):
            raise _Unfit(f"{repo}@{version} is no release of this zoo: it has no {RECORD}.") from e
        raise
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
        raise _Unfit(f"{repo}@{version} is no release of this zoo: its {RECORD} is not JSON.") from e
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise _Unfit(f"{repo}@{version} is no release of this zoo: {where} of its {RECORD}: {first['msg']}.") from e
    if record.result.version != version:
        raise _Unfit(f"{repo}@{version} is not that version: its {RECORD} says {record.result.version}.")
    if missing := {"README.md", "steps.json", "config.json"} - record.files.keys():
        raise _Unfit(f"{repo}@{version} is no release of this zoo: its {RECORD} lists no {min(missing)}.")
    return record


def _counter(bar: Progress, came: int) -> Any:
    """A bar for the library to tell of bytes, after the `came` of other files; it tells our own bar, in megabytes."""
    from huggingface_hub.utils.tqdm import tqdm

    class Counter(tqdm):
        def __init__(self, **_: Any) -> None:
            super().__init__(disable=True)  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            nonlocal came
            came += int(n or 0)
            bar.advance(came // _MB - bar.done)

    return Counter


def _result(repo: str, artifact: Artifact, skipped: bool) -> dict[str, Any]:
    record, result = artifact.record, artifact.result
    return {
        "repo": repo, "domain": record["domain"], "version": artifact.folder.name, "folder": str(artifact.folder),
        "gate": result["gate"], "reasons": result["reasons"], "files": len(record["files"]), "skipped": skipped,
    }  # fmt: skip
