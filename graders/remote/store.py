"""What holds objects: found, opened, listed, put and removed by their addresses."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from graders.errors import UnavailableError
from graders.remote.fault import (
    PassingError,
    RemoteError,
    broken,
    changed,
    refused,
    scrubbed,
    steadily,
)
from graders.remote.reader import ranged
from graders.remote.system import server_of, system_of

__all__ = ["Found", "FsspecStore", "Store"]

_VERSIONS: Final = (
    "ETag", "etag", "generation", "md5Hash", "blob_id", "content_md5", "LastModified", "last_modified", "mtime",
)  # fmt: skip
"""What says in a store's own words that an object is the one it was, the surest first."""
READ_ONLY: Final = "pages can be read and not written; write to s3://, gs:// or az://"
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an object.

    Attributes:
        size: bytes; None where the server does not say.
        version: what changes with its content, in the store's own words; "" where it says nothing.
        ranges: whether parts of it can be asked for.
    """

    size: int | None
    version: str = ""
    ranges: bool = False


class Store(ABC):
    """Objects by their addresses. Errors are `OSError`s whose `strerror` is a sentence."""

    @abstractmethod
    def found(self, address: str) -> Found:
        """Return what is known of an object."""

    @abstractmethod
    def open(self, address: str, found: Found) -> BinaryIO:
        """Open an object that was found; where it changes meanwhile, reading fails."""

    def glob(self, pattern: str) -> list[str]:  # noqa: ARG002
        """Return the addresses of objects that a pattern fits, sorted."""
        raise RemoteError("pages cannot be listed; name each file")

    def put(self, address: str, file: Path) -> None:  # noqa: ARG002
        """Make a file's content an object's: whole, or nothing is changed."""
        raise RemoteError(READ_ONLY)

    def remove(self, address: str) -> None:  # noqa: ARG002
        """Remove an object; one that is not there is no error."""
        raise RemoteError(READ_ONLY)


class FsspecStore(Store):
    """Objects by fsspec.

    Args:
        scheme: of the addresses.
        package: the distribution that fsspec needs for it.
    """

    def __init__(self, scheme: str, package: str) -> None:
        self._scheme = scheme
        self._package = package
        try:
            self._system: Any = system_of(scheme)
        except ImportError:
            raise UnavailableError(
                f"{scheme}:// needs {package}: pip install 'local-graders[remote]'"
            ) from None
        except Exception as error:  # noqa: BLE001  (of whatever library)
            raise RemoteError(f"{scheme}:// cannot be used: {_said(error)}") from None

    def found(self, address: str) -> Found:
        """Return what is known of an object."""
        with_cuts = partial(self._info, address)
        found = steadily(with_cuts)
        if found.get("type") == "directory":
            raise IsADirectoryError(21, "is a folder; name its files")
        version = next((str(found[name]) for name in _VERSIONS if found.get(name)), "")
        return Found(int(found["size"]), version, ranges=True)

    def _info(self, address: str) -> dict[str, Any]:
        with self._named():
            known: dict[str, Any] = self._system.info(address)
            return known

    def open(self, address: str, found: Found) -> BinaryIO:
        """Open an object by ranges; at its end it has to be what it was at its beginning."""

        def read(start: int, stop: int) -> bytes:
            with self._named():
                data: bytes = self._system.cat_file(address, start=start, end=stop)
            if len(data) < stop - start and self.found(address).size == found.size:
                raise PassingError("the connection was cut")
            return data

        def checked(start: int, stop: int) -> bytes:
            data = steadily(partial(read, start, stop))
            if stop == found.size and self.found(address) != found:
                raise changed()
            return data

        return ranged(checked, found.size or 0)

    def glob(self, pattern: str) -> list[str]:
        """Return the addresses of objects that a pattern fits, sorted."""

        def listed() -> list[str]:
            with self._named():
                found = self._system.glob(pattern, detail=True)
            return [name for name, known in found.items() if known.get("type") != "directory"]

        try:
            return sorted(f"{self._scheme}://{one}" for one in steadily(listed))
        except FileNotFoundError:
            return []

    def put(self, address: str, file: Path) -> None:
        """Put a file; stores show an object when all of it is there."""

        def put() -> None:
            with self._named():
                self._system.put_file(str(file), address)

        steadily(put)
        if self.found(address).size != file.stat().st_size:
            raise RemoteError("what was put there is not what stands there")

    def remove(self, address: str) -> None:
        """Remove an object."""

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError), self._named():
                self._system.rm_file(address)

        steadily(remove)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Say of a library's errors whether they may pass, and in a sentence without keys."""
        try:
            yield
        except FileNotFoundError as error:
            raise _missing(error) from None
        except PermissionError as error:
            raise PermissionError(13, f"access is denied: {_said(error)}") from None
        except ImportError:
            raise UnavailableError(
                f"{self._scheme}:// needs {self._package}: pip install 'local-graders[remote]'"
            ) from None
        except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
            raise RemoteError(_said(error)) from None
        except Exception as error:  # noqa: BLE001  (of whatever library)
            raise self._worded(error) from None

    def _worded(self, error: Exception) -> Exception:
        """Return what an error of whatever library means here."""
        status, kind = _status(error), type(error).__name__
        if status in {401, 403} or any(word in kind for word in ("Credential", "Auth")):
            return RemoteError(f"no access: {_said(error)}")
        if status >= 400:
            meant = refused(status)
            return PassingError(_said(error)) if isinstance(meant, PassingError) else meant
        return broken(error, server_of(self._scheme)) or PassingError(_said(error))


def _missing(error: FileNotFoundError) -> OSError:
    """Return what is not there; of a hub's repository that may only mean that it is not shown."""
    kind = type(error.__cause__ or error).__name__
    if kind == "GatedRepoError":
        return RemoteError("no access: who may read it is asked for on its page")
    said = "there is no such object"
    if kind == "RevisionNotFoundError":
        said = "there is no such revision"
    elif kind == "NoSuchBucket":
        said = "there is no such bucket"
    elif kind in {"RepositoryNotFoundError", "HFValidationError"}:
        seen = "that HF_TOKEN may see" if os.environ.get("HF_TOKEN") else "seen without HF_TOKEN"
        said = f"there is no such repository, or none {seen}"
    return FileNotFoundError(2, said)


def _status(error: Any) -> int:
    """Return the status of HTTP that an error was made of; 0 where it says none."""
    if str(error).startswith("Forbidden: "):  # gcsfs keeps the number to itself.
        return 403
    found: list[Any] = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    found.append(getattr(getattr(error, "response", None), "status_code", None))
    return next((int(one) for one in found if str(one).isdecimal()), 0)


def _said(error: BaseException) -> str:
    """Return the first line of what a library says, without what may be a key."""
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    return scrubbed(said)[:_MOST]
