"""What the API answers when it refuses: status, message, type, param and code, as one exception."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from graders.errors import Fault, GradersError, quoted

__all__ = ["ApiError", "bare", "conflict", "no_checkpoint", "no_file", "no_job", "refused"]

_SHOWN_FAULTS: Final = 100


class ApiError(GradersError):
    """A request that is refused, with what the hosted error envelope shows of it.

    Attributes:
        status: the HTTP status.
        message: one sentence.
        type: `invalid_request_error`, or `server_error` where it is not the request's fault.
        param: the parameter that is wrong, as a path from the body's top.
        code: what went wrong, for machines.
        faults: every fault of the body, where there may be several.
    """

    def __init__(
        self,
        status: int,
        message: str,
        type: str = "invalid_request_error",  # noqa: A002  (the wire's own word)
        param: str | None = None,
        code: str | None = None,
        *,
        faults: Iterable[Fault] = (),
    ) -> None:
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.faults = tuple(faults)
        super().__init__(message)

    def __reduce__(self) -> Any:
        fields = (self.status, self.message, self.type, self.param, self.code)
        return (type(self), fields, {"faults": self.faults})

    def body(self) -> dict[str, Any]:
        """Return the error envelope."""
        error: dict[str, Any] = {
            "message": self.message, "type": self.type, "param": self.param, "code": self.code,
        }  # fmt: skip
        if self.faults:
            error["faults"] = [
                {"path": bare(one.path), "message": one.message, "code": one.code}
                for one in self.faults[:_SHOWN_FAULTS]
            ]
        return {"error": error}


def bare(path: str) -> str | None:
    """Return a JSON path without its `$`, as the hosted `param` has it; None for the whole."""
    return path.removeprefix("$").removeprefix(".") or None


def refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the error of a request that cannot be what was meant."""
    return ApiError(400, message, param=param, code=code)


def conflict(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the error of a request that something else stands in the way of."""
    return ApiError(409, message, param=param, code=code)


def no_file(name: str) -> ApiError:
    """Return the error of a file that is not there, in the hosted words."""
    return ApiError(404, f"No such File object: {_named(name)}", param="id")


def no_job(name: str) -> ApiError:
    """Return the error of a job that is not there, in the hosted words."""
    return ApiError(
        404, f"Could not find fine tune: {_named(name)}", param="fine_tune_id",
        code="fine_tune_not_found",
    )  # fmt: skip


def no_checkpoint(name: str) -> ApiError:
    """Return the error of a checkpoint that is not there."""
    return ApiError(
        404, f"Could not find checkpoint: {_named(name)}",
        param="fine_tuned_model_checkpoint", code="checkpoint_not_found",
    )  # fmt: skip


def _named(name: str) -> str:
    return quoted(name, 128)[1:-1]
