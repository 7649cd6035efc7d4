"""Results of an earlier run, of which only the failed rows are scored again."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graders.batch.beside import judgements_of
from graders.batch.manifest import differences, manifest_of, read_manifest
from graders.batch.result import Result, read_results, tally_results
from graders.batch.tally import Tally
from graders.errors import RowsError
from graders.remote import Place, Remote
from graders.rows import Block, Source, blank_others

__all__ = ["Earlier"]

_MANY = 1024
"""Results that are put out together."""


class Earlier:
    """The results of an earlier run, merged with those of its failed rows.

    Args:
        place: the file of results. From elsewhere it is copied here with what stands beside it, until it is
            closed: it is read twice, and may be written over meanwhile.
        marks: the pass mark of each judge by its key, for the tally.

    Attributes:
        place: the same.
        path: the file on this machine.

    Raises:
        RowsError: it cannot be read, or holds no results.
    """

    def __init__(self, place: Place, marks: Mapping[str, float | None]) -> None:
        self.place = place
        self._copies: TemporaryDirectory[str] | None = None
        self.path = place if isinstance(place, Path) else self._brought(place)
        self._marks = marks
        self._failed = array("Q")  # The indexes of failed rows, in order.
        if self.path.exists() and not self.path.is_file():
            raise RowsError(f"{place} is no file; its results are read twice")
        last = -1
        for result in self._results():
            if result.index <= last:
                raise RowsError(f"{place} is not in the order of the rows")
            last = result.index
            if result.failed:
                self._failed.append(last)
        self._left = self._results()

    def _brought(self, place: Remote) -> Path:
        self._copies = TemporaryDirectory(prefix="graders-")
        path = Path(self._copies.name, place.name or "results.jsonl")
        try:
            place.fetch(path)
            for beside in (manifest_of(path), judgements_of(path)):
                there = place.beside(beside.name.removeprefix(path.name))
                if there.exists():
                    there.fetch(beside)
        except OSError as error:
            self.close()
            raise RowsError(f"{place}: cannot be read: {error.strerror or error}") from None
        return path

    def close(self) -> None:
        """Remove what was copied here."""
        if self._copies is not None:
            self._copies.cleanup()

    def _results(self) -> Iterator[Result]:
        try:
            with self.path.open("rb") as stream:
                for results in read_results(stream, strict=True):
                    yield from results
        except RowsError as error:
            raise RowsError(f"{self.place}: {error}") from None
        except OSError as error:
            raise RowsError(f"{self.place}: cannot be read: {error.strerror or error}") from None

    def stands_at(self, target: Place) -> bool:
        """Whether a path or an address leads to these very results."""
        if isinstance(target, Remote):
            return target == self.place
        return target.is_file() and target.samefile(self.path)

    def check(self, manifest: Mapping[str, Any]) -> None:
        """See whether these results are of the grader, rows and options of a run.

        Raises:
            RowsError: they are not: grades of two graders would stand side by side.
        """
        then = read_manifest(manifest_of(self.path.resolve()))
        if then is None:
            return
        now = manifest["options"]
        kept = {name: now[name] for name in ("rows", "keep_judgements") if name in now}
        options = {name: one for name, one in then["options"].items() if name != "keep_judgements"}
        apart = {"options": options | kept}
        then.pop("only_failed", None)
        if changed := differences({**then, **apart}, manifest):
            raise RowsError(f"{self.place} is of another run: {'; '.join(changed)}")

    def identity(self) -> dict[str, Any]:
        """Return what tells these results from others."""
        return Source((self.path,)).identity()[0]

    def skip(self, rows: int) -> None:
        """Leave out the first so many results: they are in the new output."""
        done = sum(result.failed for result in islice(self._left, rows))
        del self._failed[:done]

    def only_failed(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the rows of blocks that failed."""
        for block in blocks:
            wanted = blank_others(block, self._is_failed)
            if wanted.indexes:
                yield wanted

    def _is_failed(self, index: int) -> bool:
        place = bisect_left(self._failed, index)
        return place < len(self._failed) and self._failed[place] == index

    def merged(self, lines: bytes) -> Iterator[tuple[bytes, Tally]]:
        """Yield what comes up to and with new results, and what the kept ones add up to."""
        new = lines.split(b"\n")[:-1]
        kept: list[Result] = []
        out: list[bytes] = []
        for line in new:
            for result in self._left:
                if result.failed:
                    if not line.startswith(b'{"index":%d,' % result.index):
                        raise RowsError(f"{self.place} is not in the order of the rows")
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
        while kept := list(islice(self._left, _MANY)):
            yield b"".join(one.line for one in kept), tally_results(kept, self._marks)
