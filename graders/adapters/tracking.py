"""What a tracker of experiments is told of a run: settings, figures, files, and rows as a table. Needs none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Protocol

from graders import jsontext
from graders.api import Grader
from graders.batch.manifest import grader_digest, manifest_for
from graders.batch.result import Result, results_of, tally_results
from graders.batch.tally import Tally
from graders.config import Source, load_source
from graders.errors import OptionError, RowsError
from graders.version import __version__

__all__ = ["MOST_ROWS", "Record", "State", "Tracker", "figures_of", "record_of", "settings_of"]

MOST_ROWS: Final = 10_000
"""Rows of a table; its file is beside it with all of them."""
_LONGEST_SETTING: Final = 500
_LONGEST_NAME: Final = 200
_LONGEST_CELL: Final = 2000
_UNNAMEABLE: Final = re.compile(r"[^\w .\-]+")

State = str
"""How a run ended: `finished`, `failed` or `stopped`."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is told of a run.

    Attributes:
        name: what the run is called: its grader's name.
        settings: what it was made from: texts by name.
        figures: what it came to: numbers by name.
        files: text files by name, such as `grader.json`.
        results: the file of results; None for none.
        columns: of the table of rows.
        rows: its rows, MOST_ROWS at the most.
        count: how many rows there are in all.
    """

    name: str
    settings: Mapping[str, str]
    figures: Mapping[str, float]
    files: Mapping[str, bytes] = field(default_factory=dict)
    results: Path | None = None
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    count: int = 0


class Tracker(Protocol):
    """A tracker of experiments, and one run in it."""

    def begin(self, name: str, settings: Mapping[str, str], known: str | None) -> str:
        """Begin a run, or go on with a known one; return by what it is known."""

    def step(self, rows: int, figures: Mapping[str, float]) -> None:
        """Tell figures of so many rows."""

    def finish(self, record: Record | None, state: State) -> str:
        """Tell the rest, where the run came to its end, and end it; return where it can be looked at."""


def settings_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run was made from, as a manifest says it: versions, grader, options, input."""
    found = {f"grader/{name}": one for name, one in manifest["grader"].items()}
    found |= {f"version/{name}": one for name, one in manifest["versions"].items()}
    found |= {f"metric/{key or 'grader'}": one for key, one in manifest["metrics"].items()}
    found |= {f"option/{name}": one for name, one in manifest["options"].items()}
    for at, one in enumerate(manifest["inputs"][:20]):
        found |= {f"input/{at}/{name}": told for name, told in one.items()}
    if manifest.get("sandbox") is not None:
        found["sandbox"] = manifest["sandbox"]
    return {_name(name): _setting(one) for name, one in found.items() if one is not None}


