"""`graders schema` and `graders data`."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import click

from graders.cli.option import Read, data_dir_option, json_option
from graders.cli.output import say, write_json, write_lines
from graders.config import PUBLISHED
from graders.config import schema as make_schema
from graders.errors import shown

__all__ = ["data", "schema"]

_DATABASE: Final = "graders.sqlite"
_AGE: Final = re.compile(r"([0-9]{1,6})\s*([hdw])", re.IGNORECASE)
_UNITS: Final = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def _seconds(text: str) -> float:
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an age such as 30d, 12h or 2w")
    return int(match[1]) * _UNITS[match[2].lower()]


age = Read("AGE", _seconds)
"""The type of `--older-than`: seconds."""


@click.command(
    epilog="""\b
Examples:
  graders schema > grader.schema.json
  graders schema --suite > suite.schema.json
  graders schema --path
  (then, in the grader, "$schema": "./grader.schema.json")"""
)
@click.option("--suite", is_flag=True, help="That of the suites of graders test instead.")
@click.option("--path", is_flag=True, help="Print where its file is installed, for an editor.")
def schema(*, suite: bool, path: bool) -> int:
    """Print the JSON Schema of a grader, and of what holds one.

    The one that is printed has the kinds and metrics of other packages too; the file that is
    installed has those of graders alone.
    """
    from graders.suite import schema as suite_schema  # noqa: PLC0415  (others need not)
    from graders.suite.schema import PUBLISHED as SUITE  # noqa: PLC0415

    if path:
        click.echo(str(SUITE if suite else PUBLISHED))
    else:
        write_json(suite_schema() if suite else make_schema())
    return 0


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",  # What click writes of it depends on its version.
    short_help="Show the data that metrics use, what is kept here; clear it.",
    epilog="""\b
Examples:
  graders data
  graders data --json
  graders data clear --older-than 30d --dry-run""",
)
@data_dir_option
@json_option
@click.pass_context
def data(context: click.Context, *, data_dir: Path, as_json: bool) -> int:
    """Show the language data that metrics use, what is kept on this machine, and where.

    All language data is installed with graders: nothing is ever downloaded. Kept are the replies
    of judges, and the files and jobs of graders serve and graders job.
    """
    if context.invoked_subcommand is not None:
        return 0
    table = files("graders.metrics") / "data"
    found: list[dict[str, Any]] = [
        {"data": name, "for": use, "comes with": "graders", "where": str(table)}
        for name, use in (
            ("WordNet 3.0 synonyms", "meteor"),
            ("Punkt sentence boundaries (English)", "bleu, gleu, meteor"),
        )
    ]
    stored = [*_cache(), *_store(data_dir)]
    if as_json:
        write_json([*found, *stored])
        return 0
    lines = []
    for one in found:
        lines.append(f"{one['data']}: for {one['for']}; comes with {one['comes with']}")
        lines.append(f"  {one['where']}")
    lines.append("Nothing needs to be fetched.")
    for one in stored:
        lines.append(
            f"{one['data']}: {one['entries']:,}, {_size(one['bytes'])}{_age(one['oldest'])}"
        )
        lines.append(f"  {one['where']}")
    write_lines(lines, sys.stdout)
    return 0


@data.command(
    short_help="Clear old files, jobs, runs and replies of judges.",
    epilog="""\b
