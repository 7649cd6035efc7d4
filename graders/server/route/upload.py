"""`/v1/uploads`: large files in parts."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from graders.files.upload import MOST_PART
from graders.server.route.file import form_of
from graders.server.state import body_of, json_body, json_response, state_of, stored
from graders.wire.error import ApiError

__all__ = ["add_part", "cancel", "complete", "create"]


async def create(request: Request) -> Response:
    """Announce a file that comes in parts."""
    body = await json_body(request)
    state = state_of(request)
    made = await stored(
        state.store.uploads.create,
        filename=body.get("filename"),
        purpose=body.get("purpose"),
        size=body.get("bytes"),
        mime_type=body.get("mime_type"),
        expires_after=body.get("expires_after"),
        limit=state.options.limits.file_bytes,
    )
    return json_response(made)


async def add_part(request: Request) -> Response:
    """Take a part in."""
    async with form_of(request, MOST_PART, ("data",)) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise ApiError(400, "data is required: the part's content", param="data")
        uploads = state_of(request).store.uploads
        return json_response(await stored(uploads.add, request.path_params["id"], data.file))


async def complete(request: Request) -> Response:
    """Make one file of the parts."""
    body = await json_body(request)
    uploads = state_of(request).store.uploads
    name = request.path_params["id"]
    return json_response(
        await stored(uploads.complete, name, body.get("part_ids"), body.get("md5"))
    )


async def cancel(request: Request) -> Response:
    """Give an upload up."""
    await body_of(request)
    uploads = state_of(request).store.uploads
    return json_response(await stored(uploads.cancel, request.path_params["id"]))
