"""Forgetting a document: what rests on it is listed, removed, and made again without it.

The document is noted as forgotten before anything else, and its text is the last to go: killed in between, the same command
goes on.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.artifact import RECORD, WORK, Workspace
from zoo.console import say
from zoo.errors import ReleaseRefused, RequestError, ZooError
from zoo.kept import DATA, ROLES
from zoo.lastrun import FILE as LAST_RUN
from zoo.lastrun import LastRun, read_last
from zoo.library import Domain
from zoo.lineage.documents import Target, entries, find
from zoo.lineage.forgotten import Forgotten, note, register
from zoo.lineage.resting import Resting, resting_on
from zoo.lineage.training import vectors_of
from zoo.lock import locked
from zoo.report import FILE as REPORT
from zoo.report import train_and_report
from zoo.teachers import batch_journal
from zoo.teachers.askers import models_asked
from zoo.teachers.chosen import BATCHES
from zoo.teachers.store import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.run import Run


@dataclass(frozen=True)
class Forgetting:
    """A document to be forgotten, and what that means. `run` is what will be made again, None where nothing is; `why_not`
    is why what should be cannot. `since` is when it was forgotten already, with nothing left to do."""

    workspace: Workspace
    domain: Domain
    resting: Resting
    run: Run | None
    why_not: str
    since: str
    releases: bool

    @property
    def target(self) -> Target:
        return self.resting.target


def prepare(workspace: Workspace, domain: Domain, name: str, rebuild: bool, releases: bool) -> Forgetting:
    """What forgetting the document that `name` means would come to; changes nothing. Raises RequestError for a name that
    no document has, or several have."""
    forgotten = register(workspace, domain.name)
    target = find(entries(workspace, domain.name), forgotten, domain.name, name)
    rows = [r for r in forgotten.rows if r.id == target.id]
    since = "" if target.entries or not all(r.done for r in rows) else max(r.at for r in rows)
    resting = resting_on(workspace, domain, target)
    run, why_not = None, ""
    begun = any(not r.done for r in rows)
    if rebuild and not since and (last := _to_repeat(workspace, domain.name, resting, begun)):
        from zoo.again import again

        try:
            run = again(workspace, last)
        except ZooError as e:
            why_not = str(e)
    return Forgetting(workspace, domain, resting, run, why_not, since, releases)


def _to_repeat(workspace: Workspace, domain: str, resting: Resting, begun: bool) -> LastRun | None:
    """The domain's last run, where what it used goes; of a forgetting that was `begun` before, where it has gone, or where
    that run is the one which was to make it anew and did not get to its end."""
    home = workspace.root / domain
    if not (home / LAST_RUN).is_file():
        return None
    last = read_last(workspace, domain)
    going = {a.folder for a in resting.artifacts}
    used = [home / done.artifact for done in last.steps]
    gone = any(f in going or (begun and not (f / RECORD).is_file()) for f in used)
    return last if gone or (begun and (last.ended is None or last.failed)) else None


def carry_out(asked: Forgetting) -> dict[str, Any] | None:
    """Removes what rests on the document and makes anew what the last run had asked for; that run's result, None where
    nothing was made. Raises RequestError, with nothing removed, where what should be made again cannot be."""
    if asked.why_not:
        raise RequestError(
            f"What the last run of {asked.domain.name} asked for cannot be asked for again: {asked.why_not} Nothing was "
            "removed; put that right, or say --no-rebuild and train anew afterwards."
        )
    with _held(asked):
        rows = _noted(asked)
        _erase_answers(asked)
        _remove(asked)
    result: dict[str, Any] | None = None
    try:
        if asked.run:
            say(f"the last run of {asked.domain.name} is made again without it")
            result = train_and_report(asked.run)
    except ReleaseRefused:
        _done(asked, rows)
        raise
    _done(asked, rows)
    return result


@contextmanager
def _held(asked: Forgetting) -> Iterator[None]:
    """Keeps every step of the domain from going on that is not running."""
    with ExitStack() as stack:
        for lock in (asked.workspace.root / asked.domain.name).glob(f"*/*/{WORK}/lock"):
            if (file := locked(lock, wait=False)) is None:
                raise ZooError(
                    f"A running zoo process is working in {lock.parents[1]}, so nothing was removed: wait for it or stop it."
                )
            stack.enter_context(file)
        if models := models_asked(asked.workspace.answers.parent / "asking"):
            raise ZooError(
                f"A running zoo process asks {' and '.join(sorted(models))}, so nothing was removed: wait for it or stop it."
            )
        yield


def _noted(asked: Forgetting) -> list[Forgotten]:
    """The document's versions, on the list of what is forgotten."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    versions = {e.version for e in asked.target.entries}
    releases = tuple(sorted(r.version for r in asked.resting.releases if r.sure))
    rows = [Forgotten(id=i, file=file, text=words, at=now, releases=releases) for i, file, words in sorted(versions)]
    note(asked.workspace, asked.domain.name, rows)
    known = register(asked.workspace, asked.domain.name).rows
    return [r for r in known if r.id in asked.target.ids and not r.done]


def _done(asked: Forgetting, rows: list[Forgotten]) -> None:
    note(asked.workspace, asked.domain.name, (r.model_copy(update={"done": True}) for r in rows))


def _erase_answers(asked: Forgetting) -> None:
    resting, workspace = asked.resting, asked.workspace
    batch_journal.erase(workspace.cache / BATCHES, resting.words.in_texts, drop=True)
    if workspace.answers.is_file():
        cache = Cache(workspace.answers)
        try:
            cache.erase([*resting.answers, *resting.unknown_answers])
        finally:
            cache.close()


def _remove(asked: Forgetting) -> None:
    """Later steps before earlier ones: as long as anything is there, it can be told what it rests on."""
    workspace, domain, resting = asked.workspace, asked.domain.name, asked.resting
    shutil.rmtree(vectors_of(workspace, domain), ignore_errors=True)
    (workspace.root / domain / REPORT).unlink(missing_ok=True)
    _sweep(workspace, resting)
    if asked.releases:
        for release in resting.releases:
            shutil.rmtree(workspace.releases(domain) / "evaluations" / release.version, ignore_errors=True)
            _drop(release.folder)
    for folder in (*resting.unfinished, *(a.folder for a in resting.artifacts)):
        _drop(folder)


def _sweep(workspace: Workspace, resting: Resting) -> None:
    """Logs of errors, and what the cache has beside answers and weights, go where they hold words of the document: nothing
    needs them."""
    kept = {workspace.cache / name for name in (*ROLES, *DATA, BATCHES)}
    for path in chain((workspace.root / "logs").rglob("*"), workspace.cache.rglob("*")):
        if not path.is_file() or kept & {*path.parents} or path.name.startswith(workspace.answers.name):
            continue
        if resting.words.in_text(path.read_text(encoding="utf-8", errors="replace")):
            path.unlink()


def _drop(folder: Path) -> None:
    # Without its record it is no artifact any more, also where this is killed half way.
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)
