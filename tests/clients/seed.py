"""A store that holds the ids which the SDK's own test suites ask for.

The suites were written against a mock that knows every id. Ours is a real store, so what they ask
for has to be in it, and has to be there again before each test: they delete the same file a dozen
times. `seed` makes the store and a picture of it; `suite_plugin.py` puts the picture back.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from graders.jobs import Store

JOB: Final = "ft-AF1WoRqd3aJAHsqc9NY7iL8F"
CHECKPOINTS: Final = (JOB, "ft:gpt-4o-mini-2024-07-18:org:weather:B7R9VjQd")
FILES: Final = ("file_id", "file-abc123", "string", "after")
UPLOAD: Final = "upload_abc123"
ROW: Final = b'{"messages": [{"role": "user", "content": "a"}], "foo": "bar"}\n'
BODY: Final[dict[str, Any]] = {
    "model": "gpt-4o-mini",
    "metadata": {"foo": "string"},
    "method": {
        "type": "reinforcement",
        "reinforcement": {
            "grader": {
                "type": "string_check", "name": "name", "operation": "eq", "input": "input",
                "reference": "reference",
            },
        },
    },
}  # fmt: skip


def seed(folder: Path) -> None:
    """Make a store with what the suites ask for, and a picture of it beside it."""
    store = Store(folder)
    with contextlib.closing(_opened(folder)) as base:
        for name in FILES:
            made = store.files.create(io.BytesIO(ROW), filename="a.jsonl", purpose="fine-tune")
            (folder / "files" / made["id"]).rename(folder / "files" / name)
            base.execute("UPDATE file SET id=? WHERE id=?", (name, made["id"]))
        body = {**BODY, "training_file": "after", "validation_file": "after"}
        for name in (JOB, "after", "string"):
            made = store.jobs.create(body)
            base.execute("UPDATE job SET id=? WHERE id=?", (name, made["id"]))
        place = base.execute("SELECT place FROM job WHERE id=?", (JOB,)).fetchone()[0]
        for number, name in enumerate(("after", "string")):
            base.execute("UPDATE event SET id=? WHERE place=1+?", (name, number))
        now = int(time.time())
        metrics = json.dumps({"step": 1, "full_valid_mean_reward": 0.5})
        for number, name in enumerate((*CHECKPOINTS, "none:after", "none:string")):
            base.execute(
                "INSERT INTO checkpoint (id, job, created_at, step, name, metrics, reward)"
                " VALUES (?, ?, ?, ?, ?, ?, 0.5)",
                (name.removeprefix("none:") if name.startswith("none") else f"ftckpt_{number}", place, now, number, name,
                 metrics),
            )  # fmt: skip
        for name, checkpoint in (
            ("after", CHECKPOINTS[0]),
            ("string", CHECKPOINTS[0]),
            ("cp_zc4Q7MP6XxulcVzj4MZdwsAB", CHECKPOINTS[1]),
        ):
            base.execute(
                "INSERT INTO permission (id, created_at, checkpoint, project)"
                " SELECT ?, ?, place, 'project_id' FROM checkpoint WHERE name=?",
                (name, now, checkpoint),
            )
        base.execute("VACUUM INTO ?", (str(picture(folder)),))
    upload = store.uploads.create(
        filename="a", purpose="assistants", size=1000, mime_type="text/plain"
    )
    about = folder / "uploads" / UPLOAD / "upload.json"
    (folder / "uploads" / upload["id"]).rename(about.parent)
    about.write_text(json.dumps({**upload, "id": UPLOAD}))
    for name in ("files", "uploads"):
        shutil.copytree(folder / name, picture(folder).with_suffix(f".{name}"))
    store.close()


def picture(folder: Path) -> Path:
    """Return where the picture of a store is."""
    return folder.with_name(folder.name + "-picture.sqlite")


def _opened(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "graders.sqlite", isolation_level=None, timeout=60)


@contextlib.contextmanager
def seeded(folder: Path) -> Iterator[dict[str, str]]:
    """Seed a store, and give what the plugin has to be told."""
    seed(folder)
    yield {"GRADERS_SUITE_STORE": str(folder), "GRADERS_SUITE_PICTURE": str(picture(folder))}
