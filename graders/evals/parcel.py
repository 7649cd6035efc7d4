"""The files of an export: single ones, folders and zips, compressed or not, read a value at a time."""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from graders import jsontext
from graders.config import read_document
from graders.errors import ConfigError, GradersError, OptionError, nearest_path, shown
from graders.evals.move import Piece, pieces
from graders.rows import find_source

__all__ = ["DataFile", "Parcel"]

_BLOCK: Final = 1 << 20
_HEAD: Final = 4096
_MOST: Final = 20
_WHOLE: Final = 32 << 20
_PACKED: Final = (".gz", ".zst")
_YAML: Final = (".yaml", ".yml")
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that holds rows.

    Attributes:
        path: where it is.
        name: what it is called.
        whole: whether it holds nothing but rows, so that it is kept byte for byte.
        rows: how many.
    """

    path: Path
    name: str
    whole: bool
    rows: int

    def lines(self) -> Iterator[bytes]:
        """Yield its content: JSON Lines in UTF-8."""
        if self.whole:
            for block in find_source([self.path]).blocks(_BLOCK):
                yield block.data.removeprefix(_MARK) if block.line == 1 else block.data
            return
        for piece in _read(self.path):
            if piece.kind == "row":
                yield jsontext.encode(piece.value) + b"\n"


@dataclass(slots=True)
class Parcel:
    """What was found in files, but for the output items, which are read again as they are wanted.

    Attributes:
        found: the evals, the runs and the objects of files, in the order of the files.
        data: the files of rows.
        items: how many output items there are.
        notes: what was passed over, with its file.
        broken: what could not be read, with its file.
    """

    found: list[Piece] = field(default_factory=list)
    data: list[DataFile] = field(default_factory=list)
    items: int = 0
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _with_items: list[Path] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def open(cls, paths: Sequence[Path]) -> Self:
        """Read files, and all that is in folders and zips; close it when its items are read.

        Raises:
            OptionError: a path names nothing.
        """
        parcel = cls()
        try:
            for path in paths:
                parcel._add(path, path.name)
        except BaseException:
            parcel.close()
            raise
        return parcel

    def items_of(self) -> Iterator[Piece]:
        """Yield the output items, in the order of the files."""
        for path in self._with_items:
            for piece in _read(path):
                if piece.kind == "item":
                    yield piece

    def close(self) -> None:
        """Take away what was unpacked."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _add(self, path: Path, name: str) -> None:
        if not path.exists():
            near = nearest_path(path, lambda _: True)
            hint = f"; did you mean {near}?" if near else ""
            raise OptionError(f"{path}: there is no such file or folder{hint}")
        if path.is_dir():
            for one in sorted(path.iterdir()):
                # A link to a folder may lead back here.
                if not one.name.startswith(".") and not (one.is_symlink() and one.is_dir()):
                    self._add(one, f"{name}/{one.name}" if name else one.name)
        elif path.is_file():
            try:
                self._add_file(path, name)
            except OSError as error:
                self.broken.append(f"{name}: {error.strerror or error}")

    def _add_file(self, path: Path, name: str) -> None:
        if zipfile.is_zipfile(path):
            self._unpack(path, name)
            return
        if path.suffix not in (*_YAML, *_PACKED) and not _looks_like_json(path):
            what = "nothing in it" if path.stat().st_size == 0 else "no JSON"
            self.notes.append(f"{name}: {what}; passed over")
            return
        kinds: Counter[str] = Counter()
        said: Counter[str] = Counter()
        for piece in _read(path, self.broken, name):
            kinds[piece.kind] += 1
            if piece.kind == "note":
                says = piece.value["says"]
                said[
                    says if says in said or len(said) < _MOST else "others that are no export"
                ] += 1
            elif piece.kind not in ("item", "row"):
                self.found.append(piece)
        self.notes += [
            f"{name}: {says}" + (f" ({count:,} times)" if count > 1 else "")
            for says, count in said.items()
        ]
        if kinds["item"]:
            self.items += kinds["item"]
            self._with_items.append(path)
        if kinds["row"]:
            others = sum(kinds.values()) - kinds["row"]
            whole = others == 0 and path.suffix not in _YAML
            self.data.append(DataFile(path, name, whole, kinds["row"]))

    def _unpack(self, path: Path, name: str) -> None:
        """Look into a zip, whose files get names of ours on the disk: theirs may lead anywhere."""
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="graders-")))
        try:
            with zipfile.ZipFile(path) as packed:
                for number, one in enumerate(packed.infolist()):
                    base = one.filename.rpartition("/")[2]
                    if one.is_dir() or base.startswith(".") or "__MACOSX" in one.filename:
                        continue
                    place = folder / str(number) / shown(base.replace("/", "_"), 200)
                    place.parent.mkdir()
                    with packed.open(one) as source, place.open("wb") as target:
                        while data := source.read(_BLOCK):
                            target.write(data)
                    self._add(place, f"{name}/{one.filename}")
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            self.broken.append(
                f"{name}: the zip cannot be read to its end: {shown(str(error), 200)}"
            )


def _looks_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    text = head.decode(jsontext.encoding_of(head[:4]) or "utf-8", "replace")
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _read(path: Path, broken: list[str] | None = None, name: str = "") -> Iterator[Piece]:
    """Yield what a file holds, up to where it cannot be read any more."""
    problems = [] if broken is None else broken
    if path.suffix in _YAML:
        try:
            yield from pieces(read_document(str(path)))
        except ConfigError as error:
            problems.append(f"{name}: {error.faults[0].message}")
        return
    count, faults = 0, list[str]()
    try:
        for value, problem in _values(path):
            count += 1
            if problem is None:
                yield from pieces(value)
                continue
            faults.append(problem)
            if len(faults) == count == _MOST:
                break  # Nothing but lines that are none: it is another kind of file.
    except (GradersError, OSError) as error:
        rest = _rest(path, count)
        if rest is None:
            problems.append(f"{name}: after {count:,} values: {shown(str(error), 300)}")
        else:
            yield from pieces(rest)
    if faults:
        more = f" (and {len(faults) - 1:,} more)" if len(faults) > 1 else ""
        problems.append(f"{name}: {faults[0]}{more}")


def _rest(path: Path, count: int) -> list[Any] | None:
    """Return what follows in an array of lists, which no reader of rows takes; None where it is none."""
    try:
        if path.stat().st_size > _WHOLE:
            return None
        value = jsontext.decode(jsontext.text_of(path.read_bytes()).removeprefix("\ufeff"))
    except (OSError, ValueError):
        return None
    return value[count:] if isinstance(value, list) else None


def _values(path: Path) -> Iterator[tuple[Any, str | None]]:
    for block in find_source([path]).blocks(_BLOCK):
        data = block.data.removeprefix(_MARK) if block.line == 1 else block.data
        for offset, text in enumerate(data.split(b"\n")):
            if not text or text.isspace():
                continue
            where = f"{block.unit} {block.line + offset}"
            if block.faults and offset in block.faults:
                yield None, f"{where}: {block.faults[offset]}"
                continue
            try:
                yield jsontext.decode(text, allow_nan=True), None
            except ValueError as error:
                yield None, f"{where} is not JSON: {shown(str(error), 200)}"
