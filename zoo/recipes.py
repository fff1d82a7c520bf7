"""Recipes: those that come with the project by their names, and any by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import RequestError, unknown
from zoo.library import folder
from zoo.settings import Recipe
from zoo.strict import read_yaml, validated, with_settings


def recipes() -> dict[str, Path]:
    return {p.stem: p for p in sorted(folder("recipes").glob("*.yaml"))}


def load_recipe(name: str, settings: tuple[str, ...] = (), **override: Any) -> Recipe:
    """A recipe by name or path, with `--set` settings and other overrides (base, seed) applied; None overrides nothing."""
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        if name not in recipes():
            raise unknown("recipe", name, recipes())
        path = recipes()[name]
    elif not path.is_file():
        raise RequestError(f"There is no recipe file {path}.")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise RequestError(f"{path.name} is not a recipe: it should be a mapping of settings.")
    data = with_settings(Recipe, {"name": path.stem, **data}, settings)
    data.update({k: v for k, v in override.items() if v is not None})
    return validated(Recipe, data, f"recipe {path.name}")
