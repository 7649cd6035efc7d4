"""The `options` of a suite: how its grader is loaded and run.

A suite may be a stranger's file. It cannot name the interpreter of python graders, lower their
sandbox, or have a key sent to a server of its choice: these are said where the suite is run.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from graders.choices import Choices
from graders.errors import OptionError, quoted
from graders.models import FORMS, JudgeOptions
from graders.sandbox import ISOLATIONS, Level, PythonOptions
from graders.wire.endpoint import LOCAL

__all__ = ["OPTIONS", "read_options"]

_CHOICES: Final = tuple(field.name for field in dataclasses.fields(Choices))
_PYTHON: Final[Mapping[str, str]] = {
    "python_timeout": "timeout",
    "python_memory": "memory",
    "isolation": "isolation",
}
_JUDGE: Final = (
    "base_url", "model_map", "cache_file", "repeats", "reply_form", "deadline", "concurrency",
    "embedding_model", "embedding_url",
)  # fmt: skip
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
OPTIONS: Final = (*_CHOICES, *_PYTHON, *_JUDGE, "offline")
"""The keys of `options`: those of `graders.load`, and of its judges."""

_SORTS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "python_timeout": ((int, float), "a number of seconds"),
    "python_memory": ((int,), "a whole number of bytes"),
    "isolation": ((str,), f"one of {', '.join(ISOLATIONS)}"),
    "base_url": ((str,), "text"),
    "model_map": ((dict,), "a map of model names"),
    "cache_file": ((Path,), "a path"),
    "repeats": ((int,), "a whole number"),
    "reply_form": ((str,), f"one of {', '.join(FORMS)}"),
    "deadline": ((int, float), "a number of seconds"),
    "concurrency": ((int,), "a whole number"),
    "embedding_model": ((str,), "text"),
    "embedding_url": ((str,), "text"),
    "offline": ((bool,), "true or false"),
}

_FOREIGN: Final = (
    "the key would go to a server that the suite names; if that is right, set OPENAI_BASE_URL={}"
)

Options = tuple[Choices, PythonOptions, JudgeOptions]


def read_options(
    value: Mapping[str, Any],
    folder: Path,
    *,
    record: bool,
    level: Level | None = None,
    interpreter: Path | None = None,
) -> tuple[Options, list[tuple[str, str]]]:
    """Return the options of a suite, and (key, problem) for each that is wrong.

    Args:
        value: the object of the suite, its keys known ones.
        folder: of the suite; paths are relative to it.
        record: ask the servers of judges and keep their replies, though the suite says `offline`.
        level: of the sandbox of python graders; None for this machine's default.
        interpreter: of python graders; None for this environment, or a built image.
    """
    given = {
        key: folder / one if key == "cache_file" and isinstance(one, str) else one
        for key, one in value.items()
    }
    problems = [(key, problem) for key, one in given.items() if (problem := _wrong(key, one))]
    right = {key: one for key, one in given.items() if key not in dict(problems)}
    cache_file = right.get("cache_file")
    if right.get("offline") and not record and cache_file and not cache_file.is_file():
        problems.append(("cache_file", "there is no such file; graders test --record makes it"))
    if record or not right.get("offline"):
        urls = {key: str(right[key]) for key in ("base_url", "embedding_url") if key in right}
        problems += [(key, _FOREIGN.format(url)) for key, url in urls.items() if not _may_ask(url)]
    # A suite that names a cache replays every reply in it, whatever the temperature.
    cache = "offline" if right.get("offline") else "all" if "cache_file" in right else "auto"
    judge: dict[str, Any] = {key: right[key] for key in _JUDGE if key in right}
    judge["cache"] = "refresh" if record else cache

    python = {name: right[key] for key, name in _PYTHON.items() if key in right}
    python |= {"level": level, "interpreter": interpreter}

    def built(kind: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        try:
            return kind(**values)
        except OptionError as error:
            problems.append(("", str(error)))
            return kind()

    options = (
        built(Choices, {key: right[key] for key in _CHOICES if key in right}),
        built(PythonOptions, python),
        built(JudgeOptions, judge),
    )
    return options, problems


def _may_ask(url: str) -> bool:
    """Whether a suite may have a server asked: this machine's, or the one the user's set-up names."""
    try:
        here = urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        here = False
    return here or url == LOCAL or url == os.environ.get("OPENAI_BASE_URL")


def _wrong(key: str, value: Any) -> str:
    """Return what is wrong with the value of an option; "" where it is of the right type.

    Choices check their own values, and the options objects most ranges.
    """
    if key not in _SORTS:
        return ""
    kinds, what = _SORTS[key]
    bad = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
    named = ISOLATIONS if key == "isolation" else None
    positive = key.startswith("python_") and not bad and not value > 0
    if bad or positive or (named is not None and value not in named):
        return f"{key} is {what}, got {quoted(value)}"
    if isinstance(value, Mapping) and not all(isinstance(one, str) for one in value.values()):
        return f"{key} is a map of model names to model names"
    return ""
