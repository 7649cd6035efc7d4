"""Parts of the description of endpoints: shapes, calls, errors. Pure."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "BOOL", "ID", "MAYBE_OBJECT", "MAYBE_TEXT", "MAYBE_WHOLE", "OBJECT", "TEXT", "WHOLE", "call",
    "json_of", "limit", "made", "page", "ref", "with_parameter",
]  # fmt: skip

TEXT: Final[dict[str, Any]] = {"type": "string"}
MAYBE_TEXT: Final[dict[str, Any]] = {"type": ["string", "null"]}
WHOLE: Final[dict[str, Any]] = {"type": "integer"}
MAYBE_WHOLE: Final[dict[str, Any]] = {"type": ["integer", "null"]}
OBJECT: Final[dict[str, Any]] = {"type": "object"}
MAYBE_OBJECT: Final[dict[str, Any]] = {"type": ["object", "null"]}
BOOL: Final[dict[str, Any]] = {"type": "boolean"}
ID: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a body that is JSON."""
    return {"application/json": {"schema": shape}}


def made(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """Return the schema of an object, all of whose properties are there but those named."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def page(of: str, *, ends: bool) -> dict[str, Any]:
    """Return the schema of a page of a list."""
    shape = {
        "object": {"const": "list"},
        "data": {"type": "array", "items": ref(of)},
        "has_more": BOOL,
    }
    return made({**shape, "first_id": MAYBE_TEXT, "last_id": MAYBE_TEXT} if ends else shape)


def call(
    said: str,
    answer: dict[str, Any],
    *errors: int,
    body: dict[str, Any] | None = None,
    query: dict[str, dict[str, Any]] | None = None,
    name: str,
    status: int = 200,
) -> dict[str, Any]:
    """Return the description of a call."""
    call: dict[str, Any] = {
        "summary": said,
        "operationId": name,
        "responses": {
            str(status): {"description": "Done.", "content": answer},
            **{
                str(wrong): {"description": _ERRORS[wrong], "content": json_of(ref("Error"))}
                for wrong in (*errors, 401, 403, 405, 408, 413, 500, 503)
            },
        },
    }
    if body is not None:
        call["requestBody"] = {"required": True, "content": body}
    if query:
        call["parameters"] = [
            {"name": one, "in": "query", "required": False, "schema": shape}
            for one, shape in query.items()
        ]
    return call


_ERRORS: Final = {
    400: "The request is faulty; the message says where.",
    401: "The token is missing or wrong.",
    403: "The Host or the Origin is not this server's.",
    404: "There is no such thing.",
    405: "This path takes other methods.",
    408: "The body came too slowly.",
    422: "A row has no reward, and this form knows none without.",
    409: "It cannot be done in the present state.",
    413: "The request is too large.",
    429: "Too many requests wait.",
    500: "The server is at fault.",
    501: "This machine lacks what the grader needs.",
    503: "The server is shutting down, or lost a process.",
    504: "Grading takes too long.",
}


def with_parameter(name: str, path: dict[str, Any]) -> dict[str, Any]:
    """Add a path parameter."""
    shape = (
        ID
        if name in ("id", "run", "item")
        else {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
    )
    parameter = {"name": name, "in": "path", "required": True, "schema": shape}
    return {**path, "parameters": [*path.get("parameters", []), parameter]}


def limit(most: int) -> dict[str, Any]:
    """Return the schema of a number of entries."""
    return {"type": "integer", "minimum": 0, "maximum": most}