Examples:
  graders data clear --older-than 30d --dry-run
  graders data clear --older-than 12h --what results --what jobs --yes""",
)
@click.option(
    "--what",
    multiple=True,
    type=click.Choice(["cache", "files", "results", "jobs", "runs", "calls"]),
    help="Clear only this; may be given several times.  [default: all]",
)
@click.option(
    "--older-than",
    "seconds",
    type=age,
    required=True,
    help="Clear what is older, such as 30d, 12h or 0d for everything.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be cleared, and clear nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
@json_option
def clear(
    *,
    what: tuple[str, ...],
    seconds: float,
    dry_run: bool,
    yes: bool,
    data_dir: Path,
    as_json: bool,
) -> int:
    """Clear old files, results, jobs, runs of evals, recorded calls and replies of judges.

    What a job or a run needs that is not finished stays, and a cache that is open. A job's and a
    run's age is counted from its end, a cache's from its last use.
    """
    chosen = what or ("cache", "files", "results", "jobs", "runs", "calls")
    before = time.time() - seconds
    from graders.jobs import Store  # noqa: PLC0415  (SQLite, the linter)
    from graders.jobs.clear import kept, remove  # noqa: PLC0415
    from graders.models import default_cache_file  # noqa: PLC0415  (others need not)

    cache = default_cache_file()
    old_cache = "cache" in chosen and cache.is_file() and _last_use(cache) <= before
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(Store(data_dir)) if _is_store(data_dir) else None
        things = [] if store is None else [
            one for one in kept(store) if one.kind in chosen and one.at <= before and not one.needed
        ]  # fmt: skip
        names = [f"{one.kind}: {one.id} {shown(one.name)}" for one in things]
        names += [f"cache: {cache}"] if old_cache else []
        total = sum(one.bytes for one in things) + (_bytes(cache) if old_cache else 0)
        if not as_json:
            write_lines(names, sys.stdout)
        if dry_run or not names:
            return _told("would be cleared", names, total, as_json=as_json)
        if not yes and not click.confirm(f"clear {len(names):,} ({_size(total)})?", err=True):
            return 1
        gone = [] if store is None else remove(store, things)
        names = [f"{one.kind}: {one.id} {shown(one.name)}" for one in gone]
        total = sum(one.bytes for one in gone)
        if old_cache:
            size = _bytes(cache)
            if _empty(cache):
                names, total = [*names, f"cache: {cache}"], total + size
            else:
                say(f"{cache} is in use and stays as it is")
        return _told("cleared", names, total, as_json=as_json)


def _told(word: str, names: list[str], total: int, *, as_json: bool) -> int:
    if as_json:
        write_json({word.replace(" ", "_"): names, "bytes": total})
    else:
        click.echo(f"{len(names):,} {word}, {_size(total)}")
    return 0


def _cache() -> list[dict[str, Any]]:
    from graders.models import default_cache_file  # noqa: PLC0415  (others need not)

    path = default_cache_file()
    if not path.is_file():
        return []
    return [
        _entry(
            "judges' replies", "judges", where=path, count=1, size=_bytes(path),
            oldest=_last_use(path),
        )
    ]  # fmt: skip


def _store(folder: Path) -> list[dict[str, Any]]:
    """Return what is in a store; nothing where there is none, and none is made."""
    if not _is_store(folder):
        return []
    from graders.jobs import Store  # noqa: PLC0415  (SQLite, the linter)
    from graders.jobs.clear import KINDS, kept  # noqa: PLC0415

    names = {
        "files": "uploaded files", "results": "results of jobs", "jobs": "jobs",
        "runs": "runs of evals", "calls": "recorded calls of models",
    }  # fmt: skip
    with Store(folder) as store:
        things = list(kept(store))
    found = []
    for kind in KINDS:
        ones = [one for one in things if one.kind == kind]
        size = _bytes(folder / _DATABASE) if kind == "jobs" else sum(one.bytes for one in ones)
        oldest = min((one.at for one in ones), default=None)
        found.append(
            _entry(
                names[kind], "graders serve, graders job, graders evals", where=folder, count=len(ones), size=size,
                oldest=oldest,
            )
        )  # fmt: skip
    return found


def _entry(
    name: str, use: str, *, where: Path, count: int, size: int, oldest: float | None
) -> dict[str, Any]:
    return {
        "data": name, "for": use, "where": str(where), "entries": count, "bytes": size,
        "oldest": None if oldest is None else int(oldest),
    }  # fmt: skip


def _is_store(folder: Path) -> bool:
    return (folder / _DATABASE).is_file()


def _bytes(path: Path) -> int:
    """Return what an SQLite file and what stands beside it take."""
    ends = ("", "-wal", "-shm")
    beside = [path.with_name(path.name + end) for end in ends]
    return sum(one.stat().st_size for one in beside if one.is_file())


def _last_use(path: Path) -> float:
    beside = [path, path.with_name(path.name + "-wal")]
    return max(one.stat().st_mtime for one in beside if one.is_file())


def _empty(path: Path) -> bool:
    """Empty a cache that nobody has open; return whether that was so."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as base:
            # It leaves its log of writes only for who is alone with the file.
            if base.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
                return False
            tables = base.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
            for (name,) in tables:
                base.execute(f'DELETE FROM "{name}"')  # noqa: S608  (a name of its own)
            base.execute("VACUUM")
    except sqlite3.Error:
        return False
    return True


def _size(count: int) -> str:
    for unit, most in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= most:
            return f"{count / most:,.1f} {unit}"
    return f"{count:,} bytes"


def _age(at: int | None) -> str:
    if at is None:
        return ""
    days = max(time.time() - at, 0) / 86400
    return (
        f", the oldest {days:,.0f} days old"
        if days >= 2
        else f", the oldest {24 * days:,.0f} h old"
    )
