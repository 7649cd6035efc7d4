"""Takes your evals out of the hosted API while it lives, with the official SDK and your own key.

    python export.py FOLDER [EVAL ...]

Writes into FOLDER: evals.jsonl, for each eval its runs, for each run its output items, and each
file of rows that a run names. Without ids, all evals of the key's project. It only reads. Run
again, it goes on: output items and files that are there whole are not fetched again.
Then: graders evals import FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openai import APIStatusError, OpenAI

_OVER = ("completed", "failed", "canceled")


def write(path: Path, objects: Iterable[Any]) -> int:
    """Write objects as JSON Lines; the file is there when it is whole."""
    part, count = path.with_name(f".{path.name}.part"), 0
    with part.open("w", encoding="utf-8") as file:
        for one in objects:
            file.write(json.dumps(one.to_dict(mode="json")) + "\n")
            count += 1
    part.replace(path)
    return count


def export_file(client: OpenAI, name: str, folder: Path) -> None:
    """Fetch a file of rows, unless it is there."""
    path = folder / f"{name}.jsonl"
    if path.exists():
        return
    try:
        content = client.files.content(name).read()
    except APIStatusError as error:
        print(f"    {name} cannot be fetched: {error.message}")
        return
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    print(f"    {path.name}: {len(content):,} bytes of rows")


def export_run(client: OpenAI, run: Any, folder: Path) -> None:
    """Fetch a run's output items and its file of rows."""
    path = folder / f"{run.id}.output_items.jsonl"
    if path.exists() and run.status in _OVER:
        print(f"  {run.id}: its output items are there")
    else:
        items = client.evals.runs.output_items.list(run.id, eval_id=run.eval_id, limit=100)
        print(f"  {run.id} ({run.status}): {write(path, items):,} output items")
    source = run.to_dict(mode="json").get("data_source") or {}
    inner = source.get("source") or {}
    if inner.get("type") == "file_id" and inner.get("id"):
        export_file(client, inner["id"], folder)


def main(folder: Path, names: list[str]) -> None:
    """Export evals into a folder."""
    client = OpenAI(max_retries=8)
    folder.mkdir(parents=True, exist_ok=True)
    every: list[Any] = [client.evals.retrieve(name) for name in names]
    if not names:
        every += client.evals.list(limit=100)
    write(folder / "evals.jsonl", every)
    print(f"{len(every):,} evals into {folder}")
    for one in every:
        runs = list(client.evals.runs.list(one.id, limit=100))
        write(folder / f"{one.id}.runs.jsonl", runs)
        print(f"{one.id} ({one.name}): {len(runs):,} runs")
        for run in runs:
            export_run(client, run, folder)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
