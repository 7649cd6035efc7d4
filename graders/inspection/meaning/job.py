"""What ends a job before its last step; and what the examples of jobs are made of."""

from __future__ import annotations

from typing import Any, Final

from graders.inspection.meaning.entry import Case, Meaning, Sort

__all__ = ["BOTH", "CHECK", "GOOD", "JOBS", "asking", "case", "python", "reason", "row"]

CHECK: Final = {
    "type": "string_check", "name": "exact", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "operation": "eq",
}  # fmt: skip


def row(*samples: Any, **more: Any) -> dict[str, Any]:
    """Return a row of a training file, with what the model answered."""
    prompt = [{"role": "user", "content": "The capital of France?"}]
    kept = {"samples": list(samples)} if samples else {}
    return {"messages": prompt, "answer": "Paris", **kept, **more}


def python(*lines: str) -> dict[str, Any]:
    """Return a python grader of these lines."""
    source = "def grade(sample, item):\n" + "".join(f"    {line}\n" for line in lines)
    return {"type": "python", "name": "script", "source": source}


def asking(model: str) -> dict[str, Any]:
    """Return a grader that asks a model."""
    prompt = [{"role": "user", "content": "Score from 0 to 1: {{ sample.output_text }}"}]
    return {"type": "score_model", "name": "judge", "model": model, "input": prompt}


BOTH: Final = row("Paris", "Rome")
_OTHER: Final = row("Paris", "Rome", answer="Rome")
GOOD: Final = [BOTH, _OTHER]


def case(*rows: Any, grader: Any = None, validation: Any = None, **more: Any) -> Case:
    """Return a job of these rows, by default with a validation row that is good."""
    held = [row("Paris", answer="Oslo")] if validation is None else validation
    return Case(grader=grader or CHECK, rows=list(rows), validation=held, **more)


def _meaning(  # noqa: PLR0917
    sort: Sort, code: str, what: str, cure: str, case: Case, why: str = ""
) -> Meaning:
    return Meaning(code=code, sort=sort, what=what, why=why, cure=cure, case=case, page="docs/reference/job.md")  # fmt: skip


_END: Final = "end of a job"


def reason(code: str, what: str, cure: str, case: Case, why: str = "") -> Meaning:
    """Return the meaning of a reason in a verdict."""
    return _meaning("reason in a job's verdict", code, what, cure, case, why)


def _trained(code: str, what: str, cure: str, note: str) -> Meaning:
    """Return the end of a job that trains, which takes a model to come to."""
    return _meaning(_END, code, what, cure, case(*GOOD, note=note))


JOBS: Final = (
    _meaning(
        _END, "invalid_training_file", "A line or a field of the training file is not as a job needs it.",
        "Mend the line that the message names; graders validate --training-file lists all of them.",
        case({"messages": [], "answer": "Paris"}),
    ),
    _meaning(
        _END, "invalid_validation_file", "A line or a field of the validation file is not as a job needs it.",
        "Mend the line that the message names; graders validate --validation-file lists all of them.",
        case(*GOOD, validation=[{"messages": [], "answer": "Paris"}]),
    ),
    _meaning(
        _END, "missing_validation_file", "A reinforcement job names no validation file.",
        "Keep some rows out of the training file and name them by validation_file or --validation.",
        case(*GOOD, validation=[]),
        why="The hosted service refuses such a job.",
    ),
    _meaning(
        _END, "missing_rollouts", "The rows record no answers, and no model is named that could give some.",
        "Put answers under sample or samples of each row, or name a server by --rollout-url.",
        case(row()),
        why="A dry run grades answers, so it needs some; the hosted service would draw its own.",
    ),
    _meaning(
        _END, "invalid_grader", "The source of a python grader does not load.",
        "Mend the line that the message names; graders validate shows it too.",
        case(*GOOD, grader={
            "type": "python", "name": "script",
            "source": "LIMITS = {}\nMOST = LIMITS['words']\n\n\ndef grade(sample, item):\n    return 1.0\n"}),
    ),
    _meaning(
        _END, "grader_unavailable", "This machine lacks what the grader needs.",
        "Give the judge's key or --base-url; for python graders see graders doctor.",
        case(*GOOD, grader=asking("gpt-4o-2024-08-06"), note="No key is set."),
    ),
    _meaning(
        _END, "invalid_rollouts", "What a row records as answers is none.",
        "An answer is a text, or an object with output_text; several stand in a list under samples.",
        case(row(samples=["Paris", 2])),
    ),
    _trained(
        "model_not_found", "No folder, and no name on the hub, stands for the body's model.",
        "Name one by --train-model NAME=FOLDER.", "The folder was moved after the job was made.",
    ),
    _trained(
        "model_unusable", "The model cannot be loaded, or its tokenizer lacks what training needs.",
        "Read what the message says; the folder is one that transformers loads, with its tokenizer.",
        "The folder has no tokenizer.",
    ),
    _trained(
        "out_of_memory", "The model and its rows take more memory than there is.",
        "Resume it with --train-rows 1; or create it again with a lower --train-length, or an adapter and not every weight.",
        "A row of 100,000 tokens on a small device.",
    ),
    _trained(
        "disk_full", "Checkpoints take more room than there is.",
        "Make room, and resume the job; earlier checkpoints stay.", "The disk is full.",
    ),
    _trained(
        "diverged", "The loss is not a number any more.",
        "Lower learning_rate_multiplier, or --train-learning-rate.", "A multiplier of 100.",
    ),
    _trained(
        "no_learning_signal", "The answers of each prompt got equal rewards, step after step.",
        "Give partial credit, or other prompts; --stop-when-flat says after how many steps, 0 for never.",
        "A grader that gives every answer 0.",
    ),
    _trained(
        "training_unavailable", "This run does not train, or a library is missing.",
        "Say --train, and install what the message names (docs/howto/train-a-job.md).",
        "A server without --train goes on with the job.",
    ),
    _trained(
        "training_failed", "The training process met a fault of another kind.",
        "The job's worker.log says where.", "A library and its model do not go together.",
    ),
    _meaning(
        _END, "file_changed", "The content of a file was altered or removed while the job still had rows to read.",
        "Upload it again and create a new job.",
        case(*GOOD, note="A file in the store's folder is written over."),
    ),
    _meaning(
        _END, "rollout_failed", "The model that was to answer the prompts answered none of the first step.",
        "Look at the server of --rollout-url, and at the name in --rollout-model.",
        case(row(), note="The server of --rollout-url is not there."),
    ),
    _meaning(
        _END, "process_lost", "The process of the job was killed five times at the same step.",
        "Give it more memory, or a smaller batch_size; the server's log has the step.",
        case(*GOOD, note="A server runs it, and the kernel ends its process for want of memory."),
    ),
    _meaning(
        _END, "internal_error", "graders met a fault of its own.",
        "Tell the makers of graders, with what stands in the log.",
        case(*GOOD, note="A fault of ours."),
    ),
    _meaning(
        _END, "unsupported_method", "A supervised or dpo job has no grader: its files were checked, and there is nothing to run.",
        "Nothing, where it was the files that you wanted checked.",
        Case(rows=[{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}],
             validation=[], body={"method": {"type": "supervised"}}),
    ),
)  # fmt: skip
"""Ends of jobs."""
