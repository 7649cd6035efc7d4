"""What people hold of the hosted Evals: objects in files of any layout, told apart by what they are.

Does: finds evals, runs, output items and rows in JSON, lists of the API, JSON Lines, .gz and .zip. Does not:
write anything, or refuse a file for one object in it.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.errors import OptionError, quoted, shown
from graders.evals.promptfoo import is_promptfoo, of_promptfoo

__all__ = ["DataFile", "Exported", "read_exports"]

MOST: Final = 2 << 30
_OBJECTS: Final[Mapping[str, str]] = {
    "eval": "evals", "eval.run": "runs", "eval.run.output_item": "items",
}  # fmt: skip
_SKIPPED: Final = ("file", "eval.deleted", "eval.run.deleted")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows.

    Attributes:
        name: its name; its stem may be the id by which a run names it.
        content: its bytes, as JSON Lines.
        rows: how many rows it has.
    """

    name: str
    content: bytes
    rows: int


@dataclass(slots=True)
class Exported:
    """What was found.

    Attributes:
        evals: evals by id.
        runs: runs by id.
        items: output items by id.
        files: files of rows.
        notes: what was not understood or stands there twice, a sentence each.
    """

    evals: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[DataFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, says: str) -> None:
        """Say something once."""
        if says not in self.notes:
            self.notes.append(says)

    def add(self, kind: str, value: dict[str, Any], where: str) -> None:
        """Take an object in; of two with one id the first stays, and where they differ it is said."""
        known: dict[str, dict[str, Any]] = getattr(self, kind)
        name = value.get("id")
        if not isinstance(name, str) or not name:
            self.note(f"{where}: an object of {kind} has no id and is left out")
        elif name in known and known[name] != value:
            self.note(
                f"{where}: {shown(name, 80)} stands there twice with different content; the first is kept"
            )
        else:
            known[name] = value


def read_exports(paths: Sequence[Path]) -> Exported:
    """Return what files and folders hold.

    Args:
        paths: files (.json, .jsonl, also .gz), .zip archives, and folders of them.

    Raises:
        OptionError: a path cannot be read, or there is nothing in all of them.
    """
    found = Exported()
    for name, content in _contents(paths):
        _read(found, name, content)
    if not (found.evals or found.runs or found.items or found.files):
        said = "; ".join(found.notes[:3])
        raise OptionError(
            "nothing of an eval was found: no eval, run, output item or row"
            + (f" ({said})" if said else "")
        )
    return found


def _contents(paths: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of each file, what is compressed unpacked."""
    for path in paths:
        try:
            files = (
                sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
            )
            for file in files:
                if not any(part.startswith(".") for part in file.relative_to(path).parts):
                    yield from _unpacked(file.name, _bounded(file))
        except OSError as error:
            raise OptionError(f"{error.filename or path}: {error.strerror or error}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OptionError(f"{path} is compressed and cannot be unpacked: {error}") from None


def _bounded(file: Path) -> bytes:
    if file.stat().st_size > MOST:
        raise OptionError(f"{file} has more than {MOST >> 30} GB; split it into files of lines")
    return file.read_bytes()


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if content.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            yield name.removesuffix(".gz"), _limited(name, stream.read(MOST + 1))
    elif content.startswith(b"PK\x03\x04") and not name.endswith(".xlsx"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for one in sorted(archive.namelist()):
                if not one.endswith("/"):
                    with archive.open(one) as stream:
                        yield from _unpacked(Path(one).name, _limited(one, stream.read(MOST + 1)))
    else:
        yield name, content


def _limited(name: str, content: bytes) -> bytes:
    if len(content) > MOST:
        raise OptionError(f"{name} has more than {MOST >> 30} GB once it is unpacked")
    return content


def _read(found: Exported, name: str, content: bytes) -> None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.note(f"{name} is not UTF-8 text and is left out")
        return
    if not text.strip():
        found.note(f"{name} is empty")
        return
    try:
        values: list[Any] = [jsontext.decode(text)]
    except ValueError:
        values, bad = _lines(text)
        if not values:
            found.note(f"{name} is neither JSON nor JSON Lines and is left out")
            return
        for number in bad[:3]:
            found.note(f"{name}, line {number:,}: not JSON; it is left out")
    rows: list[dict[str, Any]] = []
    for value in values:
        for one in _flat(value):
            _sort(found, name, one, rows)
    if rows:
        lines = b"".join(jsontext.encode(one) + b"\n" for one in rows)
        found.files.append(DataFile(name, lines, len(rows)))


def _lines(text: str) -> tuple[list[Any], list[int]]:
    values, bad = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                values.append(jsontext.decode(line))
            except ValueError:
                bad.append(number)
    return values, bad


def _flat(value: Any) -> Iterable[Any]:
    """Yield the objects in a list, in a page of the API's, or the one that it is."""
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif (
        isinstance(value, dict)
        and value.get("object") == "list"
        and isinstance(value.get("data"), list)
    ):
        yield from _flat(value["data"])
    else:
        yield value


def _sort(found: Exported, where: str, value: Any, rows: list[dict[str, Any]]) -> None:
    """Put an object where it belongs, by its `object`, else by its fields."""
    if not isinstance(value, dict):
        found.note(f"{where}: {quoted(value, 40)} is no object and is left out")
        return
    kind = _OBJECTS.get(str(value.get("object"))) or _guessed(value)
    if kind is not None:
        found.add(kind, value, where)
    elif isinstance(value.get("item"), dict):
        rows.append(value)
    elif is_promptfoo(value):
        for part, one in of_promptfoo(value, found.note):
            found.add(part, one, where)
    elif value.get("object") not in _SKIPPED:
        keys = ", ".join(list(value)[:6])
        found.note(
            f"{where}: an object with the keys {shown(keys, 120)} is none of an eval's and is left out"
        )


def _guessed(value: Mapping[str, Any]) -> str | None:
    if "testing_criteria" in value and "data_source_config" in value:
        return "evals"
    if "run_id" in value and "datasource_item" in value:
        return "items"
    return "runs" if "eval_id" in value and "data_source" in value else None
