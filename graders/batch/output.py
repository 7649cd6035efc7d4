"""Where results go: a file that appears whole or not at all and survives any interruption, or a stream.

The results of a run stand in `OUT.partial` until the last one is written; then it takes the place
of OUT. They are appended in the order of the rows, so the file itself is the journal: whatever
stopped a run, its whole lines are finished rows, and a torn last line is cut off. `OUT.manifest.json`
says what the run was made from.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from graders.batch.beside import Beside, judgements_of
from graders.batch.manifest import (
    differences,
    manifest_of,
    new_manifest_of,
    read_manifest,
    write_manifest,
)
from graders.batch.result import Result, read_results, tally_results
from graders.batch.tally import Tally
from graders.errors import OptionError, RowsError, shown
from graders.remote import Place, Remote

__all__ = [
    "FileOutput", "Finished", "StreamOutput", "check_apart", "check_lines", "is_direct", "kept_note",
    "ledger_of", "lock_of", "partial_of",
]  # fmt: skip

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


def _target(path: Path) -> Path:
    """Return the file that results for `path` become.

    Raises:
        RowsError: there can be no such file.
    """
    try:
        reason: object = os.strerror(errno.ELOOP)
        if not _leads_in_a_circle(path):
            return path.resolve()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
    raise RowsError(f"{shown(str(path))}: cannot be written: {reason}")


def _leads_in_a_circle(path: Path) -> bool:
    """Whether a path is a link that leads back to itself: not every Python's `resolve` says so."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def partial_of(path: Path) -> Path:
    """Return where the results for `path` stand while they are not complete."""
    target = _target(path)
    return target.with_name(target.name + ".partial")


def ledger_of(path: Path) -> Path:
    """Return where what was paid stands while the results for `path` are not complete."""
    place = partial_of(path)
    return place.with_name(place.name + ".paid.sqlite")


def kept_note(output: Path | str) -> str:
    """Return where the finished rows are that a run left behind, as the end of a sentence."""
    return f"; the finished rows are in {output}.partial, and --resume goes on with them"


def is_direct(path: Place) -> bool:
    """Whether results for `path` go straight there: standard output, a pipe, a device."""
    if isinstance(path, Remote):
        return False
    if str(path) == "-":
        return True
    target = _target(path)
    return target.exists() and not target.is_file()


def check_lines(path: Place) -> None:
    """Say which command makes Parquet, where a file of result lines is named as if it were that.

    Raises:
        OptionError: it is.
    """
    if path.suffix.lower() == ".parquet":
        name = f"{path.name[:-8]}.jsonl"
        raise OptionError(
            f"{path}: results are written line by line; score to {name}, and graders merge {name} "
            f"-o {path.name} makes Parquet of them"
        )


def check_apart(read: Iterable[Place], path: Place, summary: Place | None = None) -> None:
    """Refuse to write over a file that is read, or over the results.

    Args:
        read: what is read.
        path: where results go.
        summary: where the summary goes.

    Raises:
        RowsError: something would be lost.
    """
    written = [] if summary is None else [summary]
    beside: list[Place] = []
    if isinstance(path, Remote):
        beside = [path.beside(one) for one in (".manifest.json", ".judgements.jsonl", ".partial")]
        if summary is not None and _same(summary, [path, *beside]):
            raise RowsError(f"{summary} holds the results; the summary would replace them")
    elif not is_direct(path):
        manifests = [manifest_of(_target(path)), manifest_of(partial_of(path))]
        judgements = [judgements_of(_target(path)), judgements_of(partial_of(path))]
        beside = [partial_of(path), *manifests, *map(new_manifest_of, manifests), lock_of(path)]
        beside += [*judgements, ledger_of(path)]
        if summary is not None and _same(summary, [_target(path), *beside]):
            raise RowsError(f"{summary} holds the results; the summary would replace them")
    for one in read:
        if str(one) == "-":
            continue
        if _same(one, [path]):
            raise RowsError(f"{path} holds the rows; results would replace them")
        if _same(one, [*beside, *written]):
            raise RowsError(f"{one} is read; what this run writes would replace it")


def _same(path: Place, others: Iterable[Place]) -> bool:
    if isinstance(path, Remote):
        return path in others
    with contextlib.suppress(OSError, ValueError):
        return any(
            _target(path) == _target(other) or (other.is_file() and other.samefile(path))
            for other in others
            if isinstance(other, Path)
        )
    return False


def lock_of(path: Path) -> Path:
    """Return the file that a run holds while it writes results for `path`."""
    target = _target(path)
    return target.with_name(target.name + ".lock")


