"""Results in parts: a folder, here or elsewhere, whose parts any worker scores and any other goes on with.

`shards.json` says once for all which rows each part has and where in the input they begin. Whoever comes
first looks and writes it; whoever comes at the same time writes the same bytes.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.batch.manifest import input_changes
from graders.batch.option import ScoreOptions
from graders.batch.run import Run
from graders.errors import BudgetError, OptionError, RowsError, shown
from graders.remote import Place, Remote
from graders.rows import Mark, RowRange, Source, survey_of

__all__ = ["Division", "divide", "is_folder", "read_division", "score_shards"]

_FORMAT: Final = 1
_LONGEST: Final = 256 << 20
_PART_BYTES: Final = 256 << 20
"""Bytes of input of a part where nobody says how many there are."""
_MOST: Final = 99_999

ScorePart = Callable[[Source, Place, ScoreOptions, Sequence[Mapping[str, Any]] | None], Run]
"""Scores the rows of options to a place; given what tells the input from others."""


@dataclass(frozen=True, slots=True)
class Division:
    """How an input is divided.

    Attributes:
        folder: where the parts stand.
        parts: the rows of each, as indexes start..stop.
        rows: the rows that were asked for, as a manifest has them.
        inputs: what tells the input from others.
        written: when each file was last written, in nanoseconds; None where nobody says.
        marks: where parts begin in the input.
        pass_marks: the pass mark of each judge by its key.
    """

    folder: Place
    parts: tuple[tuple[int, int], ...]
    rows: tuple[int, int | None]
    inputs: tuple[Mapping[str, Any], ...]
    written: tuple[int | None, ...]
    marks: tuple[Mark, ...]
    pass_marks: Mapping[str, float | None]

    def place(self, index: int) -> Place:
        """Return where a part stands."""
        return self.folder / f"part-{index:05}-of-{len(self.parts):05}.jsonl"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON, the same for the same input and number of parts."""
        return {
            "format": _FORMAT,
            "parts": [list(one) for one in self.parts],
            "rows": list(self.rows),
            "inputs": [dict(one) for one in self.inputs],
            "written": list(self.written),
            "marks": [asdict(one) for one in self.marks],
            "pass_marks": dict(self.pass_marks),
        }


def is_folder(output: str | os.PathLike[str], place: Place) -> bool:
    """Whether an output is a folder of parts: one that is there, or whose name ends so."""
    if isinstance(place, Remote):
        return place.url.endswith("/")
    return str(output).endswith(("/", os.sep)) or place.is_dir()


