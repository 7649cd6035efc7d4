"""The rows of a run: from its body, a file of the store, or the log of what models answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from graders.errors import shown
from graders.evals.answer import sample_of
from graders.evals.request import row_problem
from graders.evals.stored import StoredCall, stored_call, stored_places
from graders.files.database import Database
from graders.jobs.dataset import ChangedError, Dataset, LineError

__all__ = ["RowSource", "RunError", "open_rows"]

MOST: Final = 10_000_000


class RunError(Exception):
    """A run cannot go on; says why.

    Attributes:
        code: for machines.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RowSource(Protocol):
    """Rows by their number, the same each time."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def row(self, index: int) -> tuple[dict[str, Any], Any]:
        """Return a row's item and its sample, None where it has none.

        Raises:
            RunError: it is not what it was.
        """
        ...

    def close(self) -> None:
        """Close what is open."""


def open_rows(
    database: Database,
    blobs: Path,
    source: Mapping[str, Any],
    file: Mapping[str, Any] | None,
    until: int,
) -> RowSource:
    """Return the rows of a data_source.

    Args:
        database: where the log is.
        blobs: the folder of the files' content.
        source: the `source` of a data_source that was found good.
        file: the id, sha256 and name of its file, None where it has none or the file is gone.
        until: the last entry of the log that may count.

    Raises:
        RunError: they cannot be read, are none, or one of them is no row.
    """
    match source["type"]:
        case "file_content":
            return _Given(source["content"])
        case "file_id":
            if file is None:
                raise RunError(
                    "file_not_found", "the file of the run's rows is not in the store any more"
                )
            return _Filed(blobs / file["id"], file)
        case _:
            places = stored_places(database, source, until)
            if not places:
                raise RunError("no_rows", "nothing that was logged fits what the run asks for")
            return _Logged(database, places)


class _Given:
    """Rows that stand in the body."""

    def __init__(self, content: Sequence[Mapping[str, Any]]) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def row(self, index: int) -> tuple[dict[str, Any], Any]:
        row = self._content[index]
        return row["item"], row.get("sample")

    def close(self) -> None:
        """Nothing is open."""


class _Filed:
    """Rows of a JSON Lines file of the store."""

    def __init__(self, path: Path, file: Mapping[str, Any]) -> None:
        name = f"the file {file['filename']} ({file['id']})"
        try:
            self._data = Dataset.open(path, name, file["sha256"], MOST)
        except ChangedError as error:
            raise RunError("file_changed", str(error)) from None
        except LineError as error:
            raise RunError("invalid_file", f"line {error.line:,} of {name}: {error}") from None
        try:
            self._check(name)
        except BaseException:
            self._data.close()
            raise

    def _check(self, name: str) -> None:
        if not len(self._data):
            raise RunError("no_rows", f"{name} has no rows")
        for index in range(len(self._data)):
            where = f"line {self._data.line(index):,} of {name}"
            try:
                problem = row_problem(self._data.value(index))
            except ValueError as error:
                raise RunError(
                    "invalid_file", f"{where} is not JSON: {shown(str(error), 200)}"
                ) from None
            if problem is not None:
                raise RunError("invalid_file", f"{where}: {problem}")

    def __len__(self) -> int:
        return len(self._data)

    def row(self, index: int) -> tuple[dict[str, Any], Any]:
        try:
            value = self._data.value(index)
        except ChangedError as error:
            raise RunError("file_changed", str(error)) from None
        return value["item"], value.get("sample")

    def close(self) -> None:
        """Close the file."""
        self._data.close()


class _Logged:
    """What an application asked its model, and what it was answered."""

    def __init__(self, database: Database, places: Sequence[int]) -> None:
        self._database = database
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def row(self, index: int) -> tuple[dict[str, Any], Any]:
        call = stored_call(self._database, self._places[index])
        if call is None:
            raise RunError("file_changed", "an entry of the log that the run reads was deleted")
        return _item_of(call), _sample_of(call)

    def close(self) -> None:
        """Nothing is open."""


def _item_of(call: StoredCall) -> dict[str, Any]:
    given = call.request.get("messages", call.request.get("input"))
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
    if isinstance(call.request.get("instructions"), str):
        messages = [{"role": "developer", "content": call.request["instructions"]}, *messages]
    return {"input": messages, "metadata": call.metadata}


def _sample_of(call: StoredCall) -> Any:
    try:
        return sample_of(call.response)
    except ValueError:
        return None
