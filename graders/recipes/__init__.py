"""Graders to begin with: each a folder of grader, rows, suite and page, written out for you to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from graders.errors import OptionError, suggestion

__all__ = ["RECIPES", "Recipe", "recipe", "write"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that comes with graders.

    Attributes:
        name: of its folder, as `graders new` takes it.
        title: what it grades, in one line.
    """

    name: str
    title: str

    def files(self) -> Mapping[str, bytes]:
        """Return its files by their names."""
        folder = files(__package__) / self.name
        return {one.name: one.read_bytes() for one in sorted(folder.iterdir(), key=lambda one: one.name)}  # fmt: skip


RECIPES: Final = {
    one.name: one
    for one in (
        Recipe("math", "a final answer worth the reference: fractions, units, sets, algebra"),
        Recipe("format", "reasoning and answer in their tags, and the answer right"),
        Recipe("json-schema", "JSON that holds to a schema, and has the reference's values"),
        Recipe("tool-call", "the right tools with the right arguments, in any order"),
        Recipe("length", "a right answer, less the soft overlong penalty of DAPO"),
        Recipe("repetition", "a right answer, less the share of n-grams that repeat"),
        Recipe("code", "Python that passes unit tests"),
        Recipe("rubric", "a judge that goes through a rubric of points"),
        Recipe("pairwise", "a judge that compares with a reference, in both orders"),
    )
}  # fmt: skip
"""Every recipe by its name."""


def recipe(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        OptionError: there is none of this name; says the nearest.
    """
    found = RECIPES.get(name)
    if found is None:
        hint = suggestion(name, RECIPES, "there are")
        raise OptionError(f'there is no recipe "{name}"; {hint}')
    return found


def write(made: Recipe, folder: Path, *, force: bool = False) -> list[Path]:
    """Write a recipe's files into a folder, which is made where it is not there, and return their paths.

    Args:
        made: the recipe.
        folder: where to; other files in it stay as they are.
        force: whether files of the same names are written over.

    Raises:
        OptionError: a file is there already, or the folder cannot be written; nothing was written over.
    """
    contents = made.files()
    there = sorted(name for name in contents if (folder / name).exists())
    if there and not force:
        raise OptionError(f"{folder / there[0]} is there already; choose another folder with -o, or --force to write over it")  # fmt: skip
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            path = folder / name
            with path.open("wb" if force else "xb") as stream:
                stream.write(content)
            paths.append(path)
    except OSError as error:
        raise OptionError(f"cannot write {error.filename or folder}: {error.strerror or error}") from None  # fmt: skip
    return paths