@contextlib.contextmanager
def _named_faults(path: Path | str) -> Iterator[None]:
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
        self.kept = ""
        with _named_faults(path):
            self._stream: BinaryIO = _stdout() if str(path) == "-" else path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if str(self.path) != "-":
            with _named_faults(self.path):
                self._stream.close()

    def write(self, lines: bytes, judgements: bytes = b"") -> None:  # noqa: ARG002
        """Write result lines; judgements have no place beside a stream."""
        with _named_faults(self.path):
            self._stream.write(lines)
            self._stream.flush()

    def sync(self, **notes: Any) -> None:
        """Do nothing: nobody can go on with a stream."""

    def finish(self, rows: int, **notes: Any) -> None:
        """Do nothing: everything is out."""


def _stdout() -> BinaryIO:
    if not hasattr(sys.stdout, "buffer"):
        raise RowsError("standard output takes no bytes")
    return sys.stdout.buffer


class FileOutput:
    """Results to a file. Only one run at a time may write it.

    Args:
        path: the file.
        manifest: what the run is made from.
        resume: go on with what an earlier run finished.
        restart: drop what an earlier run finished.
        first: the index of the first row, where each result's index is one more than the last's.
        marks: the pass mark of each judge by its key, for the tally.
        judgements: whether judgements are kept beside the results.
        earlier: results whose rows are kept, with their judgements.
        name: what messages call it where it is not the path.

    Attributes:
        finished: what an earlier run finished; nothing unless resumed.

    Raises:
        RowsError: the file cannot be written, another run is writing it, or an interrupted run of
            something else stands there and `resume` is asked for.
        OptionError: an interrupted run stands there, and neither `resume` nor `restart` says what
            is to become of it.
    """

    def __init__(
        self,
        path: Path,
        manifest: Mapping[str, Any],
        *,
        resume: bool = False,
        restart: bool = False,
        first: int | None = None,
        marks: Mapping[str, float | None] | None = None,
        judgements: bool = False,
        earlier: Path | None = None,
        name: str = "",
    ) -> None:
        self.path = path
        self.name = name or str(path)
        self.finished = Finished()
        self.manifest = dict(manifest)
        self._target = _target(path)
        self._place = partial_of(path)
        self._beside = Beside(self._target, self._place, earlier) if judgements else None
        self._first = first
        self._marks = marks or {}
        self._digest = hashlib.sha256()
        self._synced = time.monotonic()
        self._begun = False
        self._stream: FileIO | None = None
        with _named_faults(self.name):
            self._lock = _Lock(lock_of(path), self.name)
            try:
                self._begin(resume=resume, restart=restart)
            except BaseException:
                self._leave()
                raise

    def _begin(self, *, resume: bool, restart: bool) -> None:
        self._close_last_step()
        size = self._place.stat().st_size if self._place.exists() else 0
        if size and not (resume or restart):
            raise OptionError(
                f"{self._place.name} holds rows that a run had finished when it was interrupted: "
                "--resume goes on with them, --restart drops them"
            )
        end = self._take_up(size) if resume else 0
        if self.finished.complete:
            return
        self._begun = True
        self._stream = FileIO(self._place, "r+" if self._place.exists() else "x+")
        self._stream.seek(end)
        self._stream.truncate()
        if self._beside is not None:
            self._beside.begin(self.finished.rows, self.finished.next_index)
        write_manifest(manifest_of(self._place), self.manifest)

    def _close_last_step(self) -> None:
        """Put a manifest in its place whose results are in theirs: a run was stopped in between."""
        then = read_manifest(manifest_of(self._place))
        ended = None if then is None else then.get("complete")
        if ended and not self._place.exists() and self._target.is_file():
            with self._target.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found == ended["sha256"]:
                if self._beside is not None and self._beside.place.exists():
                    self._beside.put()
                manifest_of(self._place).replace(manifest_of(self._target))

    def _take_up(self, size: int) -> int:
        """Read what is finished; return where in the partial file it ends."""
        place = self._place if size else self._target
        then = read_manifest(manifest_of(place)) if place.exists() else None
        if then is None and size:
            raise RowsError(
                f"{self.name} cannot be resumed: {manifest_of(self._place).name}, which says what "
                "its rows were made from, is not there or not readable; --restart starts anew"
            )
        if then is None:
            return 0
        if changed := differences(then, self.manifest):
            raise RowsError(
                f"{self.name} cannot be resumed: {'; '.join(changed)}; "
                "--restart starts anew and drops what was finished"
            )
        noted = then.get("stream")
        if noted is not None:
            self.manifest["stream"] = noted
        if size:
            # Of a stream, only what was compared with what comes again can be gone on with.
            known = all("sha256" in one or "version" in one for one in then["inputs"])
            unsure = noted is None and not known
            before = None if noted is None else noted["rows"]
            if self._beside is not None:
                covered = self._beside.covered
                before = covered if before is None else min(before, covered)
            return 0 if unsure else self._read(place, before)
        ended = then.get("complete")
        if ended:
            self._read(place, None)
            whole = self._beside is None or self._beside.is_whole(then.get("judgements"))
            self.finished.complete = whole and self._digest.hexdigest() == ended["sha256"]
            self.manifest |= {name: then[name] for name in ("cost", "judgements") if name in then}
        if not self.finished.complete:  # Somebody changed the results: they are made anew.
            self.finished, self._digest = Finished(), hashlib.sha256()
        return 0

    def _read(self, path: Path, before: int | None) -> int:
        """Read the results that are whole, up to an index; return where they end."""
        end, done = 0, self.finished
        with path.open("rb") as stream:
            for results in read_results(stream):
                kept = self._expected(results, before)
                if kept:
                    done.rows += len(kept)
                    done.next_index = kept[-1].index + 1
                    done.tally.merge(tally_results(kept, self._marks))
                    for one in kept:
                        self._digest.update(one.line)
                        end += len(one.line)
                if len(kept) < len(results):
                    break
        return end

    def _expected(self, results: Sequence[Result], before: int | None) -> Sequence[Result]:
        """Return the results up to one that cannot follow those before it."""
        last = self.finished.next_index
        for place, one in enumerate(results):
            if last is None:
                fits = self._first is None or one.index == self._first
            else:
                fits = one.index >= last if self._first is None else one.index == last
            if not fits or (before is not None and one.index >= before):
                return results[:place]
            last = one.index + 1
        return results

    def _opened(self) -> FileIO:
        if self._stream is None:
            raise TypeError("the output is closed")
        return self._stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
        self._stream = None
        if self._begun:
            with contextlib.suppress(OSError):
                empty = not self._place.stat().st_size
                if self._beside is not None:
                    self._beside.leave(empty=empty)
                if empty:
                    # Nothing was finished: nothing is to be left about.
                    self._place.unlink()
                    manifest_of(self._place).unlink(missing_ok=True)
        self._begun = False
        self._lock.release()

    @property
    def kept(self) -> str:
        """What is left of a run that does not come to its end, as the end of a sentence."""
        with contextlib.suppress(OSError):
            if self._begun and self._place.stat().st_size:
                return kept_note(self.name)
        return ""

    def write(self, lines: bytes, judgements: bytes = b"") -> None:
        """Append result lines and the judgements of their rows; both are soon on the disk for good."""
        with _named_faults(self.name):
            if self._beside is not None:
                self._beside.write(lines, judgements)
            rest = memoryview(lines)
            while rest:
                rest = rest[self._opened().write(rest) :]
        self._digest.update(lines)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def sync(self, **notes: Any) -> None:
        """Make sure that everything so far is on the disk, with notes in the manifest."""
        with _named_faults(self.name):
            if self._beside is not None:
                self._beside.sync()
            os.fsync(self._opened().fileno())
            self._synced = time.monotonic()
            if notes:
                self.manifest.update(notes)
                write_manifest(manifest_of(self._place), self.manifest)

    def finish(self, rows: int, **notes: Any) -> None:
        """Put the results in their place, with notes in the manifest: these were all."""
        notes = {name: note for name, note in notes.items() if note is not None}
        if self._beside is not None:
            notes["judgements"] = self._beside.identity
        with _named_faults(self.name):
            size = os.fstat(self._opened().fileno()).st_size
        complete = {"rows": rows, "bytes": size, "sha256": self._digest.hexdigest()}
        self.sync(complete=complete, **notes)
        with _named_faults(self.name):
            self._place.replace(self._target)
            if self._beside is not None:
                self._beside.leave(empty=False)
                self._beside.put()
            self._begun = False
            manifest_of(self._place).replace(manifest_of(self._target))


class _Lock:
    """A file that one run at a time can hold; gone when it is released, free when its run is dead.

    Raises:
        RowsError: another run holds it.
    """

    def __init__(self, place: Path, output: str) -> None:
        self._place = place
        while True:
            self._stream = place.open("ab")
            try:
                import fcntl  # noqa: PLC0415  (not on Windows, where nothing keeps two runs apart)

                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:
                return
            except BlockingIOError:
                self._stream.close()
                raise RowsError(f"{output}: another run is writing it") from None
            if self._stands():
                return
            self._stream.close()  # The run that held it has just removed it.

    def _stands(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._stream.fileno()), self._place.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others have it."""
        if not self._stream.closed:
            with contextlib.suppress(OSError):
                self._place.unlink()
            self._stream.close()
