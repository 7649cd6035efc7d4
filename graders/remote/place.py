"""Names of files, told apart: a path of this machine, or an address of a place elsewhere."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from graders.errors import OptionError, shown
from graders.remote.fault import RemoteError, ReplacedError, changed, scrubbed
from graders.remote.store import Found, FsspecStore, Store

__all__ = ["Place", "Remote", "here", "is_remote", "named", "same", "scrubbed", "whole"]

_PACKAGES: Final = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub"}
_PAGES: Final = ("https", "http")
SCHEMES: Final = (*_PACKAGES, *_PAGES)
_MEANT: Final = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "az", "abfss": "az", "adl": "az"}
"""What other programs call the same places."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_USER: Final = re.compile(r"://[^/@]*@")
_COLLAPSED: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
_COPY: Final = 1 << 20
_OFTEN: Final = 5


def is_remote(name: str | os.PathLike[str] | Remote) -> bool:
    """Whether a name is an address, of whatever scheme."""
    return isinstance(name, Remote) or _ADDRESS.match(os.fspath(name)) is not None


def named(name: str | os.PathLike[str] | Remote) -> Place:
    """Return the path or the place elsewhere that a name means.

    Raises:
        OptionError: it is an address of a scheme that is not known or of no bucket, or one whose slashes a path lost.
    """
    if isinstance(name, Remote):
        return name
    text = os.fspath(name)
    if (match := _ADDRESS.match(text)) is None:
        lost = _COLLAPSED.match(text)
        if lost is not None and lost[1].lower() in SCHEMES and not isinstance(name, str):
            raise OptionError(
                f"{shown(text)} was an address before it became a path; give it as text, with two slashes"
            )
        return Path(text)
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise OptionError(_unknown(scheme, text))
    if not text[match.end() :].partition("/")[0]:
        holder = "host" if scheme in _PAGES else "bucket"
        raise OptionError(f"{shown(scrubbed(text))}: no {holder} is named behind {scheme}://")
    return Remote(scheme + text[match.end(1) :])


def _unknown(scheme: str, text: str) -> str:
    said = f"{shown(scrubbed(text))}: {scheme}:// is no scheme that can be read or written"
    if scheme == "file":
        return f"{said}; give the path itself"
    near = _MEANT.get(scheme) or next(iter(get_close_matches(scheme, SCHEMES, 1, 0.4)), None)
    known = ", ".join(f"{one}://" for one in SCHEMES)
    return f"{said}; did you mean {near}://?" if near else f"{said}; known are {known}"


@functools.cache
def _store(scheme: str) -> Store:
    if scheme in _PAGES:
        from graders.remote.http import HttpStore  # noqa: PLC0415  (not for local files)

        return HttpStore()
    return FsspecStore(scheme, _PACKAGES[scheme])


