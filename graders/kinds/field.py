"""The fields that graders are made of: texts with templates, numbers, names; checked by pydantic.

Every description here also stands in `graders schema` and in the reference. What the validators
say to a user is worded in `graders.kinds.fault`, which knows where the value stands.

Source: the hosted API's schemas and guide; docs/reference/config.md names each limit.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import itertools
import json
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from graders.errors import ConfigError, TemplateError
from graders.template import compile_template

__all__ = [
    "NAME",
    "PASS_THRESHOLD",
    "GraderConfig",
    "Model",
    "ModelName",
    "Number",
    "Str",
    "Text",
    "fault",
    "with_name",
]


def _check_template(text: str, info: ValidationInfo) -> str:
    dialect = (info.context or {}).get("dialect", "hosted")
    try:
        compile_template(text, dialect)
    except TemplateError as error:
        raise PydanticCustomError(
            "template_parse_error", "{problem}", {"problem": str(error)}
        ) from None
    return text


Text = Annotated[str, Field(strict=True), AfterValidator(_check_template)]
"""A text that may hold templates."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number; neither a bool nor a text that looks like one."""

Str = Annotated[str, Field(strict=True)]
ModelName = Annotated[Str, Field(min_length=1)]


def fault(message: str) -> PydanticCustomError:
    """Return what a validator raises to say a sentence of ours."""
    return PydanticCustomError("fault", "{problem}", {"problem": message})


def with_name(data: dict[str, Any]) -> dict[str, Any]:
    """Give a grader without a name one in the hosted form, the same for equal configs."""
    if data.get("name") is not None:
        return data
    data = {key: value for key, value in data.items() if key != "name"}
    text = json.dumps(data, sort_keys=True, default=str)
    digest = int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest(), "big")
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    name = ""
    for _ in range(12):
        digest, index = divmod(digest, len(letters))
        name += letters[index]
    return {**data, "name": f"grader-{name}"}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give the properties in a JSON Schema the docstrings that stand below a model's fields."""
    if "const" in schema["properties"].get("type", {}):  # Only Python may leave it out.
        del schema["properties"]["type"]["default"]
        schema["required"] = ["type", *schema.get("required", [])]
    for one in (*model.__bases__, model):
        try:
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        except (OSError, TypeError, SyntaxError):
            continue  # An extension's, of which there is no source.
        for field, below in itertools.pairwise(ast.iter_child_nodes(body)):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                    schema["properties"][name]["description"] = inspect.cleandoc(text)
                case _:
                    pass


if TYPE_CHECKING:
    # What makes an object is its metaclass; for mypy the library's, so that it knows the fields.
    from pydantic._internal._model_construction import ModelMetaclass as _Told
else:

    class _Told(type(BaseModel)):
        """Lets what is wrong with what is made in Python be said as of what is read from JSON.

        Attributes:
            faults: words them; given by `graders.kinds`, for who does so knows every kind.
        """

        def __call__(cls, /, **fields: Any) -> Any:
            made = problem = None
            try:
                made = super().__call__(**fields)
            except ValidationError as error:
                problem = error
            if faults := _Told.faults(cls, problem, fields):
                raise ConfigError(faults)
            return made


class Model(BaseModel, metaclass=_Told):
    """An object in a config: frozen, without unknown fields.

    Raises:
        ConfigError: the fields have faults; all are listed.
    """

    # What only some commands need is done when it is needed: the validators are built for the
    # outermost model at once, and descriptions, for which sources are parsed, for a JSON Schema.
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, json_schema_extra=_describe
    )


NAME: Final = Field(
    default="",
    strict=True,
    description="The grader's name. The service names a nameless one `grader-…`.",
)
PASS_THRESHOLD: Final = Field(
    default=None,
    description="The grade passes at or above this. It never changes the reward.",
)


class GraderConfig(Model):
    """The fields of a grader of any kind."""

    type: str
    name: str = NAME

    @model_validator(mode="before")
    @classmethod
    def _fill_name(cls, data: Any) -> Any:
        return with_name(data) if isinstance(data, dict) else data
