"""Running a job: validating its files, grading step by step, and its verdict.

Safe to be killed at any instant: what is in the store is all there is, and a run goes on from that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.config import load_source
from graders.errors import GradersError
from graders.grade import Grade
from graders.inspection.lint import Finding
from graders.jobs import file as files
from graders.jobs.dataset import ChangedError, Row
from graders.jobs.error import ApiError, conflict, refused
from graders.jobs.hyperparameter import Resolved, resolve
from graders.jobs.identifier import new_identifier
from graders.jobs.job import FINISHED, encoded, say
from graders.jobs.ledger import RECORDED, TRAIN, VALID, Graded, Key, Ledger, StoppedError
from graders.jobs.metric import Counts, metrics, sentence, sub_graders
from graders.jobs.option import RunOptions
from graders.jobs.result import FILENAME, result_lines
from graders.jobs.rollout import Ask, Rollout, Sampler, prompt_of, seed_of
from graders.jobs.store import Store
from graders.jobs.validation import (
    Checked,
    RefusedError,
    Remark,
    check_examples,
    check_files,
)
from graders.jobs.verdict import Measured, refusal, verdict

__all__ = ["Progress", "fail_job", "run_job"]


class _OutageError(Exception):
    """The server that answered prompts answers none any more."""


_CHUNK: Final = 32
"""Samples that are graded before they are written down: what a kill costs at most."""

_KEPT_CHECKPOINTS: Final = 3
_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Progress:
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


def run_job(
    store: Store,
    name: str,
    options: RunOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Run a job until it is finished, paused or cancelled, and return its object.

    Args:
        store: where it is.
        name: its id.
        options: how it is run.
        on_progress: told how far it is.

    Raises:
        ApiError: there is no such job (404), another process runs it (409), it needs a model that
            the options do not name (400), or the store cannot be used (503, 507). The job stays as
            it is, to be run again.
    """
    with store.jobs.claim(name) as claim:
        if not claim.held:
            raise conflict(f"the job {name} is run by another process", code="job_is_run")
        status = store.jobs.get(name)["status"]
        if status not in FINISHED and status != "paused":
            _run(store, name, options or RunOptions(), on_progress or (lambda _: None))
        job = store.jobs.get(name)
        claim.release(finished=job["status"] in FINISHED)
    return job


def fail_job(store: Store, name: str, code: str, message: str) -> None:
    """Let a job fail that cannot be run the way this process runs jobs."""
    with store.jobs.claim(name) as claim:
        if claim.held:
            _failed(
                Ledger(store.database, name, store.folder / "files"), RefusedError(code, message)
            )


def _run(
    store: Store, name: str, options: RunOptions, on_progress: Callable[[Progress], None]
) -> None:
    ledger = Ledger(store.database, name, store.folder / "files")
    try:
        if ledger.request["kind"] != "reinforcement":
            on_progress(Progress("validating_files"))
            _refuse_kind(ledger)
            return
        with ExitStack() as stack:
            try:
                grader = Grader(
                    load_source(ledger.request["body"]), choices=options.choices,
                    python=options.python, judge=options.judge,
                )  # fmt: skip
                stack.callback(grader.close)
                _DryRun(store, ledger, grader, options, on_progress=on_progress, stack=stack).run()
            except (ApiError, RefusedError):
                raise
            except GradersError as error:
                # The machine or the options lack what the grader needs: another try would, too.
                raise RefusedError("grader_unavailable", str(error)) from None
    except StoppedError:
        return
    except _OutageError as error:
        _paused(ledger, str(error))
    except RefusedError as error:
        _failed(ledger, error)


def _failed(ledger: Ledger, error: RefusedError) -> None:
    """Let the job fail, unless somebody was faster to pause or cancel it."""
    told = {"code": error.code, "message": str(error), "param": error.param}
    judged = refusal(error.code, str(error))
    with contextlib.suppress(StoppedError), ledger.change() as base:
        for remark in error.remarks:
            _remark(base, ledger.place, remark)
        base.execute(
            "UPDATE job SET status='failed', finished_at=?, estimated_finish=NULL, error=?,"
            " verdict=? WHERE place=?",
            (int(time.time()), encoded(told), encoded(judged), ledger.place),
        )
        says = f"The job failed ({error.code}): {error}"
        say(base, ledger.place, says, level="error", data={"error": told, "verdict": judged})


