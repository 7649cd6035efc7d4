"""Where rows come from: files of several kinds, told by their names, or a stream."""

from __future__ import annotations

import contextlib
import glob
import gzip
import hashlib
import io
import os
import stat
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from graders.errors import OptionError, RowsError, UnavailableError, nearest_path, quoted
from graders.extension import names
from graders.remote import Place, Remote, here, is_remote, named
from graders.rows.arrow import dataset_blocks, is_dataset, parquet_blocks
from graders.rows.block import Block, Readable, count_rows, lines_of, read_blocks
from graders.rows.delimited import csv_blocks
from graders.rows.encoding import as_utf8
from graders.rows.excel import excel_blocks
from graders.rows.kind import check_kind
from graders.rows.reader import ENDINGS, extended_blocks, reader_of
from graders.rows.value import json_blocks
from graders.rows.watch import PIECE, Watch, stamp_of, sum_of

__all__ = ["Mark", "Source", "find_source"]

_PIPE_BYTES: Final = 1 << 20
_PACKED: Final = (".gz", ".zst")
_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_EXCEL: Final = (".xlsx", ".xlsm")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to begin to read at.

    Attributes:
        file: which of the files.
        row: the index of the row that begins there.
        line: the 1-based number of its line, as messages count.
        place: the byte, of JSON Lines; the row group, of Parquet; 0 for the file's beginning.
    """

    file: int
    row: int
    line: int = 1
    place: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one or more files, in order; or of standard input.

    Attributes:
        paths: the files, or places elsewhere; `-` is standard input.
        watch: sees whether the files stay as they are; None where nobody asks.
        marks: places to begin at, in order; () where nobody looked for them.
    """

    paths: tuple[Place, ...]
    watch: Watch | None = field(default=None, compare=False)
    marks: tuple[Mark, ...] = field(default=(), compare=False)

    @property
    def is_stream(self) -> bool:
        """Whether the rows can be read only once, and come as they come."""
        return any(_is_stream(path) for path in self.paths)

    @property
    def size(self) -> int | None:
        """Bytes on disk; None where nobody knows."""
        if self.is_stream or any(path.is_dir() for path in self.paths):
            return None
        sizes = [_size(path) for path in self.paths]
        return None if None in sizes else sum(filter(None, sizes))

    def blocks(self, size: int, first: int = 0) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` bytes; indexes run on from file to file.

        Args:
            size: bytes.
            first: the first row that is wanted: what comes before the last mark at or before it is not read.

        Raises:
            RowsError: a file cannot be read, or not to its end.
            UnavailableError: a kind of file needs a package that is not installed.
        """
        mark = next((one for one in reversed(self.marks) if one.row <= first), _BEGINNING)
        index = mark.row
        end = sum(_size(path) or 0 for path in self.paths[: mark.file] if path.is_file())
        for path in self.paths[mark.file :]:
            name = str(path) if len(self.paths) > 1 else ""
            block = None
            for block in _blocks(path, size, self.watch, mark):
                yield replace(
                    block, index=index + block.index, line=block.line + mark.line - 1, name=name,
                    end=end + block.end,
                )  # fmt: skip
            if block is not None:
                index += block.index + count_rows(block)
            if len(self.paths) > 1 and path.is_file():
                end += _size(path) or 0
            mark = _BEGINNING

    def identity(self) -> list[dict[str, Any]]:
        """Return what tells these rows from others: sizes and digests; of a stream, nothing.

        A file of JSON Lines also has its number of lines: no more rows are in it.
        """
        return [_identity(path, self.watch) for path in self.paths]

    def note(self) -> None:
        """Note when the files were last written, for who does not ask for their identity."""
        if self.watch is not None:
            paths = (path for path in self.paths if not _is_stream(path))
            self.watch.stamps.update({path: stamp_of(path) for path in paths})

    def check_unchanged(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        """See whether the files that were read are those that `identity` found.

        Raises:
            ChangedError: one changed meanwhile.
        """
        if self.watch is not None:
            known = zip(self.paths, inputs, strict=False)
            self.watch.check(_identity, dict(known))


_BEGINNING: Final = Mark(0, 0)


def find_source(patterns: Sequence[str | os.PathLike[str] | Remote]) -> Source:
    """Return the files that paths, addresses and patterns such as `data/*.jsonl.gz` name.

    Raises:
        OptionError: none is named, or standard input among other files.
        RowsError: a file is not there, or a pattern fits none.
    """
    paths: list[Place] = []
    for one in patterns:
        if isinstance(place := named(one), Remote):
            paths += _found_elsewhere(place)
            continue
        pattern = str(one)
        if "\0" in pattern:
            raise RowsError(f"{quoted(pattern)} is not the name of a file")
        if pattern == "-" or os.path.lexists(pattern):
            paths.append(Path(pattern))
            continue
        found = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []  # noqa: PTH207  (a pattern may be absolute)
        if not found:
            raise RowsError(_nothing_there(pattern))
        paths += [Path(one) for one in found]
    if not paths:
        raise OptionError("no file of rows is named")
    for path in paths:
        if (
            isinstance(path, Path)
            and path.is_dir()
            and not is_dataset(path)
            and reader_of(path) is None
        ):
            raise RowsError(f"{path}: is a folder; name its files, such as {path}/*{_ending(path)}")
    if len(paths) > 1 and Path("-") in paths:
        raise OptionError("standard input (-) cannot be read together with files")
    return Source(tuple(paths))


def _found_elsewhere(place: Remote) -> list[Remote]:
    """Return the objects that a place names, which may be a pattern.

    Raises:
        RowsError: there is none.
    """
    with _said_of(place):
        # A key may hold the letters of patterns.
        found = place.matches() if place.has_magic and not place.exists() else [place]
        if not found:
            raise RowsError("no object fits this pattern")
        _ = found[0].found
    return found


def _ending(folder: Path) -> str:
    """Return how rows in a folder end, by its first file that may hold some."""
    ends = (path.suffix for path in sorted(folder.glob("*")))
    return next((end for end in ends if end in ENDINGS), ".jsonl")


def _nothing_there(pattern: str) -> str:
    if glob.has_magic(pattern):
        return f"{pattern}: no file fits this pattern"
    near = nearest_path(Path(pattern), _may_be_rows)
    return f"{pattern}: there is no such file" + (f"; did you mean {near}?" if near else "")


def _may_be_rows(path: Path) -> bool:
    if path.suffix in {f".{name}" for name in names("readers")}:
        return True
    return is_dataset(path) if path.is_dir() else path.suffix in ENDINGS


def _size(path: Place) -> int | None:
    if isinstance(path, Remote):
        with _said_of(path):
            return path.found.size
    return path.stat().st_size


def _is_stream(path: Place) -> bool:
    if isinstance(path, Remote):
        return False
    if str(path) == "-":
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _said_of(path: Place) -> Iterator[None]:
    """Say of which file an error is."""
    try:
        yield
    except FileNotFoundError as error:
        reason = error.strerror if isinstance(path, Remote) else "there is no such file"
        raise RowsError(f"{path}: {reason}") from None
    except IsADirectoryError as error:
        where, folder = f"{path}: {error.strerror}", str(path).rstrip("/")
        raise RowsError(
            f"{where}, such as {folder}/*.jsonl" if is_remote(path) else where
        ) from None
    except RowsError as error:
        raise RowsError(f"{path}: {error}") from None
    except OSError as error:
        raise RowsError(f"{path}: cannot be read: {error.strerror or error}") from None


def _blocks(path: Place, size: int, watch: Watch | None, mark: Mark) -> Iterator[Block]:
    if str(path) == "-":
        stdin = _stdin()
        _widen(stdin)
        yield from json_blocks(cast("Readable", as_utf8(check_kind(stdin))), size)
        return
    with _said_of(path):
        yield from _blocks_of_file(path, size, watch, mark)


def _blocks_of_file(path: Place, size: int, watch: Watch | None, mark: Mark) -> Iterator[Block]:
    """Yield the rows of a file, or of a dataset's folder, as its name says what it is."""
    if isinstance(path, Remote) and not _is_read_as_it_comes(path):
        with here(path) as copy:
            yield from _blocks_of_file(copy, size, None, mark)
    elif isinstance(path, Path) and path.is_dir() and is_dataset(path):
        yield from dataset_blocks(path, size)
    elif isinstance(path, Path) and (extension := reader_of(path)) is not None:
        yield from extended_blocks(extension, path, size)
    elif path.suffix.lower() == ".parquet":
        yield from parquet_blocks(path, size, mark.place)
    elif isinstance(path, Path) and path.suffix.lower() in _EXCEL:
        yield from excel_blocks(path, size)
    elif mark.place:
        with path.open("rb") as raw:
            raw.seek(mark.place)
            for block in read_blocks(cast("Readable", raw), size):
                yield replace(block, end=block.end + mark.place)
    else:
        kinds = [suffix.lower() for suffix in path.suffixes[-2:]]
        packing = kinds.pop() if kinds and kinds[-1] in _PACKED else ""
        with _opened(path, watch) as raw:
            yield from _streamed(raw, path, packing, kinds[-1] if kinds else "", size)


def _is_read_as_it_comes(place: Remote) -> bool:
    """Whether a place elsewhere can be read where it is; else a copy is made, for its reader wants a file."""
    ending = place.suffix.lower()
    if ending == ".parquet":
        return place.found.ranges
    return ending not in _EXCEL and reader_of(place) is None


def _opened(path: Place, watch: Watch | None) -> BinaryIO:
    if isinstance(path, Remote):
        return path.open()
    raw = path.open("rb") if watch is None or _is_stream(path) else watch.opened(path)
    _widen(raw)
    return raw


def _streamed(raw: BinaryIO, path: Place, packing: str, kind: str, size: int) -> Iterator[Block]:
    stream = as_utf8(check_kind(_unpacked(raw, packing, path)))
    if kind in _DELIMITERS:
        yield from csv_blocks(
            stream, size, delimiter=_DELIMITERS[kind], position=partial(_position, raw)
        )
        return
    for block in json_blocks(cast("Readable", stream), size):
        yield replace(block, end=_position(raw)) if not block.end or packing else block


def _stdin() -> BinaryIO:
    """Return a reader of standard input that is nobody else's.

    A thread that waits in sys.stdin's own would keep the process from ending.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (AttributeError, OSError, ValueError):
        pass  # Closed, or replaced by something that is no file.
    if hasattr(sys.stdin, "buffer"):
        return sys.stdin.buffer
    raise RowsError("standard input cannot be read as bytes")


def _position(raw: BinaryIO) -> int:
    try:
        return getattr(raw, "raw", raw).tell()  # How far the file is read, ahead of who reads it.
    except OSError:
        return 0  # A pipe.


def _widen(stream: BinaryIO) -> None:
    """Let a pipe hold a whole block where the system allows it: fewer, larger reads."""
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)

        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, AttributeError, OSError, ValueError):
        pass  # No pipe, or not this system's.


class _Unpacked(io.RawIOBase):
    """A compressed file's content, whose faults are said in one sentence."""

    def __init__(self, stream: BinaryIO, faults: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self._stream = stream
        self._faults = faults

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any, /) -> int:
        try:
            data = self._stream.read(len(place))
        except self._faults as error:
            raise RowsError(
                f"the compressed rows cannot be read: {_packing_fault(error)}"
            ) from None
        place[: len(data)] = data
        return len(data)


def _packing_fault(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the file ends too early"
    if isinstance(error, OSError) and (error.strerror or error.errno is not None):
        return error.strerror or type(error).__name__
    return "the file is damaged, or compressed in another way than its name says"


def _unpacked(raw: BinaryIO, packing: str, path: Place) -> BinaryIO:
    if packing == ".gz":
        opened = cast("BinaryIO", gzip.GzipFile(fileobj=raw))
        return io.BufferedReader(_Unpacked(opened, (OSError, EOFError, zlib.error)))
    if packing == ".zst":
        try:
            from compression import zstd  # type: ignore[import-not-found]  # noqa: PLC0415  (3.14)
        except ImportError:
            try:
                from backports import zstd  # noqa: PLC0415
            except ImportError:
                raise UnavailableError(
                    f"{path}: Zstandard needs: pip install backports.zstd"
                ) from None
        faults = (OSError, EOFError, zstd.ZstdError)
        return io.BufferedReader(_Unpacked(cast("BinaryIO", zstd.ZstdFile(raw)), faults))
    return raw


def _files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _identity(path: Place, watch: Watch | None = None) -> dict[str, Any]:
    if isinstance(path, Remote):
        return _identity_elsewhere(path, watch)
    if _is_stream(path):
        return {"path": str(path)}
    stamp = stamp_of(path)
    whole = hashlib.sha256()
    size = lines = 0
    sums = array("Q")
    try:
        for one in _files(path):
            if path.is_dir():
                whole.update(b"\0" + os.fsencode(one.relative_to(path)) + b"\0")
            last = b"\n"
            with one.open("rb") as stream:
                while data := stream.read(PIECE):
                    whole.update(data)
                    sums.append(sum_of(data))
                    size += len(data)
                    ended = lines_of(data)
                    last = ended[-1][-1:]
                    lines += len(ended) - (last != b"\n")
            lines += last != b"\n"
    except OSError as error:
        raise RowsError(f"{path}: cannot be read: {error.strerror or error}") from None
    if watch is not None:
        watch.stamps[path] = stamp
        if path.is_file():
            watch.sums[path] = sums
    found = {"path": str(path), "size": size, "sha256": whole.hexdigest()}
    return {**found, "lines": lines} if _is_plain(path) else found


def _identity_elsewhere(place: Remote, watch: Watch | None) -> dict[str, Any]:
    """Return what tells an object from others: its store's own word, else the digest of all of it."""
    with _said_of(place):
        found = place.look()
        if watch is not None:
            watch.stamps[place] = found
        if found.version:
            return {"path": str(place), "size": found.size or 0, "version": found.version}
        whole, size = hashlib.sha256(), 0
        with place.open() as stream:
            while data := stream.read(PIECE):
                whole.update(data)
                size += len(data)
    return {"path": str(place), "size": size, "sha256": whole.hexdigest()}


def _is_plain(path: Path) -> bool:
    others = (*_PACKED, *_DELIMITERS, ".parquet")
    return not path.is_dir() and path.suffix.lower() not in others and reader_of(path) is None
