"""What a call is about, laid out in a private folder: nothing else of the machine is read for it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.agent.tool import MOST_ROWS, Tool, ToolError
from graders.config import load_source
from graders.errors import ConfigError, quoted, suggestion

__all__ = ["lay_out"]

LARGEST: Final = {"grader": 1_000_000, "rows": 64_000_000}
"""Bytes of a file that is named; what a call itself brings is held to `INLINE`."""
INLINE: Final = 2_000_000

_ENDINGS: Final = {
    "grader": frozenset({".json", ".yaml", ".yml"}),
    "rows": frozenset({".jsonl", ".ndjson", ".csv", ".parquet", ".xlsx"}),
}
_LOOKED_AT: Final = 2000
_SHOWN: Final = 12


def lay_out(tool: Tool, given: Mapping[str, Any], folder: Path, root: Path | None) -> list[str]:
    """Write a call's grader, rows and sample into a folder; return the words of its command, which work there.

    Args:
        tool: what is called.
        given: its arguments, as `checked` returns them.
        folder: empty, and nobody else's.
        root: the folder that files may be named in; None for none.

    Raises:
        ToolError: something is too large, or a file is not there or not within the root.
    """
    if len(jsontext.encode(dict(given))) > INLINE:
        raise ToolError(
            f"a call brings {INLINE:,} bytes at the most; name a file, or give fewer rows"
        )
    words = [tool.command]
    if "code" in given:
        return [*words, *tool.fixed, "--", given["code"]]
    grader = _grader(given, folder, root)
    if tool.command == "validate":
        _refuse_files(folder / grader)
    words.append(grader)
    rows = _rows(given, folder, root)
    if rows:
        words += ["--rows", rows] if tool.command == "validate" else [rows]
    if tool.command == "run":
        words += _sample(given, folder)
    elif "limit" in tool.takes:
        words += ["--limit", str(given.get("limit", MOST_ROWS))]
    elif rows:
        words += ["--limit", str(MOST_ROWS)]
    for name, flag in tool.flags.items():
        if name in given and name != "limit":
            values = given[name] if isinstance(given[name], list) else [given[name]]
            words += [f"{flag}={value}" for value in values]
    return [*words, *tool.fixed]


def _grader(given: Mapping[str, Any], folder: Path, root: Path | None) -> str:
    if "grader_file" in given:
        return _copied("grader", given["grader_file"], folder, root)
    value = given["grader"]
    text = value if isinstance(value, str) else jsontext.encode(value).decode()
    (folder / "grader.json").write_text(text, encoding="utf-8")
    return "grader.json"


def _rows(given: Mapping[str, Any], folder: Path, root: Path | None) -> str:
    if "rows_file" in given:
        return _copied("rows", given["rows_file"], folder, root)
    if "rows" not in given:
        return ""
    lines = b"".join(jsontext.encode(row) + b"\n" for row in given["rows"])
    (folder / "rows.jsonl").write_bytes(lines)
    return "rows.jsonl"


def _sample(given: Mapping[str, Any], folder: Path) -> list[str]:
    words = []
    for name, option in (("item", "--item"), ("sample", "--sample-json")):
        if name in given:
            (folder / f"{name}.json").write_bytes(jsontext.encode(given[name]))
            words += [option, f"@{name}.json"]
    return words


def _copied(name: str, asked: str, folder: Path, root: Path | None) -> str:
    """Copy a file of the root into the folder; return what it is called there."""
    assert root is not None  # noqa: S101  (checked lets no name of a file through without one)
    base = root.resolve()
    try:
        path = (base / asked).resolve()
        within = path.is_relative_to(base)
        found = within and path.is_file()
        size = path.stat().st_size if found else 0
    except (OSError, ValueError):
        within, found, size = True, False, 0
    if not within:
        raise ToolError(
            f"{name}_file: {quoted(asked)} is not within the folder that is open to agents"
        )
    if not found:
        there = _beside(base, asked, _ENDINGS[name])
        near = f"; {suggestion(asked, there, 'files there:')}" if there else ""
        raise ToolError(f"{name}_file: there is no file {quoted(asked)} in that folder{near}")
    if size > LARGEST[name]:
        raise ToolError(
            f"{name}_file: {quoted(asked)} has {size:,} bytes; {LARGEST[name]:,} are the most"
        )
    ending = "".join(path.suffixes[-2:])
    called = f"{name}{ending}" if re.fullmatch(r"(\.[A-Za-z0-9]{1,10}){0,2}", ending) else name
    shutil.copyfile(path, folder / called)
    return called


def _beside(base: Path, asked: str, endings: frozenset[str]) -> list[str]:
    """Return some files that could be meant by a name that is not there: where it would be, else below the root."""
    place = (base / asked).parent
    try:
        if not place.resolve().is_relative_to(base) or not place.is_dir():
            place = base
        for start in dict.fromkeys((place, base)):
            walk = (
                Path(top, one)
                for top, inner, names in os.walk(start)
                if _prune(inner)
                for one in sorted(names)
            )
            fits = (one for one in islice(walk, _LOOKED_AT) if endings.intersection(one.suffixes))
            if found := [str(one.relative_to(base)) for one in islice(fits, _SHOWN)]:
                return found
    except (OSError, ValueError):
        pass
    return []


def _prune(folders: list[str]) -> bool:
    """Leave folders out that hold nothing of the user's; `os.walk` looks at the list afterwards."""
    folders[:] = sorted(
        one for one in folders if not one.startswith((".", "__")) and one != "node_modules"
    )
    return True


def _refuse_files(path: Path) -> None:
    """Refuse a job body that names files by path: the command would read them, wherever they are."""
    try:
        body = load_source(str(path)).body
    except ConfigError:
        return  # Faults are found before any file is looked for.
    for name in ("training_file", "validation_file"):
        value = body.get(name) if isinstance(body, dict) else None
        if isinstance(value, str) and not value.startswith("file-"):
            raise ToolError(
                f"{name}: a job's files are not read for agents; leave {quoted(value)} out, or tell the "
                f"user to run graders job run"
            )
