"""What people hold of their hosted evals, told apart whatever a file is called and however it is wrapped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders import jsontext
from graders.errors import shown
from graders.evals.promptfoo import from_promptfoo
from graders.shape import kind_of

__all__ = ["Piece", "pieces"]

Kind = Literal["eval", "run", "item", "row", "file", "note"]
_DEEPEST: Final = 6
_MOST_KEYS: Final = 8
_SAID: Final[Mapping[str, Kind]] = {
    "eval": "eval", "eval.run": "run", "eval.run.output_item": "item", "file": "file",
}  # fmt: skip
_HOLDS: Final = (
    "data", "eval", "evals", "run", "runs", "output_item", "output_items", "outputItems", "items",
    "results", "rows", "files", "file", "object", "body",
)  # fmt: skip
"""Under which keys people wrap what they have exported."""
_WITHIN: Final = ("runs", "output_items", "outputItems", "items")
"""Under which keys an eval or a run brings along what it has."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing of an export.

    Attributes:
        kind: an eval, a run, an output item, a row of data, the object of a file; or a note, which
            says under `says` what was passed over and why.
        value: the object, as it was exported.
        of: the id of the eval around it, where it stood in one.
        run: the id of the run around it, where it stood in one.
    """

    kind: Kind
    value: Mapping[str, Any]
    of: str | None = None
    run: str | None = None


def pieces(value: Any) -> Iterator[Piece]:
    """Yield what a JSON value holds: an object of the API, or lists and wrappings of such."""
    yield from _pieces(value, None, None, 0)


def _pieces(value: Any, of: str | None, run: str | None, depth: int) -> Iterator[Piece]:
    if depth > _DEEPEST:
        yield note("something nests too deeply to be an export")
        return
    if isinstance(value, list):
        for one in value:
            yield from _pieces(one, of, run, depth + 1)
        return
    if not isinstance(value, dict):
        yield note(f"{kind_of(value)} is no object of the API")
        return
    kind = _kind(value)
    if kind is not None:
        yield Piece(kind, value, of, run)
        if kind in ("eval", "run"):
            yield from _within(kind, value, of, depth)
        return
    foreign = from_promptfoo(value)
    if foreign is not None:
        for which, found in foreign:
            yield Piece(which, found)
        return
    yield from _wrapped(value, of, run, depth)


def _kind(value: Mapping[str, Any]) -> Kind | None:
    """Return what an object is by its own word, else by what only such an object has."""
    said = value.get("object")
    if isinstance(said, str) and said in _SAID:
        return _SAID[said]
    if isinstance(value.get("testing_criteria"), list) and "data_source" not in value:
        return "eval"
    if isinstance(value.get("data_source"), dict) and not {"id", "eval_id"}.isdisjoint(value):
        return "run"
    if "datasource_item" in value or ("run_id" in value and "results" in value):
        return "item"
    if "item" in value:
        # The dashboard's file of a run's results has a line a row: item, grades and passes by name.
        graded = not {"grades", "passes", "data_source_idx"}.isdisjoint(value)
        return "item" if graded else "row" if isinstance(value["item"], dict | str) else None
    return None


def _within(kind: Kind, value: Mapping[str, Any], of: str | None, depth: int) -> Iterator[Piece]:
    """Yield what an eval or a run brings along: its runs, its output items."""
    name = value.get("id")
    own = name if isinstance(name, str) else None
    for key in _WITHIN:
        inner = value.get(key)
        if isinstance(inner, list | dict):
            if kind == "eval":
                yield from _pieces(inner, own, None, depth + 1)
            else:
                said = value.get("eval_id")
                yield from _pieces(inner, said if isinstance(said, str) else of, own, depth + 1)


def _wrapped(
    value: Mapping[str, Any], of: str | None, run: str | None, depth: int
) -> Iterator[Piece]:
    """Yield what stands in an object that is none of the API's itself."""
    error = value.get("error")
    if isinstance(error, dict) and "message" in error and len(value) == 1:
        yield note(f"an error of the API and no object: {shown(str(error['message']), 200)}")
        return
    if isinstance(value.get("object"), str) and str(value["object"]).endswith(".deleted"):
        yield note("the confirmation that something was deleted")
        return
    if isinstance(value.get("data_source"), dict):
        yield note(
            "the body of evals.runs.create, which is no run that has run; graders evals run runs it"
        )
        return
    if {"index", "sub_rewards", "failures"} <= set(value):
        yield note("a line of results of graders, which graders report shows")
        return
    own = [value.get(name) for name in ("eval_id", "run_id")]
    of, run = (
        mine if isinstance(mine, str) else before
        for mine, before in zip(own, (of, run), strict=True)
    )
    head = value.get("eval")
    if of is None and isinstance(head, dict) and isinstance(head.get("id"), str):
        of = head["id"]
    head = value.get("run")
    if run is None and isinstance(head, dict) and isinstance(head.get("id"), str):
        run = head["id"]
    found = [key for key in _HOLDS if isinstance(value.get(key), list | dict)]
    for key in found:
        yield from _pieces(value[key], of, run, depth + 1)
    inner = [one for one in value.values() if isinstance(one, dict) and _kind(one) is not None]
    if not found and inner:  # By their ids, as it may be.
        yield from _pieces(inner, of, run, depth + 1)
    elif not found:
        keys = ", ".join(shown(key, 30) for key in list(value)[:_MOST_KEYS])
        yield note(f"an object that is none of the API's; its keys are {keys or 'none'}")


def note(says: str) -> Piece:
    """Return the piece that says what was passed over."""
    return Piece("note", {"says": says})


def parsed(value: Any, kinds: type | tuple[type, ...]) -> Any:
    """Return a value that may stand there as JSON text; None where it is of none of these kinds."""
    if isinstance(value, str):
        try:
            value = jsontext.decode(value, allow_nan=True)
        except ValueError:
            return None
    return value if isinstance(value, kinds) else None
