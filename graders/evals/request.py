"""The bodies of `evals.create` and `evals.runs.create`, checked as the hosted API describes them. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from graders.config import Loaded, load_source
from graders.errors import ConfigError, Fault, TemplateError, nearest, quoted
from graders.kinds import EvalCriteria, Messages, Model, Number, Str, faults_of
from graders.template import Path, compile_template
from graders.template import Template as TextTemplate
from graders.wire.body import Location, fault, metadata_faults, refusal, unknown
from graders.wire.error import refused

__all__ = [
    "EvalRequest", "ItemReference", "RunRequest", "Template", "criteria_of", "input_messages",
    "reference", "row_problem", "updated",
]  # fmt: skip

_EVAL: Final = ("name", "metadata", "data_source_config", "testing_criteria")
_RUN: Final = ("name", "metadata", "data_source")
_CONFIGS: Final[Mapping[str, tuple[str, ...]]] = {
    "custom": ("type", "item_schema", "include_sample_schema"),
    "logs": ("type", "metadata"),
    "stored_completions": ("type", "metadata"),
}
_ASKING: Final = ("type", "source", "model", "input_messages", "sampling_params")
_DATA: Final[Mapping[str, tuple[str, ...]]] = {
    "jsonl": ("type", "source"),
    "completions": _ASKING,
    "responses": _ASKING,
}
_LOGGED: Final = ("type", "created_after", "created_before", "limit", "metadata", "model")
_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "file_content": ("type", "content"),
    "file_id": ("type", "id"),
    "stored_completions": _LOGGED,
    "responses": (
        *_LOGGED, "instructions_search", "reasoning_effort", "temperature", "tools", "top_p", "users",
    ),
}  # fmt: skip
_SOURCES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "jsonl": ("file_content", "file_id"),
    "completions": ("file_content", "file_id", "stored_completions"),
    "responses": ("file_content", "file_id", "responses"),
}
_LONGEST: Final = 1024

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Sampling(Model):
    """How the model under test samples; what both ways of asking have."""

    max_completion_tokens: int | None = Field(default=None, strict=True, ge=1)
    max_completions_tokens: int | None = Field(default=None, strict=True, ge=1)
    reasoning_effort: Effort | None = None
    seed: int | None = Field(default=None, strict=True)
    temperature: Number | None = Field(default=None, ge=0, le=2)
    top_p: Number | None = Field(default=None, ge=0, le=1)
    tools: tuple[dict[str, Any], ...] | None = None


class ChatSampling(Sampling):
    """Sampling of a `completions` run."""

    response_format: dict[str, Any] | None = None


class ResponseSampling(Sampling):
    """Sampling of a `responses` run."""

    text: dict[str, Any] | None = None


class Template(Model):
    """Messages in whose texts the row's item stands."""

    type: Literal["template"]
    template: Messages


class ItemReference(Model):
    """Messages that the row's item holds."""

    type: Literal["item_reference"]
    item_reference: Str = Field(min_length=1)


