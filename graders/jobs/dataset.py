"""A training or validation file as rows to be graded: found once, read one at a time.

The bytes that a job has checked are the bytes that it grades: each row is compared with what it was.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from graders import jsontext
from graders.files.disk import unusable

__all__ = ["OWN_FIELDS", "ChangedError", "Dataset", "JobRow", "LineError", "messages_of"]

OWN_FIELDS: Final = ("sample", "samples")
"""Fields in which a row records rollouts. No grader sees them as part of `item`."""

LONGEST_LINE: Final = 16 << 20
_DIGEST: Final = 16


class ChangedError(Exception):
    """A file is not what it was when it was uploaded; says how."""


class LineError(Exception):
    """A file has a line or more rows than can be taken; says which."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class JobRow:
    """One row.

    Attributes:
        line: its 1-based line in the file.
        item: what graders see: the row without what it records of rollouts.
        samples: the recorded rollouts.
    """

    line: int
    item: dict[str, Any]
    samples: tuple[Any, ...]


@dataclass(slots=True)
class Dataset:
    """The rows of a file, by index.

    Attributes:
        name: what to call the file in a sentence.
        recorded: how many rollouts each row records.
    """

    name: str
    _file: IO[bytes]
    _starts: array[int] = field(default_factory=lambda: array("Q"))
    _sizes: array[int] = field(default_factory=lambda: array("Q"))
    _lines: array[int] = field(default_factory=lambda: array("Q"))
    _digests: bytearray = field(default_factory=bytearray)
    recorded: array[int] = field(default_factory=lambda: array("H"))

    @classmethod
    def open(cls, path: Path, name: str, sha256: str, most: int) -> Self:
        """Return the rows of a file.

        Args:
            path: the file.
            name: what to call it.
            sha256: what its checksum was.
            most: how many rows it may have.

        Raises:
            ChangedError: it is gone, or another one.
            LineError: a line is too long, or it has too many rows.
            ApiError: it cannot be read (503).
        """
        try:
            opened = path.open("rb")
        except FileNotFoundError:
            raise ChangedError(f"the content of {name} is not in the store any more") from None
        except OSError as error:
            raise unusable(path, error) from None
        found = cls(name, opened)
        try:
            found._scan(sha256, most)
        except BaseException:
            opened.close()
            raise
        return found

    def _scan(self, sha256: str, most: int) -> None:
        digest = hashlib.sha256()
        late: LineError | None = None
        for number, start, line in self._read_lines():
            digest.update(line)
            if late is not None or not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                says = f"the line is longer than the {LONGEST_LINE:,} bytes that a row may have"
                late = LineError(says, number)
            elif len(self._starts) == most:
                late = LineError(f"the file has more than {most:,} rows", number)
            else:
                self._starts.append(start)
                self._sizes.append(len(line))
                self._lines.append(number)
                self._digests += _digest(line)
        if digest.hexdigest() != sha256:
            raise ChangedError(f"the content of {self.name} is not what was uploaded")
        if late is not None:
            raise late

    def _read_lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (number, start, line); of a line that is too long, pieces of that length and over."""
        number = start = 0
        whole = True
        while line := self._file.readline(LONGEST_LINE + 2):
            number += whole
            yield number, start, line
            start += len(line)
            whole = line.endswith(b"\n")

    def __len__(self) -> int:
        return len(self._starts)

    def row(self, index: int) -> JobRow:
        """Return a row.

        Raises:
            ChangedError: it is not what it was.
        """
        return JobRow(self._lines[index], *_parts(self.value(index)))

    def value(self, index: int) -> Any:
        """Return the JSON value of a row.

        Raises:
            ChangedError: it is not what it was.
            ValueError: it is not JSON.
        """
        try:
            self._file.seek(self._starts[index])
            line = self._file.read(self._sizes[index])
        except OSError as error:
            raise unusable(Path(self._file.name), error) from None
        at = index * _DIGEST
        if _digest(line) != self._digests[at : at + _DIGEST]:
            raise ChangedError(f"the content of {self.name} was changed while the job ran")
        return jsontext.decode(line.strip().removeprefix(b"\xef\xbb\xbf"))

    def line(self, index: int) -> int:
        """Return the 1-based line of a row."""
        return self._lines[index]

    def count_samples(self) -> None:
        """Fill `recorded`."""
        for index in range(len(self)):
            self.recorded.append(len(self.row(index).samples))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _parts(value: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return a row's item and its recorded samples."""
    item = {name: inner for name, inner in value.items() if name not in OWN_FIELDS}
    several = value.get("samples")
    if isinstance(several, list):
        return item, tuple(several)
    return item, (value["sample"],) if value.get("sample") is not None else ()


def messages_of(item: dict[str, Any]) -> Any:
    """Return a row's prompt as messages; that of the completion format is the user's one message."""
    if (given := item.get("messages")) is not None:
        return given
    prompt = item.get("prompt")
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=_DIGEST).digest()
