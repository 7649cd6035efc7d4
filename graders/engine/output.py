"""Where results go: a file that appears whole or not at all and survives any interruption, or a stream.

The results of a run stand in `OUT.partial` until the last one is written; then it takes the place
of OUT. They are appended in the order of the rows, so the file itself is the journal: whatever
stopped a run, its whole lines are finished rows, and a torn last line is cut off. `OUT.manifest.json`
says what the run was made from.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from graders.engine.manifest import differences, manifest_of, read_manifest, write_manifest
from graders.engine.result import read_results, tally_results
from graders.engine.tally import Tally
from graders.errors import OptionError, RowsError

__all__ = ["FileOutput", "Finished", "StreamOutput", "is_direct", "partial_of"]

_SYNC_SECONDS: Final = 5.0
"""A power cut costs at most the rows of so long."""


@dataclass(slots=True)
class Finished:
    """What an earlier run has finished.

    Attributes:
        rows: rows finished.
        next_index: the index after the last of them; None of none.
        tally: what they add up to.
        complete: whether the output is complete.
    """

    rows: int = 0
    next_index: int | None = None
    tally: Tally = field(default_factory=Tally)
    complete: bool = False


def partial_of(path: Path) -> Path:
    """Return where the results for `path` stand while they are not complete."""
    target = path.resolve()
    return target.with_name(target.name + ".partial")


def is_direct(path: Path) -> bool:
    """Whether results for `path` go straight there: standard output, a pipe, a device."""
    if str(path) == "-":
        return True
    target = path.resolve()
    return target.exists() and not target.is_file()


@contextlib.contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if str(path) == "-" else str(path)
        raise RowsError(f"{name}: cannot be written: {error.strerror or error}") from None


class StreamOutput:
    """Results to standard output, a pipe or a device, each block as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished = Finished()
        with _named_faults(path):
            self._stream: BinaryIO = sys.stdout.buffer if str(path) == "-" else path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if str(self.path) != "-":
            with _named_faults(self.path):
                self._stream.close()

    def write(self, lines: bytes) -> None:
        """Write result lines."""
        with _named_faults(self.path):
            self._stream.write(lines)
            self._stream.flush()

    def sync(self, **notes: Any) -> None:
        """Do nothing: nobody can go on with a stream."""

    def finish(self, rows: int) -> None:
        """Do nothing: everything is out."""


class FileOutput:
    """Results to a file. Only one run at a time may write it.

    Args:
        path: the file.
        manifest: what the run is made from.
        resume: go on with what an earlier run finished.
        restart: drop what an earlier run finished.
        marks: the pass mark of each judge by its key, for the tally.

    Attributes:
        finished: what an earlier run finished; nothing unless resumed.

    Raises:
        RowsError: the file cannot be written, another run is writing it, or an interrupted run of
            something else stands there and `resume` is asked for.
        OptionError: an interrupted run that could go on stands there, and neither `resume` nor
            `restart` says what is to become of it.
    """

    def __init__(
        self,
        path: Path,
        manifest: Mapping[str, Any],
        *,
        resume: bool = False,
        restart: bool = False,
        marks: Mapping[str, float | None] | None = None,
    ) -> None:
        self.path = path
        self.finished = Finished()
        self.manifest = dict(manifest)
        self._target = path.resolve()
        self._place = partial_of(path)
        self._marks = marks or {}
        self._synced = time.monotonic()
        with _named_faults(path):
            self._stream: FileIO | None = _open_alone(self._place, path)
            try:
                if resume:
                    self._take_up()
                elif not restart:
                    self._refuse_to_drop()
                if not self.finished.complete:
                    self._stream.truncate()
                    write_manifest(manifest_of(self._place), self.manifest)
            except BaseException:
                self._leave()
                raise

    def _refuse_to_drop(self) -> None:
        then = read_manifest(manifest_of(self._place))
        if self._size() and then is not None and not differences(then, self.manifest):
            raise OptionError(
                f"{self._place.name} holds rows that this very run had finished when it was "
                "interrupted: --resume goes on with them, --restart drops them"
            )

    def _take_up(self) -> None:
        """Read what is finished, and stand behind it."""
        then = read_manifest(manifest_of(self._place))
        if then is None and self._size():
            raise RowsError(
                f"{self.path} cannot be resumed: {manifest_of(self._place).name}, which says what "
                "its rows were made from, is not there; --restart starts anew"
            )
        moved = then is not None and not self._size()  # The last step of an earlier run is open.
        if then is None and self._target.exists():
            then = read_manifest(manifest_of(self._target))
        if then is None:
            return
        if changed := differences(then, self.manifest):
            raise RowsError(
                f"{self.path} cannot be resumed: {'; '.join(changed)}; "
                "--restart starts anew and drops what was finished"
            )
        if "stream" in then:
            self.manifest["stream"] = then["stream"]
        if self._size():
            end = self._read(self._place)
            self._seek(end)
            return
        ended = then.get("complete")
        if ended and self._target.is_file() and self._target.stat().st_size == ended["bytes"]:
            self._read(self._target)
            self.finished.complete = True
            if moved:
                manifest_of(self._place).replace(manifest_of(self._target))

    def _read(self, path: Path) -> int:
        """Read the results that are whole; return where they end."""
        end = 0
        with path.open("rb") as stream:
            for results in read_results(stream):
                if not results:
                    continue
                self.finished.rows += len(results)
                self.finished.next_index = results[-1].index + 1
                self.finished.tally.merge(tally_results(results, self._marks))
                end += sum(len(one.line) for one in results)
        return end

    def _opened(self) -> FileIO:
        if self._stream is None:
            raise TypeError("the output is closed")
        return self._stream

    def _size(self) -> int:
        return os.fstat(self._opened().fileno()).st_size

    def _seek(self, end: int) -> None:
        self._opened().seek(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._stream is None:
            return
        with contextlib.suppress(OSError):
            if not self._size() and _stands_at(self._stream, self._place):
                # Nothing was finished: nothing is to be left about.
                manifest_of(self._place).unlink(missing_ok=True)
                self._place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._stream.close()
        self._stream = None

    def write(self, lines: bytes) -> None:
        """Append result lines. After some seconds they are on the disk for good."""
        with _named_faults(self.path):
            rest = memoryview(lines)
            while rest:
                rest = rest[self._opened().write(rest) :]
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def sync(self, **notes: Any) -> None:
        """Make sure that everything so far is on the disk, with notes in the manifest."""
        with _named_faults(self.path):
            os.fsync(self._opened().fileno())
            self._synced = time.monotonic()
            if notes:
                self.manifest.update(notes)
                write_manifest(manifest_of(self._place), self.manifest)

    def finish(self, rows: int) -> None:
        """Put the results in their place: these were all."""
        self.sync(complete={"rows": rows, "bytes": self._size()})
        with _named_faults(self.path):
            self._place.replace(self._target)
            manifest_of(self._place).replace(manifest_of(self._target))


def _open_alone(place: Path, path: Path) -> FileIO:
    """Open a file to be written by nobody else until it is closed."""
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        stream = FileIO(descriptor, "r+")
        try:
            import fcntl  # noqa: PLC0415  (not on Windows, where nothing keeps two runs apart)

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return stream
        except BlockingIOError:
            stream.close()
            raise RowsError(f"{path}: another run is writing it") from None
        if _stands_at(stream, place):
            return stream
        stream.close()  # The run that had it has just put it in its place.


def _stands_at(stream: FileIO, place: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), place.stat())
    except FileNotFoundError:
        return False
