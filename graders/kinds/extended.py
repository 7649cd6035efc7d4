"""Kinds and metrics of extensions, where ours are read: taken by name, refused in our sentences."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticOmit, core_schema

from graders.errors import ExtensionError, quoted
from graders.extension import Extension, Group, find, installed, load, loader, names, said
from graders.kinds.field import GraderConfig, fault
from graders.kinds.guard import Guarded
from graders.kinds.kind import Kind
from graders.kinds.message import TAG

__all__ = ["EXTENDED", "RESERVED", "Extended", "Or", "extended", "is_extended", "type_of"]

EXTENDED: Final = f"{TAG}*"
"""The tag of graders whose kind is an extension's."""

RESERVED: Final = frozenset({"multi", "testing_criteria", "azure_ai_evaluator"})
"""Types that are no kinds of ours and that no extension may have."""

_RIGHT: Final = "an object of a class made from graders.kinds.Kind"


def is_extended(name: str) -> bool:
    """Whether an extension has a kind of a name that is none of ours, be they on or off."""
    if name in RESERVED:
        return False  # Most configs that get here are multis, which need not look.
    return any(one.group == "kinds" and one.name == name for one in installed())


def extended(name: str) -> Kind[Any] | None:
    """Return an extension's kind; None where there is none of that name.

    Raises:
        ExtensionError: it cannot be used.
    """
    found = find("kinds", name) if name not in RESERVED else None
    return None if found is None else load_kind(found)


@loader
def load_kind(extension: Extension) -> Kind[Any]:
    """Return the kind of an extension, checked, and checked whenever it answers.

    Raises:
        ExtensionError: it cannot be used.
    """
    kind: Kind[Any] = load(extension, Kind, _RIGHT)  # type: ignore[type-abstract]
    name, config = getattr(kind, "name", None), getattr(kind, "config", None)
    if name != extension.name:
        extension.refuse(
            f"gives a kind of the name {quoted(name)}; the two names are to be the same"
        )
    if not extension.name.isidentifier() or extension.name in RESERVED:
        extension.refuse("has a name that no kind can have; write one such as word_count")
    if not (isinstance(config, type) and issubclass(config, GraderConfig)):
        extension.refuse("has no fields: its config is to be a class made from GraderConfig")
    if type_of(config) != name:
        extension.refuse(
            f'has fields without their type: write type: Literal["{name}"] = "{name}" in '
            f"{config.__name__}"
        )
    return Guarded(kind, extension)


def type_of(model: type[Any]) -> str | None:
    """Return the `type` that a model of a grader's fields has, None where it has no single one."""
    field = getattr(model, "model_fields", {}).get("type")
    choices = typing.get_args(None if field is None else field.annotation)
    return choices[0] if len(choices) == 1 and isinstance(choices[0], str) else None


@dataclass(frozen=True, slots=True)
class Or:
    """Lets a field that holds one of our names hold one of an extension's too.

    Attributes:
        group: what the names are of.
        look: finds what has a name, or raises ExtensionError.
    """

    group: Group
    look: Callable[[str], object]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._checked, handler(source), serialization=core_schema.simple_ser_schema("str")
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        body: dict[str, Any] = handler(schema)
        added = names(self.group)
        return {**body, "enum": [*body["enum"], *added]} if added else body

    def _checked(self, value: Any, ours: Callable[[Any], Any]) -> Any:
        try:
            return ours(value)
        except ValidationError:
            known = (one.name for one in installed() if one.group == self.group)
            if not isinstance(value, str) or value not in known:
                raise
        try:
            self.look(value)
        except ExtensionError as error:
            raise fault(str(error)) from None
        return value


class Extended:
    """Reads a grader whose kind is an extension's: one branch of the unions of graders."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        kinds = [kind for name in names("kinds") if (kind := extended(name)) is not None]
        if not kinds:
            raise PydanticOmit
        return {"anyOf": [handler(TypeAdapter(kind.config).core_schema) for kind in kinds]}


def _read(value: Any, info: core_schema.ValidationInfo) -> Any:
    name = value["type"] if isinstance(value, dict) else value.type
    try:
        kind = extended(name)
    except ExtensionError as error:
        raise fault(str(error)) from None
    if kind is None or kind.extension is None:
        raise TypeError("the tag says that there is one")
    try:
        return kind.config.model_validate(value, context=info.context)
    except ValidationError:
        raise  # Its faults stand at their places, and are worded as those of ours.
    except Exception as error:  # noqa: BLE001
        problem = f"{kind.extension.point} failed when its fields were read ({said(error)})"
        raise fault(problem) from None
