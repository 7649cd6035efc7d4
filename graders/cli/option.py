"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from graders import jsontext
from graders.api import PythonOptions, Reading, ScoreOptions
from graders.cli.help import Flag
from graders.cli.usage import Somewhere
from graders.errors import OptionError
from graders.models import RolloutOptions
from graders.option import Option, options_of
from graders.remote import Place, here, is_remote, named

__all__ = [
    "Read",
    "brought",
    "byte_size",
    "completed",
    "data_dir_option",
    "file_name",
    "flags",
    "flags_of",
    "grader_argument",
    "grouped_layout_options",
    "json_option",
    "json_value",
    "layout_options",
    "place_of",
    "python_options",
    "reading_options",
    "rollout_options",
    "text_value",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class _FileName(click.types.StringParamType):
    """A file's name, or what stands for one; shells complete it as such."""

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        return [CompletionItem(incomplete, type="file")]


file_name = _FileName()
"""The type of arguments such as GRADER and ROWS."""


def completed(words: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """Return what lets a shell complete one of these words; they are asked for when it does."""
    return lambda _, __, incomplete: [
        CompletionItem(one) for one in words() if one.startswith(incomplete)
    ]


grader_argument = click.argument("grader", metavar="GRADER", type=file_name)
"""Adds the GRADER argument."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines.", cls=Flag, group="Results"
)
"""Adds `--json`."""


class Read(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Values that a function reads from texts; its ValueError says what is wrong with one.

    Args:
        name: what help calls a value.
        read: returns the value of a text.
    """

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002
        """Return what a text says; a value that was read before is passed on."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error))


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 512M or 2G")
    return int(float(match[1]) * _UNITS[match[2].lower()])


byte_size = Read("SIZE", _bytes)
"""The type of options such as `--max-body 4M`."""


def flags(
    kind: type, *names: str, but: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[Function], Function]:
    """Return what adds the options of a dataclass to a command, each as an argument of its name.

    Args:
        kind: the dataclass, whose fields declare its options.
        names: which of them; none for all that have a flag.
        but: what click is told otherwise, by name; such as another type.
    """
    known = [one for one in options_of(kind) if one.flag and (not names or one.name in names)]

    def add(function: Function) -> Function:
        for one in reversed(known):
            said = {**_click_of(one), **(but or {}).get(one.name, {})}
            function = click.option(f"--{one.name.replace('_', '-')}", one.name, **said)(function)
        return function

    return add


def flags_of(
    argument: str, kind: type, *names: str, but: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[Function], Function]:
    """Return what adds the options of a dataclass to a command, which gets them as one argument."""
    known = {
        one.name: one.field
        for one in options_of(kind)
        if one.flag and (not names or one.name in names)
    }

    def add(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            said = {field: kwargs.pop(name) for name, field in known.items()}
            return function(*args, **{argument: kind(**said)}, **kwargs)

        return flags(kind, *names, but=but)(wrapped)  # type: ignore[return-value]

    return add


def _click_of(one: Option) -> dict[str, Any]:
    """Return what click is told of an option."""
    shown: dict[str, Any] = {"help": one.help, "cls": Flag, "group": one.group}
    said = {**shown, "default": one.default}
    said |= {"metavar": one.metavar} if one.metavar else {}
    # What None stands for, the line itself says.
    said |= {"show_default": True} if one.default is not None else {}
    if one.sort is bool:
        return {**shown, "is_flag": True}
    if one.allowed:
        return {**said, "type": click.Choice(one.allowed)}
    if one.unit == "bytes":
        return {**said, "type": byte_size, "default": _size(one.default)}
    if one.sort is int:
        return {**said, "type": click.IntRange(_whole(one.least), _whole(one.most))}
    if one.sort is float:
        low = one.least if one.above is None else one.above
        return {**said, "type": click.FloatRange(min=low, min_open=one.above is not None)}
    if one.elsewhere:
        return {**said, "type": Somewhere(exists=one.exists, dir_okay=not one.exists)}
    if one.sort is Path:
        return {**said, "type": click.Path(one.exists, dir_okay=False, path_type=Path)}
    return said


def _whole(end: float | None) -> int | None:
    return None if end is None else int(end)


def _size(count: int) -> str:
    """Return a number of bytes as a user would write it."""
    letter = next(one for one in "gmk" if count % _UNITS[one] == 0)
    return f"{count // _UNITS[letter]}{letter.upper()}"


layout_options = flags_of("reads", ScoreOptions, "item_path", "sample_path", "cells")
"""Adds where in a row item and sample stand, and how cells are read."""

grouped_layout_options = flags_of("reads", ScoreOptions, "item_path", "sample_path", "by", "cells")
"""Adds the same, and where the category stands that figures are given by."""


def reading_options(function: Function) -> Function:
    """Add the switches for points that the hosted documents leave open, as one `reading` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, reading: Reading, strip_think: bool, **kwargs: Any) -> Any:
        if strip_think:
            reading = replace(reading, thinking="strip")
        return function(*args, reading=reading, **kwargs)

    wrapped = click.option(
        "--strip-think",
        is_flag=True,
        help="Short for --thinking strip.",
        cls=Flag,
        group="Reading the grader",
    )(wrapped)
    return flags_of("reading", Reading)(wrapped)  # type: ignore[return-value]


python_options = flags_of("python", PythonOptions)
"""Adds how python graders are run."""


def _data_dir() -> Path:
    from graders.jobs import default_data_dir  # noqa: PLC0415  (SQLite)

    return default_data_dir()


data_dir_option = click.option(
    "--data-dir", metavar="PATH", type=click.Path(file_okay=False, path_type=Path),
    default=_data_dir, help="Folder of files and jobs.  [default: $GRADERS_DATA_DIR, else the user's]", cls=Flag, group="Speed and resuming",
)  # fmt: skip
"""Adds `--data-dir`."""

rollout_options = flags_of("rollout", RolloutOptions)
"""Adds where samples come from that rows do not record."""


def brought(places: Iterable[Place], stack: ExitStack) -> list[Path]:
    """Return files of this machine: copies of those elsewhere, until a stack is closed.

    Raises:
        OptionError: one cannot be read.
    """
    found = []
    for place in places:
        try:
            found.append(stack.enter_context(here(place)))
        except OSError as error:
            raise OptionError(f"{place} cannot be read: {error.strerror or error}") from None
    return found


def place_of(name: str, beside: Place) -> Place | None:
    """Return the file that a body names by a path, beside it or here, or by an address; None where there is none.

    Raises:
        OptionError: an address cannot be looked at.
    """
    try:
        there = [named(name)] if is_remote(name) else [beside / name, Path(name)]
        return next((one for one in there if one.exists()), None)
    except OSError as error:
        raise OptionError(f"{name} cannot be read: {error.strerror or error}") from None


def text_value(option: str, value: str, *, as_json: bool = False) -> str:
    """Return an option's text: as given, from `@file`, or from standard input for `-`.

    A text that begins with `@` itself is given with one more; no JSON does.

    Raises:
        OptionError: the file cannot be read.
    """
    if value.startswith("@@") and not as_json:
        return value[1:]
    if value != "-" and not value.startswith("@"):
        return value
    try:
        if value == "-":
            return jsontext.read_whole(sys.stdin.buffer).decode("utf-8", "surrogateescape")
        with named(value[1:]).open("rb") as file:
            return jsontext.read_whole(file).decode()
    except UnicodeDecodeError:
        raise OptionError(f"{option} {value}: the file is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError) and not is_remote(value[1:]):
            hint = "" if as_json else "; write @@ for a text that begins with @"
            reason = f"there is no such file{hint}"
        raise OptionError(f"{option} {value}: {reason}") from None


def json_value(option: str, value: str) -> Any:
    """Return an option's JSON value.

    Raises:
        OptionError: it is not JSON.
    """
    text = text_value(option, value, as_json=True)
    try:
        return jsontext.decode(text, allow_nan=True)
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:59] + "…"
        raise OptionError(f"{option} is not JSON ({error}): {shown}") from None
