"""Replies that several machines share: an object each, in a bucket or a folder that all of them see.

A reply stands under the digest of its request, as in the file of one machine. What was looked up or written
stays in such a file here, too, so that it is asked for over the network once.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Final, Self, TypeVar

from graders.errors import UnavailableError
from graders.models.cache import ReplyCache
from graders.models.option import default_cache_file
from graders.privacy import close_to_others, opener, private_folder
from graders.remote import Place, Remote
from graders.remote import named as place_of

__all__ = ["SharedCache", "front_of", "open_cache"]

_WRITERS: Final = 8
_WAITING: Final = 256
"""Replies that may wait to be written elsewhere; whoever has one more waits with it."""
_LONGEST: Final = 64 << 20
_MISSES: Final = 4096
Given = TypeVar("Given")

_REPLY, _REFUSAL = b"r", b"n"
"""How an object begins that holds a reply, or the names that a request was refused for."""


def open_cache(named: Place | None, *, read_only: bool = False) -> ReplyCache | SharedCache:
    """Return the cache of a file, or of a folder or bucket that several machines share.

    Args:
        named: the file, folder or address; None for the default, which is closed to others if need be unless
            the environment names it.
        read_only: whether nothing is ever written.

    Raises:
        UnavailableError: as `ReplyCache`.
    """
    told = os.environ.get("GRADERS_CACHE_FILE", "")
    place = place_of(told) if named is None and told else named
    if isinstance(place, Remote) or (place is not None and place.is_dir()):
        return SharedCache(place, ReplyCache(front_of(place)), read_only=read_only)
    if place is None:
        place = default_cache_file()
        if not read_only:
            close_to_others(place)
    return ReplyCache(place, read_only=read_only)


class SharedCache:
    """A map of request keys to replies in a folder or a bucket, with the methods of `ReplyCache`.

    Safe for any number of machines at once: an object appears whole or not at all, and of two replies to
    the same request the later stays. Two machines that ask the same at the same moment both ask.

    Args:
        place: the folder, or the address of one.
        front: what was looked up or written here.
        read_only: whether nothing is ever written there.

    Raises:
        UnavailableError: a package is missing.
    """

    is_far = True

    def __init__(self, place: Place, front: ReplyCache, *, read_only: bool = False) -> None:
        self.path = place
        self._front = front
        self._read_only = read_only
        self._missed: OrderedDict[bytes, list[str]] = OrderedDict()
        self._lock = Lock()
        self._room = BoundedSemaphore(_WAITING)
        self._failed: list[str] = []
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="graders-cache")

    def get(self, key: bytes) -> bytes | None:
        """Return the reply to a request, None where there is none."""
        if (found := self._front.get(key)) is not None:
            return found
        data = self._named("read", lambda: self._read(key))
        if data[:1] == _REPLY:
            self._front.put(key, data[1:])
            return data[1:]
        with self._lock:
            self._missed[key] = data[1:].decode().split() if data[:1] == _REFUSAL else []
            while len(self._missed) > _MISSES:
                self._missed.popitem(last=False)
        return None

    def refused(self, key: bytes) -> list[str]:
        """Return the parameters that a request was refused for; [] where it was not refused."""
        if found := self._front.refused(key):
            return found
        with self._lock:  # What was looked for a moment ago is not looked for again.
            known = self._missed.pop(key, None)
        if known is not None:
            return known
        data = self._named("read", lambda: self._read(key))
        return data[1:].decode().split() if data[:1] == _REFUSAL else []

    def put(
        self, key: bytes, value: bytes, *, wanted: bytes | None = None, without: Iterable[str] = ()
    ) -> None:
        """Keep the reply to a request; it is here at once, and there soon. Arguments as of `ReplyCache.put`.

        Raises:
            UnavailableError: it cannot be written, or an earlier one could not.
        """
        without = sorted(without)
        self._front.put(key, value, wanted=wanted, without=without)
        if self._read_only:
            return
        self._write(key, _REPLY + value)
        if wanted is not None and wanted != key:
            self._write(wanted, _REFUSAL + " ".join(without).encode())

    def close(self) -> None:
        """Wait until everything is written, and close the file here.

        Raises:
            UnavailableError: something could not be written.
        """
        self._writers.shutdown()
        self._front.close()
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- there -------------------------------------------------------------------------------

    def _place(self, key: bytes) -> Place:
        name = key.hex()
        return self.path / name[:2] / name

    def _read(self, key: bytes) -> bytes:
        place = self._place(key)
        try:
            return place.read(_LONGEST) if isinstance(place, Remote) else place.read_bytes()
        except FileNotFoundError:
            return b""

    def _write(self, key: bytes, data: bytes) -> None:
        self._check()
        self._room.acquire()  # Given back by who writes it.

        def done(one: Future[None]) -> None:
            self._room.release()
            if (error := one.exception()) is not None:
                self._failed.append(str(error))

        put = self._writers.submit(self._named, "written", lambda: _put(self._place(key), data))
        put.add_done_callback(done)

    def _check(self) -> None:
        if self._failed:
            raise UnavailableError(self._failed[0])

    def _named(self, done: str, action: Callable[[], Given]) -> Given:
        try:
            return action()
        except OSError as error:
            raise UnavailableError(
                f"the cache {self.path} cannot be {done}: {error.strerror or error}"
            ) from None


def _put(place: Place, data: bytes) -> None:
    if isinstance(place, Remote):
        place.put_bytes(data)
        return
    private_folder(place.parent)
    beside = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
    with open(beside, "wb", opener=opener) as stream:
        stream.write(data)
    beside.replace(place)


def front_of(place: Place) -> Path:
    """Return the file of this machine in which replies of a shared cache stand, too."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    base = Path(home) if home else Path.home() / ".cache"
    digest = hashlib.sha256(str(place).encode(errors="surrogateescape")).hexdigest()
    return base / "graders" / f"shared-{digest[:16]}.sqlite"
