"""One run of a job that trains, from wherever it is: checked, trained by a process of its own, kept.

What the training process says is written down here, each step once, however often it says so: a
process that goes on from a checkpoint tells its whole past again.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from graders import jsontext
from graders.files import file as files
from graders.files.identifier import new_identifier
from graders.jobs.job import AGAIN, FINISHED, encoded, say
from graders.jobs.journal import JobStoppedError, Journal
from graders.jobs.option import RunOptions
from graders.jobs.request import JobRequest
from graders.jobs.run import JobProgress, run_job
from graders.jobs.store import Store
from graders.jobs.validation import RefusedError
from graders.training.base import base_of
from graders.training.checkpoint import newest, tidy
from graders.training.event import REWARDED, checkpoint_metrics, step_data, step_says, table
from graders.training.hyperparameter import largest_divisor
from graders.training.option import TrainingOptions, TrainRun
from graders.training.prepare import check, prepare, room, write_plan
from graders.training.process import Child, is_free
from graders.training.reason import (
    killed_for_memory,
    lacks_memory,
    no_room,
    short_of_memory,
    signal_of,
)
from graders.training.trained import folder_of, trained, trained_models
from graders.wire.error import ApiError

__all__ = ["create_job", "train_job"]

_POLL: Final = 0.2
_BEST: Final = 3
_MOST_LOST: Final = 5
_MOST_FOR_MEMORY: Final = 2
RESULTS: Final = "step_metrics.csv"


def create_job(
    store: Store,
    body: Any,
    options: TrainingOptions,
    *,
    served: bool = True,
    traceparent: str = "",
) -> dict[str, Any]:
    """Return the object of a new job that trains, which waits for whoever runs it.

    Args:
        store: where it is kept.
        body: the body of `fine_tuning.jobs.create`.
        options: how jobs are trained; its models are what the body may name.
        served: whether servers run it.
        traceparent: the span of the request that creates it; "" for none.

    Raises:
        ApiError: the body has faults, or no model stands for the one it names (400).
    """
    request = JobRequest.parse(body, trains=True)
    base_of(request.model, options.models, trained_models(store), trained(store))
    return store.jobs.create(body, served=served, trains=True, traceparent=traceparent)


def train_job(
    store: Store,
    name: str,
    options: RunOptions | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    claimed: int | None = None,
) -> dict[str, Any]:
    """Run a job until it is finished, paused or cancelled, and return its object.

    Arguments and errors as of `run_job`; a job that is a dry run stays one.
    """
    trains = store.jobs.get(name)["dry_run"] is None
    folder = folder_of(store, name)

    def how(
        store: Store, journal: Journal, options: RunOptions, tell: Callable[[JobProgress], None]
    ) -> None:
        try:
            _Training(store, journal, _run_of(options), tell).run()
        except ApiError as error:
            if error.status != HTTPStatus.INSUFFICIENT_STORAGE:
                raise
            raise RefusedError("disk_full", no_room(folder)) from None

    done = run_job(
        store, name, options, on_progress, stopping=stopping, claimed=claimed,
        how=how if trains else None,
    )  # fmt: skip
    if trains and done["status"] in FINISHED:
        again = (done["error"] or {}).get("code") in AGAIN
        # What was trained stays, and the rows where the job can be resumed.
        for one in ("cache", "tmp") if again else ("rows", "cache", "tmp"):
            shutil.rmtree(folder / one, ignore_errors=True)
    return done


def _run_of(options: RunOptions) -> TrainRun:
    if isinstance(options, TrainRun):
        return options
    raise RefusedError("training_unavailable", "this job trains its model: say --train")


class _End(NamedTuple):
    """Who ended a training process.

    Attributes:
        by: the signal.
        for_memory: whether the system did, for memory ran out.
    """

    by: str
    for_memory: bool


class _Training:
    """One run of a job.

    Args:
        store: where the job is.
        journal: what is written down of it.
        options: how it is trained.
        tell: told how far it is.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        options: TrainRun,
        tell: Callable[[JobProgress], None],
    ) -> None:
        self._store, self._journal, self._options, self._tell = store, journal, options, tell
        self._place, self._folder = journal.place, folder_of(store, journal.name)
        self._plan: dict[str, Any] = {}
        self._began = (0.0, 0)

    def run(self) -> None:
        """Go through the states that are left.

        Raises:
            RefusedError: the job cannot be trained.
            JobStoppedError: somebody has paused or cancelled it.
        """
        row = self._journal.row()
        if row["validated"]:
            self._plan = jsontext.decode(row["training"])
        else:
            self._validate()
        self._fit()
        self._begin()
        lost, before = 0, newest(self._folder)
        while (end := self._train()) is not None:
            # Its process was ended by somebody else, such as a system that ran out of memory.
            at = newest(self._folder)
            lost, before = 1 if at != before else lost + 1, at
            if end.for_memory and lost >= _MOST_FOR_MEMORY:
                raise RefusedError("out_of_memory", short_of_memory(self._plan))
            if lost >= _MOST_LOST:
                raise RefusedError(
                    "process_lost",
                    f"the training process was ended {lost} times after step {at or 0}, by {end.by}; the system may "
                    "lack memory: train fewer rows at once (--train-rows 1) and resume the job, or create it again "
                    "with shorter rows (--train-length)",
                )
            why = ", for the system ran out of memory" if end.for_memory else ""
            says = (
                f"The training process was ended by {end.by}{why}; it goes on from step {at or 0}"
            )
            self._note(says, level="warn")

    def _fit(self) -> None:
        """Train as many rows at once as this run is told to: that changes no step, but what memory it takes."""
        given, numbers = self._options.training.rows_at_once, self._plan["schedule"]
        fitting = largest_divisor(numbers["batch_size"] * numbers["answers"], given or 1)
        if given is None or numbers["rows_at_once"] == fitting:
            return
        numbers["rows_at_once"] = fitting
        with room(self._folder), self._writing() as base:
            write_plan(self._folder, self._plan)
            base.execute(
                "UPDATE job SET training=? WHERE place=?", (encoded(self._plan), self._place)
            )

    def _validate(self) -> None:
        with self._journal.change() as base:
            base.execute("UPDATE job SET status='validating_files' WHERE place=?", (self._place,))
        self._tell(JobProgress("validating_files"))
        request = self._journal.request
        try:
            base_model = base_of(
                request["model"], self._options.training.models, trained_models(self._store)
            )
        except ApiError as error:
            raise RefusedError(error.code or "refused", str(error), "model") from None
        remarks = check(self._journal, self._options)
        self._plan = plan = prepare(self._journal, self._options, base_model, self._folder)
        numbers = plan["schedule"]
        with self._journal.change() as base:
            for remark in remarks:
                say(base, self._place, remark.message, level=remark.level, data=remark.data)
            base.execute(
                "UPDATE job SET status='queued', validated=1, hyperparameters=?, total_steps=?,"
                " training=? WHERE place=?",
                (encoded(numbers["shown"]), numbers["total_steps"], encoded(plan), self._place),
            )
            say(base, self._place, "Files validated, moving job to queued state")

    def _begin(self) -> None:
        with self._journal.change() as base:
            row = base.execute("SELECT begun_at FROM job WHERE place=?", (self._place,)).fetchone()
            if row["begun_at"] is None:
                say(base, self._place, "Fine-tuning job started")
            base.execute(
                "UPDATE job SET status='running', begun_at=coalesce(begun_at, ?) WHERE place=?",
                (int(time.time()), self._place),
            )
        self._tell(self._progress("running", self._journal.row()["step"]))

    def _progress(self, status: str, step: int) -> JobProgress:
        return JobProgress(status, step, self._plan["schedule"]["total_steps"])

    def _train(self) -> _End | None:
        """Start the training process and follow it; return who ended it, None where it came to an end of its own.

        Raises:
            RefusedError: it cannot train.
            JobStoppedError: the job was paused or cancelled, or this process is to end.
        """
        self._sweep()
        killed = killed_for_memory()
        with room(self._folder):
            child = Child(self._folder, self._graders(), online=self._plan["hub"])
        self._began = (time.monotonic(), self._journal.row()["step"])
        try:
            code = self._follow(child)
        except (JobStoppedError, KeyboardInterrupt):
            if self._journal.row()["status"] not in FINISHED:
                self._follow_to_end(child)
            raise
        finally:
            child.kill()
            with contextlib.suppress(ApiError):
                self._sweep()
        if code == 0:
            return None
        for_memory = code == -signal.SIGKILL and killed_for_memory() > killed
        return _End(signal_of(code), for_memory)

    def _sweep(self) -> None:
        """Take away what nobody needs: also what was being written where nobody writes any more."""
        free = is_free(self._folder)
        tidy(self._folder, self._kept(), torn=free)
        if free:
            for one in self._folder.glob("*.partial"):
                shutil.rmtree(one, ignore_errors=True)

    def _graders(self) -> RunOptions:
        options = self._options
        return RunOptions(
            python=options.python, judge=options.judge,
            reading=options.reading, rollout=replace(options.rollout, api_key_file=None),
        )  # fmt: skip

    def _follow(self, child: Child) -> int:
        """Return 0 once the job is finished, below 0 the signal that ended the process."""
        while (said := child.next(_POLL)) is not None:
            if said and self._take(said):
                return 0
            self._journal.check()
        code = child.wait()
        if lacks_memory(child.last_words()):
            raise RefusedError("out_of_memory", short_of_memory(self._plan))
        if code < 0:
            return code
        raise RefusedError(
            "training_failed",
            f"the training process ended with code {code}; {self._folder / 'worker.log'} says why",
        )

    def _follow_to_end(self, child: Child) -> None:
        """Have the process save and end, and take what it says still: its last steps, its checkpoint."""
        child.stop()
        while (said := child.next(_POLL)) is not None:
            if said.get("kind") in ("step", "checkpoint"):
                self._take(said)
        child.wait()

    def _take(self, said: dict[str, Any]) -> bool:
        """Write down what the process says; return whether the job is finished."""
        kind = said["kind"]
        if kind == "begun":
            self._say_begun(said)
        elif kind == "note":
            self._note(said["message"], level=said["level"], once=True)
        elif kind == "step":
            self._keep_step(said)
        elif kind == "checkpoint":
            self._keep_checkpoint(said["step"])
        elif kind == "failed":
            raise RefusedError(said["code"], said["message"])
        elif kind == "done":
            self._finish(said)
            return True
        return False

    # What is written down.

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection, also of a job that was paused meanwhile: what is trained is trained."""
        with self._store.database.writing() as base:
            row = base.execute("SELECT status FROM job WHERE place=?", (self._place,)).fetchone()
            if row["status"] in FINISHED:
                raise JobStoppedError
            yield base

    def _note(self, message: str, level: Any = "info", *, once: bool = False) -> None:
        with self._writing() as base:
            found = base.execute(
                "SELECT 1 FROM event WHERE job=? AND message=?", (self._place, message)
            )
            if not once or found.fetchone() is None:
                say(base, self._place, message, level=level)

    def _say_begun(self, said: dict[str, Any]) -> None:
        kind = "every weight" if self._plan["full"] else "an adapter (LoRA)"
        at = said["step"]
        says = f"Training {kind} of {self._plan['base']} on {said['device']}"
        self._began = (time.monotonic(), at)
        with self._writing() as base:
            say(base, self._place, says + (f", from step {at}" if at else ""), data=said)

    def _keep_step(self, said: dict[str, Any]) -> None:
        step, total = said["step"], self._plan["schedule"]["total_steps"]
        data = step_data(step, total, said["logs"], said["evaluated"])
        began, before = self._began
        left = (time.monotonic() - began) / max(1, step - before) * (total - step)
        with self._writing() as base:
            made = base.execute(
                "INSERT OR IGNORE INTO step (job, step, train_mean, valid_mean, metrics)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    self._place, step, data.get(REWARDED), data.get("full_valid_mean_reward"),
                    encoded(data),
                ),
            )  # fmt: skip
            if made.rowcount != 1:
                return
            base.execute(
                "UPDATE job SET step=?, estimated_finish=?, trained_tokens=? WHERE place=?",
                (
                    step, int(time.time() + left) + 1 if step < total else None, said["tokens"],
                    self._place,
                ),
            )  # fmt: skip
            say(base, self._place, step_says(data), data=data, kind="metrics")
        self._tell(self._progress("running", step))

    def _keep_checkpoint(self, step: int) -> None:
        if step in self._plan["schedule"]["kept"]:
            with self._writing() as base:
                self._check_in(base, step)
        tidy(self._folder, self._kept())

    def _check_in(self, base: sqlite3.Connection, step: int) -> None:
        query = "SELECT metrics FROM step WHERE job=? AND step=?"
        row = base.execute(query, (self._place, step)).fetchone()
        data = {"step": step} if row is None else jsontext.decode(row["metrics"])
        name = f"{self._plan['name']}:ckpt-step-{step}"
        made = base.execute(
            "INSERT OR IGNORE INTO checkpoint (id, job, created_at, step, name, metrics, reward)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                new_identifier("ftckpt_"), self._place, int(time.time()), step, name,
                encoded(checkpoint_metrics(data)), data.get("full_valid_mean_reward"),
            ),
        )  # fmt: skip
        if made.rowcount != 1:
            return
        # Three are kept: of reinforcement the best, else the last.
        base.execute(
            "UPDATE checkpoint SET gone=1 WHERE job=? AND place NOT IN (SELECT place FROM"
            " checkpoint WHERE job=? AND NOT gone ORDER BY reward IS NULL, reward DESC, step DESC"
            " LIMIT ?)",
            (self._place, self._place, _BEST),
        )
        say(
            base,
            self._place,
            f"Checkpoint created at step {step}",
            data={"step": step, "model": name},
        )

    def _kept(self) -> set[int]:
        """Return the steps of the checkpoints that have names."""
        with self._store.database.reading() as base:
            query = "SELECT step FROM checkpoint WHERE job=? AND NOT gone"
            return {row["step"] for row in base.execute(query, (self._place,))}

    def _steps(self) -> Iterator[dict[str, Any]]:
        with self._store.database.reading() as base:
            query = "SELECT metrics FROM step WHERE job=? ORDER BY step"
            rows = base.execute(query, (self._place,)).fetchall()
        return (jsontext.decode(row["metrics"]) for row in rows)

    def _finish(self, said: dict[str, Any]) -> None:
        """Write the table of the steps and let the job succeed."""
        self._journal.check()
        name = self._plan["name"]
        pieces = iter([table(self._steps())])
        with (
            self._store.files.written(pieces) as (file, size, digest),
            self._journal.change() as base,
        ):
            files.insert(
                base, file, filename=RESULTS, purpose=files.RESULTS, size=size, digest=digest
            )
            base.execute(
                "UPDATE job SET status='succeeded', finished_at=?, estimated_finish=NULL,"
                " result_files=?, fine_tuned_model=?, trained_tokens=? WHERE place=?",
                (int(time.time()), encoded([file]), name, said["tokens"], self._place),
            )
            says = f"New fine-tuned model created: {name}"
            say(
                base, self._place, says, data={"model": name, "folder": str(self._folder / "model")}
            )
            say(base, self._place, "The job has successfully completed")
        tidy(self._folder, self._kept())
        total = self._plan["schedule"]["total_steps"]
        self._tell(JobProgress("succeeded", total, total))
