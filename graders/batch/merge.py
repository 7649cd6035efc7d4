"""Parts of results made one file: the bytes, the manifest and the figures that one run would have given."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from graders import jsontext
from graders.batch.beside import judgements_of
from graders.batch.columns import write_parquet
from graders.batch.manifest import (
    differences,
    manifest_for,
    manifest_of,
    read_manifest,
    write_manifest,
)
from graders.batch.output import lock_of
from graders.batch.result import Result, read_results, tally_results
from graders.batch.run import Run
from graders.batch.shard import Division, added, read_division
from graders.errors import OptionError, RowsError
from graders.remote import Place, Remote
from graders.rows import Readable

__all__ = ["merge"]

_SHOWN: Final = 8
_COPY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of complete results.

    Attributes:
        place: where it stands.
        manifest: its own.
    """

    place: Place
    manifest: Mapping[str, Any]


def merge(folder: Place, target: Place) -> tuple[Run, dict[str, Any]]:
    """Make one file of the parts in a folder, or a Parquet file of these or of one file of results.

    Args:
        folder: the folder, or a file of results.
        target: the file; Parquet where its name ends so.

    Returns:
        What the results add up to, and their manifest.

    Raises:
        RowsError: parts are missing, of another run, or not what their manifests say; or something
            cannot be read or written.
        OptionError: the file is one of those that are read.
    """
    parts, manifest, marks = _parts_of(folder)
    if target in {one.place for one in parts} or target == folder:
        raise OptionError(f"{target} is what is read; the results would replace it")
    run = Run(complete=True, paid=manifest.get("cost"))
    digest = hashlib.sha256()
    try:
        with _whole(target) as file:
            if target.suffix.lower() == ".parquet":
                read = (some for part in parts for some in _read(part, run, marks, None, digest))
                write_parquet(read, file)
            else:
                with file.open("wb") as out:
                    for part in parts:
                        for _ in _read(part, run, marks, out, digest):
                            pass
        complete = {
            "rows": run.tally.rows,
            "bytes": sum(one.manifest["complete"]["bytes"] for one in parts),
            "sha256": digest.hexdigest(),
        }
        manifest |= {"complete": complete}
        if target.suffix.lower() != ".parquet":
            _put_beside(parts, target, manifest)
    except OSError as error:
        raise RowsError(f"{target}: cannot be written: {error.strerror or error}") from None
    return run, manifest


def _parts_of(folder: Place) -> tuple[list[_Part], dict[str, Any], Mapping[str, float | None]]:
    """Return the parts, the manifest that one run would have, and the judges' pass marks."""
    division = read_division(folder)
    if division is not None:
        return _divided(division)
    if isinstance(folder, Path) and folder.is_dir():
        raise RowsError(f"{folder} holds no shards: there is no shards.json")
    manifest = manifest_for(folder)
    if manifest is None or "complete" not in manifest:
        raise RowsError(f"{folder}: no complete results with a manifest, and no folder of shards")
    return [_Part(folder, manifest)], dict(manifest), {}


def _divided(division: Division) -> tuple[list[_Part], dict[str, Any], Mapping[str, float | None]]:
    count = len(division.parts)
    found, missing = [], []
    for index in range(count):
        place = division.place(index)
        beside = place.beside(".manifest.json") if isinstance(place, Remote) else manifest_of(place)
        manifest = read_manifest(beside)
        if manifest is None or "complete" not in manifest:
            missing.append(index)
        else:
            found.append(_Part(place, manifest))
    if missing:
        named = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
        raise RowsError(
            f"{division.folder}: {len(missing):,} of {count:,} shards are not complete: {named}; "
            f"score each by --shard I/{count} --resume"
        )
    rows = list(division.rows)
    whole: dict[str, Any] | None = None
    cost = None
    for index, part in enumerate(found):
        options = {**part.manifest["options"], "rows": rows}
        if part.manifest["options"]["rows"] != list(division.parts[index]):
            raise RowsError(f"{part.place} has other rows than {division.folder} was divided into")
        body = {**part.manifest, "options": options}
        if whole is not None and (changed := differences(body, whole)):
            raise RowsError(
                f"{part.place} is of another run than the first part: {'; '.join(changed)}"
            )
        cost = added(cost, part.manifest.get("cost"))
        whole = whole or {name: one for name, one in body.items() if name != "cost"}
    return found, (whole or {}) | ({} if cost is None else {"cost": cost}), division.pass_marks


def _read(
    part: _Part, run: Run, marks: Mapping[str, float | None], out: BinaryIO | None, whole: Any
) -> Iterator[Sequence[Result]]:
    """Yield the results of a part, written and counted.

    Raises:
        RowsError: they are not what its manifest says.
    """
    digest, rows = hashlib.sha256(), 0
    try:
        with part.place.open("rb") as stream:
            for results in read_results(cast("Readable", stream)):
                for one in results:
                    digest.update(one.line)
                    whole.update(one.line)
                    if out is not None:
                        out.write(one.line)
                rows += len(results)
                run.tally.merge(tally_results(results, marks))
                yield results
    except FileNotFoundError:
        raise RowsError(f"{part.place}: there is no such file") from None
    said = part.manifest["complete"]
    if (rows, digest.hexdigest()) != (said["rows"], said["sha256"]):
        raise RowsError(f"{part.place} is not what its manifest says; score it again by --restart")


@contextlib.contextmanager
def _whole(target: Place) -> Iterator[Path]:
    """Give a file to write, whose content appears at a place whole or not at all."""
    if isinstance(target, Remote):
        with tempfile.TemporaryDirectory(prefix="graders-") as folder:
            file = Path(folder, "merged")
            yield file
            target.put(file)
        return
    if lock_of(target).exists():
        raise RowsError(f"{target}: another run is writing it")
    file = target.with_name(target.name + ".new")
    try:
        yield file
        file.replace(target)
    finally:
        file.unlink(missing_ok=True)


def _put_beside(parts: Sequence[_Part], target: Place, manifest: dict[str, Any]) -> None:
    """Write the manifest, and the judgements where the parts have some."""
    if "judgements" in manifest:
        digest, size = hashlib.sha256(), 0
        ending = ".judgements.jsonl"
        beside = target.beside(ending) if isinstance(target, Remote) else judgements_of(target)
        with _whole(beside) as file, file.open("wb") as out:
            for part in parts:
                place = part.place
                kept = place.beside(ending) if isinstance(place, Remote) else judgements_of(place)
                with kept.open("rb") as stream:
                    for data in iter(partial(stream.read, _COPY), b""):
                        digest.update(data)
                        size += len(data)
                        out.write(data)
        manifest["judgements"] = {"file": beside.name, "bytes": size, "sha256": digest.hexdigest()}
    if isinstance(target, Remote):
        body = jsontext.encode(manifest, indent=True) + b"\n"
        target.beside(".manifest.json").put_bytes(body)
    else:
        write_manifest(manifest_of(target), manifest)