_SAMPLING: Final[Mapping[str, type[Model]]] = {
    "completions": ChatSampling,
    "responses": ResponseSampling,
}
_MESSAGES: Final[Mapping[str, type[Model]]] = {
    "template": Template,
    "item_reference": ItemReference,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """A body of `evals.create` that was found good.

    Attributes:
        name: the eval's name; "" for none.
        metadata: pairs of texts.
        source: the data_source_config, as given.
        criteria: the testing_criteria, as given.
    """

    name: str
    metadata: dict[str, str] | None
    source: dict[str, Any]
    criteria: list[dict[str, Any]]

    @classmethod
    def parse(cls, body: Any) -> EvalRequest:
        """Return the request in a body.

        Raises:
            ApiError: the body has faults (400); the first is its message, all are in `faults`.
        """
        _check_object(body)
        faults = [
            *_unknowns(body, _EVAL),
            *_name_faults(body),
            *metadata_faults(body.get("metadata")),
        ]
        faults += _config_faults(body.get("data_source_config"))
        try:
            criteria_of(body.get("testing_criteria"))
        except ConfigError as error:
            faults += error.faults
        if faults:
            raise refusal(faults)
        return cls(
            name=body.get("name") or "", metadata=body.get("metadata"),
            source=body["data_source_config"], criteria=[dict(one) for one in body["testing_criteria"]],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A body of `evals.runs.create` that was found good.

    Attributes:
        name: the run's name; "" for none.
        metadata: pairs of texts.
        source: the data_source, as given.
        model: the model that is asked for answers; None where none is.
        file: the id of the file of rows; None where they stand in the body or in the log.
    """

    name: str
    metadata: dict[str, str] | None
    source: dict[str, Any]
    model: str | None
    file: str | None

    @classmethod
    def parse(cls, body: Any) -> RunRequest:
        """Return the request in a body.

        Raises:
            ApiError: the body has faults (400); the first is its message, all are in `faults`.
        """
        _check_object(body)
        faults = [
            *_unknowns(body, _RUN),
            *_name_faults(body),
            *metadata_faults(body.get("metadata")),
        ]
        faults += _data_faults(body.get("data_source"))
        if faults:
            raise refusal(faults)
        source = body["data_source"]
        return cls(
            name=body.get("name") or "", metadata=body.get("metadata"), source=source,
            model=source.get("model") if source.get("input_messages") is not None else None,
            file=source["source"].get("id"),
        )  # fmt: skip


def updated(body: Any) -> dict[str, Any]:
    """Return what a body of `evals.update` changes: `name`, `metadata`, or both.

    Raises:
        ApiError: the body has faults (400).
    """
    _check_object(body)
    known = ("name", "metadata")
    faults = [*_unknowns(body, known), *_name_faults(body), *metadata_faults(body.get("metadata"))]
    if faults:
        raise refusal(faults)
    return {name: body[name] for name in known if name in body}


def criteria_of(criteria: Any) -> tuple[Loaded, EvalCriteria]:
    """Return testing criteria as the engine loads them, always as a list of graders.

    Raises:
        ConfigError: they have faults.
    """
    if criteria is None:
        says = "testing_criteria is required: a list of graders"
        raise ConfigError([fault(("testing_criteria",), says, "missing_required_parameter")])
    loaded = load_source({"testing_criteria": criteria})
    config = loaded.config
    if not isinstance(config, EvalCriteria):
        place = loaded.place[-1] if loaded.place else 0
        config = EvalCriteria({config.name: config}, "testing_criteria", places=(int(place),))
    return loaded, config


def input_messages(source: Mapping[str, Any]) -> Template | ItemReference | None:
    """Return the input_messages of a data_source that was found good; None where it has none."""
    given = source.get("input_messages")
    if given is None:
        return None
    model = Template if given["type"] == "template" else ItemReference
    return model.model_validate(given)


def reference(text: str) -> Path:
    """Return the path that an item_reference names.

    Raises:
        ValueError: it is no path into `item`.
    """
    inner = text.strip().removeprefix("{{").removesuffix("}}").strip()
    paths: tuple[Path, ...] = ()
    with contextlib.suppress(TemplateError):
        compiled = compile_template("{{ " + inner + " }}")
        paths = compiled.paths if isinstance(compiled, TextTemplate) else ()
    if len(paths) != 1 or paths[0].namespace != "item":
        raise ValueError(f"a path into item is needed, such as item.input, got {quoted(text)}")
    return paths[0]


def _check_object(body: Any) -> None:
    if not isinstance(body, dict):
        raise refused(f"the body is a JSON object, got {quoted(body)}")


def _unknowns(of: Mapping[str, Any], known: tuple[str, ...], *within: str) -> Iterator[Fault]:
    for name in of:
        if name not in known:
            yield unknown((*within, name), name, known)


def _name_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    name = body.get("name")
    if name is not None and (not isinstance(name, str) or len(name) > _LONGEST):
        yield fault(
            ("name",), f"name is a text of at most {_LONGEST:,} characters, got {quoted(name)}"
        )


def _type_fault(given: Any, known: tuple[str, ...], place: Location) -> Fault | None:
    """Return the fault of an object that is of none of these types; None where it is of one."""
    name = ".".join(map(str, place))
    if given is None:
        return fault(place, f"{name} is required", "missing_required_parameter")
    if not isinstance(given, dict):
        return fault(place, f"{name} is an object with a type, got {quoted(given)}")
    kind = given.get("type")
    if isinstance(kind, str) and kind in known:
        return None
    near = nearest(kind, known) if isinstance(kind, str) else None
    hint = f"; did you mean {near}?" if near else ""
    if isinstance(kind, str) and kind.startswith("azure_ai_"):
        hint = "; Azure Foundry alone can reach its own agents, models and traces"
    says = f"{name}.type is one of {', '.join(known)}, got {quoted(kind)}{hint}"
    return fault((*place, "type"), says)


def _config_faults(config: Any) -> Iterator[Fault]:
    place = ("data_source_config",)
    wrong = _type_fault(config, tuple(_CONFIGS), place)
    if wrong is not None:
        yield wrong
        return
    yield from _unknowns(config, _CONFIGS[config["type"]], *place)
    if config["type"] != "custom":
        metadata = config.get("metadata")
        if not isinstance(metadata, dict | None):
            says = f"metadata is an object, got {quoted(metadata)}"
            yield fault((*place, "metadata"), says)
        return
    if not isinstance(config.get("item_schema"), dict):
        says = f"item_schema is required: the JSON Schema of an item, got {quoted(config.get('item_schema'))}"
        yield fault((*place, "item_schema"), says, "missing_required_parameter")
    if not isinstance(config.get("include_sample_schema"), bool | None):
        says = (
            f"include_sample_schema is true or false, got {quoted(config['include_sample_schema'])}"
        )
        yield fault((*place, "include_sample_schema"), says)


def _data_faults(data: Any) -> Iterator[Fault]:
    place = ("data_source",)
    wrong = _type_fault(data, tuple(_DATA), place)
    if wrong is not None:
        yield wrong
        return
    kind = data["type"]
    yield from _unknowns(data, _DATA[kind], *place)
    yield from _source_faults(data.get("source"), (*place, "source"), _SOURCES_OF[kind])
    if kind == "jsonl":
        return
    messages, model = data.get("input_messages"), data.get("model")
    if not isinstance(model, str | None) or model == "":
        yield fault((*place, "model"), f"model is the name of a model, got {quoted(model)}")
    if messages is not None:
        yield from _message_faults(messages, (*place, "input_messages"))
        if model is None:
            says = "model is required where input_messages are: the model that answers them"
            yield fault((*place, "model"), says, "missing_required_parameter")
    if data.get("sampling_params") is not None:
        found = data["sampling_params"]
        yield from _model_faults(_SAMPLING[kind], found, (*place, "sampling_params"))


def _message_faults(messages: Any, place: Location) -> Iterator[Fault]:
    wrong = _type_fault(messages, tuple(_MESSAGES), place)
    if wrong is not None:
        yield wrong
    else:
        yield from _model_faults(_MESSAGES[messages["type"]], messages, place)
        if isinstance(messages.get("item_reference"), str):
            try:
                reference(messages["item_reference"])
            except ValueError as error:
                yield fault((*place, "item_reference"), str(error))


def _model_faults(model: type[Model], value: Any, place: Location) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield fault(place, f"{place[-1]} is an object, got {quoted(value)}")
        return
    try:
        model.model_validate(value)
    except ValidationError as error:
        for _, found in faults_of(error, value, place, model):
            yield found


def _source_faults(source: Any, place: Location, known: tuple[str, ...]) -> Iterator[Fault]:
    wrong = _type_fault(source, known, place)
    if wrong is not None:
        yield wrong
        return
    kind = source["type"]
    yield from _unknowns(source, _SOURCES[kind], *map(str, place))
    if kind == "file_id":
        if not isinstance(source.get("id"), str):
            says = f"id is the id of a file of rows, got {quoted(source.get('id'))}"
            yield fault((*place, "id"), says, "missing_required_parameter")
    elif kind == "file_content":
        yield from _content_faults(source.get("content"), (*place, "content"))
    else:
        yield from _filter_faults(source, place)


def _content_faults(content: Any, place: Location) -> Iterator[Fault]:
    if not isinstance(content, list) or not content:
        says = f"content is a list of rows, each with an item, got {quoted(content)}"
        yield fault(place, says, "missing_required_parameter")
        return
    for index, row in enumerate(content):
        if (problem := row_problem(row)) is not None:
            yield fault((*place, index), problem)


def row_problem(row: Any) -> str | None:
    """Return why a row of a data source is none, in one sentence; None where it is one."""
    if not isinstance(row, dict):
        return f"a row is an object with an item, got {quoted(row)}"
    if not isinstance(row.get("item"), dict):
        got = quoted(row["item"]) if "item" in row else f"the keys {', '.join(list(row)[:8])}"
        return f'a row is {{"item": {{…}}}}, with a sample where the eval takes one; got {got}'
    if not isinstance(row.get("sample"), dict | list | str | None):
        return f"the sample of a row is an object, got {quoted(row['sample'])}"
    return None


def _filter_faults(source: Mapping[str, Any], place: Location) -> Iterator[Fault]:
    for name in ("created_after", "created_before", "limit"):
        value = source.get(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < 0
        ):
            says = f"{name} is a whole number of at least 0, got {quoted(value)}"
            yield fault((*place, name), says)
    for name in ("model", "instructions_search", "reasoning_effort"):
        if not isinstance(source.get(name), str | None):
            yield fault((*place, name), f"{name} is a text, got {quoted(source[name])}")
    for name in ("tools", "users"):
        value = source.get(name)
        if value is not None and not (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
        ):
            yield fault((*place, name), f"{name} is a list of texts, got {quoted(value)}")
    for name in ("temperature", "top_p"):
        value = source.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            yield fault((*place, name), f"{name} is a number, got {quoted(value)}")
    if not isinstance(source.get("metadata"), dict | None):
        says = f"metadata is an object, got {quoted(source['metadata'])}"
        yield fault((*place, "metadata"), says)
