"""Why a row has no reward, and what keeps a config from loading: each code with an example of it."""

from __future__ import annotations

from typing import Any, Final

from graders.inspection.meaning.entry import Case, Meaning, Sort

__all__ = ["FAILURES"]

_ROW: Final = '{"item": {"answer": "Paris"}, "sample": "It is Paris."}'
_JUDGE: Final = {
    "type": "score_model", "name": "judge", "model": "my-judge",
    "input": [{"role": "user", "content": "Score from 0 to 1: {{ sample.output_text }}"}],
}  # fmt: skip
_ENDPOINT: Final = {"type": "endpoint", "name": "remote", "url": "https://example.com/grade"}


def _check(**fields: Any) -> dict[str, Any]:
    return {
        "type": "string_check", "name": "exact", "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}", "operation": "eq", **fields,
    }  # fmt: skip


def _python(source: str) -> dict[str, Any]:
    return {"type": "python", "name": "script", "source": source}


def _meaning(  # noqa: PLR0917
    code: str, what: str, why: str, cure: str, case: Case, sort: Sort = "failure of a row"
) -> Meaning:
    return Meaning(code=code, sort=sort, what=what, why=why, cure=cure, case=case, page="docs/reference/result.md")  # fmt: skip


FAILURES: Final = (
    _meaning(
        "invalid_variable_error",
        "A template names something that the row does not have.",
        "A wrong name is no wrong answer: the row fails instead of getting 0.",
        "Correct the name in the template, or --item-path and --sample-path; graders validate --rows "
        "lists every variable that rows lack.",
        Case(grader=_check(reference="{{ item.anwser }}"), row=_ROW),
    ),
    _meaning(
        "sample_parse_error",
        "The grader reads output_json, and the answer is not JSON.",
        "Also where a sample is neither text nor object, or holds what JSON cannot.",
        "Ask the model for JSON (response_format), or compare output_text; where such an answer is to "
        "get a reward all the same, a multi's invalid_grade says which.",
        Case(grader=_check(input="{{ sample.output_json.city }}"), row=_ROW),
    ),
    _meaning(
        "formula_runtime_error",
        "The formula of a multi has no finite value for this row.",
        "A division by zero, a logarithm or a root of a negative number, a number too large.",
        "Bound what is divided by: exact / max(near, 0.1). graders validate (G105) says where it can happen.",
        Case(
            grader={
                "type": "multi", "name": "ratio", "calculate_output": "1 / exact",
                "graders": {"exact": _check()},
            },
            row=_ROW,
        ),
    ),
    _meaning(
        "metric_time_error",
        "Comparing two texts would take a text metric longer than --pair-seconds.",
        "It is judged by the texts and not by a clock, and not begun: one such row would hold up all others.",
        "Compare a shorter part, take a metric whose time grows with the sum of the lengths (bleu, rouge_1), "
        "or raise --pair-seconds.",
        Case(
            grader={"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
                    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"},
            row='{"item": {"answer": "a text of 2 MB"}, "sample": "another text of 2 MB"}',
        ),
    ),
    _meaning(
        "python_grader_runtime_error",
        "A python grader raised, returned no finite number, or broke a limit.",
        "Time, memory and disk are the hosted service's limits; the message has the line.",
        "Mend the line that is named, or catch the case in grade; --python-timeout and "
        "--python-memory change the limits here, not there.",
        Case(
            grader=_python("def grade(sample, item):\n    return float(sample['output_text'])\n"),
            row=_ROW,
        ),
    ),
    _meaning(
        "python_grader_server_error",
        "The sandbox could not run a python grader; it is not the grader's fault.",
        "The machine is out of processes, memory or files, or a worker could not be confined.",
        "Look at graders doctor, give fewer --python-workers, then score the failed rows again with "
        "--only-failed.",
        Case(
            grader=_python("def grade(sample, item):\n    return 1.0\n"), row=_ROW,
            note="The machine allows no further process.",
        ),
    ),
    _meaning(
        "model_grader_server_error",
        "A judge's server failed, was not reached, or the reply is not in the cache (--offline).",
        "The model is never blamed for its judge: the row fails, and can be asked again.",
        "Read what the server said; then score the failed rows again with --only-failed.",
        Case(grader=_JUDGE, row=_ROW, reply="503 overloaded, at each of the tries"),
    ),
    _meaning(
        "model_grader_refusal_error",
        "A judge, or its content filter, refused to answer.",
        "What is in the prompt was not to its liking, mostly the model's answer.",
        "Read the row; ask another judge (--model-map), or say in the prompt why it is to be judged.",
        Case(grader=_JUDGE, row=_ROW, reply="I can't help with that (a refusal)"),
    ),
    _meaning(
        "model_grader_parse_error",
        "A judge's reply is not the JSON that was asked for.",
        "A result that cannot be read for certain is never guessed.",
        "Choose a judge that can hold to a schema (--reply-form json_schema), or a larger one.",
        Case(grader=_JUDGE, row=_ROW, reply="I would say it is rather good."),
    ),
    _meaning(
        "model_grader_exceeded_max_tokens_error",
        "A judge's reply was cut off at its limit of tokens.",
        "A judge that thinks for long comes to no verdict within it.",
        "Raise max_completions_tokens in sampling_params, or ask for shorter reasons.",
        Case(grader=_JUDGE, row=_ROW, reply='{"steps": [{"description": "First, (cut off)'),
    ),
    _meaning(
        "endpoint_grader_server_error",
        'An endpoint was not reached, refused the row, or did not answer {"score": number}.',
        "It was asked four times, as the hosted service does.",
        "Look at the endpoint's own log; then score the failed rows again with --only-failed.",
        Case(grader=_ENDPOINT, row=_ROW, reply="500, at each of the tries"),
    ),
    _meaning(
        "endpoint_grader_internal_error",
        "A row was not sent to its endpoint, for it is longer than 1 MB.",
        "The hosted service sends no longer ones.",
        "Leave out of the item what the endpoint does not need.",
        Case(grader=_ENDPOINT, row='{"item": {"answer": "a text of more than 1 MB"}, "sample": "Paris"}'),
    ),
    _meaning(
        "row_parse_error",
        "A line of the rows is not JSON, or not an object.",
        "The message has the number of the line.",
        "Mend the line; where all lines fail, the file is of another kind than its name says.",
        Case(grader=_check(), row='{"item": {"answer": "Paris"}, "sample": "It is'),
    ),
    _meaning(
        "other_error",
        "Scoring the row met a fault that is not its own: of graders, or of an extension.",
        "Also where it ended its worker process, again and again, or a panel's majority is tied.",
        "Read the message; tell the makers of graders, or of the extension, with the row.",
        Case(grader=_check(), row=_ROW, note="The process that scores the row ends again and again."),
    ),
    _meaning(
        "rollout_error",
        "In jobs and evals: the model that was to answer the prompt gave no answer.",
        "Its server failed, refused, or answered with what is no chat completion.",
        "Read what the server said; graders job resume and graders evals resume ask again.",
        Case(grader=_check(), note="The server of --rollout-url answers 500.", rows=[
            {"messages": [{"role": "user", "content": "The capital of France?"}], "answer": "Paris"},
        ]),
    ),
    _meaning(
        "truncated_observation_error",
        "In jobs and evals: the model's answer was cut off at its limit of tokens.",
        "What was not finished is not graded.",
        "Raise the limit (max_completion_tokens), or ask for shorter answers.",
        Case(grader=_check(), note="The model's finish_reason is length.", rows=[
            {"messages": [{"role": "user", "content": "The capital of France?"}], "answer": "Paris"},
        ]),
    ),
    _meaning(
        "unresponsive_reward_error",
        "A flag of the hosted service's response; this version never sets it.",
        "It stands there, false, for programs that look for it.",
        "Nothing.",
        Case(grader=_check(), row=_ROW, note="graders run --hosted shows the flag, false."),
    ),
    _meaning(
        "endpoint_grader_safety_check_error",
        "A flag of the hosted service's response; this version never sets it.",
        "It stands there, false, for programs that look for it.",
        "Nothing.",
        Case(grader=_check(), row=_ROW, note="graders run --hosted shows the flag, false."),
    ),
    _meaning(
        "exported",
        "In evals that were brought along: the service gave no verdict, and the export does not say why.",
        "Only that it failed stands in the export.",
        "Grade the row here: graders evals compare RUN.",
        Case(grader=_check(), note="A result with the status error, and no error, in an export."),
    ),
    _meaning(
        "exported_unfinished",
        "In evals that were brought along: the run was exported before it had ended.",
        "What is missing was never graded by the service.",
        "Run it here: graders evals resume, or graders evals run.",
        Case(grader=_check(), note="A run with the status in_progress in an export."),
    ),
    _meaning(
        "config_error",
        "A field of the config has a value or a name that it cannot have.",
        "All faults are told at once, each with its place and the nearest right spelling.",
        "Correct what is named; docs/reference/config.md lists the fields.",
        Case(grader=_check(operation="equals")), "fault of a config",
    ),
    _meaning(
        "template_parse_error",
        "A text is not a template as the hosted service documents them.",
        "Hosted templates are paths and nothing else: no filters, no conditions.",
        "Write {{ item.answer }}; --dialect jinja2 reads all of Jinja, here only.",
        Case(grader=_check(input="{{ sample.output_text | lower }}")), "fault of a config",
    ),
    _meaning(
        "formula_parse_error",
        "A calculate_output is not a formula, or names what is no key of graders.",
        "Formulas know + - * / ^, min, max, abs, floor, ceil, exp, sqrt, log and the keys.",
        "Correct the place under the caret; docs/reference/formula.md has the language.",
        Case(grader={
            "type": "multi", "name": "both", "calculate_output": "exact +", "graders": {"exact": _check()},
        }), "fault of a config",
    ),
)  # fmt: skip
"""Codes of failures, then of faults."""
