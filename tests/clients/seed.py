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

from graders.evals.run import run_eval
from graders.evals.store import EvalStore
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

EVAL: Final[dict[str, Any]] = {
    "name": "name",
    "metadata": {"foo": "string"},
    "data_source_config": {"type": "custom", "item_schema": {"foo": "bar"}},
    "testing_criteria": [
        {"type": "string_check", "name": "name", "operation": "eq", "input": "a", "reference": "a"}
    ],
}
ROWS: Final[dict[str, Any]] = {
    "type": "jsonl",
    "source": {
        "type": "file_content",
        "content": [{"item": {"foo": "bar"}, "sample": {"output_text": "a"}}],
    },
}


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
        _seed_evals(store, base)
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


def _seed_evals(store: Store, base: sqlite3.Connection) -> None:
    """Make an eval, a run that failed and an output item: theirs have nothing that may be missing."""
    evals = EvalStore(store)
    error = {"code": "code", "message": "message"}
    for name, run, item in (("eval_id", "run_id", "output_item_id"), ("after",) * 3):
        of = evals.create(EVAL)["id"]
        made = evals.create_run(of, {"data_source": ROWS})["id"]
        run_eval(evals, made)
        place = base.execute("SELECT place FROM run WHERE id=?", (made,)).fetchone()[0]
        found = base.execute("SELECT id, body FROM item WHERE run=?", (place,)).fetchone()
        body = json.loads(found[1])
        body["sample"] |= {
            "error": error, "temperature": 1.0, "top_p": 1.0, "seed": 42, "max_completion_tokens": 8,
        }  # fmt: skip
        base.execute("UPDATE item SET id=?, body=? WHERE run=?", (item, json.dumps(body), place))
        base.execute(
            "UPDATE run SET id=?, status='failed', error=? WHERE id=?",
            (run, json.dumps(error), made),
        )
        base.execute("UPDATE eval SET id=? WHERE id=?", (name, of))


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
