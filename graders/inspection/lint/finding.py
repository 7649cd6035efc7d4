"""What a rule finds: code, severity, place, sentence, fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from graders.config.document import Place

__all__ = [
    "SEVERITIES",
    "TARGETS",
    "Example",
    "Finding",
    "Hit",
    "Place",
    "Severity",
    "Target",
]

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final = get_args(Severity)
Target = Literal["local", "openai", "azure"]
TARGETS: Final = get_args(Target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A grader on which a rule fires.

    Attributes:
        grader: the document.
        rows: the rows given with `--rows`.
        training: the lines of a training file.
        validation: the lines of a validation file.
        target: the target it fires for.
        dialect: the dialect of its templates.
        cells: whether the rows are those of a table that knows only text.
    """

    grader: Any
    rows: Sequence[Any] | None = None
    training: Sequence[Any] | None = None
    validation: Sequence[Any] | None = None
    target: Target = "local"
    dialect: Literal["hosted", "jinja2"] = "hosted"
    cells: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing a rule has to say.

    Attributes:
        place: where in the document.
        message: what is wrong here, in one sentence.
        fix: what to do, where it is more than the rule's own.
        offset: characters into the text that stands there.
        file: another file it stands in, with `line`.
        line: 1-based line in that file.
        severity: where it is not the rule's own.
    """

    place: Place
    message: str
    fix: str = ""
    offset: int | None = None
    file: str | None = None
    line: int | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found, where it stands in the user's file.

    Attributes:
        code: the rule's code.
        name: the rule's name.
        severity: how bad it is for the target.
        file: the file, or what the source is called.
        path: JSON path of what it is about.
        line: 1-based line, None where the source has none.
        column: 1-based column in characters.
        message: what is wrong, in one sentence.
        fix: what to do, in one line.
    """

    code: str
    name: str
    severity: Severity
    file: str
    path: str
    line: int | None = None
    column: int | None = None
    message: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON."""
        return asdict(self)
