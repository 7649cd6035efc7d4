"""Pages by HTTP: read in ranges where the server gives them; never written.

No other scheme is followed to: a page cannot lead to a file of this machine, or from TLS to plain text.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urljoin, urlsplit

from graders.remote.fault import (
    REACH,
    SILENCE,
    PassingError,
    RemoteError,
    broken,
    changed,
    refused,
    steadily,
)
from graders.remote.reader import followed, ranged
from graders.remote.store import Found, Store

if TYPE_CHECKING:
    import httpx2

__all__ = ["HttpStore"]

_HOPS: Final = 10
_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")


class HttpStore(Store):
    """Reads addresses of `http` and `https`."""

    @functools.cached_property
    def _client(self) -> httpx2.Client:
        import httpx2  # noqa: PLC0415  (not for local files)

        return httpx2.Client(timeout=httpx2.Timeout(SILENCE, connect=REACH), follow_redirects=False)

    def found(self, address: str) -> Found:
        """Return size and version of a page; its first byte is asked for, as signed addresses are for GET alone."""
        return steadily(partial(self._found, address))

    def _found(self, address: str) -> Found:
        with self._answer(address, {"range": "bytes=0-0"}) as answer:
            version = _version(answer)
            known = _RANGE.fullmatch(answer.headers.get("content-range", ""))
            if answer.status_code == 416 and known is not None:
                return Found(int(known[3]), version)
            if answer.status_code == 206 and known is not None:
                return Found(int(known[3]), version, ranges=True)
            length = answer.headers.get("content-length", "")
            return Found(int(length) if length.isdecimal() else None, version)

    def open(self, address: str, found: Found) -> BinaryIO:
        """Open a page."""
        if found.ranges and found.size is not None:
            return ranged(
                lambda start, stop: steadily(partial(self._range, address, found, start, stop)),
                found.size,
            )
        return followed(partial(self._pieces, address, found))

    def _range(self, address: str, found: Found, start: int, stop: int) -> bytes:
        with self._answer(address, {"range": f"bytes={start}-{stop - 1}"}) as answer:
            self._check_same(answer, found)
            known = _RANGE.fullmatch(answer.headers.get("content-range", ""))
            if answer.status_code != 206 or known is None or known[1] != str(start):
                raise PassingError("the server gives another range than was asked for")
            if int(known[3]) != found.size:
                raise changed()
            data = bytearray()
            for piece in answer.iter_raw():
                data += piece
                if len(data) > stop - start:
                    raise RemoteError("the server gives more than was asked for")
            if len(data) < stop - start:
                raise PassingError("the connection was cut")
            return bytes(data)

    def _pieces(self, address: str, found: Found) -> Iterator[bytes]:
        with self._answer(address, {}) as answer:
            self._check_same(answer, found)
            got = 0
            for piece in answer.iter_raw(1 << 16):
                got += len(piece)
                yield piece
            if found.size is not None and got < found.size:
                raise PassingError("the connection was cut")

    def _check_same(self, answer: httpx2.Response, found: Found) -> None:
        if found.version and _version(answer) != found.version:
            raise changed()

    @contextlib.contextmanager
    def _answer(self, address: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Give the answer to a GET, redirections of the same scheme followed."""
        import httpx2  # noqa: PLC0415  (not for local files)

        # Packed on the way, a page would have other sizes and ranges.
        asked = {"accept-encoding": "identity", **headers}
        scheme = urlsplit(address).scheme
        with contextlib.ExitStack() as stack:
            try:
                for _ in range(_HOPS):
                    answer = stack.enter_context(self._client.stream("GET", address, headers=asked))
                    location = answer.headers.get("location")
                    if not 300 <= answer.status_code < 400 or location is None:
                        break
                    address = urljoin(address, location)
                    _check_scheme(scheme, urlsplit(address).scheme)
                else:
                    raise RemoteError(f"it leads on more than {_HOPS} times")
                if answer.status_code >= 400 and answer.status_code != 416:
                    raise refused(answer.status_code)
                if answer.status_code >= 300:
                    raise RemoteError(f"the server answers {answer.status_code}")
                yield answer
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
                raise RemoteError("this is no address") from None
            except httpx2.HTTPError as error:
                raise broken(error) or PassingError("the connection was cut") from None


def _check_scheme(before: str, after: str) -> None:
    if after != before:
        raise RemoteError(f"it leads on from {before}:// to {after}://, which is not followed")


def _version(answer: httpx2.Response) -> str:
    """Return what tells a page from what it is later: a weak tag is none."""
    tag: str = answer.headers.get("etag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("last-modified", "")
