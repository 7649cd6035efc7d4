"""Reading a grader config, bare or inside a request body, with every fault reported at once.

The source is a dict, JSON or YAML text, a path or standard input; a fault has its JSON path and line.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from graders import jsontext
from graders.config import azure, document
from graders.config.editor import document_schema
from graders.errors import ConfigError, Fault, nearest, nearest_path, quoted
from graders.kinds import AnyGrader, EvalCriteria, kind_named
from graders.kinds.fault import faults_of, formula_faults, json_path
from graders.remote import Remote, named
from graders.template import Dialect

__all__ = [
    "Loaded", "Source", "dump", "load", "load_source", "place_of", "read_document", "schema",
]  # fmt: skip

Source = Mapping[str, Any] | list[Any] | str | bytes | os.PathLike[str] | BaseModel | EvalCriteria
"""Where a config may come from."""

Location = tuple[str | int, ...]

_ENDINGS: Final = frozenset({".json", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config and what came with it.

    Attributes:
        config: one of the grader types, or the criteria of an eval.
        name: what to call the source in messages: the path, or `grader`.
        place: where in the source the grader stands.
        item: the `item` of a `graders.run` body, None elsewhere.
        model_sample: the `model_sample` of a `graders.run` body, None elsewhere.
        body: the whole document the grader stands in, None where it came as a typed config.
        text: the text the document was read from, None where there was none.
        file: the path it was read from, `standard input` or `grader`.
        left_out: criteria that are not run here: where each stands, and why.
    """

    config: Any
    name: str
    place: Location = ()
    item: Any = None
    model_sample: Any = None
    body: Any = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    file: str = "grader"
    left_out: tuple[tuple[Location, str], ...] = ()


def load(source: Source, *, dialect: Dialect = "hosted") -> Any:
    """Return the config of a grader.

    Args:
        source: a dict or list, JSON or YAML text, a path, or `-` for standard input. It holds a
            grader, a `fine_tuning.jobs.create` body, a `graders.run` or `validate` body, or an
            Evals body or list of `testing_criteria`.
        dialect: the dialect of the templates.

    Returns:
        A StringCheck, TextSimilarity, Python, ScoreModel, LabelModel, Endpoint or Multi; an
        EvalCriteria for more than one criterion.

    Raises:
        ConfigError: the source cannot be read, or the config has faults: all of them.
    """
    return load_source(source, dialect=dialect).config


def load_source(source: Source | Remote, *, dialect: Dialect = "hosted") -> Loaded:
    """Like `load`, with what else the source holds."""
    if isinstance(source, BaseModel | EvalCriteria):
        return Loaded(source, "grader")
    text, name = None, "grader"
    if isinstance(source, Mapping | list):
        value: Any = dict(source) if isinstance(source, Mapping) else source
    else:
        text, name = _read(source)
        value = document.parse(text, name)
    found = [(place, Fault(json_path(place), problem)) for place, problem in document.unfit(value)]
    loaded = Loaded(None, name) if found else _load_value(value, name, dialect, found)
    if found:
        wanted = [(place, None) for place, _ in found]
        spots = document.spots(text, wanted) if text is not None else {}
        placed = []
        for place, fault in found:
            line, column = spots.get((place, None), (None, None))
            placed.append(replace(fault, line=line, column=column))
        raise ConfigError(placed, source=name)
    return replace(loaded, body=value, text=text, file=name)


def read_document(source: str | os.PathLike[str]) -> Any:
    """Return the value of a JSON or YAML text, whatever it holds; `source` as for `load`.

    A `$schema` at its top is for editors alone, and is left out.

    Raises:
        ConfigError: it cannot be read.
    """
    value = document.parse(*_read(source))
    named = value.get("$schema") if isinstance(value, dict) else None
    return _without(value, "$schema") if isinstance(named, str) else value


def place_of(config: Any, key: str, place: Location) -> Location:
    """Return where in the source a sub-grader stands, given where its grader stands."""
    if isinstance(config, EvalCriteria):
        at = list(config.graders).index(key)
        return (*place, config.places[at] if config.places else at)
    return (*place, "graders", key) if key else place


