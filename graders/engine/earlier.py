"""Results of an earlier run, of which only the failed rows are scored again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graders.engine.manifest import differences, manifest_of, read_manifest
from graders.engine.result import Result, read_results, tally_results
from graders.engine.tally import Tally
from graders.errors import RowsError
from graders.rows import Block, Source, blank_others

__all__ = ["Earlier"]

_MANY = 1024
"""Results that are put out together."""


class Earlier:
    """The results of an earlier run, merged with those of its failed rows.

    Args:
        path: the file of results.
        marks: the pass mark of each judge by its key, for the tally.

    Raises:
        RowsError: it cannot be read, or holds no results.
    """

    def __init__(self, path: Path, marks: Mapping[str, float | None]) -> None:
        self.path = path
        self._marks = marks
        self._skip = 0
        self._failed = bytearray()  # Whether a row failed, by index: a byte each.
        for result in self._results():
            index = result.index
            if index >= len(self._failed):
                self._failed.extend(bytes(index + 1 - len(self._failed)))
            self._failed[index] = result.failed
        if not self._failed and path.stat().st_size:
            raise RowsError(f"{path}: the first line is not a result line")
        self._left = self._results()

    def _results(self) -> Iterator[Result]:
        try:
            with self.path.open("rb") as stream:
                for results in read_results(stream):
                    yield from results
        except OSError as error:
            raise RowsError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    @property
    def failed(self) -> int:
        """How many rows failed."""
        return sum(self._failed)

    def check(self, manifest: Mapping[str, Any]) -> None:
        """See whether these results are of the grader, rows and options of a run.

        Raises:
            RowsError: they are not: grades of two graders would stand side by side.
        """
        then = read_manifest(manifest_of(self.path.resolve()))
        if then is None:
            return
        apart = {"options": {**then["options"], "rows": manifest["options"]["rows"]}}
        if changed := differences({**then, **apart}, manifest):
            raise RowsError(f"{self.path} is of another run: {'; '.join(changed)}")

    def identity(self) -> dict[str, Any]:
        """Return what tells these results from others."""
        return Source((self.path,)).identity()[0]

    def skip(self, rows: int) -> None:
        """Leave out the first so many results: they are in the new output."""
        for _ in range(rows):
            result = next(self._left, None)
            if result is None:
                return
            self._failed[result.index] = False

    def only_failed(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the rows of blocks that failed."""
        for block in blocks:
            wanted = blank_others(block, self._is_failed)
            if wanted.indexes:
                yield wanted

    def _is_failed(self, index: int) -> bool:
        return index < len(self._failed) and bool(self._failed[index])

    def merged(self, lines: bytes) -> Iterator[tuple[bytes, Tally]]:
        """Yield what comes up to and with new results, and what the kept ones add up to."""
        new = lines.split(b"\n")[:-1]
        kept: list[Result] = []
        out: list[bytes] = []
        for line in new:
            for result in self._left:
                if result.failed:
                    if not line.startswith(b'{"index":%d,' % result.index):
                        raise RowsError(f"{self.path} is not in the order of the rows")
                    out.append(line + b"\n")
                    break
                kept.append(result)
                out.append(result.line)
                if len(out) >= _MANY:
                    yield b"".join(out), tally_results(kept, self._marks)
                    kept, out = [], []
        yield b"".join(out), tally_results(kept, self._marks)

    def rest(self) -> Iterator[tuple[bytes, Tally]]:
        """Yield what comes after the last new result."""
        kept: list[Result] = []
        for result in self._left:
            kept.append(result)
            if len(kept) >= _MANY:
                yield b"".join(one.line for one in kept), tally_results(kept, self._marks)
                kept = []
        yield b"".join(one.line for one in kept), tally_results(kept, self._marks)
