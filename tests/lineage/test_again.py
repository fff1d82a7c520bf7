"""A run's request is kept without secrets, and asked for again it is the same."""

from __future__ import annotations

import pytest

from tests.lineage.conftest import Made
from zoo import run as runs
from zoo.again import again, request_of
from zoo.config import Options
from zoo.errors import RequestError
from zoo.lastrun import read_last


def options(made: Made, **more: object) -> Options:
    base, embedder = made.models
    return Options(**{
        "workspace": made.workspace.root, "recipe": str(made.root / "recipe.yaml"), "corpus": (made.root / "corpus",),
        "base": str(base), "settings": (f"ingest.embedder={embedder}",), "teacher_model": "scripted",
        "teacher_url": made.teacher.url, "domain_path": (made.root / "domain" / "pharmacy",), **more,
    })  # fmt: skip


def test_the_last_run_asked_for_again_is_all_done(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere:1/v1")
    last = read_last(made.workspace, "pharmacy")
    run = again(made.workspace, last)
    assert [entry["cached"] for entry in runs.plan(run)] == [True, True, True]
    assert run.recipe.model_dump(mode="json") == last.recipe
    assert run.options.teacher_url == made.teacher.url


@pytest.mark.parametrize("url", ["http://someone:s3cret-word@teacher:9/v1", "http://teacher:9/v1?key=s3cret-word"])
def test_a_key_in_the_teachers_address_is_not_kept(made: Made, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "another-s3cret-word")
    asked = request_of(runs.prepare("pharmacy", options(made, teacher_url=url)))
    assert "s3cret" not in asked.model_dump_json() and asked.keyed
    last = read_last(made.workspace, "pharmacy").model_copy(update={"request": asked})
    with pytest.raises(RequestError, match="http://teacher:9/v1 had a user, a password or a query, which are not kept"):
        again(made.workspace, last)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert again(made.workspace, last).options.teacher_url == url


def test_a_local_teacher_stays_one_whatever_the_environment_says_later(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request_of(runs.prepare("pharmacy", options(made, teacher_url=None, teacher_model=None)))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere:1/v1")
    monkeypatch.setenv("OPENAI_MODEL", "large")
    last = read_last(made.workspace, "pharmacy").model_copy(update={"request": asked})
    run = again(made.workspace, last)
    assert request_of(run) == asked and (asked.teacher_url, asked.teacher_model) == ("local", "local")