@dataclass(frozen=True)
class Remote:
    """An object in storage, or a page. It is asked about as a `Path` is, where that has a meaning.

    Attributes:
        url: its address, with what may be secret: it is never shown.
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        if self.scheme in {*_PAGES, "az"}:
            return scrubbed(self.url)
        return _USER.sub("://", self.url)  # In a key of a bucket, ? and # stand for themselves.

    def __repr__(self) -> str:
        return f"Remote({str(self)!r})"

    @property
    def scheme(self) -> str:
        """The scheme, such as `s3`."""
        return self.url.partition(":")[0]

    @property
    def _path(self) -> PurePosixPath:
        parts = urlsplit(self.url) if self.scheme in _PAGES else None
        return PurePosixPath(self.url.partition("://")[2] if parts is None else parts.path or "/")

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        """The endings of its name."""
        return self._path.suffixes

    @property
    def is_writable(self) -> bool:
        """Whether its store takes objects."""
        return self.scheme not in _PAGES

    @property
    def is_bucket(self) -> bool:
        """Whether it names a bucket and no object in it."""
        return "/" not in self.url.partition("://")[2].rstrip("/")

    @property
    def has_magic(self) -> bool:
        """Whether it is a pattern."""
        return self.scheme not in _PAGES and glob.has_magic(self.url)

    def beside(self, ending: str) -> Remote:
        """Return the place of this name and an ending more."""
        return Remote(self.url + ending)

    def within(self, name: str) -> Remote:
        """Return the place of a name under this one, as of a folder."""
        return Remote(f"{self.url.rstrip('/')}/{name}")

    @property
    def parent(self) -> Remote:
        """The folder that it stands in, without what follows a ? in an address."""
        bare = self.url.partition("?")[0] if self.scheme in _PAGES else self.url
        return Remote(bare.rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> Remote:
        """Return the place of a name under this one; `..` goes up, as in a path."""
        place = self
        for step in PurePosixPath(name).parts:
            place = place.parent if step == ".." else place.within(step)
        return place

    @functools.cached_property
    def found(self) -> Found:
        """What was known when it was first asked for.

        Raises:
            OSError: it is not there, or cannot be reached.
        """
        return self.look()

    def look(self) -> Found:
        """Return what is known now."""
        return _store(self.scheme).found(self.url)

    def exists(self) -> bool:
        """Whether it is there."""
        try:
            self.look()
        except (FileNotFoundError, IsADirectoryError):
            return False
        return True

    def is_dir(self) -> bool:
        """Whether it is a folder: objects are none."""
        return False

    def is_file(self) -> bool:
        """Whether it is no folder."""
        return True

    def stat(self) -> Any:
        """Return its size as a file has it, 0 where nobody knows."""
        return SimpleNamespace(st_size=self.found.size or 0, st_mode=stat.S_IFREG)

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it to be read.

        Raises:
            OSError: it cannot be, now or while it is read.
        """
        if mode != "rb":
            raise RemoteError("it can be read here, and is put whole")
        return _store(self.scheme).open(self.url, self.found)

    def read(self, longest: int) -> bytes:
        """Return what it holds.

        Raises:
            OSError: it is longer than so many bytes, or cannot be read.
        """
        data = self._now(longest + 1)
        if len(data) > longest:
            raise RemoteError(f"it is longer than {longest:,} bytes")
        return data

    def _now(self, size: int) -> bytes:
        """Return its first bytes as it is now; who writes it meanwhile is waited for."""
        for _ in range(_OFTEN):
            with contextlib.suppress(ReplacedError), Remote(self.url).open() as stream:
                return stream.read(size)
        raise changed()

    def matches(self) -> list[Remote]:
        """Return the places that it names as a pattern, sorted."""
        return [Remote(one) for one in _store(self.scheme).glob(self.url)]

    def put(self, file: Path) -> None:
        """Put a file's content there, whole or not at all."""
        if self.is_bucket:
            raise RemoteError("is a bucket; name an object in it")
        _store(self.scheme).put(self.url, file)

    def put_bytes(self, data: bytes) -> None:
        """Put bytes there, whole or not at all."""
        with whole(self) as stream:
            stream.write(data)

    def remove(self) -> None:
        """Remove it; where it is not there, nothing is done."""
        _store(self.scheme).remove(self.url)

    def fetch(self, file: Path) -> None:
        """Write what it holds to a file."""
        with Remote(self.url).open() as stream, file.open("wb") as out:
            while data := stream.read(_COPY):
                out.write(data)


Place = Path | Remote
"""Where something is read or written."""


def same(one: Place, other: Place) -> bool:
    """Whether two names are of one file that is there, or one address."""
    if isinstance(one, Path) and isinstance(other, Path):
        return one.exists() and other.exists() and one.samefile(other)
    return one == other


@contextlib.contextmanager
def here(place: Place) -> Iterator[Path]:
    """Give a file of this machine: the one that a path names, or a copy that is removed at the end."""
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="graders-") as folder:
        file = Path(folder, place.name or "file")
        place.fetch(file)
        yield file


@contextlib.contextmanager
def whole(place: Place) -> Iterator[BinaryIO]:
    """Give a stream that what is written to takes its place when it is whole; what fails leaves what was there.

    Raises:
        OSError: it cannot be written.
    """
    if isinstance(place, Path) and place.exists() and (place.is_symlink() or not place.is_file()):
        # A pipe, a device, or a link to one or to a file: nothing can stand beside it.
        with place.open("wb") as stream:
            yield stream
    elif isinstance(place, Path):
        beside = place.with_name(place.name + ".new")
        try:
            with beside.open("wb") as stream:
                yield stream
            beside.replace(place)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
    else:
        with tempfile.TemporaryDirectory(prefix="graders-") as folder:
            file = Path(folder, "put")
            with file.open("wb") as stream:
                yield stream
            place.put(file)
