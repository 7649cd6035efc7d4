"""`--update`: new expectations written into a suite's own text, all else left as it is.

Only spans of values are replaced, by their positions in the text. What comes out is read again and
must differ from the old in the expectations alone, else nothing is written.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from graders.config import document, yamltext
from graders.config.document import Place
from graders.errors import ConfigError
from graders.grade import Grade
from graders.remote import Remote
from graders.suite.model import Suite
from graders.suite.outcome import Outcome

__all__ = ["Rewrite", "refusal", "rewrite"]

_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_YAML_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_BOUND: Final = "it expects a bound, which says what must hold; change it by hand"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What became of a suite's expectations.

    Attributes:
        path: the suite.
        changed: the names of the cases with new expectations.
        refused: why others have none, a sentence each.
    """

    path: Path | Remote
    changed: tuple[str, ...]
    refused: tuple[str, ...]


class _RefusedError(Exception):
    """An expectation cannot be rewritten; says why."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """A span of the text and what replaces it, and the same in the suite's value.

    Attributes:
        start: where the span begins.
        end: where it ends.
        text: what replaces it.
        place: of the object whose keys change.
        removed: the key that goes, "" for none.
        values: the keys that come, or have another value.
    """

    start: int
    end: int
    text: str
    place: Place
    removed: str
    values: Mapping[str, Any]


def rewrite(suite: Suite, outcomes: Iterable[Outcome]) -> Rewrite:
    """Write what came into the suite's file where something else was expected.

    Exact numbers, `about` values and failure codes follow; bounds, orderings and invariances say
    what must hold, and stay.
    """
    pen = _Pen.of(suite)
    edits: list[_Edit] = []
    changed: list[str] = []
    refused: list[str] = []
    for test, outcome in {one.test.name: (one.test, one) for one in outcomes}.values():
        if not outcome.rewritable:
            continue
        found = pen.edits(outcome)
        if isinstance(found, str):
            refused.append(f"{suite.path}:{test.line}: {test.name}: {found}")
        else:
            edits += found
            changed.append(test.name)
    if not edits:
        return Rewrite(suite.path, (), tuple(refused))
    try:
        _write(suite, pen, edits)
    except _RefusedError as error:
        return Rewrite(suite.path, (), (*refused, f"{suite.path}: nothing was written: {error}"))
    return Rewrite(suite.path, tuple(changed), tuple(refused))


def refusal(suite: Suite, outcome: Outcome) -> str | None:
    """Return why what a test expects cannot be rewritten, None where it can."""
    if not outcome.rewritable:
        return "what it says must hold; change it by hand"
    found = _Pen.of(suite).edits(outcome)
    return found if isinstance(found, str) else None


def _nodes(text: str) -> Any:
    """Return the YAML node of a text that has been read before, None where YAML refuses it."""
    try:
        return yamltext.compose(text)
    except yamltext.YamlError:
        return None


class _Pen:
    """Finds the spans of one suite's expectations and says what to write there."""

    def __init__(self, text: str, root: Any, value: Any) -> None:
        self.text = text
        self.root = root
        self.value = value

    @classmethod
    def of(cls, suite: Suite) -> Self:
        """Return the pen of a suite."""
        text = suite.text.removeprefix("\ufeff")
        return cls(text, _nodes(text), document.parse(text, str(suite.path)))

    def edits(self, outcome: Outcome) -> list[_Edit] | str:
        """Return the edits for one case, or why there are none."""
        case = outcome.test.place
        if self.root is None:
            return "positions in this text cannot be told"
        try:
            return [self._edit(case, place, came) for place, came in outcome.wrong.items()]
        except _RefusedError as error:
            return str(error)

    def _edit(self, case: Place, place: Place, came: Any) -> _Edit:
        """Return the edit for one expectation that does not hold."""
        if place == case:
            return self._insert(case, _entries(came))
        if place[-1] == "failure":
            return self._failure(case, came)
        if place[-1] == "reward" and isinstance(came, str):
            if isinstance(self._old(place), Mapping | str):
                raise _RefusedError(f"the row fails now ({came}); {_BOUND}")
            return self._replace_entry(case, "reward", "failure", came)
        return self._number(place, came)

    def _number(self, place: Place, came: float | None) -> _Edit:
        old = self._old(place)
        if isinstance(old, Mapping):
            if "about" not in old or came is None:
                raise _RefusedError(_BOUND)
            return self._replace(place, "about", came)
        if isinstance(old, str) and old.lstrip()[:1] in ("<", ">"):
            raise _RefusedError(_BOUND)
        return self._replace(place[:-1], str(place[-1]), came)

    def _failure(self, case: Place, grade: Grade) -> _Edit:
        old = self._old((*case, "failure"))
        if not grade.failures:
            if "reward" in self._old(case):
                raise _RefusedError("it expects no reward as well; change it by hand")
            return self._replace_entry(case, "failure", "reward", grade.reward)
        first = grade.failures[0]
        if isinstance(old, str):
            return self._replace(case, "failure", first.code)
        if set(old) == {"code"}:
            return self._replace((*case, "failure"), "code", first.code)
        raise _RefusedError(f"the failure is another ({first}); change it by hand")

    def _old(self, place: Place) -> Any:
        value = self.value
        for step in place:
            value = value[step]
        return value

    def _node(self, place: Place) -> Any:
        """Return the node at a place; refuses one that stands elsewhere, by an alias or a merge."""
        node = self.root
        for step in place:
            child: Any
            if isinstance(step, int):
                child = node.value[step]
            else:
                child = next((value for key, value in node.value if key.value == step), None)
            if child is None or not (
                node.start_mark.index <= child.start_mark.index <= node.end_mark.index
            ):
                raise _RefusedError("it stands elsewhere, by an alias or a merge")
            node = child
        return node

    def _span(self, node: Any) -> tuple[int, int]:
        """Return where a value begins and ends; refuses values whose end cannot be told."""
        start, end = node.start_mark.index, node.end_mark.index
        plain = node.id == "scalar" and node.style not in ("|", ">")
        if not (plain or (node.id != "scalar" and node.flow_style)):
            raise _RefusedError("the value goes over several lines; change it by hand")
        if self.text[start : start + 1] in ("&", "!"):
            raise _RefusedError("the value has an anchor or a tag; change it by hand")
        return start, end

    def _replace(self, place: Place, key: str, came: Any) -> _Edit:
        node = self._node((*place, key))
        start, end = self._span(node)
        text = _written(came, quote=getattr(node, "style", None) == '"')
        if start == end:  # `reward:` with nothing after it
            text = f" {text}"
        return _Edit(start, end, text, place, "", {key: came})

    def _replace_entry(self, case: Place, old: str, new: str, came: Any) -> _Edit:
        parent = self._node(case)
        _, end = self._span(self._node((*case, old)))
        key = next(key for key, _ in parent.value if key.value == old)
        quote = key.style == '"'
        text = f"{_written(new, quote=quote)}: {_written(came, quote=quote)}"
        return _Edit(key.start_mark.index, end, text, case, old, {new: came})

    def _insert(self, case: Place, entries: Mapping[str, Any]) -> _Edit:
        """Put new keys after a case's last one, or before it where its end cannot be told."""
        node = self._node(case)
        key, last = node.value[-1]
        quote = key.style == '"'
        written = [
            f"{_written(name, quote=quote)}: {_written(one, quote=quote)}"
            for name, one in entries.items()
        ]
        newline = "\r\n" if "\r\n" in self.text else "\n"
        start = key.start_mark.index
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        gap = newline + " " * key.start_mark.column
        if node.flow_style:
            joint = "," + (newline + before if not before.strip() else " ")
            at = last.end_mark.index
            return _Edit(at, at, "".join(joint + one for one in written), case, "", entries)
        with contextlib.suppress(_RefusedError):
            end = self._line_end(self._span(last)[1])
            return _Edit(end, end, "".join(gap + one for one in written), case, "", entries)
        return _Edit(start, start, "".join(one + gap for one in written), case, "", entries)

    def _line_end(self, position: int) -> int:
        end = self.text.find("\n", position)
        end = len(self.text) if end == -1 else end
        rest = self.text[position:end].strip()
        if rest and not rest.startswith("#"):
            raise _RefusedError("something follows on the line")
        return end - 1 if self.text[end - 1 : end] == "\r" else end


