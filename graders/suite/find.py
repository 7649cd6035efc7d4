"""Finding suite files by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from graders.errors import ConfigError, Fault, nearest_path
from graders.remote import Place, Remote

__all__ = ["ENDINGS", "find_suites"]

ENDINGS: Final = (".graders.yaml", ".graders.yml", ".graders.json")
"""How the name of a suite file ends."""

_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "venv", "build", "dist"})


def find_suites(paths: Iterable[Place]) -> list[Place]:
    """Return the suite files among paths: a file is one, a folder is searched for them.

    An address is one, a pattern of several, or, with a slash at its end, a folder.

    Raises:
        ConfigError: a path is not there, or no suite is.
    """
    found: dict[Place, None] = {}
    asked = list(paths)
    for path in asked:
        if isinstance(path, Remote):
            found.update(dict.fromkeys(_matches(path)))
        elif path.is_dir():
            found.update(dict.fromkeys(_walk(path)))
        elif path.exists():
            found[path] = None
        else:
            near = nearest_path(path, _may_hold_suites)
            problem = "there is no such file or folder" + (
                f"; did you mean {near}?" if near else ""
            )
            raise ConfigError([Fault("$", problem)], source=str(path))
    if not found:
        searched = ", ".join(map(str, asked)) or "."
        names = ", ".join(f"*{ending}" for ending in ENDINGS)
        problem = f"no suite is here; the name of a suite file is one of {names}"
        raise ConfigError([Fault("$", problem)], source=searched)
    return list(found)


def _matches(place: Remote) -> list[Remote]:
    try:
        if place.url.endswith("/") and place.is_writable:  # Pages cannot be listed.
            return [one for one in place.within("**").matches() if one.name.endswith(ENDINGS)]
        return place.matches() if place.has_magic else [place]
    except OSError as error:
        raise ConfigError([Fault("$", str(error.strerror or error))], source=str(place)) from None


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            one for one in folders if not one.startswith(".") and one not in _SKIPPED
        )
        yield from (Path(place) / one for one in sorted(files) if one.endswith(ENDINGS))


def _may_hold_suites(path: Path) -> bool:
    """Whether a path is a suite, or a folder that is no Python package (such as our own)."""
    return not (path / "__init__.py").exists() if path.is_dir() else path.name.endswith(ENDINGS)
