"""What an import has done, and the files of rows that it puts into a store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from graders.errors import shown
from graders.evals.parcel import DataFile, Parcel
from graders.files.identifier import is_identifier
from graders.jobs import Store
from graders.wire.error import ApiError

__all__ = ["Brought", "FilePutter", "Tally"]

_ENDINGS: Final = (".gz", ".zst", ".jsonl", ".json", ".ndjson", ".yaml", ".yml", ".txt")


@dataclass(slots=True)
class Tally:
    """How many of a kind were new, the same as before, and others than those of the store."""

    new: int = 0
    same: int = 0
    changed: int = 0
    kept: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the numbers as JSON."""
        return {
            "new": self.new,
            "unchanged": self.same,
            "replaced": self.changed,
            "left": self.kept,
        }


@dataclass(slots=True)
class Brought:
    """What an import has done.

    Attributes:
        evals: of evals; `kept` are those that differ from the store's, which stay as they are.
        runs: of runs.
        items: of output items.
        files: of files of rows.
        runs_of: by the id of an eval, the ids of its runs that the files held.
        file_ids: by the name of a file, the id that it has in the store.
        notes: what a user should know.
        problems: what was not imported, and why.
    """

    evals: Tally = field(default_factory=Tally)
    runs: Tally = field(default_factory=Tally)
    items: Tally = field(default_factory=Tally)
    files: Tally = field(default_factory=Tally)
    runs_of: dict[str, list[str]] = field(default_factory=dict)
    file_ids: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def nothing_new(self) -> bool:
        """Whether the store is what it was."""
        every = (self.evals, self.runs, self.items, self.files)
        return not any(one.new or one.changed for one in every)

    def note(self, says: str) -> None:
        """Add a note once."""
        if says not in self.notes:
            self.notes.append(says)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "evals": self.evals.to_dict(), "runs": self.runs.to_dict(),
            "output_items": self.items.to_dict(), "files": self.files.to_dict(),
            "runs_of": self.runs_of, "file_ids": self.file_ids,
            "notes": self.notes, "problems": self.problems,
        }  # fmt: skip


class FilePutter:
    """The files of rows, each put into the store once, under the id that runs know it by."""

    def __init__(self, store: Store, parcel: Parcel, done: Brought, wanted: set[str]) -> None:
        self._store = store
        self._data = parcel.data
        self._done = done
        self._wanted = wanted
        about = [piece.value for piece in parcel.found if piece.kind == "file"]
        self._about = {str(one["id"]): one for one in about if isinstance(one.get("id"), str)}

    def put(self) -> None:
        """Put them there."""
        for one in self._data:
            try:
                self._put(one)
            except ApiError as error:
                self._done.problems.append(f"{one.name}: {error}")
        there = set(self._done.file_ids.values())
        for name in sorted(self._wanted - there):
            try:
                self._store.files.get(name)
            except ApiError:
                self._done.note(
                    f"the file {name}, which holds the rows of a run, is not among the files: the run "
                    "can be looked at and compared, but not run again"
                )

    def _put(self, data: DataFile) -> None:
        digest = hashlib.sha256()
        for line in data.lines():
            digest.update(line)
        name = self._id_of(data)
        known = self._known(name, digest.hexdigest())
        if known is not None:
            self._done.files.same += 1
            self._done.file_ids[data.name] = known
            return
        title = str(self._about.get(name or "", {}).get("filename") or _base(data.name))
        made = self._store.files.create(data.lines(), filename=title, purpose="evals", name=name)
        self._done.files.new += 1
        self._done.file_ids[data.name] = made["id"]

    def _known(self, name: str | None, digest: str) -> str | None:
        """Return the id of a file that is in the store already; None where it is to be put there."""
        if name is None:
            found = self._store.files.find(digest, "evals")
            return None if found is None else str(found["id"])
        with self._store.database.reading() as base:
            row = base.execute("SELECT sha256, gone FROM file WHERE id=?", (name,)).fetchone()
        if row is None:
            return None
        if row["gone"] or row["sha256"] != digest:
            what = "was deleted here" if row["gone"] else "has another content here, which stays"
            self._done.note(f"the file {name} {what}")
        return name

    def _id_of(self, data: DataFile) -> str | None:
        """Return the id that a file had: it is its name, or the object of a file tells it."""
        base = _base(data.name)
        stem = _stem(base)
        for name in (*self._wanted, *self._about):
            if name in (base, stem) and is_identifier(name):
                return name
        called = [
            name for name, one in self._about.items()
            if one.get("filename") in (base, _unpacked(base)) and is_identifier(name)
        ]  # fmt: skip
        if len(called) == 1:
            return called[0]
        # The name of a download often begins with the id, or ends with it.
        parts = [one for one in self._wanted if one in base and is_identifier(one)]
        return parts[0] if len(parts) == 1 else None


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _unpacked(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".zst")


def _stem(name: str) -> str:
    while (
        shorter := next((name.removesuffix(e) for e in _ENDINGS if name.endswith(e)), name)
    ) != name:
        name = shorter
    return shown(name, 140)
