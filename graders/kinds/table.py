"""The table of kinds: what a `type` in the JSON means. A kind has a module beside this and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

from pydantic import Discriminator, Tag

from graders.errors import ExtensionError
from graders.kinds.endpoint import EndpointKind
from graders.kinds.extended import EXTENDED, Extended, extended, is_extended
from graders.kinds.field import GraderConfig
from graders.kinds.kind import Kind
from graders.kinds.label_model import LabelModelKind
from graders.kinds.message import TAG
from graders.kinds.python import PythonKind
from graders.kinds.score_model import ScoreModelKind
from graders.kinds.string_check import StringCheckKind
from graders.kinds.text_similarity import TextSimilarityKind

__all__ = ["KINDS", "SubGrader", "kind_named", "kind_of", "one_of"]

KINDS: Final[Mapping[str, Kind[Any]]] = {
    kind.name: kind
    for kind in (
        StringCheckKind(),
        TextSimilarityKind(),
        PythonKind(),
        ScoreModelKind(),
        LabelModelKind(),
        EndpointKind(),
    )
}
"""Every kind of ours that gives a score by itself, by type."""


def kind_of(config: GraderConfig) -> Kind[Any]:
    """Return the kind of a checked config; KeyError for one that gives no score by itself.

    Raises:
        ExtensionError: the kind is an extension's, which cannot be used here.
    """
    if (kind := KINDS.get(config.type) or extended(config.type)) is None:
        raise KeyError(config.type)
    return kind


def kind_named(name: str) -> Kind[Any] | None:
    """Return the kind of a type, None where there is none that can be used."""
    try:
        return KINDS.get(name) or extended(name)
    except ExtensionError:
        return None


def one_of(configs: Mapping[str, type[GraderConfig]]) -> Any:
    """Return the annotation of a field that holds a grader of one of these types."""
    choices = (
        *(Annotated[one, Tag(f"{TAG}{name}")] for name, one in configs.items()),
        Annotated[GraderConfig, Extended(), Tag(EXTENDED)],
    )
    return Annotated[Union[choices], Discriminator(_tag_of)]  # noqa: UP007  (made at runtime)


def _tag_of(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if not isinstance(kind, str):
        return None
    return EXTENDED if kind not in KINDS and is_extended(kind) else f"{TAG}{kind}"


if TYPE_CHECKING:
    SubGrader = GraderConfig
else:
    SubGrader = one_of({name: kind.config for name, kind in KINDS.items()})
"""Any grader that gives a score by itself, and so may stand in a multi."""
