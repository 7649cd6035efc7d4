"""What goes wrong on the way to a place elsewhere: for good, or so that another try may help."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = [
    "PassingError",
    "RemoteError",
    "ReplacedError",
    "changed",
    "refused",
    "scrubbed",
    "steadily",
]

_ATTEMPTS: Final = 8
_LONGEST: Final = 16.0
_PATIENCE: Final = 90.0
_MOST: Final = 200
_SECRET: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/@'\"]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?"
)

Given = TypeVar("Given")


class RemoteError(OSError):
    """A place elsewhere cannot be read or written, and would not if it were tried again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


class PassingError(Exception):
    """Something failed that may go well the next time: a cut connection, an overloaded server."""


class ReplacedError(RemoteError):
    """Something is not what it was when it was begun to be read."""


def scrubbed(text: str) -> str:
    """Return a text in which no address has a user, a password, a query or a fragment.

    Keys are put there, and the queries of signed addresses are keys.
    """
    return _SECRET.sub(r"\1\2", text)


def refused(status: int) -> RemoteError | FileNotFoundError | PermissionError | PassingError:
    """Return what a status of HTTP of 400 and more means."""
    if status in {404, 410}:
        return FileNotFoundError(2, "there is nothing at this address")
    if status in {401, 403}:
        return PermissionError(13, f"access is denied (HTTP {status})")
    if status in {408, 425, 429} or status >= 500:
        return PassingError(f"the server answers {status}")
    return RemoteError(f"the server answers {status}")


def changed() -> ReplacedError:
    """Return the error of what is not what it was when it was begun to be read."""
    return ReplacedError("it changed while it was read; --restart scores it as it is now")


def steadily(action: Callable[[], Given], wait: Callable[[float], None] = time.sleep) -> Given:
    """Return what an action gives, tried again while what fails may go well the next time.

    Args:
        action: raises PassingError for that.
        wait: waits so many seconds: twice as long each time, half a minute in all.

    Raises:
        RemoteError: it failed eight times.
        OSError: it failed for good.
    """
    began = time.monotonic()
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except PassingError as error:
            reason = str(error)
        # A library that tries again by itself, for minutes, is not asked eight times.
        if time.monotonic() - began > _PATIENCE:
            raise RemoteError(f"{scrubbed(reason)[:_MOST]} (tried for {_PATIENCE:.0f} s)")
        if attempt + 1 < _ATTEMPTS:
            # Many workers whose server went away come back at different times.
            # Not by the common numbers: a trainer may have seeded them, and asks for its own.
            longest = min(_LONGEST, 0.25 * 2.0**attempt)
            wait(random.SystemRandom().uniform(longest / 2, longest))
    raise RemoteError(f"{scrubbed(reason)[:_MOST]} (tried {_ATTEMPTS} times)")
