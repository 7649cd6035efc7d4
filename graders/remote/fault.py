"""What goes wrong on the way to a place elsewhere: for good, or so that another try may help."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = [
    "REACH",
    "SILENCE",
    "PassingError",
    "RemoteError",
    "ReplacedError",
    "UnreachedError",
    "backoff",
    "broken",
    "changed",
    "refused",
    "scrubbed",
    "steadily",
]

_ATTEMPTS: Final = 8
_LONGEST: Final = 16.0
_PATIENCE: Final = 60.0
REACH: Final = 10.0
SILENCE: Final = 30.0
"""Seconds in which a server takes a connection, and gives something, or is asked anew."""
_FIRST: Final = 0.125
_MOST: Final = 200
_UNREACHED: Final = re.compile(
    "Connector|EndpointConn|Connect(ion)?(Timeout|Refused)?(Error)?$|gaierror"
)
_CUT: Final = re.compile(
    "Disconnected|Reset|Closed|IncompleteRead|Protocol|ReadError|WriteError|Payload"
)
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


class UnreachedError(PassingError):
    """A server is not there, or as good as not there."""


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


def broken(error: BaseException, server: str = "the server") -> PassingError | None:
    """Return what became of a connection; None for an error that says nothing of one.

    Args:
        error: of whatever library: all that they share is the words in their errors' names.
        server: what it is called.
    """
    one: BaseException | None = error
    while one is not None:
        kind = type(one).__name__
        if _UNREACHED.search(kind):
            return UnreachedError(f"{server} cannot be reached")
        if "Timeout" in kind:
            return UnreachedError(f"{server} gives no answer")
        if _CUT.search(kind):
            return PassingError("the connection was cut")
        one = one.__cause__ or one.__context__
    return None


def changed() -> ReplacedError:
    """Return the error of what is not what it was when it was begun to be read."""
    return ReplacedError("it changed while it was read; --restart scores it as it is now")


def backoff(tries: int, longest: float) -> float:
    """Return how many seconds to wait after so many tries: twice as long each time, by chance up to half of it less.

    Many that were cut off by one server come back at different times. By numbers of its own: a trainer may
    have seeded the common ones.
    """
    most = min(longest, _FIRST * 2.0**tries)
    return random.SystemRandom().uniform(most / 2, most)


def steadily(action: Callable[[], Given], wait: Callable[[float], None] = time.sleep) -> Given:
    """Return what an action gives, tried again while what fails may go well the next time.

    Args:
        action: raises PassingError for that.
        wait: waits so many seconds: half a minute in all.

    Raises:
        RemoteError: it failed eight times, or for a minute.
        OSError: it failed for good.
    """
    began = time.monotonic()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return action()
        except PassingError as error:
            reason = scrubbed(str(error))[:_MOST]
            hint = "; see whether this machine can reach it" * isinstance(error, UnreachedError)
        seconds = time.monotonic() - began
        if (
            attempt == _ATTEMPTS or seconds > _PATIENCE
        ):  # Who waits for an answer is not asked eight times.
            break
        wait(backoff(attempt, _LONGEST))
    times = "once" if attempt == 1 else f"{attempt} times"
    lasted = f" in {seconds:.0f} s" if seconds >= 1 else ""
    raise RemoteError(f"{reason} (tried {times}{lasted}){hint}")
