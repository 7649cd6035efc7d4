"""`/v1/files`: training files in, results out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from graders.errors import quoted, suggestion
from graders.server.body import chunks
from graders.server.state import json_response, number, query_of, state_of, stored
from graders.wire.error import ApiError

__all__ = ["content", "create", "delete", "form_of", "list_files", "listed", "retrieve"]

_FIELDS: Final = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
_MOST_LISTED: Final = 10_000


async def create(request: Request) -> Response:
    """Take a file in; it goes to disk as it comes."""
    async with form_of(request, state_of(request).options.limits.file_bytes, _FIELDS) as form:
        return json_response(await _store(request, form))


@contextlib.asynccontextmanager
async def form_of(
    request: Request, limit: int, fields: Sequence[str]
) -> AsyncGenerator[FormData, None]:
    """Give a form; its files are on disk, and gone afterwards.

    Raises:
        ApiError: it is none, has other fields, or comes too slowly.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise ApiError(
            400, f"a file is uploaded as multipart/form-data, got {quoted(kind or 'nothing')}"
        )
    held = [0]
    parser = MultiPartParser(
        request.headers,
        _counted(request, limit, held),
        max_files=1,
        max_fields=8,
        max_part_size=1 << 16,
    )
    form: FormData | None = None
    try:
        try:
            form = await parser.parse()
        except (MultiPartException, LookupError, ValueError):
            said = "its parts cannot be read; it has a boundary, one file and at most 8 fields"
            raise ApiError(400, f"the form is faulty: {said}", code="invalid_form") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise ApiError(
                507, f"the upload cannot be written: {reason}", type="server_error", code="storage"
            ) from None
        except ClientDisconnect:
            raise ApiError(400, "the client went away before its upload was complete") from None
        for name in form:
            if name not in fields:
                hint = suggestion(name, fields, "it has")
                says = f"the form has no field {quoted(name)}; {hint}"
                raise ApiError(400, says, param=name[:100])
            if len(form.getlist(name)) > 1:
                raise ApiError(400, f"the form has {name} more than once", param=name)
        yield form
    finally:
        state_of(request).spool.bytes -= held[0]
        if form is not None:
            await form.close()
        # A file whose part never ended stands in no form, and would be closed whenever.
        for file in getattr(parser, "_files_to_close_on_error", ()):
            file.close()


async def _counted(request: Request, limit: int, held: list[int]) -> AsyncGenerator[bytes, None]:
    """Yield a form as it comes, and add to `held` what it takes until the store has it.

    Raises:
        ApiError: all forms together take more than the store may (429), or as for `chunks`.
    """
    state = state_of(request)
    async for part in chunks(request, limit, state.options.limits.body_seconds):
        if state.spool.bytes + len(part) > state.options.limits.stored_bytes:
            raise ApiError(
                429, "uploads under way take all the room there is; try again in a moment",
                type="requests", code="rate_limit_exceeded",
            )  # fmt: skip
        state.spool.bytes += len(part)
        held[0] += len(part)
        yield part


async def _store(request: Request, form: FormData) -> dict[str, Any]:
    state = state_of(request)
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "file is required: the file's content, with a name", param="file")
    if not isinstance(purpose, str):
        raise ApiError(400, "purpose is required, such as fine-tune", param="purpose")
    return await stored(
        state.store.files.create,
        file.file,
        filename=file.filename or "upload",
        purpose=purpose,
        expires_after=_expiry(form),
        limit=state.options.limits.file_bytes,
    )


def _expiry(form: FormData) -> dict[str, Any] | None:
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        return {"anchor": anchor, "seconds": int(seconds)}
    return {"anchor": anchor, "seconds": seconds}


async def retrieve(request: Request) -> Response:
    """Describe one file."""
    state = state_of(request)
    return json_response(await stored(state.store.files.get, request.path_params["id"]))


async def content(request: Request) -> Response:
    """Give a file's content."""
    files = state_of(request).store.files
    identity = request.path_params["id"]
    known = await stored(files.get, identity)
    path = await stored(files.path, identity)
    return FileResponse(path, media_type="application/octet-stream", filename=known["filename"])


async def list_files(request: Request) -> Response:
    """List files, the newest first unless asked otherwise."""
    query = query_of(request)
    data, has_more = await stored(
        state_of(request).store.files.list,
        after=query.get("after") or None,
        limit=number(request, "limit", _MOST_LISTED, _MOST_LISTED),
        order=query.get("order"),
        purpose=query.get("purpose") or None,
    )
    return json_response(listed(data, has_more=has_more))


async def delete(request: Request) -> Response:
    """Remove a file."""
    return json_response(
        await stored(state_of(request).store.files.delete, request.path_params["id"])
    )


def listed(data: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page of a list as the hosted service shows it."""
    return {
        "object": "list",
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
