"""Permissions of checkpoints: kept and shown as the API does; a checkpoint without weights needs none."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

from graders.errors import quoted
from graders.files.database import Database
from graders.files.identifier import is_identifier, new_identifier
from graders.files.quota import Quota
from graders.wire.error import ApiError, no_checkpoint, refused
from graders.wire.page import is_descending, page, size_of

__all__ = ["Permissions"]

_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,512}")
_MOST: Final = 1000


class Permissions:
    """The permissions of a store.

    Args:
        database: the tables.
        quota: what all of the store may take.
    """

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota

    def create(self, checkpoint: str, project_ids: Any) -> Sequence[dict[str, Any]]:
        """Return the permissions of these projects; those that have one keep it.

        Args:
            checkpoint: the checkpoint's name, or its id.
            project_ids: the ids of the projects.

        Raises:
            ApiError: there is no such checkpoint (404), or project_ids is no list of ids (400).
        """
        if not isinstance(project_ids, list | tuple) or not project_ids:
            raise refused(
                f"project_ids is a list of ids of projects, got {quoted(project_ids)}",
                "project_ids",
            )
        if len(project_ids) > _MOST:
            raise refused(
                f"project_ids has {len(project_ids):,} ids; at most {_MOST:,} are taken",
                "project_ids",
            )
        for index, one in enumerate(project_ids):
            if not isinstance(one, str) or not is_identifier(one):
                raise refused(
                    f"the id of a project is letters, digits, _ and -, got {quoted(one)}",
                    f"project_ids[{index}]",
                )
        with self._database.writing() as base:
            self._quota.check(base)
            place = _checkpoint(base, checkpoint)["place"]
            return [_made(base, place, one) for one in dict.fromkeys(project_ids)]

    def list(
        self,
        checkpoint: str,
        after: str | None = None,
        limit: int | None = None,
        order: str | None = None,
        project_id: str | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of a checkpoint's permissions, and whether more follow.

        Args:
            checkpoint: the checkpoint's name, or its id.
            after: the id of the last permission of the page before.
            limit: 0 to 100; 10 by default.
            order: `ascending` or `descending`; newest first by default.
            project_id: only those of this project.

        Raises:
            ApiError: there is no such checkpoint (404), or an argument cannot be one (400).
        """
        size, descending = size_of(limit, 10, 100), is_descending(order)
        where, values = "checkpoint=? AND NOT gone", list[Any]()
        if project_id is not None:
            where += " AND project=?"
            values = [project_id.encode(errors="replace").decode()]
        with self._database.reading() as base:
            place = _checkpoint(base, checkpoint)["place"]
            rows, more = page(
                base, "permission", where, [place, *values], size=size, descending=descending,
                after=None if after is None else after.encode(errors="replace").decode(),
            )  # fmt: skip
        return [_shape(row) for row in rows], more

    def delete(self, checkpoint: str, name: str) -> dict[str, Any]:
        """Delete a permission and return the hosted confirmation.

        Raises:
            ApiError: there is no such checkpoint or permission (404).
        """
        with self._database.writing() as base:
            place = _checkpoint(base, checkpoint)["place"]
            changed = base.execute(
                "UPDATE permission SET gone=1 WHERE id=? AND checkpoint=? AND NOT gone",
                (name if is_identifier(name) else "", place),
            )
            if not changed.rowcount:
                raise ApiError(
                    404, f"Could not find permission: {quoted(name, 128)[1:-1]}",
                    param="permission_id", code="permission_not_found",
                )  # fmt: skip
        return {"id": name, "object": "checkpoint.permission", "deleted": True}


def _made(base: sqlite3.Connection, place: int, project: str) -> dict[str, Any]:
    query = "SELECT * FROM permission WHERE checkpoint=? AND project=? AND NOT gone"
    found = base.execute(query, (place, project)).fetchone()
    if found is None:
        base.execute(
            "INSERT INTO permission (id, created_at, checkpoint, project) VALUES (?, ?, ?, ?)",
            (new_identifier("cp_"), int(time.time()), place, project),
        )
        found = base.execute(query, (place, project)).fetchone()
    return _shape(found)


def _checkpoint(base: sqlite3.Connection, name: str) -> sqlite3.Row:
    found: sqlite3.Row | None = None
    if _NAME.fullmatch(name):
        found = base.execute(
            "SELECT * FROM checkpoint WHERE (name=? OR id=?) AND NOT gone", (name, name)
        ).fetchone()
    if found is None:
        raise no_checkpoint(name)
    return found


def _shape(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "checkpoint.permission",
        "created_at": row["created_at"],
        "project_id": row["project"],
    }
