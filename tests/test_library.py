"""Domains and recipes are found the same way wherever they come from, and a broken one stops nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zoo.errors import RequestError
from zoo.library import find_domains, folder, load_domain, load_recipe, recipes

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


def test_yaml_that_does_not_parse_says_the_line(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "domain.yaml").write_text("name: bad\n  x: [\n")
    _, broken = find_domains((tmp_path,))
    assert "line 2" in broken[0].error


def test_a_folder_without_a_domain_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"domain\.yaml"):
        find_domains((tmp_path,))


def test_settings_are_typed_and_numbers_in_e_notation_are_numbers():
    recipe = load_recipe("laptop", ("finetune.learning_rate=1e-4", "evaluate.limit={general: 3}"), seed=7)
    assert (recipe.finetune.learning_rate, recipe.evaluate.limit, recipe.seed) == (1e-4, {"general": 3}, 7)
