"""One run of a reinforcement job, from wherever it is: validation, steps, checkpoints, verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.config import load_source
from graders.files import file as files
from graders.files.identifier import new_identifier
from graders.inspection.lint import Finding
from graders.jobs.dataset import ChangedError
from graders.jobs.evidence import gather
from graders.jobs.grading import Grading
from graders.jobs.hyperparameter import Resolved, resolve
from graders.jobs.job import encoded, say
from graders.jobs.journal import TRAIN, VALID, Journal
from graders.jobs.metric import Counts, metrics, sentence, sub_graders
from graders.jobs.option import RunOptions
from graders.jobs.outcome import headline, level_of
from graders.jobs.result import FILENAME, result_lines
from graders.jobs.store import Store
from graders.jobs.validation import Checked, RefusedError, check_files
from graders.jobs.verdict import verdict
from graders.models.rollout import Sampler
from graders.wire.error import refused

__all__ = ["DryRun", "JobProgress"]

_KEPT_CHECKPOINTS: Final = 3


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a run is.

    Attributes:
        status: the job's.
        step: steps that are done.
        total_steps: how many there are; 0 where that is not known yet.
        graded: samples graded by this run.
        train_mean: the mean reward of the last step.
        valid_mean: that of the last evaluation.
    """

    status: str
    step: int = 0
    total_steps: int = 0
    graded: int = 0
    train_mean: float | None = None
    valid_mean: float | None = None


