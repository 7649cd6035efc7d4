"""Take evals out of the hosted API into a folder: evals, runs, output items, and the files they read.

    pip install openai
    OPENAI_API_KEY=... python export.py exported

Nothing is changed or deleted there. What is in the folder already is not fetched again, so an interrupted export goes on where it was. Then:

    graders evals import exported
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from openai import NotFoundError, OpenAI


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "exported")
    folder.mkdir(parents=True, exist_ok=True)
    client = OpenAI()  # OPENAI_API_KEY, and OPENAI_BASE_URL where it is not the hosted one.
    for one in client.evals.list(limit=100):
        keep(folder / f"{one.id}.json", [one])
        for run in client.evals.runs.list(one.id, limit=100):
            if run.status in ("queued", "in_progress"):
                print(f"{run.id} is {run.status}: export it again when it has ended")
                continue
            # The run is written after its items, so that a run in the folder is whole.
            if not (folder / f"{run.id}.json").exists():
                items = client.evals.runs.output_items.list(run.id, eval_id=one.id, limit=100)
                keep(folder / f"{run.id}-items.jsonl", items)
                keep_file(client, folder, run)
                keep(folder / f"{run.id}.json", [run])
            print(f"{one.name or one.id}: {run.name or run.id}")
    return 0


def keep(path: Path, objects: Iterable[Any]) -> None:
    """Write objects as lines of JSON, to a file that appears when all of them are there."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for one in objects:
            file.write(json.dumps(one.to_dict()) + "\n")
    part.replace(path)


def keep_file(client: OpenAI, folder: Path, run: Any) -> None:
    """Fetch the file of rows that a run read, where it still is."""
    for name in file_ids(run.to_dict()):
        path = folder / f"{name}.jsonl"
        if not path.exists():
            try:
                content = client.files.content(name).read()
            except NotFoundError:
                print(
                    f"{run.id}: its file {name} is not there any more; its output items have the rows"
                )
                continue
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)


def file_ids(run: dict[str, Any]) -> Iterator[str]:
    source = (run.get("data_source") or {}).get("source") or {}
    if source.get("type") == "file_id" and source.get("id"):
        yield source["id"]


if __name__ == "__main__":
    sys.exit(main())
