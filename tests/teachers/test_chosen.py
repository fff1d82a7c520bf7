"""Which teacher a run asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.artifact import Workspace
from zoo.config import Options
from zoo.errors import RequestError
from zoo.library import load_domain, load_recipe
from zoo.run import Run
from zoo.teachers.chosen import Endpoint, chosen

URL, KEY, MODEL = "http://127.0.0.1:9/v1", "sk-mine", "large"
DOMAIN = load_domain("medical")


def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], **options: str
) -> tuple[Endpoint, ...]:
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        if name in environment:
            monkeypatch.setenv(f"OPENAI_{name}", environment[name])
    return chosen(Run(DOMAIN, load_recipe("laptop"), Options(**options), Workspace(tmp_path)))


@pytest.mark.parametrize("environment", [{}, {"API_KEY": KEY}, {"MODEL": MODEL}, {"API_KEY": KEY, "MODEL": MODEL}])
def test_what_the_environment_holds_for_other_programs_asks_nobody(tmp_path, monkeypatch, environment):
    assert asked(tmp_path, monkeypatch, environment) == ()


def test_an_endpoint_is_named_by_the_environment_or_the_request(tmp_path, monkeypatch):
    both = {"BASE_URL": URL, "API_KEY": KEY, "MODEL": MODEL}
    assert asked(tmp_path, monkeypatch, both) == (Endpoint(URL, MODEL, KEY),)
    assert asked(tmp_path, monkeypatch, both, teacher_model="small") == (Endpoint(URL, "small", KEY),)
    assert asked(tmp_path, monkeypatch, both, teacher_model="local") == ()
    assert asked(tmp_path, monkeypatch, {}, teacher_url=URL, teacher_model=MODEL) == (Endpoint(URL, MODEL, "none"),)
    assert asked(tmp_path, monkeypatch, {"API_KEY": KEY}, teacher_model=MODEL) == (Endpoint(None, MODEL, KEY),)


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ({"BASE_URL": URL}, {}, "no model"),
        ({"API_KEY": KEY}, {"teacher_url": URL}, "no model"),
        ({}, {"teacher_model": MODEL}, "needs --teacher-url"),
        ({"BASE_URL": "127.0.0.1:9", "MODEL": MODEL}, {}, "must start with http"),
    ],
)
def test_half_an_endpoint_is_refused(tmp_path, monkeypatch, environment, options, message):
    with pytest.raises(RequestError, match=message):
        asked(tmp_path, monkeypatch, environment, **options)
