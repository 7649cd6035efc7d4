"""Graders to begin with: each a folder of grader, rows, suite and page, written out for you to change."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from graders.errors import OptionError, suggestion

__all__ = ["PAGE", "RECIPES", "START", "Recipe", "next_commands", "recipe", "write"]

PAGE: Final = "README.md"
"""The page about a recipe."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that comes with graders.

    Attributes:
        name: of its folder, as `graders new` takes it.
        title: what it grades, in one line.
        judged: whether it has a judge, and comes with replies of one.
    """

    name: str
    title: str
    judged: bool = False

    def files(self) -> Mapping[str, bytes]:
        """Return its files by their names."""
        folder = files(__package__) / self.name
        return {one.name: one.read_bytes() for one in sorted(folder.iterdir(), key=lambda one: one.name)}  # fmt: skip


START: Final = "start"
"""The recipe that begins where nothing else is known; it runs on every machine."""

RECIPES: Final = {
    one.name: one
    for one in (
        Recipe(START, "an answer compared with a reference: equal, or how alike"),
        Recipe("math", "a final answer worth the reference: fractions, units, sets, algebra"),
        Recipe("format", "reasoning and answer in their tags, and the answer right"),
        Recipe("json-schema", "JSON that holds to a schema, and has the reference's values"),
        Recipe("tool-call", "the right tools with the right arguments, in any order"),
        Recipe("length", "a right answer, less the soft overlong penalty of DAPO"),
        Recipe("repetition", "a right answer, less the share of n-grams that repeat"),
        Recipe("code", "Python that passes unit tests"),
        Recipe("rubric", "a judge that goes through a rubric of points", judged=True),
        Recipe("pairwise", "a judge that compares with a reference, in both orders", judged=True),
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


def next_commands(made: Recipe, folder: Path) -> list[str]:
    """Return the three commands that come next, as a shell takes them: check, test, score.

    One that is long goes on in a second line, after a backslash.


    Args:
        made: the recipe.
        folder: where it was written to.
    """
    grader, rows = (shlex.quote(str(folder / name)) for name in ("grader.json", "rows.jsonl"))
    results = shlex.quote(str(folder / "results.jsonl"))
    replies = shlex.quote(str(folder / "replies.sqlite"))
    kept = (
        f" \\\n      --offline --base-url http://127.0.0.1:8000/v1 --cache-file {replies}"
        if made.judged
        else ""
    )
    return [
        f"graders validate {grader} --rows {rows}{kept}",
        f"graders test {shlex.quote(str(folder))}",
        f"graders score {grader} {rows} -o {results}{kept}",
    ]


def write(
    made: Recipe, folder: Path, *, force: bool = False, without: Collection[str] = ()
) -> list[Path]:
    """Write a recipe's files into a folder, which is made where it is not there, and return their paths.

    Args:
        made: the recipe.
        folder: where to; other files in it stay as they are.
        force: whether files of the same names are written over.
        without: the names of files that are not written.

    Raises:
        OptionError: a file is there already, or the folder cannot be written; nothing was written over.
    """
    contents = {name: one for name, one in made.files().items() if name not in without}
    there = sorted(name for name in contents if (folder / name).exists())
    if there and not force:
        raise OptionError(f"{folder / there[0]} is there already; choose another folder, or --force to write over it")  # fmt: skip
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
