"""The exceptions that graders raises.

GradersError
├── ConfigError(ValueError)      a grader config has faults; `.faults` lists every one
├── TemplateError(ValueError)    one text is not a template of the documented grammar
├── FormulaError(ValueError)     one `calculate_output` is not a formula of the documented grammar
├── RowsError(ValueError)        an input of rows cannot be read at all
├── UnavailableError(RuntimeError)  this machine lacks what the grader needs; the message says how to get it
│   └── ExtensionError                what another package adds cannot be used; the message names the package
│   └── NotAllowedError      whoever runs it has not allowed it
├── OptionError(ValueError)      an option has a value it cannot have
└── StoppedError(RuntimeError)   a run stopped before its end; what was finished is kept
    └── BudgetError              what it may pay for models is used up

A failing row is never an exception: it is a `Failure` in the row's `Grade`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = [
    "BudgetError",
    "ConfigError",
    "ExtensionError",
    "FailedError",
    "Fault",
    "FormulaError",
    "GradersError",
    "NotAllowedError",
    "OptionError",
    "RowsError",
    "StoppedError",
    "TemplateError",
    "UnavailableError",
    "caret",
    "interruption",
    "nearest",
    "nearest_path",
    "quoted",
    "shown",
    "suggestion",
]


class GradersError(Exception):
    """Anything that graders raises on purpose."""


class RowsError(GradersError, ValueError):
    """An input of rows cannot be read at all (a single bad row is a failed row instead)."""


class UnavailableError(GradersError, RuntimeError):
    """This machine lacks what a grader needs; the message says how to get it."""


class ExtensionError(UnavailableError):
    """What another package adds cannot be used; the message names package, version, entry point."""


class NotAllowedError(UnavailableError):
    """Whoever runs graders has not allowed what a grader wants; the message says how to."""


class FailedError(GradersError):
    """A row has no reward, and whoever asked wanted nothing but a number.

    Attributes:
        grade: the grade, with its failures.
    """

    def __init__(self, message: str, *, grade: Any = None) -> None:
        super().__init__(message)
        self.grade = grade


class OptionError(GradersError, ValueError):
    """An option has a value it cannot have."""


class StoppedError(GradersError, RuntimeError):
    """A run stopped before its end, as where too many rows failed; what was finished is kept.

    Attributes:
        run: what the run gave up to there.
    """

    def __init__(self, message: str, *, run: Any) -> None:
        self.run = run
        super().__init__(message)


class BudgetError(StoppedError):
    """A run stopped before it paid more for models than it may; what was paid for is kept.

    Attributes:
        run: what the run gave up to there; None where there is none.
    """

    def __init__(self, message: str, *, run: Any = None) -> None:
        super().__init__(message, run=run)


class _SpanError(GradersError, ValueError):
    """A fault at a place in one line of text, shown with a caret."""

    def __init__(self, message: str, *, text: str, start: int, end: int | None = None) -> None:
        self.message = message
        self.text = text
        self.start = start
        self.end = start + 1 if end is None else end
        super().__init__(f"{message}\n{caret(text, self.start, self.end)}")


class TemplateError(_SpanError):
    """A text is not a template of the documented grammar; shown with a caret."""


class FormulaError(_SpanError):
    """A `calculate_output` is not a formula of the documented grammar; shown with a caret.

    Attributes:
        is_unknown_name: whether it names what is no key of `graders`.
    """

    is_unknown_name = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a config.

    Attributes:
        path: JSON path of the faulty value, `$` for the whole (RFC 9535 notation).
        message: what is wrong and what would be right, in one sentence; may go on with
            a source line and a caret.
        code: `config_error`, `template_parse_error` or `formula_parse_error`.
        is_unknown_name: whether a formula names what is no key of `graders`.
        line: 1-based line in the text the config was read from, where known.
        column: 1-based column in characters, where known.
    """

    path: str
    message: str
    code: str = "config_error"
    line: int | None = None
    column: int | None = None
    is_unknown_name: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path} (line {self.line})"
        return f"{where}: {self.message}"


class ConfigError(GradersError, ValueError):
    """A grader config has faults. Every fault is listed, not only the first."""

    def __init__(self, faults: Iterable[Fault], *, source: str = "grader") -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.source = source
        count = len(self.faults)
        head = f"{source}: {count} fault{'s' if count != 1 else ''}"
        body = "".join("\n  " + str(fault).replace("\n", "\n    ") for fault in self.faults)
        super().__init__(head + body)


@contextmanager
def interruption() -> Iterator[None]:
    """Raise an interruption as one at whatever moment it comes.

    Who is interrupted as Python's own Condition.wait gives its lock back is told that the lock is not held.

    Raises:
        KeyboardInterrupt: it came.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None when none is near."""
    if len(word) > 100:
        return None
    candidates = list(known)[:1000]
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def nearest_path(path: Path, fits: Callable[[Path], bool]) -> Path | None:
    """Return what stands where `path` does not and is most like it, or None when nothing is near.

    Where a folder of the path is not there, its nearest neighbour is looked into instead.

    Args:
        path: names nothing that is there.
        fits: whether a path that is there could be meant: a file for a file.
    """
    try:
        if path.parent.is_dir():
            entries = islice(path.parent.iterdir(), 1000)
            names = sorted(one.name for one in entries if fits(one))
            # An ending that both have makes no two names alike.
            near = [one for one in names if nearest(path.stem, [one, Path(one).stem])]
            name = nearest(path.name, near)
            return path.parent / name if name else None
        folder = nearest_path(path.parent, Path.is_dir) if path.parent.name else None
        if folder is None:
            return None
        meant = folder / path.name
        return meant if meant.exists() and fits(meant) else nearest_path(meant, fits)
    except OSError:
        return None


def suggestion(word: str, known: Iterable[str], lead: str) -> str:
    """Ask whether the nearest known word is meant; where none is near, list all after `lead`."""
    known = list(known)
    near = nearest(word, known)
    return f"did you mean {near}?" if near else f"{lead} {', '.join(known)}"


def quoted(value: object, limit: int = 80) -> str:
    """Return `value` as it would be written in JSON, shortened to about `limit` characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + shown(value.replace("\\", "\\\\").replace('"', '\\"'), limit) + '"'
    if isinstance(value, Mapping):
        return "an object" if value else "an empty object"
    if isinstance(value, bytes | AbstractSet):
        return f"a {type(value).__name__}"
    if isinstance(value, Sequence):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a very large number"
    return shown(str(value), limit)


def shown(text: str, limit: int = 80) -> str:
    """Return `text` fit for one line of any terminal: shortened, and escaped where unprintable."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def caret(text: str, start: int, end: int, width: int = 76) -> str:
    """Return the line of `text` around `start`, with a line of carets under start..end."""
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop == -1 else stop
    left = max(begin, min(start - width // 2, stop - width))
    right = min(stop, left + width)
    prefix = "…" if left > begin else ""
    suffix = "…" if right < stop else ""
    shown = "".join(c if c.isprintable() else " " for c in text[left:right])
    mark = "^" * max(1, min(end, right) - start)
    return f"{prefix}{shown}{suffix}\n{' ' * (len(prefix) + start - left)}{mark}"
