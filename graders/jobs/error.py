"""The error that an API call ends with: an HTTP status and what its body says."""

from __future__ import annotations

from typing import Any

from graders.errors import GradersError

__all__ = ["ApiError"]


class ApiError(GradersError):
    """A request that is not done, as the hosted service says it.

    Attributes:
        status: the HTTP status.
        message: one sentence.
        type: `invalid_request_error` for what the caller can mend, else `server_error`.
        param: the field it is about, None for none.
        code: a word for programs, None for none.
        more: further keys of the error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002  (the wire's own word)
        **more: Any,
    ) -> None:
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.more = more
        super().__init__(message)

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the answer."""
        known = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**known, **self.more}}