class DryRun:
    """One run of a reinforcement job.

    Args:
        store: where the job is.
        journal: what is written down of it.
        grader: its grader.
        options: how it is run.
        on_progress: told how far it is.
        stack: closes what the run opens.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        grader: Grader,
        options: RunOptions,
        *,
        on_progress: Callable[[JobProgress], None],
        stack: ExitStack,
    ) -> None:
        self._store = store
        self._journal = journal
        self._grader = grader
        self._options = options
        self._on_progress = on_progress
        self._stack = stack
        self._method = journal.request["method"]["reinforcement"]
        self._graders = sub_graders(grader.plan)
        self._means: tuple[float | None, float | None] = (None, None)
        self._grading: Grading | None = None

    def run(self) -> None:
        """Go through the states that are left.

        Raises:
            RefusedError: the job cannot be run.
            StoppedError: somebody has paused or cancelled it.
            OutageError: the model that answered its prompts is gone.
            ApiError: the options name no model, and it needs one; the store cannot be used.
        """
        try:
            self._run()
        except ChangedError as error:
            raise RefusedError("file_changed", f"{error}; upload it again") from None

    def _run(self) -> None:
        data = self._opened() if self._journal.row()["validated"] else self._validate()
        self._training, self._validation = data.training, data.validation
        row = self._journal.row()
        self._findings = [Finding(**one) for one in jsontext.decode(row["findings"])]
        self._resolved = Resolved(**jsontext.decode(row["resolved"]))
        both = (data.training, data.validation)
        grading = Grading(self._journal, self._grader, both, self._resolved, self._sampler())
        self._grading = grading
        self._begin()
        self._grade_steps(grading, row["step"])
        self._finish()

    def _opened(self) -> Checked:
        """Return the rows of a job that was validated by an earlier run."""
        training, validation = self._journal.files().values()
        if training is None or validation is None:
            raise ChangedError("a file of the job is not in the store any more")
        data = Checked.opened(training, validation)
        self._stack.callback(data.close)
        data.training.count_samples()
        data.validation.count_samples()
        return data

    def _validate(self) -> Checked:
        with self._journal.change() as base:
            base.execute(
                "UPDATE job SET status='validating_files' WHERE place=?", (self._journal.place,)
            )
        self._tell("validating_files", 0)
        loaded = load_source(self._journal.request["body"])
        files_ = self._journal.files()
        checked = check_files(files_, loaded, self._grader, self._options, self._journal.target)
        self._stack.callback(checked.close)
        resolved = resolve(
            self._method["hyperparameters"], len(checked.training), self._options.rollout.samples,
            max(checked.validation.recorded, default=0),
        )  # fmt: skip
        with self._journal.change() as base:
            for remark in checked.remarks:
                say(base, self._journal.place, remark.message, level=remark.level, data=remark.data)
            base.execute(
                "UPDATE job SET status='queued', validated=1, hyperparameters=?, resolved=?,"
                " total_steps=?, findings=? WHERE place=?",
                (
                    encoded(resolved.shown), encoded(asdict(resolved)), resolved.total_steps,
                    encoded([asdict(one) for one in checked.findings]), self._journal.place,
                ),
            )  # fmt: skip
            say(base, self._journal.place, "Files validated, moving job to queued state")
        return checked

    def _sampler(self) -> Sampler | None:
        """Return what asks the model; None where all rows record rollouts."""
        if not any(0 in data.recorded for data in (self._training, self._validation)):
            return None
        if self._options.rollout.url is None:
            raise refused(
                f"rows of the job {self._journal.name} record no rollouts: name the server that "
                "answers them (--rollout-url)",
                code="missing_rollouts",
            )
        sampler = Sampler(self._options.rollout, self._journal.request["model"])
        self._stack.callback(sampler.close)
        return sampler

    def _begin(self) -> None:
        with self._journal.change() as base:
            row = base.execute(
                "SELECT begun_at FROM job WHERE place=?", (self._journal.place,)
            ).fetchone()
            if row["begun_at"] is None:
                say(base, self._journal.place, "Fine-tuning job started")
            base.execute(
                "UPDATE job SET status='running', begun_at=coalesce(begun_at, ?) WHERE place=?",
                (int(time.time()), self._journal.place),
            )

    # Steps.

    def _grade_steps(self, grading: Grading, done: int) -> None:
        total, started = self._resolved.total_steps, time.monotonic()
        self._tell("running", done)
        for step in range(done + 1, total + 1):
            began, sampled = time.monotonic(), grading.sampling
            timing: dict[str, float] = {}
            epoch = (step - 1) // self._resolved.steps + 1
            train = grading.counts(TRAIN, epoch, self._rows_of(step))
            if step == 1:
                self._check_answers(train)
            valid = None
            if self._resolved.evaluates(step):
                evaluated = time.monotonic()
                valid = grading.counts(VALID, step, range(len(self._validation)))
                timing["eval"] = time.monotonic() - evaluated
            timing["sampling"] = grading.sampling - sampled
            timing["full_iteration"] = time.monotonic() - began
            data = metrics(step, total, train, valid, graders=self._graders, timing=timing)
            left = (time.monotonic() - started) / (step - done) * (total - step)
            self._end_step(step, (train, valid), data, left)
            self._means = (train.mean, self._means[1] if valid is None else valid.mean)
            self._tell("running", step)

    def _rows_of(self, step: int) -> range:
        first = (step - 1) % self._resolved.steps * self._resolved.batch_size
        return range(first, min(first + self._resolved.batch_size, len(self._training)))

    def _check_answers(self, train: Counts) -> None:
        """Fail early where a model answers nothing at all."""
        if train.rollouts and not train.graded:
            (_, code), _ = train.failures.most_common(1)[0]
            raise RefusedError(
                "rollout_failed",
                f"none of the {train.rollouts:,} prompts of the first step got an answer: "
                f"{self._first_message(code)}",
            )

    def _first_message(self, code: str) -> str:
        for one in self._journal.every():
            for failure in one.body["failures"]:
                if failure["code"] == code:
                    return str(failure["message"])
        return code

    def _end_step(
        self, step: int, sides: tuple[Counts, Counts | None], data: dict[str, Any], left: float
    ) -> None:
        """Write a step down with its event and, after an evaluation, its checkpoint."""
        total, (train, valid) = self._resolved.total_steps, sides
        says = sentence(step, total, train, valid)
        with self._journal.change() as base:
            place = self._journal.place
            base.execute(
                "INSERT INTO step (job, step, train_mean, valid_mean) VALUES (?, ?, ?, ?)",
                (place, step, train.mean, None if valid is None else valid.mean),
            )
            base.execute(
                "UPDATE job SET step=?, estimated_finish=? WHERE place=?",
                (step, int(time.time() + left) + 1 if step < total else None, place),
            )
            say(base, place, says, data=data, kind="metrics")
            if valid is not None:
                self._check_in(base, step, train, valid)

    def _check_in(self, base: Any, step: int, train: Counts, valid: Counts) -> None:
        """Enter a checkpoint, and keep the best three by their evaluations."""
        place = self._journal.place
        figures = {
            "step": step,
            "train_mean_reward": train.mean,
            "full_valid_mean_reward": valid.mean,
            "full_valid_mean_parse_error": valid.share_of("sample_parse_error"),
            **dict.fromkeys(
                (
                    "train_loss", "train_mean_token_accuracy", "valid_loss",
                    "valid_mean_token_accuracy", "full_valid_loss",
                    "full_valid_mean_token_accuracy",
                )
            ),
        }  # fmt: skip
        base.execute(
            "INSERT INTO checkpoint (id, job, created_at, step, name, metrics, reward)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                new_identifier("ftckpt_"), place, int(time.time()), step, self._checkpoint(step),
                encoded(figures), valid.mean,
            ),
        )  # fmt: skip
        base.execute(
            "UPDATE checkpoint SET gone=1 WHERE job=? AND place NOT IN (SELECT place FROM"
            " checkpoint WHERE job=? AND NOT gone ORDER BY reward IS NULL, reward DESC, step DESC"
            " LIMIT ?)",
            (place, place, _KEPT_CHECKPOINTS),
        )
        says = f"Checkpoint created at step {step} (no weights were trained)"
        say(base, place, says, data={"step": step})

    def _checkpoint(self, step: int) -> str:
        request = self._journal.request
        model, suffix = (
            "".join(
                one if one.isascii() and (one.isalnum() or one in "._:-") else "-" for one in text
            )
            for text in (request["model"].removeprefix("ft:"), request["suffix"] or "none")
        )
        own = self._journal.name.removeprefix("ftjob-")
        return f"ft:{model}:dry-run:{suffix}:no-weights-{own}:ckpt-step-{step}"

    # The end.

    def _finish(self) -> None:
        """Write the results file and let the job succeed, with its verdict."""
        self._journal.check()
        data = (self._training, self._validation)
        loaded = load_source(self._journal.request["body"])
        measured, seen = gather(self._journal, self._grader, loaded, data, self._findings)
        judged = verdict(measured, self._journal.steps(), self._resolved, seen)
        pieces = result_lines(self._journal, self._shown(), judged, data)
        place = self._journal.place
        with (
            self._store.files.written(pieces) as (name, size, digest),
            self._journal.change() as base,
        ):
            files.insert(
                base, name, filename=FILENAME, purpose=files.RESULTS, size=size, digest=digest
            )
            base.execute(
                "UPDATE job SET status='succeeded', finished_at=?, estimated_finish=NULL,"
                " result_files=?, verdict=? WHERE place=?",
                (int(time.time()), encoded([name]), encoded(judged), place),
            )
            # The results file has them; the store need not keep them twice.
            for table in ("rollout", "grade"):
                base.execute(f"DELETE FROM {table} WHERE job=?", (place,))  # noqa: S608
            says = "Dry run ended: no weights were trained and there is no fine-tuned model"
            say(base, place, says, level="warn")
            says = f"Verdict: {headline(judged)}. The job has successfully completed"
            say(base, place, says, level=level_of(judged), data={"verdict": judged})
        self._tell("succeeded", self._resolved.total_steps)

    def _shown(self) -> dict[str, Any]:
        """Return what the first line of the results file says of the job."""
        digests = {
            use: None if file is None else file.sha256
            for use, file in self._journal.files().items()
        }
        method = {**self._method, "hyperparameters": self._resolved.shown}
        return {
            "model": self._journal.request["model"],
            "method": {"type": "reinforcement", "reinforcement": method},
            "target": self._journal.target,
            "sha256": digests,
            "weights_trained": False,
        }

    def _tell(self, status: str, step: int) -> None:
        grading = self._grading
        done = 0 if grading is None else grading.done
        total = 0 if grading is None else self._resolved.total_steps
        self._on_progress(JobProgress(status, step, total, done, *self._means))
