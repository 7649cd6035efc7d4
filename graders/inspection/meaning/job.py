"""What ends a job before it runs, and what its verdict gives as reasons."""

from __future__ import annotations

from typing import Any, Final

from graders.inspection.meaning.entry import Case, Meaning, Sort

__all__ = ["JOBS"]

_CHECK: Final = {
    "type": "string_check", "name": "exact", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "operation": "eq",
}  # fmt: skip


def _row(*samples: Any, **more: Any) -> dict[str, Any]:
    prompt = [{"role": "user", "content": "The capital of France?"}]
    kept = {"samples": list(samples)} if samples else {}
    return {"messages": prompt, "answer": "Paris", **kept, **more}


def _python(*lines: str) -> dict[str, Any]:
    source = "def grade(sample, item):\n" + "".join(f"    {line}\n" for line in lines)
    return {"type": "python", "name": "script", "source": source}


_BOTH: Final = _row("Paris", "Rome")
_OTHER: Final = _row("Paris", "Rome", answer="Rome")
_GOOD: Final = [_BOTH, _OTHER]


def _case(*rows: Any, grader: Any = None, validation: Any = None, **more: Any) -> Case:
    held = [_row("Paris", answer="Oslo")] if validation is None else validation
    return Case(grader=grader or _CHECK, rows=list(rows), validation=held, **more)


def _meaning(  # noqa: PLR0917
    sort: Sort, code: str, what: str, cure: str, case: Case, why: str = ""
) -> Meaning:
    return Meaning(code=code, sort=sort, what=what, why=why, cure=cure, case=case, page="docs/reference/job.md")  # fmt: skip


_END: Final = "end of a job"
_REASON: Final = "reason in a job's verdict"

JOBS: Final = (
    _meaning(
        _END, "invalid_training_file", "A line or a field of the training file is not as a job needs it.",
        "Mend the line that the message names; graders validate --training-file lists all of them.",
        _case({"messages": [], "answer": "Paris"}),
    ),
    _meaning(
        _END, "invalid_validation_file", "A line or a field of the validation file is not as a job needs it.",
        "Mend the line that the message names; graders validate --validation-file lists all of them.",
        _case(*_GOOD, validation=[{"messages": [], "answer": "Paris"}]),
    ),
    _meaning(
        _END, "missing_validation_file", "A reinforcement job names no validation file.",
        "Keep some rows out of the training file and name them by validation_file or --validation.",
        _case(*_GOOD, validation=[]),
        why="The hosted service refuses such a job.",
    ),
    _meaning(
        _END, "missing_rollouts", "The rows record no answers, and no model is named that could give some.",
        "Put answers under sample or samples of each row, or name a server by --rollout-url.",
        _case(_row()),
        why="A dry run grades answers, so it needs some; the hosted service would draw its own.",
    ),
    _meaning(
        _END, "invalid_grader", "The source of a python grader does not load.",
        "Mend the line that the message names; graders validate shows it too.",
        _case(*_GOOD, grader=_python("import no_such_package", "return 1.0") | {
            "source": "import no_such_package\n\n\ndef grade(sample, item):\n    return 1.0\n"}),
    ),
    _meaning(
        _END, "grader_unavailable", "This machine lacks what the grader needs.",
        "Give the judge's key or --base-url; for python graders see graders doctor.",
        _case(*_GOOD, grader={
            "type": "score_model", "name": "judge", "model": "gpt-4o-2024-08-06",
            "input": [{"role": "user", "content": "Score from 0 to 1: {{ sample.output_text }}"}],
        }, note="No key is set."),
    ),
    _meaning(
        _END, "file_changed", "The content of a file was altered or removed while the job still had rows to read.",
        "Upload it again and create a new job.",
        _case(*_GOOD, note="A file in the store's folder is written over."),
    ),
    _meaning(
        _END, "rollout_failed", "The model that was to answer the prompts answered none of the first step.",
        "Look at the server of --rollout-url, and at the name in --rollout-model.",
        _case(_row(), note="The server of --rollout-url is not there."),
    ),
    _meaning(
        _END, "process_lost", "The process of the job was killed five times at the same step.",
        "Give it more memory, or a smaller batch_size; the server's log has the step.",
        _case(*_GOOD, note="A server runs it, and the kernel ends its process for want of memory."),
    ),
    _meaning(
        _END, "internal_error", "graders met a fault of its own.",
        "Tell the makers of graders, with what stands in the log.",
        _case(*_GOOD, note="A fault of ours."),
    ),
    _meaning(
        _END, "unsupported_method", "A supervised or dpo job has no grader: its files were checked, and there is nothing to run.",
        "Nothing, where it was the files that you wanted checked.",
        Case(rows=[{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}],
             body={"method": {"type": "supervised"}}),
    ),
    _meaning(
        _REASON, "lint_error", "The linter has an error for the hosted target.",
        "graders explain with the code of the rule (G and three digits) has the cure.",
        _case(*_GOOD, grader={
            "type": "multi", "name": "both", "calculate_output": "exact * 0",
            "graders": {"exact": _CHECK},
        }, body={"method": {"reinforcement": {"hyperparameters": {"eval_samples": 40}}}}),
    ),
    _meaning(
        _REASON, "too_many_python_errors", "More than a tenth of the grades ended in a python error.",
        "Read the first failure in the table; graders explain python_grader_runtime_error.",
        _case(*_GOOD, grader=_python("return float(sample['output_text'])")),
        why="The hosted service fails a job with too many; it does not say how many.",
    ),
    _meaning(
        _REASON, "nothing_scored", "No sample has a reward.",
        "Read the table of failures: it has the code, the count and the first line.",
        _case(_row("no JSON"), grader={**_CHECK, "input": "{{ sample.output_json.city }}"},
              validation=[_row("none either")]),
    ),
    _meaning(
        _REASON, "failed_grades", "Some samples could not be scored; the hosted service gives them 0.0.",
        "Read the table of failures; graders explain has each code.",
        _case(_row('{"city": "Paris"}', "no JSON"), grader={**_CHECK, "input": "{{ sample.output_json.city }}"}),
    ),
    _meaning(
        _REASON, "failed_rollouts", "Some prompts got no answer from the model.",
        "Look at the server of --rollout-url; graders job resume asks again.",
        _case(_row(), note="The server of --rollout-url fails now and then."),
    ),
    _meaning(
        _REASON, "constant_reward", "All training samples have the same reward: there is nothing to learn.",
        "Make the grader tell good answers from better ones, or the prompts harder or easier.",
        _case(_row("Paris", "Paris"), _row("Paris", "Paris")),
    ),
    _meaning(
        _REASON, "no_signal", "Within every prompt all samples have the same reward.",
        "Give partial credit, or choose prompts that the model answers now right, now wrong.",
        _case(_row("Paris", "Paris"), _row("Rome", "Rome")),
        why="A step learns from the differences between the answers to one prompt.",
    ),
    _meaning(
        _REASON, "little_signal", "In more than half of the prompts all samples have the same reward.",
        "Give partial credit, or leave out prompts that are always right or always wrong.",
        _case(_row("Paris", "Paris"), _row("Paris", "Paris"), _BOTH),
    ),
    _meaning(
        _REASON, "signal_unknown", "No prompt has two samples with a reward, so nobody can say whether they differ.",
        "Record several answers of a prompt under samples, or name a server by --rollout-url.",
        _case(_row("Paris"), _row("Rome")),
    ),
)  # fmt: skip
"""Ends of jobs, then reasons of verdicts."""