def parse_shard(text: str) -> tuple[int, int]:
    """Return index and number of `I/N`.

    Raises:
        OptionError: it is no part of so many.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None:
        raise OptionError(f"shard is I/N, such as 0/64, got {shown(text)}")
    index, count = int(match[1]), int(match[2])
    if not index < count <= _MOST:
        raise OptionError(
            f"shard {text}: of {count:,} the first is 0/{count} and the last {max(count - 1, 0)}/{count}"
            if count <= _MOST
            else f"shard {text}: there are at most {_MOST:,} shards"
        )
    return index, count


def _place(folder: Place) -> Place:
    return folder / "shards.json"


def read_division(folder: Place) -> Division | None:
    """Return how the parts of a folder were divided; None where none are.

    Raises:
        RowsError: what says so cannot be read.
    """
    place = _place(folder)
    try:
        data = place.read(_LONGEST) if isinstance(place, Remote) else place.read_bytes()
        body = jsontext.decode(data)
        if body["format"] != _FORMAT:
            raise RowsError(f"{place} is of another version of graders")
        return Division(
            folder,
            tuple((start, stop) for start, stop in body["parts"]),
            (body["rows"][0], body["rows"][1]),
            tuple(body["inputs"]),
            tuple(body["written"]),
            tuple(Mark(**one) for one in body["marks"]),
            body["pass_marks"],
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RowsError(f"{place}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise RowsError(
            f"{place} says nothing about shards; remove it, and it is written anew"
        ) from None


def divide(
    source: Source, folder: Place, count: int | None, options: ScoreOptions, pass_marks: Mapping[str, float | None]
) -> Division:  # fmt: skip
    """Return how an input is divided: as the folder says, else into so many parts, and the folder then says so.

    Raises:
        OptionError: the folder holds another number of parts, or other rows of the input.
        RowsError: the input changed since it was divided, or cannot be read.
    """
    known = read_division(folder)
    rows = options.rows
    if known is not None:
        _check(known, source, count, (rows.start, rows.stop))
        return known
    if count is None:
        count = min(max(1, -(-(source.size or 1) // _PART_BYTES)), _MOST)
    written = tuple(_written(path) for path in source.paths)
    inputs = tuple(source.identity())
    found = survey_of(source)
    stop = found.rows if rows.stop is None else rows.stop
    parts = found.cut(rows.start, stop, count)
    made = Division(
        folder, tuple(parts), (rows.start, rows.stop), inputs, written,
        found.wanted([start for start, _ in parts]), pass_marks,
    )  # fmt: skip
    _write(_place(folder), jsontext.encode(made.to_dict(), indent=True) + b"\n")
    return made


def _check(
    known: Division, source: Source, count: int | None, rows: tuple[int, int | None]
) -> None:
    if count is not None and count != len(known.parts):
        raise OptionError(
            f"{known.folder} holds a run in {len(known.parts):,} shards, not {count:,}; take another folder"
        )
    if rows != known.rows:
        raise OptionError(f"{known.folder} is divided for other rows (where, limit) than these")
    now = tuple(_written(path) for path in source.paths)
    same = len(now) == len(known.inputs) and None not in now and now == known.written
    # Copied or touched, it may still be the same.
    changed = [] if same else input_changes(known.inputs, source.identity())
    if changed:
        raise RowsError(
            f"{known.folder} is divided for other rows: {changed[0]}; take another folder"
        )


def _written(path: Place) -> int | None:
    try:
        return None if isinstance(path, Remote) or path.is_dir() else path.stat().st_mtime_ns
    except OSError:
        return None


def _write(place: Place, data: bytes) -> None:
    """Write a file whole or not at all; of several that write it one after the other stands there."""
    try:
        if isinstance(place, Remote):
            place.put_bytes(data)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
        beside.write_bytes(data)
        beside.replace(place)
    except OSError as error:
        raise RowsError(f"{place}: cannot be written: {error.strerror or error}") from None


def score_shards(
    source: Source, folder: Place, options: ScoreOptions, score: ScorePart,
    pass_marks: Mapping[str, float | None],
) -> Run:  # fmt: skip
    """Score all parts of a folder, or the one that `options` name.

    Args:
        source: the rows.
        folder: where the parts stand.
        options: how rows are scored; `shards` or `shard` say how many parts there are.
        score: scores one part.
        pass_marks: the pass mark of each judge by its key.

    Returns:
        What the parts that were scored add up to.

    Raises:
        OptionError, RowsError, StoppedError: as `graders.score_file`.
        BudgetError: the budget of all parts, or the share of the one, is used up.
    """
    index, count = (None, options.shards) if options.shard is None else parse_shard(options.shard)
    _refuse(source, folder, options)
    division = divide(source, folder, count, options, pass_marks)
    wanted = range(len(division.parts)) if index is None else [index]
    marked = replace(source, marks=division.marks)
    whole, spare, stop = Run(complete=True), Spare(), None
    for one in wanted:
        allowed = _share(division, one, options, spare)
        part = replace(
            options, where=RowRange(*division.parts[one]), limit=None, shards=None, shard=None,
            **allowed,
        )  # fmt: skip
        try:
            run = score(marked, division.place(one), part, division.inputs)
        except BudgetError as error:
            # The others have shares of their own.
            stop, run = stop or error, error.run
            spare = Spare()
        else:
            spare = _spare(allowed, run.paid)
        if run is not None:
            _add(whole, run)
    _tell_budget(whole, options, index)
    if stop is not None:
        whole.complete = False
        whose = "a shard's share" if index is None else f"the share of shard {options.shard}"
        raise BudgetError(f"{whose} of the budget is used up: {stop}", run=whole) from None
    return whole


@dataclass(frozen=True, slots=True)
class Spare:
    """What parts that are complete left of their shares, for the next one of the same run.

    Only they: what another worker may still want is never given away, so that all parts together
    stay within the budget, whoever scores them and in whatever order.
    """

    dollars: Fraction = Fraction(0)
    tokens: int = 0


def _spare(allowed: Mapping[str, Any], paid: Mapping[str, Any] | None) -> Spare:
    paid = paid or {}
    dollars = Fraction(str(allowed.get("budget") or 0))
    dollars -= Fraction(str((paid.get("dollars") or 0) + (paid.get("perhaps_dollars") or 0)))
    tokens = (allowed.get("budget_tokens") or 0) - paid.get("tokens", 0)
    return Spare(max(dollars, Fraction(0)), max(tokens - paid.get("perhaps_tokens", 0), 0))


def _share(division: Division, index: int, options: ScoreOptions, spare: Spare) -> dict[str, Any]:
    """Return what a part may pay: as much of the budget as it has of the rows, and what is spare.

    Raises:
        OptionError: that is less than one token.
    """
    rows = max(1, sum(stop - start for start, stop in division.parts))
    before = sum(stop - start for start, stop in division.parts[:index])
    start, stop = division.parts[index]
    mine, allowed = stop - start, {}
    if options.budget is not None:
        share = Fraction(str(options.budget)) * mine / rows + spare.dollars
        # A part without rows pays nothing, and hands on what is spare.
        allowed["budget"] = max(float(share), _NOTHING)
    if options.budget_tokens is not None:
        total = options.budget_tokens
        # Whole tokens that add up, whoever counts them.
        tokens = total * (before + mine) // rows - total * before // rows + spare.tokens
        if not tokens and mine:
            raise OptionError(
                f"budget_tokens is for all shards, and of {total:,} shard {index}/{len(division.parts)} "
                "gets none; allow more tokens, or have fewer shards"
            )
        allowed["budget_tokens"] = max(tokens, 1)
    return allowed


_NOTHING: Final = 1e-12
"""Dollars that stand for none, where an option wants some."""


def _tell_budget(whole: Run, options: ScoreOptions, index: int | None) -> None:
    """Have the figures of all parts say the budget of all."""
    if whole.paid is not None and index is None:
        whole.paid = {
            **whole.paid, "budget_dollars": options.budget, "budget_tokens": options.budget_tokens,
        }  # fmt: skip


def _refuse(source: Source, folder: Place, options: ScoreOptions) -> None:
    if source.is_stream:
        raise OptionError("shards are read by several: standard input and pipes cannot be divided")
    if options.only_failed is not None:
        raise OptionError("only_failed is for one file of results; merge the shards first")
    if isinstance(folder, Path) and folder.exists() and not folder.is_dir():
        raise RowsError(f"{folder} is a file; shards go into a folder")


def _add(whole: Run, part: Run) -> None:
    whole.tally.merge(part.tally)
    whole.cost.merge(part.cost)
    whole.resumed += part.resumed
    whole.complete = whole.complete and part.complete
    # One after another: the workers of one part are gone when the next has its own.
    whole.peaks = max(whole.peaks, part.peaks, key=lambda one: sum(one.values()))
    whole.sandboxes |= part.sandboxes
    whole.paid = added(whole.paid, part.paid)


_LIMITS: Final = frozenset({"budget_dollars", "budget_tokens"})


def added(one: Any, other: Any) -> Any:
    """Return what two runs paid, as `Paid.to_dict` gives it, added up; None where nobody asked.

    What each was allowed to pay is not what both were: that is left open.
    """
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, Mapping):
        return {
            name: None if name in _LIMITS else added(one.get(name), other.get(name))
            for name in {**one, **other}
        }
    return one + other
