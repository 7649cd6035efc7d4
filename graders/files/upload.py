"""Uploads: a file that comes in parts, as the SDKs send large ones.

An upload is a folder with its description and its parts, each under the part's id; when it is
complete they become one file, in the order its owner gives.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from graders import jsontext
from graders.errors import quoted
from graders.files.database import Database
from graders.files.disk import faults, new_file
from graders.files.file import LIMIT, PURPOSES, Files, lasts_of
from graders.files.identifier import is_identifier, new_identifier
from graders.files.lock import Claim
from graders.files.quota import Quota
from graders.privacy import private_folder
from graders.wire.error import ApiError, conflict, refused

__all__ = ["MOST_PART", "Uploads"]

MOST_PART: Final = 64 << 20
"""Bytes of the largest part, as the hosted service has it."""

_LASTS: Final = 3600
_PIECE: Final = 1 << 20
_ABOUT: Final = "upload.json"
_LATER: Final = "expires_after"


class Uploads:
    """The uploads of a store.

    Args:
        files: where complete ones go.
        folder: where parts are kept until then.
        database: the tables, whose transactions keep parts of several uploads apart.
        quota: what all of the store may take.
    """

    def __init__(self, files: Files, folder: Path, database: Database, quota: Quota) -> None:
        self._files = files
        self._folder = folder
        self._database = database
        self._quota = quota

    def create(
        self,
        *,
        filename: Any,
        purpose: Any,
        size: Any,
        mime_type: Any,
        expires_after: Any = None,
        limit: int = LIMIT,
    ) -> dict[str, Any]:
        """Return a new upload.

        Args:
            filename: what its owner calls the file.
            purpose: one of the purposes of files.
            size: how many bytes all parts have together.
            mime_type: what the file holds; not looked at.
            expires_after: for how long the file will be kept, as for `Files.create`.
            limit: bytes it may have.

        Raises:
            ApiError: an argument cannot be one (400), or it is too large, or the store is (413).
        """
        for name, value in (("filename", filename), ("mime_type", mime_type)):
            if not isinstance(value, str) or not value:
                raise refused(f"{name} is a text, got {quoted(value)}", name)
        if purpose not in PURPOSES:
            raise refused(
                f"purpose is one of {', '.join(PURPOSES)}, got {quoted(purpose)}", "purpose"
            )
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise refused(f"bytes is a whole number, got {quoted(size)}", "bytes")
        if size > limit:
            raise ApiError(
                413, f"the file is larger than the {limit:,} bytes allowed", param="bytes",
                code="file_too_large",
            )  # fmt: skip
        lasts_of(expires_after)
        self._sweep()
        with self._database.reading() as base:
            self._quota.check(base, size)
        now = int(time.time())
        about = {
            "id": new_identifier("upload_"), "object": "upload", "bytes": size, "created_at": now,
            "filename": filename, "purpose": purpose, "status": "pending",
            "expires_at": now + _LASTS, "file": None,
        }  # fmt: skip
        kept = about if expires_after is None else {**about, _LATER: expires_after}
        place = self._folder / str(about["id"])
        with faults(self._folder):
            private_folder(place)
        try:
            self._describe(place, kept)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return about

    def add(self, name: str, content: IO[bytes]) -> dict[str, Any]:
        """Return a new part of an upload.

        Raises:
            ApiError: there is no such upload (404), it is not pending any more (400), or the part
                is too large, or the store is (413).
        """
        place, about = self._pending(name)
        with self._database.reading() as base:
            self._quota.check(base)
        part = new_identifier("part_")
        beside = place / f".{part}"
        size, most = 0, min(MOST_PART, about["bytes"])
        with new_file(beside, of=self._folder) as write:
            while piece := content.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise ApiError(
                        413, f"the part is larger than {most:,} bytes", param="data",
                        code="part_too_large",
                    )  # fmt: skip
                write(piece)
        try:
            with self._database.writing() as base, faults(self._folder):
                self._quota.check(base, size)
                beside.rename(place / part)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        now = int(time.time())
        return {"id": part, "object": "upload.part", "created_at": now, "upload_id": name}

    def complete(self, name: str, part_ids: Any, md5: Any = None) -> dict[str, Any]:
        """Make one file of the parts of an upload, in this order, and return the upload.

        Raises:
            ApiError: there is no such upload (404), it is not pending any more, a part is not its
                own, or the parts do not add up to what was announced (400).
        """
        self._pending(name)
        with self._alone(name):
            place, about = self._pending(name)
            parts = _parts(place, part_ids)
            with faults(self._folder):
                size = sum(part.stat().st_size for part in parts)
            if size != about["bytes"]:
                raise refused(
                    f"the parts have {size:,} bytes, and {about['bytes']:,} were announced",
                    "part_ids",
                )
            _check_md5(parts, md5)
            file = self._files.create(
                _joined(parts), filename=about["filename"], purpose=about["purpose"],
                expires_after=about.pop(_LATER, None), limit=size, replaced=size,
            )  # fmt: skip
            about.update(status="completed", file=file)
            try:
                self._describe(place, about)
            except ApiError:
                self._files.delete(file["id"])  # Or another try would make it a second time.
                raise
            for part in parts:
                part.unlink(missing_ok=True)
        return about

    def cancel(self, name: str) -> dict[str, Any]:
        """Give an upload up and return it.

        Raises:
            ApiError: there is no such upload (404), or it is not pending any more (400).
        """
        self._pending(name)
        with self._alone(name):
            place, about = self._pending(name)
            about.pop(_LATER, None)
            about["status"] = "cancelled"
            self._describe(place, about)
            for part in place.glob("part_*"):
                part.unlink(missing_ok=True)
        return about

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with Claim(self._folder / name / "lock") as claim:
            if not claim.held:
                raise conflict(f"{name} is being completed or cancelled", "upload_id")
            yield

    def _pending(self, name: str) -> tuple[Path, dict[str, Any]]:
        place = self._folder / name
        if not is_identifier(name) or not (place / _ABOUT).is_file():
            raise ApiError(
                404, f"No such Upload object: {quoted(name, 128)[1:-1]}", param="upload_id"
            )
        with faults(self._folder):
            about: dict[str, Any] = jsontext.decode((place / _ABOUT).read_bytes())
        status = about["status"]
        if status == "pending" and time.time() > about["expires_at"]:
            status = "expired"
        if status != "pending":
            raise refused(f"{name} is {status}, not pending", "upload_id")
        return place, about

    def _describe(self, place: Path, about: dict[str, Any]) -> None:
        beside = place / f".{secrets.token_hex(8)}"
        with new_file(beside, of=self._folder) as write:
            write(jsontext.encode(about))
        with faults(self._folder):
            beside.rename(place / _ABOUT)

    def _sweep(self) -> None:
        """Remove parts that nobody can use any more, and uploads untouched for a day."""
        with contextlib.suppress(OSError):
            for place in self._folder.iterdir():
                idle = time.time() - place.stat().st_mtime
                if idle > 24 * _LASTS:
                    shutil.rmtree(place, ignore_errors=True)
                elif idle > 2 * _LASTS:
                    for part in (*place.glob("part_*"), *place.glob(".part_*")):
                        part.unlink(missing_ok=True)


def _parts(place: Path, part_ids: Any) -> list[Path]:
    if not isinstance(part_ids, list) or not part_ids:
        raise refused(f"part_ids is a list of ids, got {quoted(part_ids)}", "part_ids")
    found: list[Path] = []
    for one in part_ids:
        known = isinstance(one, str) and is_identifier(one) and one.startswith("part_")
        if not known or not (place / one).is_file() or place / one in found:
            raise refused(f"{quoted(one)} is no part of this upload, or stands twice", "part_ids")
        found.append(place / one)
    return found


def _joined(parts: Sequence[Path]) -> Iterable[bytes]:
    for part in parts:
        with faults(part.parent):
            stream = part.open("rb")
        with stream:
            while piece := stream.read(_PIECE):
                yield piece


def _check_md5(parts: Sequence[Path], expected: Any) -> None:
    if expected is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _joined(parts):
        digest.update(piece)
    if digest.hexdigest() != expected:
        raise refused(
            f"the parts' md5 is {digest.hexdigest()}, and {quoted(expected)} was announced", "md5"
        )