def figures_of(tally: Tally, paid: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Return what rows came to, with 95% intervals: numbers by name; those that there are not are left out."""
    found: dict[str, float | None] = {
        "rows": tally.rows, "scored": tally.scored, "failed": tally.failed,
        "failed_share": tally.failed / tally.rows if tally.rows else None,
        "reward/mean_of_all": tally.mean_of_all,
        **_means("reward", tally.rewards),
    }  # fmt: skip
    for key, one in tally.sub_rewards.items():
        found |= {
            **_means(f"sub/{_name(key)}", one),
            f"sub/{_name(key)}/failed": tally.sub_failures[key],
        }
    found |= {f"failures/{code}": count for code, count in tally.codes.items()}
    for key, group in islice(tally.categories.items(), 100):
        found |= {
            **_means(f"by/{_name(key) or 'none'}", group),
            f"by/{_name(key) or 'none'}/rows": group.rows,
        }
    for model, usage in tally.usage.items():
        found |= {f"tokens/{_name(model)}/{name}": one for name, one in usage.to_dict().items()}
    found |= {
        f"cost/{name}": one for name, one in (paid or {}).items() if isinstance(one, int | float)
    }
    return {name: float(one) for name, one in found.items() if one is not None}


def record_of(
    results: Path, grader: Source | Grader | None = None, *, tally: Tally | None = None,
    paid: Mapping[str, Any] | None = None,
) -> Record:  # fmt: skip
    """Return what is told of a file of results.

    Args:
        results: the file that `graders score` or `graders merge` wrote.
        grader: the grader, for its JSON; None where it is not to be told.
        tally: what the results add up to, where that is known; they are read for it else.
        paid: what was paid for models, as the manifest has it.

    Raises:
        RowsError: the file cannot be read, or holds no results.
        OptionError: the grader is not that of the results.
        ConfigError: the grader has faults.
    """
    manifest = manifest_for(results)
    parts = results_of(results)
    first: list[Result] = []
    with suppress(StopIteration):
        while len(first) < MOST_ROWS:
            first += next(parts)
    if not first and tally is None:
        raise RowsError(f"{results} holds no results")
    if tally is None:
        tally = _added(chain([first], parts))
    name, files, settings = results.stem, {}, {"version/graders": __version__}
    if manifest is not None:
        name, settings = manifest["grader"]["name"], settings_of(manifest)
        paid = paid or manifest.get("cost")
        files["manifest.json"] = jsontext.encode(manifest, indent=True) + b"\n"
    if grader is not None:
        one = grader if isinstance(grader, Grader) else Grader(load_source(grader))
        digest = grader_digest(one.config)
        if manifest is not None and manifest["grader"]["sha256"] != digest:
            raise OptionError(
                f"{results} was scored by another grader ({manifest['grader']['sha256'][:12]}…, not {digest[:12]}…)"
            )
        name, settings = one.name, {**settings, "grader/sha256": digest}
        files["grader.json"] = jsontext.encode(one.to_dict(), indent=True) + b"\n"
    columns, rows = _table(first[:MOST_ROWS])
    return Record(
        name or "grader", settings, figures_of(tally, paid), files, results, columns, rows, tally.rows
    )  # fmt: skip


def _added(parts: Iterator[list[Result]]) -> Tally:
    tally = Tally()
    for one in parts:
        tally.merge(tally_results(one, {}))
    return tally


def _means(name: str, figures: Any) -> dict[str, float | None]:
    found = figures.interval()
    return {
        f"{name}/mean": figures.mean, f"{name}/spread": figures.spread,
        f"{name}/low": None if found is None else found.low,
        f"{name}/high": None if found is None else found.high,
    }  # fmt: skip


def _table(results: Sequence[Result]) -> tuple[list[str], list[list[Any]]]:
    keys = [*dict.fromkeys(key for one in results for key in one.body["sub_rewards"])]
    rows = []
    for one in results:
        failure = next(iter(one.failures), None)
        identity, group = one.body.get("id"), one.body.get("by")
        rows.append([
            one.index, None if identity is None else _cell(identity),
            None if one.failed else one.body["reward"],
            *(one.body["sub_rewards"].get(key) for key in keys),
            None if group is None else _cell(group),
            *((None, None) if failure is None else (failure.code, _cell(str(failure)))),
        ])  # fmt: skip
    return ["index", "id", "reward", *(f"sub/{key}" for key in keys), "by", "failure", "why"], rows


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else jsontext.encode(value).decode()
    return _sendable(text)[:_LONGEST_CELL]


def _name(text: str) -> str:
    """Return a name that every tracker takes: letters, digits, spaces, `.`, `-` and `_`; `/` parts it."""
    return "/".join(_UNNAMEABLE.sub("_", _sendable(one)).strip() for one in text.split("/"))[
        :_LONGEST_NAME
    ]


def _setting(value: Any) -> str:
    text = value if isinstance(value, str) else jsontext.encode(value).decode()
    return _sendable(text)[:_LONGEST_SETTING]


def _sendable(text: str) -> str:
    return text.encode(errors="replace").decode()  # A lone surrogate stands in no database.