def _paused(ledger: Ledger, reason: str) -> None:
    """Pause the job, unless somebody was faster to pause or cancel it."""
    with contextlib.suppress(StoppedError), ledger.change() as base:
        base.execute(
            "UPDATE job SET status='paused', estimated_finish=NULL WHERE place=?", (ledger.place,)
        )
        says = f"The job was paused, for prompts get no answers any more ({reason}); resume it"
        say(base, ledger.place, says, level="warn")


def _remark(base: Any, place: int, remark: Remark) -> None:
    say(base, place, remark.message, level=remark.level, data=remark.data)


def _refuse_kind(ledger: Ledger) -> None:
    """Check the rows of a job that trains on answers, and say that it goes no further here.

    Raises:
        RefusedError: always.
    """
    kind = ledger.request["kind"]
    remarks = check_examples(ledger.files(), kind)
    raise RefusedError(
        "unsupported_method",
        f"the files are good for a {kind} job; only reinforcement jobs can be dry-run, for a {kind} "
        "job has no grader",
        "method",
        remarks,
    )


class _DryRun:
    """One run of a reinforcement job, from wherever it is."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        grader: Grader,
        options: RunOptions,
        *,
        on_progress: Callable[[Progress], None],
        stack: ExitStack,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._grader = grader
        self._options = options
        self._on_progress = on_progress
        self._stack = stack
        self._method = ledger.request["method"]["reinforcement"]
        self._graders = sub_graders(grader.plan)
        self._sampler: Sampler | None = None
        self._done = 0
        self._means: tuple[float | None, float | None] = (None, None)
        self._timing: dict[str, float] = {}
        self._recorded_valid: Counts | None = None
        self._answered = False

    def run(self) -> None:
        """Go through the states that are left."""
        row = self._ledger.row()
        if not row["validated"]:
            with self._ledger.change() as base:
                base.execute(
                    "UPDATE job SET status='validating_files' WHERE place=?", (self._ledger.place,)
                )
            self._tell("validating_files", row["step"])
            data = self._validate()
        else:
            training, validation = self._ledger.files().values()
            if training is None or validation is None:
                raise RefusedError("file_changed", "a file of the job is not in the store any more")
            data = Checked.opened(training, validation)
            self._stack.callback(data.close)
            data.training.count_samples()
            data.validation.count_samples()
        self._training, self._validation = data.training, data.validation
        row = self._ledger.row()
        self._findings = [Finding(**one) for one in jsontext.decode(row["findings"])]
        self._resolved = Resolved(**jsontext.decode(row["resolved"]))
        self._check_model()
        self._answered = row["step"] > 0
        self._begin()
        try:
            self._grade_steps(row["step"])
        except ChangedError as error:
            raise RefusedError("file_changed", f"{error}; upload it again") from None
        self._finish()

    def _validate(self) -> Checked:
        loaded = load_source(self._ledger.request["body"])
        files_ = self._ledger.files()
        checked = check_files(files_, loaded, self._grader, self._options)
        self._stack.callback(checked.close)
        resolved = resolve(
            self._method["hyperparameters"], len(checked.training), self._options.rollout_samples,
            max(checked.validation.recorded, default=0),
        )  # fmt: skip
        with self._ledger.change() as base:
            for remark in checked.remarks:
                _remark(base, self._ledger.place, remark)
            base.execute(
                "UPDATE job SET status='queued', validated=1, hyperparameters=?, resolved=?,"
                " total_steps=?, findings=? WHERE place=?",
                (
                    encoded(resolved.shown), encoded(asdict(resolved)), resolved.total_steps,
                    encoded([asdict(one) for one in checked.findings]), self._ledger.place,
                ),
            )  # fmt: skip
            say(base, self._ledger.place, "Files validated, moving job to queued state")
        return checked

    def _check_model(self) -> None:
        asks = any(0 in data.recorded for data in (self._training, self._validation))
        if asks and self._options.rollout_url is None:
            raise refused(
                f"rows of the job {self._ledger.name} record no rollouts: name the server that "
                "answers them (--rollout-url)",
                code="missing_rollouts",
            )
        if asks:
            self._sampler = Sampler(self._options, self._ledger.request["model"])
            self._stack.callback(self._sampler.close)

    def _begin(self) -> None:
        with self._ledger.change() as base:
            row = base.execute(
                "SELECT begun_at FROM job WHERE place=?", (self._ledger.place,)
            ).fetchone()
            if row["begun_at"] is None:
                say(base, self._ledger.place, "Fine-tuning job started")
            base.execute(
                "UPDATE job SET status='running', begun_at=coalesce(begun_at, ?) WHERE place=?",
                (int(time.time()), self._ledger.place),
            )

    # Steps.

    def _grade_steps(self, done: int) -> None:
        total, started = self._resolved.total_steps, time.monotonic()
        self._tell("running", done)
        for step in range(done + 1, total + 1):
            self._timing = {"sampling": 0.0}
            began = time.monotonic()
            rows = self._rows_of(step)
            epoch = (step - 1) // self._resolved.steps + 1
            train = self._counted(TRAIN, epoch, rows)
            if step == _FIRST:
                self._check_answers(train)
            valid = None
            if self._resolved.evaluates(step):
                evaluated = time.monotonic()
                valid = self._counted(VALID, step, range(len(self._validation)))
                self._timing["eval"] = time.monotonic() - evaluated
            self._timing["full_iteration"] = time.monotonic() - began
            each = (time.monotonic() - started) / (step - done)
            self._end_step(step, train, valid, each * (total - step))
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
        for one in self._ledger.every():
            for failure in one.body["failures"]:
                if failure["code"] == code:
                    return str(failure["message"])
        return code

    def _wanted(self, split: int, draw: int, rows: range) -> list[Key]:
        """Return the samples of some rows: those that are recorded, or so many of a model."""
        data = self._training if split == TRAIN else self._validation
        wanted = []
        for line in rows:
            recorded = data.recorded[line]
            if split == TRAIN:
                count = recorded or self._resolved.samples
            elif recorded:
                count = min(recorded, self._resolved.eval_samples or recorded)
            else:
                count = self._resolved.asked_of_a_validation_row
            of = RECORDED if recorded else draw
            wanted += [Key(split, of, line, sample) for sample in range(count)]
        return wanted

    def _counted(self, split: int, draw: int, rows: range) -> Counts:
        """Grade what is not graded yet of some rows, and return the sums over all of them."""
        if split == VALID and self._recorded_valid is not None:
            return self._recorded_valid
        wanted, draws = self._wanted(split, draw, rows), (RECORDED, draw)
        known = self._ledger.keys(split, draws, rows)
        missing = [key for key in wanted if key not in known]
        for at in range(0, len(missing), _CHUNK):
            if self._ledger.check() == "queued":
                self._begin()  # It was paused and resumed before this process looked.
            self._grade(missing[at : at + _CHUNK])
        counts = Counts.of(self._ledger.graded(split, draws, rows))
        if split == VALID and all(key.draw == RECORDED for key in wanted):
            self._recorded_valid = counts  # Every evaluation gives the same.
        return counts

    def _grade(self, keys: Sequence[Key]) -> None:
        """Grade a few samples and write the grades down."""
        data = self._training if keys[0].split == TRAIN else self._validation
        rows = {line: data.row(line) for line in {key.line for key in keys}}
        answers = self._answers(keys, rows)
        ready: list[tuple[Key, Any]] = []
        grades: list[Graded] = []
        for key in keys:
            row = rows[key.line]
            if key.draw == RECORDED:
                ready.append((key, row.samples[key.sample]))
            elif answers[key].sample is not None:
                ready.append((key, answers[key].sample))
            else:
                grades.append(Graded(key, None, _unanswered(row, answers[key]), 0.0))
        began = time.perf_counter()
        pairs = [{"item": rows[key.line].item, "sample": sample} for key, sample in ready]
        found = list(self._grader.grade_many(pairs, chunk=_CHUNK))
        each = (time.perf_counter() - began) / len(ready) if ready else 0.0
        for (key, _), grade in zip(ready, found, strict=True):
            body = _body(rows[key.line], grade, answers.get(key))
            grades.append(Graded(key, grade.reward, body, each))
        self._ledger.keep_grades(grades)
        self._done += len(grades)

    def _answers(self, keys: Sequence[Key], rows: Mapping[int, Row]) -> dict[Key, Rollout]:
        """Return a model's answers; those that are not there yet are asked for."""
        asked = [key for key in keys if key.draw != RECORDED]
        if not asked or self._sampler is None:
            return {}
        known = self._ledger.rollouts(asked)
        began = time.monotonic()
        seed = self._ledger.request["seed"]
        asks = [
            Ask(key, prompt_of(rows[key.line].item, self._method, seed_of(seed, key)))
            for key in asked
            if key not in known
        ]
        lost: dict[Key, Rollout] = {}

        def keep(key: tuple[int, ...], one: Rollout) -> None:
            if one.lost:
                lost[Key(*key)] = one
            else:
                self._ledger.keep_rollout(Key(*key), one)

        self._sampler.sample(asks, keep)
        if lost and len(lost) == len(asks) and self._answered:
            # It did answer before: whoever brings it up again need not begin anew.
            raise _OutageError(next(iter(lost.values())).message)
        for key, one in lost.items():
            self._ledger.keep_rollout(key, one)
        self._answered = self._answered or len(lost) < len(asks)
        self._timing["sampling"] = self._timing.get("sampling", 0.0) + time.monotonic() - began
        return self._ledger.rollouts(asked)

    def _end_step(self, step: int, train: Counts, valid: Counts | None, left: float) -> None:
        """Write a step down with its event and, after an evaluation, its checkpoint."""
        total = self._resolved.total_steps
        data = metrics(step, total, train, valid, graders=self._graders, timing=self._timing)
        says = sentence(step, total, train, valid)
        with self._ledger.change() as base:
            place = self._ledger.place
            base.execute(
                "INSERT INTO step VALUES (?, ?, ?, ?)",
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
        place = self._ledger.place
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
        request = self._ledger.request
        model, suffix = (
            "".join(
                one if one.isascii() and (one.isalnum() or one in "._:-") else "-" for one in text
            )
            for text in (request["model"].removeprefix("ft:"), request["suffix"] or "none")
        )
        own = self._ledger.name.removeprefix("ftjob-")
        return f"ft:{model}:dry-run:{suffix}:no-weights-{own}:ckpt-step-{step}"

    # The end.

    def _finish(self) -> None:
        """Write the results file and let the job succeed, with its verdict."""
        self._ledger.check()
        measured = Measured.of(self._ledger.every())
        data = (self._training, self._validation)
        judged = verdict(
            measured, self._ledger.steps(), self._resolved, findings=self._findings,
            models=self._models(), rows=(len(data[0]), len(data[1])),
        )  # fmt: skip
        pieces = result_lines(self._ledger, self._shown(), judged, data)
        place = self._ledger.place
        with (
            self._store.files.written(pieces) as (name, size, digest),
            self._ledger.change() as base,
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
            outcome = str(judged["outcome"]).replace("_", " ")
            says = "Dry run ended: no weights were trained and there is no fine-tuned model"
            say(base, place, says, level="warn")
            says = (
                "The job has successfully completed; as far as its files and its grader go, the "
                f"real one {outcome}"
            )
            say(base, place, says, data={"verdict": judged})
        self._tell("succeeded", self._resolved.total_steps)

    def _models(self) -> dict[str, str]:
        judges = {
            f"judge of {one.name}": one.model for one in self._graders if one.model is not None
        }
        return {"base model": self._ledger.request["model"], **judges}

    def _shown(self) -> dict[str, Any]:
        """Return what the first line of the results file says of the job."""
        digests = {
            use: None if file is None else file.sha256 for use, file in self._ledger.files().items()
        }
        method = {**self._method, "hyperparameters": self._resolved.shown}
        return {
            "model": self._ledger.request["model"],
            "method": {"type": "reinforcement", "reinforcement": method},
            "sha256": digests,
            "weights_trained": False,
        }

    def _tell(self, status: str, step: int) -> None:
        total = self._resolved.total_steps if hasattr(self, "_resolved") else 0
        self._on_progress(Progress(status, step, total, self._done, *self._means))


def _body(row: Row, grade: Grade, rollout: Rollout | None) -> dict[str, Any]:
    """Return what is kept of a grade beside its reward."""
    body = {name: value for name, value in grade.to_dict().items() if name != "reward"}
    body["line"] = row.line
    if rollout is not None and rollout.usage:
        body["rollout_usage"] = dict(rollout.usage)
    return body


def _unanswered(row: Row, rollout: Rollout) -> dict[str, Any]:
    """Return what is kept of a prompt that got no answer."""
    failure = {"code": rollout.code, "message": rollout.message, "where": ""}
    body: dict[str, Any] = {
        "sub_rewards": {}, "failures": [failure], "line": row.line, "unanswered": True,
    }  # fmt: skip
    if rollout.usage:
        body["rollout_usage"] = dict(rollout.usage)
    return body