def dump(config: Any) -> dict[str, Any]:
    """Return a config as the JSON object it came from; `load` gives an equal config back."""
    if isinstance(config, EvalCriteria):
        return {
            "name": config.name,
            "testing_criteria": [dump(grader) for grader in config.graders.values()],
        }
    data: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    return data


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a grader, and of a document that holds one, for editors."""
    return document_schema(_adapter().json_schema())


@functools.cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(AnyGrader)  # On first use: it costs more than importing the models.


def _read(source: str | bytes | os.PathLike[str] | Remote) -> tuple[str, str]:
    """Return the text of a source and what to call it."""
    if isinstance(source, bytes):
        return _decoded(source, "grader"), "grader"
    if isinstance(source, str):
        if source == "-":
            name = "standard input"
            return _decoded(_whole(sys.stdin.buffer, name), name), name
        start = source.lstrip("\ufeff \t\r\n")
        if not start or start.startswith(("{", "[")) or "\n" in source:
            return source, "grader"
    path = named(source)
    try:
        with path.open("rb") as file:
            data = jsontext.read_whole(file)
    except FileNotFoundError as error:
        near = (
            error.strerror
            if isinstance(path, Remote)
            else f"there is no such file{_nearest_file(path)}"
        )
        raise _unreadable(str(path), str(near)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(quoted(str(path)), f"cannot be read: {reason}") from None
    return _decoded(data, str(path)), str(path)


def _whole(stream: BinaryIO, name: str) -> bytes:
    try:
        return jsontext.read_whole(stream)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(name, f"cannot be read: {reason}") from None


def _decoded(data: bytes, name: str) -> str:
    try:
        return jsontext.text_of(data).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(name, f"the file is not UTF-8 text (line {line})") from None


def _unreadable(name: str, problem: str) -> ConfigError:
    return ConfigError([Fault("$", problem)], source=name)


def _nearest_file(path: Path) -> str:
    near = nearest_path(path, lambda one: one.suffix in _ENDINGS and one.is_file())
    return f"; did you mean {near}?" if near else ""


def _load_value(
    value: Any, name: str, dialect: Dialect, found: list[tuple[Location, Fault]]
) -> Loaded:
    """Find the grader in a document and build its config; faults go to `found`."""

    def fault(place: Location, message: str) -> Loaded:
        found.append((place, Fault(json_path(place), message)))
        return Loaded(None, name)

    if isinstance(value, list):
        return _criteria(value, (), name, dialect, found)
    if not isinstance(value, dict):
        return fault((), f"a grader is an object with a type, got {quoted(value)}")
    if "testing_criteria" in value and "type" not in value:
        title = value.get("name")
        title = title if isinstance(title, str) else name
        criteria = value["testing_criteria"]
        return _criteria(criteria, ("testing_criteria",), title, dialect, found)
    if "method" in value and "type" not in value:
        return _from_job(value, name, dialect, found)
    if "grader" in value and "type" not in value:
        config = _grader(value["grader"], ("grader",), dialect, found)
        item, sample = value.get("item"), value.get("model_sample")
        return Loaded(config, name, ("grader",), item, sample)
    if "type" not in value:
        return fault((), _no_grader(value))
    return Loaded(_grader(value, (), dialect, found), name)


def _from_job(
    body: dict[str, Any], name: str, dialect: Dialect, found: list[tuple[Location, Fault]]
) -> Loaded:
    place: Location = ("method",)
    value: Any = body["method"]
    for key in ("reinforcement", "grader"):
        if not isinstance(value, dict) or key not in value:
            kind = value.get("type") if isinstance(value, dict) else None
            message = f"the body of a reinforcement job holds its grader in {'.'.join(map(str, place))}.{key}"
            if kind in ("supervised", "dpo"):
                message = f"a {kind} job has no grader; only reinforcement jobs have one"
            found.append((place, Fault(json_path(place), message)))
            return Loaded(None, name)
        place, value = (*place, key), value[key]
    return Loaded(_grader(value, place, dialect, found), name, place)


def _no_grader(value: dict[str, Any]) -> str:
    if not value:
        return "the object is empty; a grader has a type"
    near = nearest("type", value)
    hint = f"; did you mean type by {quoted(near)}?" if near else ""
    keys = ", ".join(quoted(key, 30) for key in list(value)[:8])
    return (
        "no grader here: expected a type, or method.reinforcement.grader, or grader, or "
        f"testing_criteria; the keys are {keys}{hint}"
    )


def _grader(
    value: Any, place: Location, dialect: Dialect, found: list[tuple[Location, Fault]]
) -> Any:
    """Return the config of one grader, or None with its faults in `found`."""
    before = len(found)
    config = None
    value = _without_schema(value, place, found)
    try:
        config = _adapter().validate_python(value, context={"dialect": dialect})
    except ValidationError as error:
        found.extend(faults_of(error, value, place))
    except RecursionError:
        found.append((place, Fault(json_path(place), "the config nests too deeply")))
    found.extend(formula_faults(value, place))
    return config if len(found) == before else None


_GIVEN_BY_THE_API: Final = ("id", "created_at")
"""What a criterion has in an Evals object as the API returns it, and nobody writes."""


def _without(value: Any, *keys: str) -> Any:
    """Return a grader without fields that are not its own; anything else as it is."""
    if not isinstance(value, dict) or not any(key in value for key in keys):
        return value
    return {key: one for key, one in value.items() if key not in keys}


def _without_schema(value: Any, place: Location, found: list[tuple[Location, Fault]]) -> Any:
    """Return a grader without the `$schema` that tells an editor what it is, its sub-graders too."""
    inner = value.get("graders") if isinstance(value, dict) else None
    if isinstance(inner, dict):  # A multi holds no multi: there is no third level.
        bare = {
            key: _without_own_schema(one, (*place, "graders", key), found)
            for key, one in inner.items()
        }
        value = {**value, "graders": bare}
    return _without_own_schema(value, place, found)


def _without_own_schema(value: Any, place: Location, found: list[tuple[Location, Fault]]) -> Any:
    if not isinstance(value, dict) or "$schema" not in value:
        return value
    if not isinstance(value["$schema"], str):
        here = (*place, "$schema")
        message = f"expected a string, a JSON Schema's name, got {quoted(value['$schema'])}"
        found.append((here, Fault(json_path(here), message)))
    return _without(value, "$schema")


def _criteria(
    value: Any, place: Location, name: str, dialect: Dialect, found: list[tuple[Location, Fault]]
) -> Loaded:
    """Return the config of a `testing_criteria` list (one grader, or several)."""
    if not isinstance(value, list) or not value:
        message = f"testing_criteria is a list of graders, got {quoted(value)}"
        found.append((place, Fault(json_path(place), message)))
        return Loaded(None, name, place)
    graders: dict[str, Any] = {}
    places: list[int] = []
    left_out: list[tuple[Location, str]] = []
    for index, criterion in enumerate(value):
        here = (*place, index)
        if isinstance(criterion, dict) and criterion.get("type") == azure.TYPE:
            read = azure.translated(criterion)
            if isinstance(read, str):
                left_out.append((here, read))
                continue
            criterion = read  # noqa: PLW2901  (Azure's form of a grader of ours)
        found.extend(_evals_faults(criterion, here))
        config = _grader(_without(criterion, *_GIVEN_BY_THE_API), here, dialect, found)
        if config is not None:
            graders[_free_key(config.name, graders)] = config
            places.append(index)
    if len(left_out) == len(value):
        found.extend((here, Fault(json_path(here), why)) for here, why in left_out)
    if len(graders) == 1:
        (config,) = graders.values()
        return Loaded(config, name, (*place, *places), left_out=tuple(left_out))
    criteria = EvalCriteria(graders, name, places=tuple(places))
    return Loaded(criteria, name, place, left_out=tuple(left_out))


def _evals_faults(criterion: Any, place: Location) -> Iterator[tuple[Location, Fault]]:
    """Yield the faults that only the Evals form has."""
    if not isinstance(criterion, dict):
        return
    kind = criterion.get("type")
    if kind == "multi":
        message = (
            "testing_criteria holds no multi: it is for reinforcement fine-tuning; list its "
            "graders as criteria, or load the multi by itself"
        )
        yield place, Fault(json_path(place), message)
    known = kind_named(kind) if isinstance(kind, str) else None
    for name in () if known is None else known.needed_in_evals:
        if criterion.get(name) is None:
            message = f"{name} is required for a {kind} in testing_criteria"
            where = (*place, name)
            yield where, Fault(json_path(where), message)


def _free_key(name: str, taken: Mapping[str, Any]) -> str:
    key, count = name, 1
    while key in taken:
        count += 1
        key = f"{name} ({count})"
    return key
