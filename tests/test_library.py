"""Domains and recipes are found the same way wherever they come from, and a broken one stops nobody."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import yaml

from zoo.errors import RequestError, ZooError
from zoo.library import Domain, find_domains, folder, load_domain
from zoo.recipes import load_recipe, recipes

DOCUMENTS = {"id": "notes", "kind": "documents", "licence": "MIT"}
RECIPES = sorted(folder("recipes").rglob("*.yaml"))


def test_there_are_recipes():
    assert RECIPES
    assert set(recipes()) == {p.stem for p in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_is_valid_and_headed_by_the_command_that_runs_it(path):
    recipe = load_recipe(str(path))
    assert recipe.name == path.stem
    assert path.read_text().startswith("# zoo train ")
    assert f"--recipe {path.stem}" in path.read_text().splitlines()[0]


def plugin(root: Path, name: str, **changes: object) -> Path:
    place = root / name
    place.mkdir(parents=True)
    built_in = yaml.safe_load((folder("domains") / "healthcare" / "domain.yaml").read_text())
    changes = {"kinds": {}, **changes} if "verifiers" in changes else changes
    (place / "domain.yaml").write_text(yaml.safe_dump({**built_in, "name": name, "aliases": [], **changes}))
    return place


def test_a_plugin_folder_is_found_by_path_and_by_environment(tmp_path, monkeypatch):
    place = plugin(tmp_path, "nursing", aliases=["care"])
    assert load_domain("care", (place,)).name == "nursing"
    monkeypatch.setenv("ZOO_DOMAINS", str(tmp_path))
    find_domains.cache_clear()
    assert load_domain("nursing").folder == place.resolve()
    find_domains.cache_clear()


def test_a_plugins_python_is_its_own(tmp_path):
    place = plugin(tmp_path, "astro", verifiers={"short": "always"})
    (place / "__init__.py").write_text("")
    (place / "verifiers.py").write_text(
        "from zoo.api import Verdict\n"
        "VERIFIERS = {'always': lambda example, response: Verdict(check='always', verdict='right')}\n"
    )
    domain = load_domain("astro", (place,))
    assert domain.verifiers["short"](None, "x").verdict == "right"


VERIFIERS = """
from zoo.api import Verdict
from .words import WORD

def always(example, response):
    return Verdict(check=WORD, verdict="right")

