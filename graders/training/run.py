"""One run of a job that trains, from wherever it is: checked, trained by a process of its own, kept.

What the training process says is written down here, each step once, however often it says so: a
process that goes on from a checkpoint tells its whole past again.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from graders import jsontext
from graders.files import file as files
from graders.files.identifier import new_identifier
from graders.jobs.job import FINISHED, encoded, say
from graders.jobs.journal import JobStoppedError, Journal
from graders.jobs.option import RunOptions
from graders.jobs.request import JobRequest
from graders.jobs.run import JobProgress, run_job
from graders.jobs.store import Store
from graders.jobs.validation import RefusedError
from graders.training.base import base_of
from graders.training.checkpoint import newest, tidy
from graders.training.event import REWARDED, checkpoint_metrics, step_data, step_says, table
from graders.training.option import TrainingOptions, TrainRun
from graders.training.prepare import check, prepare
from graders.training.process import Child, is_free
from graders.training.trained import folder_of, trained, trained_models
from graders.wire.error import ApiError

__all__ = ["create_job", "train_job"]

_POLL: Final = 0.2
_BEST: Final = 3
_MOST_LOST: Final = 5
RESULTS: Final = "step_metrics.csv"


def create_job(
    store: Store, body: Any, options: TrainingOptions, *, served: bool = True
) -> dict[str, Any]:
    """Return the object of a new job that trains, which waits for whoever runs it.

    Args:
        store: where it is kept.
        body: the body of `fine_tuning.jobs.create`.
        options: how jobs are trained; its models are what the body may name.
        served: whether servers run it.

    Raises:
        ApiError: the body has faults, or no model stands for the one it names (400).
    """
    request = JobRequest.parse(body, trains=True)
    base_of(request.model, options.models, trained_models(store), trained(store))
    return store.jobs.create(body, served=served, trains=True)


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
        _Training(store, journal, _run_of(options), tell).run()

    done = run_job(
        store, name, options, on_progress, stopping=stopping, claimed=claimed,
        how=how if trains else None,
    )  # fmt: skip
    if trains and done["status"] in FINISHED:
        for one in ("rows", "cache", "tmp"):  # Nobody goes on from here: what was trained stays.
            shutil.rmtree(folder / one, ignore_errors=True)
    return done


def _run_of(options: RunOptions) -> TrainRun:
    if isinstance(options, TrainRun):
        return options
    raise RefusedError("training_unavailable", "this job trains its model: say --train")


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
        self._begin()
        lost, before = 0, newest(self._folder)
        while not self._train():
            # Its process was ended by somebody else, such as a system that ran out of memory.
            at = newest(self._folder)
            lost, before = 1 if at != before else lost + 1, at
            if lost >= _MOST_LOST:
                raise RefusedError(
                    "process_lost",
                    f"the training process was killed {lost} times after step {at or 0}; the system may lack memory: "
                    "train fewer rows at once (--train-rows), or shorter ones (--train-length)",
                )
            self._note(
                f"The training process was killed; it goes on from step {at or 0}", level="warn"
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

    def _train(self) -> bool:
        """Start the training process and follow it; return whether it came to an end of its own.

        Raises:
            RefusedError: it cannot train.
            JobStoppedError: the job was paused or cancelled, or this process is to end.
        """
        tidy(self._folder, self._kept(), torn=is_free(self._folder))
        child = Child(self._folder, self._graders(), online=self._plan["hub"])
        self._began = (time.monotonic(), self._journal.row()["step"])
        try:
            return self._follow(child)
        except (JobStoppedError, KeyboardInterrupt):
            if self._journal.row()["status"] not in FINISHED:
                self._follow_to_end(child)
            raise
        finally:
            child.kill()

    def _graders(self) -> RunOptions:
        options = self._options
        return RunOptions(
            python=options.python, judge=options.judge,
            reading=options.reading, rollout=replace(options.rollout, api_key_file=None),
        )  # fmt: skip

    def _follow(self, child: Child) -> bool:
        while (said := child.next(_POLL)) is not None:
            if said and self._take(said):
                return True
            self._journal.check()
        code = child.wait()
        if code < 0:
            return False
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

    @contextmanager
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
