"""Small graders from which the examples of the rules are made."""

from __future__ import annotations

from typing import Any

__all__ = [
    "check", "endpoint", "grading", "job", "judge", "labeler", "multi", "python", "similar",
]  # fmt: skip

Json = dict[str, Any]


def check(**fields: Any) -> Json:
    """Return a string_check without fault, but for `fields`."""
    return {
        "type": "string_check", "name": "exact", "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}", "operation": "eq", **fields,
    }  # fmt: skip


def similar(**fields: Any) -> Json:
    """Return a text_similarity without fault, but for `fields`."""
    return {
        "type": "text_similarity", "name": "near", "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}", "evaluation_metric": "fuzzy_match", **fields,
    }  # fmt: skip


_PROMPT = (
    "Score the answer from 0 to 1.\n<reference>{{ item.answer }}</reference>\n"
    "<answer>{{ sample.output_text }}</answer>"
)


def judge(prompt: str = _PROMPT, **fields: Any) -> Json:
    """Return a score_model without fault, but for its prompt and `fields`."""
    return {
        "type": "score_model", "name": "judge", "model": "my-judge",
        "input": [{"role": "user", "content": prompt}],
        "sampling_params": {"temperature": 0, "seed": 1}, **fields,
    }  # fmt: skip


def labeler(
    prompt: str = "Is it polite or rude?\n<answer>{{ sample.output_text }}</answer>", **fields: Any
) -> Json:
    """Return a label_model without fault, but for its prompt and `fields`."""
    return {
        "type": "label_model", "name": "tone", "model": "my-judge",
        "input": [{"role": "user", "content": prompt}],
        "labels": ["polite", "rude"], "passing_labels": ["polite"], **fields,
    }  # fmt: skip


def endpoint(**fields: Any) -> Json:
    """Return an endpoint grader."""
    return {"type": "endpoint", "name": "remote", "url": "https://example.com/grade", **fields}


def python(source: str, **fields: Any) -> Json:
    """Return a python grader."""
    return {"type": "python", "name": "script", "source": source, **fields}


def grading(*body: str, before: str = "") -> str:
    """Return a source whose `grade` has these lines, after what stands `before` it."""
    return before + "def grade(sample, item):\n" + "".join(f"    {line}\n" for line in body)


def multi(formula: str, **graders: Any) -> Json:
    """Return a multi."""
    return {"type": "multi", "name": "both", "graders": graders, "calculate_output": formula}


def job(
    grader: Any = None, *, drop: str = "", reinforcement: Json | None = None, **fields: Any
) -> Json:
    """Return a `fine_tuning.jobs.create` body without fault, but for what is given or dropped."""
    body = {
        "model": "o4-mini-2025-04-16", "training_file": "file-train", "validation_file": "file-valid",
        "method": {
            "type": "reinforcement",
            "reinforcement": {"grader": grader or check(), **(reinforcement or {})},
        },
        **fields,
    }  # fmt: skip
    return {key: value for key, value in body.items() if key != drop}
