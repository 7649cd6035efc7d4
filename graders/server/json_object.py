"""The JSON object of a request's body, read strictly."""

from __future__ import annotations

from typing import Any

from graders.config.document import parse
from graders.errors import ConfigError
from graders.wire.error import ApiError

__all__ = ["parse_object"]


def parse_object(body: bytes, hint: str = "") -> dict[str, Any]:
    """Return the JSON object of a body.

    Args:
        body: the body.
        hint: what a message goes on with where there is no object at all.

    Raises:
        ApiError: it is none: not UTF-8, not JSON, a key stands twice, NaN.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ApiError(
            400, f"the body is not UTF-8 at byte {error.start + 1}", code="invalid_json"
        ) from None
    if not text.lstrip().startswith("{"):
        what = "is empty" if not text.strip() else "is no JSON object"
        raise ApiError(400, f"the body {what}{hint}", code="invalid_json")
    try:
        value: dict[str, Any] = parse(text, "body")
    except ConfigError as error:
        fault = error.faults[0]
        where = "" if fault.line is None else f" (line {fault.line})"
        raise ApiError(400, f"the body{where}: {fault.message}", code="invalid_json") from None
    return value
