"""Writing evals out of a store: objects in the API's shape, files of rows, and lines of results."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from graders import jsontext
from graders.errors import OptionError
from graders.evals.line import result_line, row_line
from graders.evals.look import criteria_of_run, items_of
from graders.evals.store import EvalStore
from graders.wire.error import ApiError

__all__ = ["rows_beside", "write_export", "write_results"]


def write_export(
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
            shown = {name: one for name, one in run.items() if name != "report_url"}
            written.append(_put(folder / f"{run['id']}.json", [shown], pretty=True))
            items = items_of(evals, of, run["id"])
            written.append(_put(folder / f"{run['id']}.output_items.jsonl", items))
            source = run["data_source"].get("source")
            name = source.get("id") if isinstance(source, dict) else None
            if isinstance(name, str):
                with contextlib.suppress(ApiError):
                    place, content = folder / f"{name}.jsonl", evals.store.files.path(name)
                    with content.open("rb") as source_file, _written(place) as file:
                        shutil.copyfileobj(source_file, file)
                    written.append(place)
    except OSError as error:
        raise OptionError(f"{folder}: {error.strerror or error}") from None
    return list(dict.fromkeys(written))


def rows_beside(output: Path) -> Path:
    """Return where the rows of a file of results stand."""
    return output.with_name(f"{output.name.removesuffix('.jsonl')}.rows.jsonl")


def write_results(evals: EvalStore, of: str, run: str, output: Path) -> int:
    """Write a run's items as lines of results, and its rows beside them; return how many.

    Raises:
        OptionError: they cannot be written.
    """
    criteria, count = criteria_of_run(evals, run), 0
    try:
        with _written(output) as results, _written(rows_beside(output)) as rows:
            for count, item in enumerate(items_of(evals, of, run), 1):
                results.write(jsontext.encode(result_line(count - 1, item, criteria)) + b"\n")
                rows.write(jsontext.encode(row_line(item)) + b"\n")
    except OSError as error:
        raise OptionError(f"{output}: {error.strerror or error}") from None
    return count


def _put(place: Path, values: Iterable[Any], *, pretty: bool = False) -> Path:
    with _written(place) as file:
        for one in values:
            file.write(jsontext.encode(one, indent=pretty) + b"\n")
    return place


@contextlib.contextmanager
def _written(place: Path) -> Iterator[BinaryIO]:
    """Give a file that takes its place when it is whole."""
    beside = place.with_name(place.name + ".new")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
