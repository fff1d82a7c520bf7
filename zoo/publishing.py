"""Publishing: a release of this workspace becomes one commit and one tag of a Hub repository, and never changes there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zoo.artifact import RECORD, Artifact, Workspace, content_of, pretty
from zoo.console import Progress, progress, say
from zoo.errors import RequestError, ZooError
from zoo.hub import asking, published, repository, repository_of
from zoo.library import load_domain
from zoo.lineage.forgotten import register
from zoo.releases import find_release, read_reference

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

PUBLISHED = "published.jsonl"  # of a domain: which version went where
_ADAPTER = "adapter/"
_MB = 10**6
_LARGE = 20 * _MB  # a file from here on goes up by itself, so that it can be counted when it has gone
# What a repository that was just made on the Hub's page may hold.
_BLANK = {".gitattributes", "README.md", "LICENSE"}


@dataclass(frozen=True)
class Bundle:
    """What goes up, by its name there, and which files of the release stay behind."""

    files: dict[str, Path | str]
    left_out: list[str]


@dataclass(frozen=True)
class Remote:
    """A repository as it was found. `head` is its newest commit, `names` that commit's files."""

    private: bool
    head: str | None
    names: set[str]
    versions: dict[str, str]


def publish(
    workspace: Workspace, reference: str, to: str | None, private: bool, domain_path: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """Publishes `DOMAIN[@VERSION]` to the repository `to`, else to domain.yaml's `hub`; what `zoo publish` prints.

    Raises RequestError, before anything is uploaded, for a version that is published already, a release that was changed,
    a repository that holds something else, and a missing token.
    """
    name, _ = read_reference(reference)
    if "/" in name:
        raise RequestError(f"{name} is no domain: say DOMAIN[@VERSION], and the repository with --to.")
    domain = load_domain(name, domain_path)
    repo = repository(to) if to is not None else repository_of(domain, "say the repository with --to ORG/NAME")
    _, version, artifact = find_release(workspace, reference, domain_path)
    if changed := artifact.changed_files():
        raise RequestError(
            f"{domain.name}@{version}: {changed[0]} is missing or was changed since the release; release it anew, "
            "for only what was evaluated is published."
        )
    for row in register(workspace, domain.name).rows:
        if version in row.releases:
            say(f"  {domain.name}@{version} rests on {row.id}, which {domain.name} was told to forget on {row.at[:10]}")
    bundle = bundled(artifact)
    api = _api()
    with asking(repo, "looking at the repository"):
        remote = _look(api, repo)
        old = _check(api, repo, remote, domain.name, version, private) if remote else set()
    with asking(repo, "publishing"):
        if not remote:
            api.create_repo(repo, private=private)
        commit = _upload(api, repo, artifact, bundle, remote, old)
        _tag(api, repo, version, commit)
    result = artifact.result
    with (workspace.root / domain.name / PUBLISHED).open("a", encoding="utf-8") as f:
        f.write(json.dumps({"version": version, "repo": repo, "commit": commit}) + "\n")
    return {
        "domain": domain.name, "version": version, "repo": repo, "commit": commit, "url": f"{api.endpoint}/{repo}/tree/{version}",
        "private": remote.private if remote else private, "gate": result["gate"], "reasons": result["reasons"],
        "files": len(bundle.files), "left_out": bundle.left_out,
    }  # fmt: skip


def published_here(workspace: Workspace, domain: str, version: str) -> list[str]:
    """Where this workspace published a version to, as ORG/NAME@VERSION."""
    path = workspace.root / domain / PUBLISHED
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return [f"{r['repo']}@{version}" for r in rows if r["version"] == version]


def bundled(artifact: Artifact) -> Bundle:
    """The release as it is published: without an adapter that fits no base of the Hub.

    The published record has the digests of exactly the published files.
    """
    entries: dict[str, dict[str, Any]] = dict(artifact.record["files"])
    left_out = [n for n in entries if n.startswith(_ADAPTER)] if not _fits_hub_base(artifact) else []
    files: dict[str, Path | str] = {n: artifact.path(n) for n in entries if n not in left_out}
    entries = {n: e for n, e in entries.items() if n in files}
    record = {**artifact.record, "files": entries, "content": content_of(entries), "left_out": left_out}
    files[RECORD] = pretty(record)
    return Bundle(files, left_out)


def _fits_hub_base(artifact: Artifact) -> bool:
    """An adapter names a revision of its base only where it was trained on that revision's own files."""
    config = artifact.path(_ADAPTER) / "adapter_config.json"
    return config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("revision") is not None


def _api() -> HfApi:
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise RequestError("Publishing needs a token of the Hub with write access: set HF_TOKEN, or `hf auth login`.")
    return HfApi()


def _look(api: HfApi, repo: str) -> Remote | None:
    """The repository as it is, or None if the Hub has none of that name."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = api.model_info(repo)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None
    names = {s.rfilename for s in info.siblings or []}
    return Remote(bool(info.private), info.sha, names, published(api, repo))


def _check(api: HfApi, repo: str, remote: Remote, domain: str, version: str, private: bool) -> set[str]:
    """Refuses what must not go there; the names of the files of the release that is there now."""
    if version in remote.versions:
        raise RequestError(
            f"{repo} has {version} already, and what is published never changes; release a new version, or name another "
            "repository with --to."
        )
    if private and not remote.private:
        raise RequestError(f"{repo} is public already; make it private on its page of the Hub, or drop --private.")
    other = RequestError(f"{repo} holds something that is no release of {domain}; name another repository with --to.")
    if RECORD not in remote.names:
        if remote.names - _BLANK:
            raise other
        return set()
    try:
        record = json.loads(Path(api.hf_hub_download(repo, RECORD, revision=remote.head)).read_text(encoding="utf-8"))
        if record["step"] != "release" or record["domain"] != domain:
            raise other
        return set(record["files"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as e:
        raise other from e


def _upload(
    api: HfApi, repo: str, artifact: Artifact, bundle: Bundle, remote: Remote | None, old: set[str]
) -> str:  # fmt: skip
    """The commit. One commit, on the head that was looked at: nobody ever sees half a release or a mix of two."""
    from huggingface_hub import CommitOperationDelete

    result = artifact.result
    sizes = [f.stat().st_size if isinstance(f, Path) else len(f.encode()) for f in bundle.files.values()]
    name = f"{result['domain']} {result['version']}"
    say(f"publishing {name} (gate {result['gate']}) to {repo}: {len(sizes)} files, {sum(sizes) / 1e6:.0f} MB")
    if result["gate"] == "overridden":
        say(f"  released against the gate's advice, as its card says: {'; '.join(result['reasons'])}")
    if bundle.left_out:
        say("  without adapter/: it fits only the weights that it was trained on, which are not the Hub's own files")
    gone = sorted((old & remote.names) - bundle.files.keys()) if remote else []
    gate = "; ".join([f"Gate: {result['gate']}", *result["reasons"]])
    with progress("MB uploaded", sum(sizes) // _MB) as bar:
        sent = _Sent(bar)
        additions = [_addition(n, f if isinstance(f, Path) else f.encode(), sent) for n, f in bundle.files.items()]
        for addition, size in zip(additions, sizes, strict=True):
            if size >= _LARGE:
                api.preupload_lfs_files(repo, [addition])
                sent.at(addition.path_in_repo, size)
        done = api.create_commit(
            repo, [*additions, *(CommitOperationDelete(n) for n in gone)], commit_message=name, commit_description=gate,
            parent_commit=remote.head if remote else None,
        )  # fmt: skip
        for file, size in zip(bundle.files, sizes, strict=True):
            sent.at(file, size)
    return done.oid


class _Sent:
    """How much of each file has gone up."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self._bytes: dict[str, int] = {}

    def at(self, name: str, position: int) -> None:
        self._bytes[name] = position
        self.bar.advance(sum(self._bytes.values()) // _MB - self.bar.done)


def _addition(name: str, content: Path | bytes, sent: _Sent) -> CommitOperationAdd:
    """A file of a commit. Where the library reads it in this process (it hands most large ones to its own uploader, of
    which only the end is heard), `sent` is told how far it has read."""
    from huggingface_hub import CommitOperationAdd

    class Counted(CommitOperationAdd):
        @contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
            with super().as_file(with_tqdm) as file:
                if with_tqdm and isinstance(content, Path):  # it is read to be sent, and not for its digest
                    read: Any = file.read

                    def counted(size: int | None = -1) -> bytes:
                        data: bytes = read(size)
                        sent.at(name, file.tell())
                        return data

                    file.read = counted  # type: ignore[method-assign]
                yield file

    return Counted(name, content)


def _tag(api: HfApi, repo: str, version: str, commit: str) -> None:
    """Names the commit by its version. The answer may be lost after the tag was made, so the Hub is asked again."""
    try:
        with asking(repo, "tagging the version"):
            api.create_tag(repo, tag=version, revision=commit)
    except ZooError:
        if published(api, repo).get(version) != commit:
            raise
