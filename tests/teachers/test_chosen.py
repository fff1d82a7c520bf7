"""Which teacher a run asks."""

from __future__ import annotations

import asyncio
import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fakes.models import tiny_weights
from zoo.artifact import Workspace, digest_file
from zoo.config import Options
from zoo.errors import RequestError
from zoo.library import load_domain
from zoo.recipes import load_recipe
from zoo.run import Run
from zoo.strict import identity_of
from zoo.teachers import Teacher
from zoo.teachers.chosen import (
    Endpoint,
    answer_tokens,
    chosen,
    endpoints,
    identity_of_teacher,
    open_teacher,
    require_teacher,
)

URL, OTHER, KEY, MODEL = "http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1", "sk-mine", "large"
DOMAIN = load_domain("medical")


def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], **options: str
) -> Endpoint | None:
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        if name in environment:
            monkeypatch.setenv(f"OPENAI_{name}", environment[name])
    return chosen(Run(DOMAIN, load_recipe("laptop"), Options(**options), Workspace(tmp_path)))


@pytest.mark.parametrize("environment", [{}, {"API_KEY": KEY}, {"MODEL": MODEL}, {"API_KEY": KEY, "MODEL": MODEL}])
def test_what_the_environment_holds_for_other_programs_asks_nobody(tmp_path, monkeypatch, environment):
    assert asked(tmp_path, monkeypatch, environment) is None


def test_an_endpoint_is_named_by_the_environment_or_the_request(tmp_path, monkeypatch):
    both = {"BASE_URL": URL, "API_KEY": KEY, "MODEL": MODEL}
    assert asked(tmp_path, monkeypatch, both) == Endpoint(URL, MODEL, KEY)
    assert asked(tmp_path, monkeypatch, both, teacher_model="small") == Endpoint(URL, "small", KEY)
    assert asked(tmp_path, monkeypatch, both, teacher_model="local") is None
    assert asked(tmp_path, monkeypatch, {}, teacher_url=URL, teacher_model=MODEL) == Endpoint(URL, MODEL, "none")
    assert asked(tmp_path, monkeypatch, {"API_KEY": KEY}, teacher_model=MODEL) == Endpoint(None, MODEL, KEY)


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ({"BASE_URL": URL}, {}, "no model"),
        ({"API_KEY": KEY}, {"teacher_url": URL}, "no model"),
        ({}, {"teacher_model": MODEL}, "needs --teacher-url"),
        ({"BASE_URL": "127.0.0.1:9", "MODEL": MODEL}, {}, "must start with http"),
        ({}, {"teacher_url": f"{URL},,{OTHER}", "teacher_model": MODEL}, "has an empty item"),
        ({"BASE_URL": f"{URL},", "MODEL": MODEL}, {}, "has an empty item"),
        ({}, {"teacher_url": f"{URL},{OTHER},{URL}/", "teacher_model": MODEL}, f"{URL} is listed twice"),
        ({}, {"teacher_url": f"{URL},local", "teacher_model": MODEL}, "cannot be listed beside"),
        ({}, {"teacher_url": "http://host:port/v1", "teacher_model": MODEL}, "cannot be read"),
    ],
)
def test_half_an_endpoint_is_refused(tmp_path, monkeypatch, environment, options, message):
    with pytest.raises(RequestError, match=message):
        asked(tmp_path, monkeypatch, environment, **options)


def test_several_endpoints_are_one_teacher_with_one_name(tmp_path, monkeypatch):
    listed = {"BASE_URL": f"{URL}, {OTHER}", "API_KEY": KEY, "MODEL": MODEL}
    assert asked(tmp_path, monkeypatch, listed) == Endpoint(URL, MODEL, KEY)
    assert endpoints(request(tmp_path)) == (Endpoint(URL, MODEL, KEY), Endpoint(OTHER, MODEL, KEY))
    monkeypatch.delenv("OPENAI_BASE_URL")
    several = request(tmp_path, teacher_url=f"{URL},{OTHER}", teacher_model=MODEL)
    one = request(tmp_path, teacher_url=OTHER, teacher_model=MODEL)
    assert identity_of_teacher(several) == identity_of_teacher(one) == {"model": MODEL}
    assert opened(several).places == (URL, OTHER)


# --- on this machine ---------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)


def request(workspace: Path, *settings: str, base: str | None = None, **options: str) -> Run:
    recipe = load_recipe("laptop", settings, base=base)
    return Run(DOMAIN, recipe, Options(**options), Workspace(workspace))


def opened(run: Run) -> Teacher:
    async def once() -> Teacher:
        teacher = open_teacher(run)
        await teacher.close()
        return teacher

    return asyncio.run(once())


def gguf(path: Path) -> Path:
    path.write_bytes(b"GGUF and more")
    return path


