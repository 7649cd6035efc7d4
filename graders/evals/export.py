"""Writing evals out of a store: objects in the API's shape, files of rows, and lines of results."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graders import jsontext
from graders.errors import OptionError
from graders.evals.look import criteria_of_run, items_of
from graders.evals.result import result_line, row_line
from graders.evals.store import EvalStore
from graders.remote import Place, whole
from graders.wire.error import ApiError

__all__ = [
    "rows_beside", "write_folder", "write_lines", "write_objects", "write_whole",
]  # fmt: skip


def write_folder(
    evals: EvalStore, of: str, runs: Iterable[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Write an eval, runs of it, their output items and files of rows into a folder; return what.

    Each file appears whole or not at all; `graders evals import` reads the folder back.

    Raises:
        OptionError: the folder is there with something in it, or cannot be written.
    """
    written: list[Path] = []
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OptionError(f"{folder} is there already; name a folder that is new or empty")
        folder.mkdir(parents=True, exist_ok=True)
        written.append(_put(folder / "eval.json", [evals.get(of)], pretty=True))
        for run in runs:
            written.append(_put(folder / f"{run['id']}.json", [_bare(run)], pretty=True))
            items = items_of(evals, of, run["id"])
            written.append(_put(folder / f"{run['id']}.output_items.jsonl", items))
            source = run["data_source"].get("source")
            name = source.get("id") if isinstance(source, dict) else None
            if isinstance(name, str):
                with contextlib.suppress(ApiError):
                    place, content = folder / f"{name}.jsonl", evals.store.files.path(name)
                    with content.open("rb") as source_file, whole(place) as file:
                        shutil.copyfileobj(source_file, file)
                    written.append(place)
    except OSError as error:
        raise OptionError(f"{folder}: {error.strerror or error}") from None
    return list(dict.fromkeys(written))


def write_objects(
    evals: EvalStore, of: str, runs: Iterable[Mapping[str, Any]], output: Place
) -> int:
    """Write an eval, runs of it and their output items as JSON Lines; return how many they are.

    Raises:
        OptionError: they cannot be written.
    """
    count = 1

    def objects() -> Iterator[Any]:
        nonlocal count
        yield evals.get(of)
        for run in runs:
            yield _bare(run)
            count += 1
            for item in items_of(evals, of, run["id"]):
                yield item
                count += 1

    write_whole(output, (jsontext.encode(one) + b"\n" for one in objects()))
    return count


def rows_beside(output: Place) -> Place:
    """Return where the rows of a file of results stand."""
    return output.parent / f"{output.name.removesuffix('.jsonl')}.rows.jsonl"


def write_lines(evals: EvalStore, of: str, run: str, output: Place, *, rows: bool) -> int:
    """Write a run's items as lines of results, or as rows; return how many.

    Raises:
        OptionError: they cannot be written.
    """
    criteria, count = criteria_of_run(evals, run), 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for item in items_of(evals, of, run):
            line = row_line(item) if rows else result_line(count, item, criteria)
            count += 1
            yield jsontext.encode(line) + b"\n"

    write_whole(output, lines())
    return count


def write_whole(output: Place, content: Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        OptionError: it cannot be written.
    """
    try:
        if isinstance(output, Path):
            output.parent.mkdir(parents=True, exist_ok=True)
        with whole(output) as file:
            file.writelines(content)
    except OSError as error:
        raise OptionError(f"{output} cannot be written: {error.strerror or error}") from None


def _bare(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run without the path of its report at a server."""
    return {name: one for name, one in run.items() if name != "report_url"}


def _put(place: Path, values: Iterable[Any], *, pretty: bool = False) -> Path:
    with whole(place) as file:
        for one in values:
            file.write(jsontext.encode(one, indent=pretty) + b"\n")
    return place
