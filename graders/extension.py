"""What other packages add: found by entry points, loaded when a name asks for it, then checked.

A metric, kind, reader, lint rule, attack or transport is looked for among the installed packages
only once its name is none of ours, so ours always win and who uses no extension pays nothing. An
extension is code of the user's own environment, trusted as the engine itself is: what stands here
makes its mistakes clear and keeps nobody out.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from operator import attrgetter
from types import FunctionType
from typing import Any, Final, Literal, NoReturn, TypeVar, get_args

from graders.errors import ExtensionError, nearest, quoted, shown

__all__ = [
    "GROUPS",
    "SWITCH",
    "Extension",
    "Group",
    "are_off",
    "called",
    "every",
    "find",
    "has",
    "installed",
    "is_number",
    "load",
    "named",
    "names",
    "packages",
    "quiet",
    "said",
    "takes",
    "unlike",
]  # fmt: skip

Group = Literal["metrics", "kinds", "readers", "rules", "attacks", "transports"]
"""What can be added; the entry points' group is `graders.` and this."""

GROUPS: Final[tuple[Group, ...]] = get_args(Group)
SWITCH: Final = "GRADERS_EXTENSIONS"
"""The variable of the environment that turns extensions off, for every process it reaches."""

_PREFIX: Final = "graders."
_OFF: Final = frozenset({"0", "off", "no", "false"})

Wanted = TypeVar("Wanted")
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Extension:
    """One entry point of an installed package.

    Attributes:
        group: what it adds; perhaps none of `GROUPS`.
        name: the name it is asked for by.
        value: where the object is, `module:object`.
        package: the package that has it.
        version: the package's version.
    """

    group: str
    name: str
    value: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"

    def refuse(self, problem: str) -> NoReturn:
        """Say what is wrong with it.

        Raises:
            ExtensionError: always.
        """
        raise ExtensionError(f"{self.point} {problem}")

    @property
    def point(self) -> str:
        """What it is, for a sentence that says what is wrong with it."""
        written = shown(f"{self.name} = {self.value}".rstrip(" ="), 200)
        return f"the extension {self} is broken: its entry point {written} in {_PREFIX}{self.group}"


def are_off() -> bool:
    """Whether extensions are turned off for this process."""
    return os.environ.get(SWITCH, "").strip().lower() in _OFF


@functools.cache
def installed() -> tuple[Extension, ...]:
    """Return every extension of the installed packages; nothing of them is imported.

    Read once a process: what is installed later is seen by the next one.
    """
    from importlib.metadata import distributions  # noqa: PLC0415  (some 30 ms with the reading)

    found: dict[str, tuple[Extension, ...]] = {}
    for one in distributions():
        try:
            text = one.read_text("entry_points.txt") or ""
            points = list(_points(text)) if f"[{_PREFIX}" in text else []
            if not points:
                continue
            package, version = one.metadata["Name"], one.metadata["Version"]
        except (OSError, ValueError, KeyError):
            continue  # Whatever is half installed is no reason not to grade.
        package, version = shown(package or "of no name"), shown(version or "of no version")
        # A folder that stands first on the search path hides others with the same package.
        key = package.lower().replace("-", "_").replace(".", "_")
        found.setdefault(key, tuple(Extension(*point, package, version) for point in points))
    order = attrgetter("group", "name", "package")
    return tuple(sorted((one for some in found.values() for one in some), key=order))


