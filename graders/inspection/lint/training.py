"""Training and validation files of reinforcement fine-tuning, and G72x: what is wrong in them.

Source: the hosted fine-tuning guide; Azure's for the role of the last message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import Any, Final, Literal

from graders import jsontext
from graders.errors import RowsError, quoted
from graders.template import MissingVariableError, Path, resolve, to_text

__all__ = [
    "MOST_ROWS",
    "Look",
    "Problem",
    "TrainingFile",
    "is_completion",
    "last_role",
    "message_problems",
    "prompt_problems",
    "read_training",
]

Use = Literal["training", "validation"]
_MOST_VALUES: Final = 1000
MOST_ROWS: Final[Mapping[Use, int]] = {"training": 50_000, "validation": 1_000}
_ROLES: Final = ("system", "developer", "user", "assistant", "tool")


@dataclass(slots=True)
class Problem:
    """One kind of problem in a file: how often, and where first.

    Attributes:
        kind: `row`, `messages`, `last`, `tools`, `missing`, `overlap`, or what a `look` calls it.
        line: 1-based line of the first.
        message: what is wrong there, with the field.
        count: in how many rows.
    """

    kind: str
    line: int
    message: str
    count: int = 1


@dataclass(slots=True)
class TrainingFile:
    """What a file holds.

    Attributes:
        path: the file.
        use: what the job uses it for.
        rows: how many rows it has.
        problems: what is wrong, each kind of each field once.
        values: the distinct texts and numbers that a path leads to, each with its first line.
    """

    path: str
    use: Use
    rows: int = 0
    problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    _digests: set[bytes] = field(default_factory=set)

    def note(self, kind: str, field_: str, line: int, message: str) -> None:
        """Count a problem."""
        known = self.problems.get((kind, field_))
        if known is None:
            self.problems[kind, field_] = Problem(kind, line, message)
        else:
            known.count += 1


Look = Callable[[dict[str, Any]], Iterable[tuple[str, str, str]]]
"""Gives (kind, field, problem) for what is wrong in a row."""


def read_training(
    path: str,
    use: Use,
    paths: Iterable[Path],
    *,
    other: TrainingFile | None = None,
    look: Look | None = None,
    apart: Collection[str] = (),
) -> TrainingFile:
    """Return what a file of training rows holds.

    Args:
        path: a JSON Lines file.
        use: what the job uses it for.
        paths: the grader's template paths; those of `item` are looked for in each row.
        other: the training file, of whose rows a validation file should have none.
        look: what looks at a row; None for what a prompt must be.
        apart: fields of a row that are not part of `item`.

    Raises:
        RowsError: the file cannot be read.
    """
    found = TrainingFile(path, use)
    wanted = [one for one in paths if one.namespace == "item" and one.steps]
    try:
        with FilePath(path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = _read_row(found, number, line.strip(), other)
                    if row is not None:
                        _look_at(found, number, row, look or prompt_problems)
                        _find_fields(found, number, row, wanted, apart)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RowsError(f"{path}: the {use} file cannot be read: {reason}") from None
    return found


def _read_row(
    found: TrainingFile, number: int, line: bytes, other: TrainingFile | None
) -> dict[str, Any] | None:
    """Return a line's row, None where it is none."""
    found.rows += 1
    digest = blake2b(line, digest_size=12).digest()
    found._digests.add(digest)  # noqa: SLF001  (the same module)
    if other is not None and digest in other._digests:  # noqa: SLF001
        found.note("overlap", "", number, "the row is also in the training file")
    try:
        row = jsontext.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        found.note("row", "", number, f"not JSON: {error}")
        return None
    if not isinstance(row, dict):
        found.note("row", "", number, f"a row is an object with messages, got {quoted(row)}")
        return None
    return row


def _look_at(found: TrainingFile, number: int, row: dict[str, Any], look: Look) -> None:
    for kind, field_, problem in look(row):
        # Each field once, whichever message of whichever row it is.
        anywhere = re.sub(r"\[\d+\]", "[]", field_)
        found.note(kind, anywhere, number, f"{field_}: {problem}" if field_ else problem)


def _find_fields(
    found: TrainingFile,
    number: int,
    row: dict[str, Any],
    wanted: list[Path],
    apart: Collection[str],
) -> None:
    item = {name: value for name, value in row.items() if name not in apart} if apart else row
    for one in wanted:
        try:
            value = resolve(one, item, None)
        except MissingVariableError as error:
            found.note("missing", str(one), number, str(error))
            continue
        known = found.values.setdefault(str(one), {})
        if isinstance(value, str | int | float) and len(known) < _MOST_VALUES:
            known.setdefault(to_text(value), number)


def prompt_problems(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, field, problem) for what is wrong with a row that holds a prompt."""
    if is_completion(row):
        says = (
            "the row is of the completion format; reinforcement takes the prompt as messages "
            '[{"role": "user", "content": …}], with what is to be compared in a field of its own'
        )
        yield "messages", "", says
        return
    for field_, problem in message_problems(row.get("messages")):
        yield "messages", field_, problem
    if (role := last_role(row.get("messages"))) not in ("user", None):
        yield "last", "", f"the last message is the {role}'s, not the user's"
    if (wrong := _tools_problem(row.get("tools"))) is not None:
        yield "tools", "tools", wrong


def is_completion(row: Mapping[str, Any]) -> bool:
    """Whether a row is of the completion format: `prompt` and `completion` in place of `messages`."""
    return "messages" not in row and "prompt" in row


def message_problems(messages: Any, name: str = "messages") -> Iterator[tuple[str, str]]:
    """Yield (field, problem) for what is wrong with a row's messages, which stand under `name`."""
    if messages is None:
        yield name, "is missing; it holds the prompt"
        return
    if not isinstance(messages, list) or not messages:
        yield name, f"is a list of at least one message, got {quoted(messages)}"
        return
    for index, message in enumerate(messages):
        here = f"{name}[{index}]"
        if not isinstance(message, dict):
            yield here, f"is an object with role and content, got {quoted(message)}"
            continue
        role = message.get("role")
        if role not in _ROLES:
            yield f"{here}.role", f"is one of {', '.join(_ROLES)}, got {quoted(role)}"
        content = message.get("content")
        if content is None and role == "assistant" and message.get("tool_calls"):
            continue
        if not isinstance(content, str | list) or not content:
            yield f"{here}.content", f"is a text or a list of parts, got {quoted(content)}"
        elif isinstance(content, list) and not all(_is_part(part) for part in content):
            yield f"{here}.content", "has a part without a type"


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def last_role(messages: Any) -> str | None:
    """Return the role of the last message, None where there is none that is known."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    role = last.get("role") if isinstance(last, dict) else None
    return role if role in _ROLES else None


def _tools_problem(tools: Any) -> str | None:
    if tools is None:
        return None
    if not isinstance(tools, list):
        return f"is a list, got {quoted(tools)}"
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            return f"[{index}] is an object with a type, got {quoted(tool)}"
        function = tool.get("function")
        named = isinstance(function, dict) and isinstance(function.get("name"), str)
        if tool["type"] == "function" and not named:
            return f"[{index}].function needs a name"
    return None