VERIFIERS = {"always": always}
"""


def coded(place: Path, word: str) -> Path:
    """The plugin with a verifier that names `word`, which stands in a module beside it."""
    (place / "verifiers.py").write_text(VERIFIERS)
    (place / "words.py").write_text(f"WORD = {word!r}\n")
    return place


def test_two_plugins_in_folders_of_one_name_run_each_its_own_python(tmp_path):
    places = []
    for name, init in (("first", True), ("second", False)):
        made = coded(plugin(tmp_path / name, name, verifiers={"short": "always"}), name)
        places.append(made.rename(made.with_name("domain")))
        if init:
            (places[-1] / "__init__.py").write_text("from .words import WORD\n")
    domains = [load_domain(name, tuple(places)) for name in ("first", "second")]
    assert [d.verifiers["short"](None, "x").check for d in domains] == ["first", "second"]
    for domain in domains:
        assert pickle.loads(pickle.dumps(domain.verifiers["short"])) is domain.verifiers["short"]


def test_a_copy_of_a_built_in_domain_runs_the_copys_python(tmp_path):
    place = plugin(tmp_path, "healthcare")
    place.joinpath("domain.yaml").write_text(place.joinpath("domain.yaml").read_text().replace("healthcare", "clinic"))
    (place / "parsers.py").write_text(
        "from zoo.api import Parser\nPARSERS = [Parser('clinic', lambda name, head: False, None)]\n"
    )
    assert [p.name for p in load_domain("clinic", (place,)).parsers] == ["clinic"]
    assert "clinic" not in [p.name for p in load_domain("healthcare", (place,)).parsers]


def test_an_installed_plugin_whose_package_lies_elsewhere_too_is_refused(tmp_path, monkeypatch):
    one, two = (coded(plugin(tmp_path / n, "elsewhere", verifiers={"short": "always"}), n) for n in ("a", "b"))
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    assert Domain(one, load_domain("elsewhere", (one,)).config, "elsewhere").verifiers
    with pytest.raises(ZooError, match=r"verifiers\.py of the domain elsewhere was taken from .*/a/.*, not from .*/b/"):
        _ = Domain(two, load_domain("elsewhere", (two,)).config, "elsewhere").verifiers


def test_python_that_fails_to_import_fails_the_same_way_twice(tmp_path):
    place = coded(plugin(tmp_path, "faulty", verifiers={"short": "always"}), "x")
    (place / "__init__.py").write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZooError, match=r"verifiers\.py of the domain faulty cannot be imported: ZeroDivisionError"):
            _ = load_domain("faulty", (place,)).verifiers


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("wrongapi", {"api_version": 99}, "plugin API 99"),
        ("medical", {}, "is taken by the domain healthcare"),
        ("shadow", {"aliases": ["healthcare"]}, "is taken by the domain healthcare"),
        ("typo", {"sumary": "x"}, "did you mean 'summary'?"),
        (
            "kinds",
            {"annotators": {"document": "grounded_qa"}},
            "under annotators 'document'; did you mean 'documents'?",
        ),
        ("checks", {"verifiers": {"choise": "choice"}}, "under verifiers 'choise'; did you mean 'choice'?"),
        (
            "rows",
            {"sources": [{**DOCUMENTS, "hub": {"dataset": "a/b", "split": "train"}}]},
            "of which hub says nothing",
        ),
        ("answers", {"sources": [{**DOCUMENTS, "answer": "choice"}]}, "of which answer says nothing"),
        (
            "weights",
            {"verifiers": {"short": "short"}, "kinds": {"choice": 1}},
            "names choice among its kinds, for which",
        ),
        ("wants", {"verifiers": {"label": "label"}, "kinds": {"label": 1}}, "under kinds 'label'"),
        (
            "nothing",
            {"verifiers": {"short": "short"}, "kinds": {"short": 0}},
            "kinds.short is 0; it should be more than 0",
        ),
        ("unsaid", {"sources": [{**DOCUMENTS, "kind": "questions"}]}, "sources.0 (notes) holds questions and lacks"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_stops_nobody(tmp_path, name, changes, error):
    plugin(tmp_path, name, **changes)
    plugin(tmp_path, "good")
    domains, broken = find_domains((tmp_path,))
    assert set(domains) >= {"healthcare", "good"}
    assert [b.name for b in broken] == [name]
    assert error in broken[0].error


def test_a_broken_domain_that_was_named_by_its_path_says_so_whatever_it_calls_itself(tmp_path):
    place = plugin(tmp_path, "nursing", kinds={"choise": 1}).rename(tmp_path / "folder")
    with pytest.raises(RequestError, match=r"no domain 'nursing', and the one in .*folder is broken: .*'choise'"):
        load_domain("nursing", (place,))
    with pytest.raises(RequestError, match=r"no domain 'other'; known: "):
        load_domain("other", (plugin(tmp_path, "good"),))


def test_yaml_that_does_not_parse_says_the_line(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "domain.yaml").write_text("name: bad\n  x: [\n")
    _, broken = find_domains((tmp_path,))
    assert "line 2" in broken[0].error


def test_a_folder_without_a_domain_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"domain\.yaml"):
        find_domains((tmp_path,))


def test_a_value_in_place_of_settings_is_answered_with_their_names():
    with pytest.raises(RequestError, match=r"annotate\.quality is student; .* \(method, threshold, folds, epochs\)\.$"):
        load_recipe("laptop", ("annotate.quality=student",))


def test_settings_are_typed_and_numbers_in_e_notation_are_numbers():
    recipe = load_recipe("laptop", ("finetune.learning_rate=1e-4", "evaluate.limit={general: 3}"), seed=7)
    assert (recipe.finetune.learning_rate, recipe.evaluate.limit, recipe.seed) == (1e-4, {"general": 3}, 7)
