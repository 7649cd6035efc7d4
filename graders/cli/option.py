"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graders import jsontext
from graders.api import PythonOptions
from graders.errors import OptionError
from graders.sandbox import ISOLATIONS, LEVELS

__all__ = [
    "byte_size",
    "choice_options",
    "data_dir_option",
    "grader_argument",
    "json_option",
    "json_value",
    "layout_options",
    "python_options",
    "rollout_options",
    "text_value",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def grader_argument(function: Function) -> Function:
    """Add the GRADER argument."""
    return click.argument("grader", metavar="GRADER")(function)


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(
        function
    )


def layout_options(function: Function) -> Function:
    """Add `--item-path` and `--sample-path`."""
    function = click.option(
        "--sample-path",
        default="sample",
        show_default=True,
        metavar="PATH",
        help="Where in a row the sample stands, such as choices[0].message.content.",
    )(function)
    return click.option(
        "--item-path",
        default="item",
        show_default=True,
        metavar="PATH",
        help="Where in a row the item stands; . is the whole row.",
    )(function)


_CHOICES = (
    ("--dialect", ["hosted", "jinja2"], "Template language."),
    ("--rendering", ["json", "python"], "How templates show values that are not text."),
    ("--tool-arguments", ["parsed", "text"], "Whether paths go into a tool call's arguments."),
    ("--rouge-backend", ["rouge_score", "rouge"], "Which package defines ROUGE."),
    ("--rouge-measure", ["fmeasure", "recall"], "Which ROUGE figure is the score."),
)


def choice_options(function: Function) -> Function:
    """Add the switches for points that the hosted documents leave open."""
    function = click.option(
        "--rouge-stemmer", is_flag=True, help="Stem words before ROUGE compares them."
    )(function)
    for name, allowed, text in reversed(_CHOICES):
        function = click.option(
            name, type=click.Choice(allowed), default=allowed[0], show_default=True, help=text
        )(function)
    return function


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class _Bytes(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:  # noqa: ARG002
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a size such as 512M or 2G")
        return int(float(match[1]) * _UNITS[match[2].lower()])


byte_size = _Bytes()
"""The type of options such as `--max-body 4M`."""


def data_dir_option(function: Function) -> Function:
    """Add `--data-dir`."""
    return click.option(
        "--data-dir", metavar="PATH", type=click.Path(file_okay=False, path_type=Path),
        default=_data_dir, help="Folder of files and jobs.  [default: $GRADERS_DATA_DIR, else the user's]",
    )(function)  # fmt: skip


def _data_dir() -> Path:
    from graders.jobs import default_data_dir  # noqa: PLC0415  (SQLite)

    return default_data_dir()


def rollout_options(function: Function) -> Function:
    """Add `--rollout-url` and `--rollout-model`."""
    function = click.option(
        "--rollout-model", metavar="NAME",
        help="Model to ask for samples that rows do not record.  [default: the job's]",
    )(function)  # fmt: skip
    return click.option(
        "--rollout-url", metavar="URL",
        help="OpenAI-compatible server that gives samples where rows record none.",
    )(function)  # fmt: skip


def python_options(function: Function) -> Function:
    """Add how python graders are run; the command gets them as one `python` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        names = ("timeout", "memory", "disk", "isolation", "level", "workers", "interpreter")
        options = {name: kwargs.pop(f"python_{name}") for name in names}
        return function(*args, python=PythonOptions(**options), **kwargs)

    for option in reversed(
        (
            click.option(
                "--python-timeout", type=click.FloatRange(min=0, min_open=True), default=120.0,
                show_default=True, metavar="SECONDS", help="Time for one python call.",
            ),
            click.option(
                "--python-memory", type=byte_size, default="2G", show_default=True,
                help="Memory for one python call.",
            ),
            click.option(
                "--python-disk", type=byte_size, default="1G", show_default=True,
                help="Scratch space for one python call.",
            ),
            click.option(
                "--isolation", "python_isolation", type=click.Choice(ISOLATIONS),
                default="auto", show_default=True, help="What rows of a python grader share.",
            ),
            click.option(
                "--sandbox", "python_level", type=click.Choice(LEVELS),
                help="Level of the python sandbox; see graders doctor.  [default: standard]",
            ),
            click.option(
                "--python-workers", type=click.IntRange(min=1), metavar="N",
                help="Worker processes for python graders.  [default: the cores]",
            ),
            click.option(
                "--python", "python_interpreter", metavar="PATH",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="Interpreter for python graders, such as .venv/bin/python.",
            ),
        )
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def text_value(option: str, value: str) -> str:
    """Return an option's text: as given, from `@file`, or from standard input for `-`.

    Raises:
        OptionError: the file cannot be read.
    """
    if value != "-" and not value.startswith("@"):
        return value
    try:
        if value == "-":
            return jsontext.read_whole(sys.stdin.buffer).decode("utf-8", "surrogateescape")
        with Path(value[1:]).open("rb") as file:
            return jsontext.read_whole(file).decode()
    except UnicodeDecodeError:
        raise OptionError(f"{option} {value}: the file is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionError(f"{option} {value}: {reason}") from None


def json_value(option: str, value: str) -> Any:
    """Return an option's JSON value.

    Raises:
        OptionError: it is not JSON.
    """
    text = text_value(option, value)
    try:
        return jsontext.decode(text, allow_nan=True)
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:59] + "…"
        raise OptionError(f"{option} is not JSON ({error}): {shown}") from None
