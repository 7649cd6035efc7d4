"""The state `validating_files`: whether a job's files and grader can be used, and what is odd in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from graders.api import Grader
from graders.config import Loaded
from graders.errors import ConfigError, GradersError, shown
from graders.inspection.lint import (
    Finding,
    Subject,
    Target,
    TrainingFile,
    lint,
    read_training,
)
from graders.inspection.lint.training import MOST_ROWS, Look
from graders.jobs.dataset import OWN_FIELDS, ChangedError, Dataset, LineError
from graders.jobs.looking import dpo_problems, rollout_problems, supervised_problems
from graders.jobs.option import RunOptions
from graders.wire.error import bare

__all__ = [
    "Checked",
    "JobFile",
    "RefusedError",
    "Remark",
    "check_examples",
    "check_files",
    "findings_of",
]

MOST_EXAMPLES: Final = 1_000_000
"""Rows of a supervised or dpo file that are looked at; such jobs go no further here anyway."""

_MOST_SAID: Final = 50
_WARNED: Final = ("last", "overlap", "missing")
"""What no service is known to refuse a file for. A field that a row lacks fails its grades."""

_OURS: Final = ("rollouts", "rollout")
"""What is wrong with answers that rows record, which no service reads."""

Use = Literal["training", "validation"]
Level = Literal["warn", "error"]


@dataclass(frozen=True, slots=True)
class JobFile:
    """What the store knows of a job's file.

    Attributes:
        name: its id.
        path: where its content stands.
        sha256: its checksum.
        filename: what its owner calls it.
    """

    name: str
    path: Path
    sha256: str
    filename: str

    @property
    def called(self) -> str:
        """What to call it in a sentence."""
        return f"{shown(self.filename)} ({self.name})"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say of a job."""

    level: Level
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