def _entries(grade: Grade) -> dict[str, Any]:
    """Return the expectations that a case without any gets."""
    if grade.failures:
        return {"failure": grade.failures[0].code}
    if grade.sub_rewards:
        return {"reward": grade.reward, "sub_rewards": dict(grade.sub_rewards)}
    return {"reward": grade.reward}


def _written(value: Any, *, quote: bool) -> str:
    """Return a value as JSON and YAML both read it; words without quotes where YAML can."""
    if value is None:
        return "null"
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) and value.lower() not in _YAML_WORDS
        return json.dumps(value, ensure_ascii=False) if quote or not plain else value
    if isinstance(value, Mapping):
        pairs = (
            f"{_written(k, quote=quote)}: {_written(v, quote=quote)}" for k, v in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    text = repr(float(value))
    mantissa, e, power = text.partition("e")
    # YAML takes 1e-06 for a text; 1.0e-06 is a number in both.
    return f"{mantissa}.0e{power}" if e and "." not in mantissa else text


def _write(suite: Suite, pen: _Pen, edits: Sequence[_Edit]) -> None:
    wanted, new = copy.deepcopy(pen.value), pen.text
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        new = new[: edit.start] + edit.text + new[edit.end :]
    for edit in edits:
        parent = wanted
        for step in edit.place:
            parent = parent[step]
        if edit.removed:
            del parent[edit.removed]
        parent.update(edit.values)
    try:
        same = document.parse(new, str(suite.path)) == wanted
    except ConfigError:
        same = False
    if not same:
        raise _RefusedError("the text would not say what it should; change it by hand")
    if isinstance(suite.path, Remote):
        raise _RefusedError("it stands elsewhere; write it in a copy on this machine")
    path = suite.path.resolve()
    try:
        if path.read_bytes() != suite.text.encode():
            raise _RefusedError("the file has changed since it was read")
        bom = "\ufeff" if suite.text.startswith("\ufeff") else ""
        _replace_file(path, (bom + new).encode())
    except OSError as error:
        raise _RefusedError(f"it cannot be written: {error.strerror or error}") from None


def _replace_file(path: Path, data: bytes) -> None:
    """Put a whole file in the place of another, or leave that one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
