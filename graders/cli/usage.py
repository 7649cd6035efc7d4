"""What is wrong with a command line, in sentences of our own: click's change with its releases."""

from __future__ import annotations

import copy
import json
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from graders.errors import OptionError, nearest
from graders.remote import is_remote, named

__all__ = ["Somewhere", "as_installed", "explained", "worded"]

_EXTRA: Final = re.compile(r"""(['"])local-graders(\[[a-z,]+\])\1""")


class Somewhere(click.Path):
    """A file of this machine, or an address of a place elsewhere.

    Args:
        more: what a `click.Path` takes.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(path_type=Path, **more)


def worded(command: click.Command) -> click.Command:
    """Let the options of a command, and of those under it, refuse values in our sentences."""
    for parameter in command.params:
        kind = parameter.type
        ours = isinstance(kind, Somewhere) or type(kind).__module__.startswith("click.")
        if ours and "convert" not in vars(kind):
            parameter.type = _worded_type(kind)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        worded(inner)
    return command


def _worded_type(kind: click.ParamType[Any]) -> click.ParamType[Any]:
    own = copy.copy(kind)

    def convert(value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(kind, click.Path) and isinstance(value, str) and is_remote(value):
            return _elsewhere(kind, value, param, ctx)
        try:
            read = kind.convert(value, param, ctx)
        except click.BadParameter:
            read = math.nan
        if isinstance(read, float) and math.isnan(read):  # It is within every range.
            raise click.BadParameter(_value_problem(kind, value), ctx, param)
        return read

    vars(own)["convert"] = convert
    return own


def _elsewhere(
    kind: click.Path, value: str, param: click.Parameter | None, ctx: click.Context | None
) -> Any:
    """Return the place that an address names; as a path it would become a folder `s3:` here."""
    try:
        place = named(value)
    except OptionError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    if not isinstance(kind, Somewhere):
        raise click.BadParameter(
            f"{place} is an address; a path of this machine is needed.", ctx, param
        )
    return place


def _value_problem(kind: click.ParamType[Any], value: Any) -> str:
    if isinstance(kind, click.Choice):
        return f"{value!r} is not one of {', '.join(repr(str(one)) for one in kind.choices)}."
    if isinstance(kind, click.Path):
        return _path_problem(kind, str(value))
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return f"{value!r} is not a {kind.name}."
    whole = isinstance(kind, click.IntRange)
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        return f"{value!r} is not a {'whole ' if whole else ''}number."
    if math.isnan(number):
        return "nan is no number."
    low = "" if kind.min is None else f"{kind.min}{'<' if kind.min_open else '<='}x"
    high = "" if kind.max is None else f"x{'<' if kind.max_open else '<='}{kind.max}"
    span = f"{low}{high[1:]}" if low and high else high
    if low and not high:
        span = f"x{'>' if kind.min_open else '>='}{kind.min}"
    return f"{number} is not in the range {span}."


def _path_problem(kind: click.Path, value: str) -> str:
    name = "Path" if kind.file_okay and kind.dir_okay else "File" if kind.file_okay else "Directory"
    path = Path(value)
    try:
        if path.is_dir():
            problem = "is not readable" if kind.dir_okay else "is a directory"
        elif path.exists():
            problem = "is not readable" if kind.file_okay else "is a file"
        else:
            problem = "does not exist"
    except (OSError, ValueError):
        problem = "cannot be the name of one"
    return f"{name} {value!r} {problem}."


def as_installed(text: str) -> str:
    """Return a sentence whose `pip install` names the folder that graders was installed from, where it was one.

    What comes from a clone need be on no index.
    """
    if not _EXTRA.search(text) or not (folder := _source()):
        return text
    return _EXTRA.sub(lambda found: shlex.quote(f"{folder}{found[2]}"), text)


def _source() -> str:
    """Return the folder that graders was installed from, as PEP 610 has it; "" for none, or one that is worked in."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415
    from urllib.request import url2pathname  # noqa: PLC0415  (it loads all of HTTP)

    try:
        said = json.loads(distribution("local-graders").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, OSError, ValueError):
        return ""
    place = urlsplit(said.get("url", ""))
    if place.scheme != "file" or said.get("dir_info", {"editable": True}).get("editable"):
        return ""
    folder = url2pathname(place.path)
    return folder if Path(folder, "pyproject.toml").is_file() else ""


def explained(error: click.ClickException, arguments: Sequence[str]) -> str:
    """Return what to print for an error of a command line.

    Args:
        error: what click, or a command of ours, raised.
        arguments: the command line.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message() + "\n"
    context = getattr(error, "ctx", None)
    usage = ""
    if context is not None:
        hint = f"Try '{context.command_path} --help' for help."
        usage = f"{context.get_usage()}\n{hint}\n\n"
    return f"{usage}Error: {_problem(error, context, arguments)}\n"


def _problem(
    error: click.ClickException, context: click.Context | None, arguments: Sequence[str]
) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"No such option {error.option_name!r}.{_likely(error.option_name, context)}"
    if isinstance(error, click.MissingParameter):
        kind = "parameter" if error.param is None else error.param.param_type_name
        return f"Missing {kind} {_hint(error, context)}."
    if isinstance(error, click.BadParameter):
        return f"Invalid value for {_hint(error, context)}: {error.message}"
    if isinstance(error, click.BadOptionUsage):
        name = error.option_name
        given = any(one.startswith(f"{name}=") for one in arguments)
        return f"Option {name!r} {'does not take a value' if given else 'requires an argument'}."
    if type(error) is click.UsageError and not _is_of_click(error):
        return error.message
    if context is not None and isinstance(context.command, click.Group):
        return _unknown_command(context.command, context, arguments)
    return "There are more arguments than the command takes."


def _unknown_command(group: click.Group, context: click.Context, arguments: Sequence[str]) -> str:
    known = group.list_commands(context)
    above = context.command_path.split()[1:]
    rest = list(arguments)
    for one in above:
        rest = rest[rest.index(one) + 1 :]
    # The group's own options may have values, which are no commands.
    name = next(iter(group.make_parser(context).parse_args(rest)[1]), "")
    near = nearest(name, known)
    hint = f" Did you mean {near}?" if near else ""
    return f"There is no command {' '.join((*above, name))!r}.{hint}"


def _likely(option: str, context: click.Context | None) -> str:
    if option == "--no-extensions":
        return " It stands before the command: graders --no-extensions …"
    command = None if context is None else context.command
    known = [one for parameter in getattr(command, "params", ()) for one in parameter.opts]
    # The dashes, which all have, would make any two words alike.
    words = {one.removeprefix("--"): one for one in known if one.startswith("--")}
    near = nearest(option.lstrip("-"), words)
    return f" Did you mean {words[near]}?" if near else ""


def _hint(error: click.BadParameter, context: click.Context | None) -> str:
    if isinstance(error.param_hint, str):
        return error.param_hint
    if error.param is None or context is None:
        return "an option"
    return str(error.param.get_error_hint(context))


def _is_of_click(error: Exception) -> bool:
    """Whether click itself raised an error, not a command of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals["__name__"]).startswith("click.")
