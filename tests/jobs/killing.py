"""A program that kills runs of a job at every instant that matters, and lets them go on.

Each run is a process of its own, forked from this one: it dies by SIGKILL at its n-th transaction,
before it, in the middle of it, or just before its commit. What is left is run to its end
and compared with a job nobody killed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from graders.files.database import Database
from graders.jobs import RunOptions, Store, run_job
from graders.models import RolloutOptions

PHASES = ("before", "begun", "commit")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def armed(run: Callable[[], None], number: int, phase: str) -> None:
    """Run, and die at the n-th transaction that this process begins."""
    count = 0
    whole = Database.writing

    @contextlib.contextmanager
    def writing(self: Database) -> Iterator[sqlite3.Connection]:
        nonlocal count
        count += 1
        now = count == number
        if now and phase == "before":
            die()
        with whole(self) as base:
            if now and phase == "begun":
                die()
            yield base
            if now and phase == "commit":
                die()

    Database.writing = writing  # type: ignore[method-assign]
    run()


def forked(work: Callable[[], None]) -> bool:
    """Do something in a process of its own; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  (a child must not go on as its parent)
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("a run failed")
    return not os.WIFSIGNALED(status)


def plain(value: Any) -> Any:
    """Return a value without what differs from run to run: times, ids, how long things took."""
    if isinstance(value, dict):
        return {
            name: plain(one)
            for name, one in value.items()
            if name not in ("id", "created_at", "timing", "finished_at")
        }
    return [plain(one) for one in value] if isinstance(value, list) else value


def told(folder: Path, name: str, place: Path) -> None:
    """Write down all that the store says of a job."""
    with Store(folder) as store:
        job = store.jobs.get(name)
        result = store.files.path(job["result_files"][0]).read_bytes().decode()
        events = [plain(one) for one in store.jobs.events(name, limit=100)[0]]
        checkpoints = [plain(one) for one in store.jobs.checkpoints(name)[0]]
        kept = sorted(one.name for one in (folder / "files").iterdir())
        listed = sorted(one["id"] for one in store.files.list()[0])
        with store.database.reading() as base:
            left = [
                base.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
                for t in ("grade", "rollout")
            ]
    place.write_text(
        json.dumps(
            {
                "status": job["status"], "result": result, "events": events, "left": left,
                "checkpoints": checkpoints, "orphans": len(set(kept) - set(listed)),
                "lost": len(set(listed) - set(kept)), "modules": sorted(sys.modules),
            }
        )
    )  # fmt: skip


def main() -> None:
    """Arguments: a folder with a store holding one job, a folder to work in, a rollout URL or -.

    And of how many transactions one is died at, another one in each phase.
    """
    source, work, url, stride = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    options = RunOptions(rollout=RolloutOptions(url=None if url == "-" else url, concurrency=1))

    def run(folder: Path) -> None:
        with Store(folder) as store:
            name = store.jobs.list()[0][0]["id"]
            run_job(store, name, options)

    def tell(folder: Path, said: Path) -> None:
        with Store(folder) as store:
            name = store.jobs.list()[0][0]["id"]
        told(folder, name, said)

    kill_everywhere(source, work, stride, run, tell)


def kill_everywhere(
    source: Path, work: Path, stride: int, run: Callable[[Path], None],
    tell: Callable[[Path, Path], None],
) -> None:  # fmt: skip
    """Kill runs at every, or every n-th, transaction and in each phase, and print what came of it.

    Args:
        source: the store before any run.
        work: a folder to work in.
        stride: of how many transactions one is died at.
        run: runs what a store has to its end.
        tell: writes down, into a file, all that a store says afterwards, with sys.modules.
    """
    said, folder = work / "said.json", work / "data"

    def run_and_tell() -> None:
        run(folder)
        tell(folder, said)

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)

    fresh()
    forked(run_and_tell)
    wanted = json.loads(said.read_text())
    # What a run imports when it needs it, here once for all those that follow.
    for name in wanted.pop("modules"):
        importlib.import_module(name)
    kills, rounds, wrong = 0, 1, []
    for first, phase in enumerate(PHASES):
        number = 1 + first % stride - stride
        while True:
            number += stride
            rounds += 1
            fresh()
            if forked(partial(armed, partial(run, folder), number, phase)):
                break
            # Once more, early in what is left, and then to the end.
            kills += 1 + (not forked(partial(armed, partial(run, folder), 2, phase)))
            said.unlink()
            forked(run_and_tell)
            found = json.loads(said.read_text())
            del found["modules"]
            # A blob that was written and not entered is swept away after an hour.
            if found | {"orphans": 0} != wanted or found["orphans"] > 2:
                wrong.append([phase, number, found])
    sys.stdout.write(
        json.dumps({"kills": kills, "rounds": rounds, "wrong": wrong[:1], "wanted": wanted})
    )


if __name__ == "__main__":
    main()
