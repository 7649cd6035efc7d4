"""The JSON of a request's body, read strictly."""

from __future__ import annotations

from typing import Any

from graders.config.document import parse
from graders.errors import ConfigError
from graders.wire.error import ApiError

__all__ = ["parse_body", "parse_object"]


def parse_object(body: bytes, hint: str = "") -> dict[str, Any]:
    """Return the JSON object of a body.

    Args:
        body: the body.
        hint: what a message goes on with where there is no object at all.

    Raises:
        ApiError: it is none: not UTF-8, not JSON, a key stands twice, NaN.
    """
    value: dict[str, Any] = parse_body(body, "{", hint)
    return value


def parse_body(body: bytes, opening: str, hint: str = "") -> Any:
    """Return the JSON of a body: an object where `opening` is `{`, a list where it is `[`.

    Raises:
        ApiError: as for `parse_object`.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ApiError(
            400, f"the body is not UTF-8 at byte {error.start + 1}", code="invalid_json"
        ) from None
    if not text.lstrip().startswith(opening):
        kind = "object" if opening == "{" else "list"
        what = "is empty" if not text.strip() else f"is no JSON {kind}"
        raise ApiError(400, f"the body {what}{hint}", code="invalid_json")
    try:
        return parse(text, "body")
    except ConfigError as error:
        fault = error.faults[0]
        where = "" if fault.line is None else f" (line {fault.line})"
        raise ApiError(400, f"the body{where}: {fault.message}", code="invalid_json") from None