def test_a_gguf_file_is_a_teacher_known_by_its_content(tmp_path, monkeypatch, nothing_set):
    monkeypatch.setattr("zoo.teachers.llama.require_llama", lambda what: None)
    one, two = gguf(tmp_path / "One-Q8_0.gguf"), gguf(tmp_path / "sub.gguf")
    (tmp_path / "moved").mkdir()
    moved = gguf(tmp_path / "moved" / one.name)
    run = request(tmp_path, teacher_model=str(one))
    require_teacher(run)
    assert chosen(run) is None and opened(run).model == one.name
    assert opened(run).places == (digest_file(one),) == opened(request(tmp_path, teacher_model=str(two))).places
    known = identity_of_teacher(run)
    assert known == identity_of_teacher(request(tmp_path, teacher_model=str(moved), teacher_url="local"))
    assert known == {"model": "local", "digest": digest_file(one), "file": one.name, "engine": "llama"}
    assert opened(run).answer_tokens == answer_tokens(run) == run.recipe.annotate.max_answer_tokens
    # With an address it is a name there; an address that the environment holds for other programs is not asked for it.
    assert chosen(request(tmp_path, teacher_model=str(one), teacher_url=URL)) == Endpoint(URL, str(one))
    monkeypatch.setenv("OPENAI_BASE_URL", URL)
    assert chosen(request(tmp_path, teacher_model=str(one))) is None


def test_a_folder_is_a_teacher_by_either_engine(tmp_path, monkeypatch, nothing_set):
    monkeypatch.setattr("zoo.teachers.llama.require_llama", lambda what: None)
    folder, base = tiny_weights(tmp_path / "teacher").folder, tiny_weights(tmp_path / "base").folder
    (base / "README.md").write_text("---\nlicense: mit\n---\n")
    named = {"teacher_url": "local", "teacher_model": str(folder)}
    plain = request(tmp_path, base=str(base), **named)
    llama = request(tmp_path, "annotate.local_engine=llama", base=str(base), **named)
    for run in (plain, llama):
        require_teacher(run)
        assert opened(run).model == "teacher" and opened(run).answer_tokens == run.recipe.annotate.max_answer_tokens
    digest = plain.local_teacher.digest
    assert identity_of_teacher(plain) == {"model": "local", "digest": digest}
    assert identity_of_teacher(llama) == {"model": "local", "digest": digest, "engine": "llama"}
    assert opened(plain).places != opened(llama).places
    itself = request(tmp_path, base=str(base), teacher_model="local")
    assert opened(itself).model == "base" and opened(itself).answer_tokens == itself.recipe.annotate.local_answer_tokens


def test_the_engine_is_in_the_fingerprint_only_where_it_answers(tmp_path, nothing_set):
    fields = {"teacher_url": URL, "teacher_model": MODEL}
    plain, llama = (request(tmp_path, *s, **fields) for s in ((), ("annotate.local_engine=llama",)))
    assert identity_of_teacher(plain) == identity_of_teacher(llama)
    assert identity_of(plain.recipe.annotate) == identity_of(llama.recipe.annotate)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Qwen-Q4.gguf", {}, r"There is no teacher model .*Qwen-Q4\.gguf; did you mean Qwen-Q8_0\.gguf\?"),
        ("text.gguf", {}, "is no GGUF file"),
        ("nothing", {"teacher_url": "local"}, "There is no teacher model .* nor can it be ORG/NAME"),
        ("folder", {"teacher_url": "local"}, "cannot be used: it has no config.json"),
    ],
)
def test_a_local_teacher_that_cannot_be_is_refused(tmp_path, nothing_set, name, options, message):
    gguf(tmp_path / "Qwen-Q8_0.gguf")
    (tmp_path / "text.gguf").write_text("These are words.")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RequestError, match=message):
        require_teacher(request(tmp_path, teacher_model=str(tmp_path / name), **options))


@pytest.mark.skipif(find_spec("xllamacpp") is not None, reason="llama.cpp is installed here")
def test_without_llama_cpp_what_to_install_is_said_before_any_work(tmp_path, nothing_set):
    file = gguf(tmp_path / "one.gguf")
    for run in (request(tmp_path, teacher_model=str(file)), request(tmp_path, "annotate.local_engine=llama")):
        with pytest.raises(RequestError, match=r"needs llama.cpp.*pip install 'srm-zoo\[llama\]'"):
            require_teacher(run)


def test_a_model_that_cannot_be_written_as_gguf_is_refused_with_the_reason(tmp_path, monkeypatch, nothing_set):
    monkeypatch.setattr("zoo.teachers.llama.require_llama", lambda what: None)
    folder = tiny_weights(tmp_path / "model").folder
    config = json.loads((folder / "config.json").read_text())
    for change, why in (
        ({"architectures": ["OtherForCausalLM"]}, "it is a OtherForCausalLM"),
        ({"attention_bias": True}, "its layers have biases"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "its positions are scaled"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(RequestError, match=f"cannot be put to llama.cpp: {why}"):
            require_teacher(request(tmp_path, "annotate.local_engine=llama", base=str(folder)))
