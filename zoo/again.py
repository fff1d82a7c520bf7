"""What a run asked for, as it is kept in `run.json`, and asking for it again."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from zoo.artifact import Workspace
from zoo.config import Options
from zoo.errors import RequestError
from zoo.lastrun import LastRun, Request
from zoo.library import listed_paths, load_domain
from zoo.run import Run, checked
from zoo.settings import Recipe
from zoo.strict import validated
from zoo.teachers.chosen import LOCAL, endpoints, local_name


def request_of(run: Run) -> Request:
    """Without secrets."""
    given = run.options
    url, model, keyed = _teacher(run)
    return Request(
        until=run.until, corpus=[_whole(p) for p in given.corpus], sources={n: _whole(p) for n, p in given.sources.items()},
        suites=list(given.suites), suite_data={n: _whole(p) for n, p in given.suite_data.items()},
        base=_place(run.recipe.base), teacher_url=url, teacher_model=model, keyed=keyed, offline=given.offline,
        domain_path=[_whole(p) for p in (*given.domain_path, *listed_paths())],
    )  # fmt: skip


def _teacher(run: Run) -> tuple[str, str, bool]:
    """Address and model, and whether the address had more than may be kept."""
    from zoo.teachers.endpoint import address

    if (name := local_name(run)) is not None:
        return LOCAL, _place(name), False
    asked = endpoints(run)
    parts = [urlsplit(e.url or "") for e in asked]
    keyed = any(p.username or p.password or p.query for p in parts)
    return ",".join(address(e.url) for e in asked), asked[0].model, keyed


def _whole(path: Path) -> Path:
    return path.expanduser().absolute()


def _place(name: str) -> str:
    """A folder or file in full, anything else as it is."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name


def again(workspace: Workspace, last: LastRun) -> Run:
    """The last run's request with the settings that its recipe had then, checked. Raises RequestError where it cannot be
    asked for any more, and where its teacher's address had a key in it, unless OPENAI_BASE_URL is that address."""
    asked = last.request
    if asked is None:
        raise RequestError(
            f"The last run of {last.domain} was made by an older zoo, which did not keep what it asked for."
        )
    options = Options(
        workspace=workspace.root, corpus=tuple(asked.corpus), sources=asked.sources, suites=tuple(asked.suites),
        suite_data=asked.suite_data, base=asked.base, teacher_url=_address(asked), teacher_model=asked.teacher_model,
        offline=asked.offline, domain_path=tuple(asked.domain_path),
    )  # fmt: skip
    recipe = validated(Recipe, {**last.recipe, "base": asked.base or last.recipe["base"]}, "run.json's recipe")
    domain = load_domain(last.domain, options.domain_path)
    domain.check()
    return checked(Run(domain, recipe, options, workspace, asked.until))


def _address(asked: Request) -> str | None:
    from zoo.teachers.endpoint import address

    if not asked.keyed:
        return asked.teacher_url
    listed = os.environ.get("OPENAI_BASE_URL", "")
    if ",".join(address(url) for url in listed.split(",")) != asked.teacher_url:
        raise RequestError(
            f"The teacher's address {asked.teacher_url} had a user, a password or a query, which are not kept; set "
            "OPENAI_BASE_URL to the whole address."
        )
    return listed