class RefusedError(GradersError):
    """A job cannot be run.

    Attributes:
        code: for machines, such as `invalid_training_file`.
        param: what is wrong, `training_file` for example.
        remarks: everything that was found.
        findings: what the linter found.
        blind: whether no part of the grader looks at the answer.
    """

    findings: Sequence[Finding] = ()
    blind = False

    def __init__(
        self, code: str, message: str, param: str | None = None, remarks: list[Remark] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.remarks = remarks or []


@dataclass(slots=True)
class Checked:
    """A job's rows, opened, and what there is to say of them.

    Attributes:
        training: the training rows.
        validation: the validation rows.
        remarks: what was found.
        findings: of the linter.
    """

    training: Dataset
    validation: Dataset
    remarks: list[Remark] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def opened(cls, training: JobFile, validation: JobFile) -> Self:
        """Return a job's rows.

        Raises:
            RefusedError: a file is not what it was, or cannot be taken.
        """
        with ExitStack() as stack:
            first = open_file(training, "training", MOST_ROWS["training"])
            stack.callback(first.close)
            second = open_file(validation, "validation", MOST_ROWS["validation"])
            stack.pop_all()
        return cls(first, second)

    def close(self) -> None:
        """Close the files."""
        self.training.close()
        self.validation.close()


def open_file(file: JobFile, use: Use, most: int) -> Dataset:
    """Return the rows of a file.

    Raises:
        RefusedError: it is not what it was, or cannot be taken.
    """
    called, param = f"the {use} file {file.called}", f"{use}_file"
    try:
        return Dataset.open(file.path, called, file.sha256, most)
    except ChangedError as error:
        raise RefusedError("file_changed", f"{error}; upload it again", param) from None
    except LineError as error:
        says = f"{called}, line {error.line:,}: {error}"
        raise RefusedError(f"invalid_{param}", says, param, [Remark("error", says)]) from None


def check_files(
    files: Mapping[str, JobFile | None],
    loaded: Loaded,
    grader: Grader,
    options: RunOptions,
    target: Target,
    *,
    asks: bool | None = None,
) -> Checked:
    """Check everything a reinforcement job needs; return its rows, opened.

    Args:
        files: the training and the validation file by use.
        loaded: the config and the body around it.
        grader: made of it.
        options: how the job is run.
        target: the service whose rules count.
        asks: whether a model answers rows that record nothing; None for whether a server is named.

    Raises:
        RefusedError: the job cannot be run.
        UnavailableError: this machine lacks what the grader needs.
    """
    training, validation = files["training"], files["validation"]
    if training is None or validation is None:
        raise RefusedError(
            "missing_validation_file",
            "a reinforcement job needs a validation file: upload some rows that are not in the "
            "training file and name them by validation_file",
            "validation_file",
        )
    if asks is None:
        asks = options.rollout.url is not None
    checked = Checked.opened(training, validation)
    try:
        found: list[TrainingFile] = []
        for use, file in (("training", training), ("validation", validation)):
            look = rollout_problems(asks=asks, target=target)
            found.append(_read(file, use, grader, look, found[0] if found else None))
        checked.remarks += _remarks(found)
        checked.findings = findings_of(loaded, grader, options, target, found)
        _refuse_bad(found, checked.remarks)
        _check_grader(grader, checked.remarks)
        checked.remarks += _said_findings(checked.findings)
        checked.training.count_samples()
        checked.validation.count_samples()
    except ChangedError as error:
        checked.close()
        raise RefusedError("file_changed", f"{error}; upload it again", None) from None
    except BaseException as error:
        checked.close()
        if isinstance(error, RefusedError):
            error.findings = checked.findings
        raise
    return checked


def findings_of(
    loaded: Loaded,
    grader: Grader,
    options: RunOptions,
    target: Target,
    files: Sequence[TrainingFile] = (),
) -> list[Finding]:
    """Return what the linter finds in a job's body and its files."""
    model_map = options.judge.model_map
    return lint(Subject.of(loaded, grader, target=target, model_map=model_map, files=files))


def check_examples(
    files: Mapping[str, JobFile | None], kind: str, model: str | None
) -> list[Remark]:
    """Check the rows of a supervised or dpo job; return what is odd.

    Args:
        files: by use.
        kind: the method.
        model: the hosted base model; None for one that is trained here.

    Raises:
        RefusedError: a file is not one of such rows.
    """
    found: list[TrainingFile] = []
    for use, file in files.items():
        if file is not None:
            open_file(file, _use(use), MOST_EXAMPLES).close()
            look = (
                supervised_problems(model)
                if kind == "supervised"
                else dpo_problems(texts=model is None)
            )
            other = found[0] if found else None
            one = read_training(str(file.path), _use(use), (), look=look, other=other)
            one.path = file.called
            found.append(one)
    remarks = _remarks(found)
    _refuse_bad(found, remarks)
    return remarks


def _use(use: str) -> Use:
    return "training" if use == "training" else "validation"


def _read(
    file: JobFile, use: str, grader: Grader, look: Look, other: TrainingFile | None
) -> TrainingFile:
    found = read_training(
        str(file.path), _use(use), grader.plan.paths, other=other, apart=OWN_FIELDS, look=look
    )
    found.path = file.called  # The name its owner knows; where it stands is the store's business.
    return found


def _refuse_bad(found: list[TrainingFile], remarks: list[Remark]) -> None:
    """Refuse what the service would, in either file; then what only keeps this machine from grading."""
    for ours in (False, True):
        for one in found:
            param = f"{one.use}_file"
            if not one.rows:
                says = f"the {param} {one.path} has no rows"
                raise RefusedError(f"invalid_{param}", says, param, remarks)
            kinds = [problem for problem in one.problems.values() if problem.kind not in _WARNED]
            bad = [problem for problem in kinds if (problem.kind in _OURS) is ours]
            if not bad:
                continue
            first = min(bad, key=lambda problem: problem.line)
            more = (
                f" ({len(kinds) - 1:,} more kinds of problem: see the events)" if kinds[1:] else ""
            )
            says = f"the {one.use} file {one.path}, line {first.line:,}: {first.message}{more}"
            code = {"rollouts": "missing_rollouts", "rollout": "invalid_rollouts"}
            raise RefusedError(code.get(first.kind, f"invalid_{param}"), says, param, remarks)


def _remarks(found: list[TrainingFile]) -> list[Remark]:
    """Return what is to be said of files, each kind of problem of each field once."""
    remarks = []
    for one in found:
        for problem in sorted(one.problems.values(), key=lambda problem: problem.line):
            many = f" (and in {problem.count - 1:,} more rows)" if problem.count > 1 else ""
            says = f"the {one.use} file {one.path}, line {problem.line:,}: {problem.message}{many}"
            level: Level = "warn" if problem.kind in _WARNED else "error"
            data = {"file": one.path, "line": problem.line, "rows": problem.count}
            remarks.append(Remark(level, says, data))
    over = len(remarks) - _MOST_SAID
    return remarks[:_MOST_SAID] + (
        [Remark("warn", f"{over:,} more kinds of problem are not listed")] if over > 0 else []
    )


def _check_grader(grader: Grader, remarks: list[Remark]) -> None:
    try:
        grader.check()
    except ConfigError as error:
        fault = error.faults[0]
        says = f"{bare(fault.path)}: {fault.message}"
        lacking = any(one.certain for seen in grader.seen().values() for one in seen.missing)
        # A package that is not here may well be there.
        code = "grader_unavailable" if lacking else "invalid_grader"
        raise RefusedError(code, says, bare(fault.path), remarks) from None


def _said_findings(findings: list[Finding]) -> list[Remark]:
    # What has a line is about rows of a file, and said already.
    worth = [one for one in findings if one.severity != "info" and one.line is None]
    return [
        Remark(
            "warn", f"{one.code} {one.path}: {one.message}",
            {"code": one.code, "severity": one.severity, "path": one.path, "fix": one.fix},
        )
        for one in worth[:_MOST_SAID]
    ]  # fmt: skip