def _points(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the groups, names and values of a file of entry points, of groups that begin as ours."""
    group = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            group = line.strip("[] ")
            group = group.removeprefix(_PREFIX) if group.startswith(_PREFIX) else ""
        elif group and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield group, name.strip(), value.partition("[")[0].strip()  # Extras are an installer's.


def names(group: Group) -> list[str]:
    """Return the names that extensions give to a group, for a hint; none where they are off."""
    return [] if are_off() else sorted({one.name for one in installed() if one.group == group})


def find(group: str, name: str) -> Extension | None:
    """Return the extension that gives a name that is none of ours; None where none does.

    Raises:
        ExtensionError: two packages give it, or extensions are off.
    """
    found = [one for one in installed() if one.group == group and one.name == name]
    if not found:
        return None
    if are_off():
        raise ExtensionError(
            f"{shown(name)} is of the extension {found[0]}, and extensions are off "
            f"(--no-extensions, or {SWITCH}=0)"
        )
    return _only(found)


def every(group: Group, ours: Iterable[str]) -> list[Extension]:
    """Return all extensions of a group, by name; none where they are off.

    Args:
        group: the group.
        ours: the names that are taken.

    Raises:
        ExtensionError: two packages give one name, or one gives a name of ours.
    """
    if are_off():
        return []
    found: dict[str, list[Extension]] = {}
    for one in installed():
        if one.group == group:
            found.setdefault(one.name, []).append(one)
    taken = set(ours)
    for some in found.values():
        unlike(some[0], taken)
    return [_only(some) for some in found.values()]


def unlike(extension: Extension, ours: Iterable[str]) -> None:
    """Check that an extension's name is none of ours.

    Raises:
        ExtensionError: it is.
    """
    if extension.name in ours:
        extension.refuse(
            f"has the name of one of graders' own {extension.group}, which stays what it is; "
            "give it another name"
        )


def _only(found: list[Extension]) -> Extension:
    if len(found) > 1:
        listed = " and ".join(map(str, found))
        raise ExtensionError(
            f"two extensions have {shown(found[0].name)} in {_PREFIX}{found[0].group}: {listed}; "
            "uninstall one, or ask its author for another name"
        )
    return found[0]


def load(extension: Extension, wanted: type[Wanted], right: str) -> Wanted:
    """Return the object of an extension.

    Args:
        extension: the extension.
        wanted: the class it is to be of.
        right: what would be right, after `is needed`, such as an example.

    Raises:
        ExtensionError: it cannot be imported, is not there, or is something else.
    """
    module, colon, path = (part.strip() for part in extension.value.partition(":"))
    if not colon or not all(one.isidentifier() for one in [*module.split("."), *path.split(".")]):
        extension.refuse("names nothing: module:object is needed, such as acme.metrics:OVERLAP")
    found: Any = called(extension, "when it was imported", lambda: importlib.import_module(module))
    for name in path.split("."):
        here = found
        if not called(extension, f"when {name} was looked up", lambda: hasattr(here, name)):  # noqa: B023
            near = nearest(name, [one for one in dir(found) if not one.startswith("_")])
            hint = f"; did you mean {near}?" if near else f"; {right} is needed there"
            extension.refuse(f"names nothing: {module} has no {name}{hint}")
        found = getattr(found, name)
    if not isinstance(found, wanted):
        extension.refuse(f"is {named(found)}; {right} is needed")
    return found


def loader(load_one: Callable[[Extension], Given]) -> Callable[[Extension], Given]:
    """Return a function that loads and checks an extension once, whatever its object does meanwhile."""

    @functools.cache
    @functools.wraps(load_one)
    def loaded(extension: Extension) -> Given:
        return called(extension, "when it was looked at", lambda: load_one(extension))

    return loaded


def named(value: object) -> str:
    """Return what to call a value in a sentence: itself where it is short and plain, or its type."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    if value is None or isinstance(value, str | float | int):
        return quoted(value)
    return f"a {type(value).__name__}"


def has(extension: Extension, thing: object, facts: Mapping[str, type[Any]]) -> None:
    """Check of what types the parts of an extension's object are.

    Raises:
        ExtensionError: a part is not there, or of another type.
    """
    for name, wanted in facts.items():
        value = called(extension, f"when {name} was looked up", lambda: getattr(thing, name, None))  # noqa: B023
        if not isinstance(value, wanted):
            extension.refuse(f"has {named(value)} for {name}; a {wanted.__name__} is needed")


def called(extension: Extension, what: str, call: Callable[[], Given]) -> Given:
    """Return what code of an extension gives.

    Args:
        extension: the extension.
        what: when it is called, for the sentence, such as `in score()`.
        call: calls it.

    Raises:
        ExtensionError: it raised, or would have ended the program.
    """
    try:
        with quiet():
            return call()
    except (KeyboardInterrupt, ExtensionError):
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and _is_ours(error):
            raise  # A signal came meanwhile, and ends the process.
        raise ExtensionError(f"{extension.point} failed {what} ({said(error)})") from None


def _is_ours(error: BaseException) -> bool:
    """Whether graders' own code raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals["__name__"]).startswith(_PREFIX)


def said(error: BaseException) -> str:
    """Return the class of an error and the first line of what it says."""
    try:
        text = str(error).strip().partition("\n")[0]
    except Exception:  # noqa: BLE001  (a message may be made by any code)
        text = ""
    name = type(error).__name__
    return f"{name}: {shown(text, 200)}" if text else name


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, of whatever library; a truth is none."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def takes(function: Any, count: int) -> bool:
    """Whether something can be called with so many values and answers at once, as far as it says."""
    import inspect  # noqa: PLC0415  (whoever uses no extension need not wait for it)

    if inspect.iscoroutinefunction(function):
        return False
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True  # It is built in, and says nothing of itself.
    return True


_printing: Final = threading.Lock()
_kept: list[Any] = []  # Standard output, once for each of those that are quiet now.


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let what is printed go to standard error: results stand on standard output.

    Several threads may be quiet at once; the last one to end gives standard output back.
    """
    with _printing:
        _kept.append(_kept[0] if _kept else sys.stdout)
        sys.stdout = sys.stderr
    try:
        yield
    finally:
        with _printing:
            before = _kept.pop()
            if not _kept:
                sys.stdout = before


def packages(used: Iterable[Extension]) -> Mapping[str, str]:
    """Return the version of each package that extensions are of."""
    return dict(sorted({one.package: one.version for one in used}.items()))
