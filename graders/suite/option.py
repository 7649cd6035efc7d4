"""The `options` of a suite: how its grader is loaded and run.

A suite may be a stranger's file. It cannot name the interpreter of python graders, lower their
sandbox, or have a key sent to a server of its choice: these are said where the suite is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from graders.keyword import take
from graders.models import JudgeOptions
from graders.option import Option, options_of, wrong
from graders.reading import Reading
from graders.remote import Place, Remote
from graders.sandbox import Level, PythonOptions
from graders.wire.endpoint import LOCAL

__all__ = ["OPTIONS", "read_options"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_KINDS: Final = (Reading, PythonOptions, JudgeOptions)
_OFFLINE: Final = Option(name="offline", sort=bool)
OPTIONS: Final[Mapping[str, Option]] = {
    one.name: one for kind in _KINDS for one in options_of(kind) if one.suite
} | {"offline": _OFFLINE}
"""The keys of `options`: those of `graders.load` that a stranger may say, and `offline`."""

_FOREIGN: Final = (
    "the key would go to a server that the suite names; if that is right, set OPENAI_BASE_URL={}"
)

Options = tuple[Reading, PythonOptions, JudgeOptions]


def _beside(folder: Place, name: str) -> Path:
    """Return a path as the suite in a folder says it; beside one that stands elsewhere it is from here."""
    return Path(name) if isinstance(folder, Remote) else folder / name


def read_options(
    value: Mapping[str, Any],
    folder: Place,
    *,
    record: bool,
    sandbox: Level | None = None,
    python: Path | None = None,
) -> tuple[Options, list[tuple[str, str]]]:
    """Return the options of a suite, and (key, problem) for each that is wrong.

    Args:
        value: the object of the suite, its keys known ones.
        folder: of the suite; paths are relative to it.
        record: ask the servers of judges and keep their replies, though the suite says `offline`.
        sandbox: the level of python graders; None for this machine's default.
        python: their interpreter; None for this environment, or a built image.
    """
    given = {
        key: _beside(folder, one) if key == "cache_file" and isinstance(one, str) else one
        for key, one in value.items()
        if key in OPTIONS  # Nothing else of a stranger's file comes any further.
    }
    problems = [(key, problem) for key, one in given.items() if (problem := _wrong(key, one))]
    right = {key: one for key, one in given.items() if key not in dict(problems)}
    cache_file = right.get("cache_file")
    if right.get("offline") and not record and cache_file and not cache_file.is_file():
        where = " on this machine, from where it is run" if isinstance(folder, Remote) else ""
        problem = f"there is no such file{where}; graders test --record makes it"
        problems.append(("cache_file", problem))
    if record or not right.get("offline"):
        urls = {key: str(right[key]) for key in ("base_url", "embedding_url") if key in right}
        problems += [(key, _FOREIGN.format(url)) for key, url in urls.items() if not _may_ask(url)]
    # A suite that names a cache replays every reply in it, whatever the temperature.
    cache = "offline" if right.get("offline") else "all" if "cache_file" in right else "auto"
    said: dict[str, Any] = {key: one for key, one in right.items() if key != "offline"}
    said |= {"sandbox": sandbox, "python": python, "cache": "refresh" if record else cache}
    return tuple(take(None, kind, said) for kind in _KINDS), problems


def _may_ask(url: str) -> bool:
    """Whether a suite may have a server asked: this machine's, or the one the user's set-up names."""
    try:
        here = urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        here = False
    return here or url == LOCAL or url == os.environ.get("OPENAI_BASE_URL")


def _wrong(key: str, value: Any) -> str:
    """Return what is wrong with the value of an option; "" where nothing is."""
    problem = wrong(OPTIONS[key], value)
    if not problem and isinstance(value, Mapping):
        named = all(isinstance(one, str) for one in value.values())
        return "" if named else f"{key} is a map of model names to model names"
    return problem
