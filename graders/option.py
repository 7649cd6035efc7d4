"""Options declared once: flag, suite key, schema, manifest and keyword follow from the field.

A frozen dataclass whose fields are made by `option` holds options of one subject; its type hints
say what values there are. `check` refuses others, in the same sentence wherever they came from.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from graders.errors import OptionError, nearest, quoted

__all__ = ["GROUPS", "Group", "Option", "check", "option", "options_of", "wrong"]

Unit = Literal["seconds", "bytes"]
Group = Literal[
    "Rows and samples", "Results", "Checks", "Speed and resuming", "Traces and trackers", "Server", "Rollouts", "Training",
    "Models", "Replies that are kept", "Python graders", "Reading the grader",
]  # fmt: skip
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
"""The subjects of options, in the order in which help shows them."""

_METADATA: Final = "graders"
_SORTS: Final[Mapping[Any, str]] = {
    int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "true or false",
    Mapping: "a map",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What is known of an option.

    Attributes:
        name: of the keyword, the suite's key, the manifest's entry; with hyphens, of the flag.
        field: of the dataclass.
        sort: bool, int, float, str, Path or Mapping.
        default: its value where nothing is said; None where None is allowed.
        help: a line about it, for a command's help.
        group: the subject that help shows it under; "" only for what no command has.
        metavar: what the line calls the value; "" for what the sort suggests.
        allowed: every value there is; () where they are not counted.
        unit: seconds or bytes; "" for neither.
        least: the least value; None for any.
        most: the largest value; None for any.
        above: what the value has to be more than; None for any.
        exists: whether a path has to be that of a file there is.
        elsewhere: whether an address may stand in place of a path.
        flag: whether commands have it.
        suite: whether a suite, which may be a stranger's file, may say it.
        kept: whether it can change a result, so that a run that goes on must have the same.
    """

    name: str
    field: str = ""
    sort: Any = str
    default: Any = None
    help: str = ""
    group: Group | Literal[""] = ""
    metavar: str = ""
    allowed: tuple[Any, ...] = ()
    unit: Unit | Literal[""] = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    exists: bool = False
    elsewhere: bool = False
    flag: bool = True
    suite: bool = False
    kept: bool = False

    @property
    def what(self) -> str:
        """Say what a value is."""
        if self.allowed:
            return f"one of {', '.join(map(str, self.allowed))}"
        said = _SORTS.get(self.sort) or f"a {self.sort.__name__}"
        return f"{said} of {self.unit}" if self.unit else said


def option(default: Any = MISSING, help: str = "", /, *, name: str = "", **more: Any) -> Any:  # noqa: A002
    """Return a dataclass field that is an option.

    Args:
        default: its value where nothing is said; a class is called for it, such as `dict`.
        help: a line about it.
        name: its name where it is not the field's.
        more: whatever else an `Option` has that the type hint does not say.
    """
    known = {_METADATA: {"name": name, "help": help, **more}}
    if isinstance(default, type):
        return field(default_factory=default, metadata=known)
    return field(default=default, metadata=known)


@functools.cache
def options_of(kind: Any) -> tuple[Option, ...]:
    """Return the options that a dataclass declares, in its order."""
    hints = get_type_hints(kind)
    found = []
    for one in fields(kind):
        known = dict(one.metadata.get(_METADATA, ()))
        if not known:
            continue
        default = one.default if one.default is not MISSING else None
        sort, allowed = _of_hint(hints[one.name])
        known["name"] = known["name"] or one.name
        found.append(Option(field=one.name, sort=sort, default=default, allowed=allowed, **known))
    return tuple(found)


def _of_hint(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the sort of values that a type hint allows, and every value where it names them."""
    if get_origin(hint) in {Union, types.UnionType}:  # With None, which is no value.
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return str, get_args(hint)
    return (Mapping if get_origin(hint) is Mapping else hint), ()


def wrong(known: Option, value: Any) -> str:
    """Say in a sentence what is wrong with an option's value; "" where nothing is."""
    said = f"{known.name} is {known.what}, got {quoted(value)}"
    if known.allowed:
        # A list is equal to none of them, and cannot be looked up in a set.
        if any(value == one for one in known.allowed):
            return ""
        near = nearest(str(value), [str(one) for one in known.allowed])
        return said + (f"; did you mean {near}?" if near else "")
    if known.sort is bool:
        return "" if isinstance(value, bool) else said
    kinds: Any = {int: Integral, float: Real, Path: (str, os.PathLike)}.get(known.sort, known.sort)
    if known.elsewhere:
        from graders.remote import Remote  # noqa: PLC0415  (the sandbox runs alone, without it)

        kinds = (*kinds, Remote)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return said
    unit = f" {known.unit}" if known.unit else ""
    least, most = known.least, known.most
    if most is not None and least is not None and not least <= value <= most:
        return f"{known.name} is from {least:g} to {most:g}{unit}, got {value}"
    if least is not None and not value >= least:
        return f"{known.name} is at least {least:g}{unit}, got {value}"
    if known.above is not None and not value > known.above:
        return f"{known.name} is more than {known.above:g}{unit}, got {value}"
    return ""


def check(options: Any) -> None:
    """Check what a dataclass of options was made with; paths given as text become paths.

    Raises:
        OptionError: a value is none that its option can have.
    """
    for known in options_of(options.__class__):
        value = getattr(options, known.field)
        if value is None and known.default is None and known.sort is not Mapping:
            continue
        if problem := wrong(known, value):
            raise OptionError(problem)
        if known.sort is Path:
            object.__setattr__(options, known.field, _place(known, value))


def _place(known: Option, value: Any) -> Any:
    if not known.elsewhere:
        return Path(value)
    from graders.remote import named  # noqa: PLC0415  (the sandbox runs alone, without it)

    return named(value)
