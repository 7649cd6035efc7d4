"""Runs of jobs: steps, events, checkpoints, results, verdicts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders.jobs import ApiError, RunOptions, Store, run_job
from graders.jobs.dataset import LONGEST_LINE
from graders.keyword import take
from graders.models import JudgeOptions, RolloutOptions
from tests.jobs.conftest import CHECK, lines, row, rows
from tests.models.server import Told, completion, error

HOSTED = {
    "step", "total_steps", "train_mean_reward", "full_valid_mean_reward",
    "full_valid_mean_parse_error", "mean_unresponsive_rewards", "reasoning_tokens_mean",
    "completion_tokens_mean", "valid_reasoning_tokens_mean", "model_graders_token_usage", "scores",
    "usage", "errors", "timing",
}  # fmt: skip
CODES = (
    "other_error", "sample_parse_error", "invalid_variable_error", "python_grader_server_error",
    "python_grader_runtime_error", "model_grader_server_error",
)  # fmt: skip
JUDGE = {
    "type": "score_model", "name": "judge", "model": "gpt-4.1-2025-04-14", "range": [0, 1],
    "input": [{"role": "user", "content": "{{ sample.output_text }} or {{ item.answer }}?"}],
    "sampling_params": {"temperature": 1},
}  # fmt: skip
PYTHON = {
    "type": "python", "name": "code",
    "source": "def grade(sample, item):\n    return 1.0 / len([1] * (item['n'] % 5))",
}  # fmt: skip


def prompts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [row(f"{n}?", "2", **more) for n in range(count)]


def said(store: Store, name: str) -> list[dict[str, Any]]:
    return store.jobs.events(name, limit=100)[0][::-1]


def steps(store: Store, name: str) -> list[dict[str, Any]]:
    return [one["data"] for one in said(store, name) if one["type"] == "metrics"]


def results(store: Store, job: dict[str, Any]) -> list[dict[str, Any]]:
    path = store.files.path(job["result_files"][0])
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def verdict(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["dry_run"]["verdict"]
    return found


def run(store: Store, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    rollout = {name: options.pop(name) for name in list(options) if name.startswith("rollout_")}
    made = take(None, RolloutOptions, rollout)
    return run_job(store, store.jobs.create(body)["id"], RunOptions(rollout=made, **options))


def reasons(job: dict[str, Any]) -> set[str]:
    return {one["code"] for one in verdict(job)["reasons"]}


# A job from its first event to its last.


def test_a_job_goes_through_its_states_and_says_so(store: Store, body: Any) -> None:
    job = run(store, body(hyperparameters={"batch_size": 6}, suffix="mine"))
    assert job["status"] == "succeeded"
    assert job["trained_tokens"] == 0
    assert job["fine_tuned_model"] is None
    assert job["finished_at"] is not None
    assert job["estimated_finish"] is None
    assert (job["dry_run"]["step"], job["dry_run"]["total_steps"]) == (2, 2)
    assert [one["message"] for one in said(store, job["id"]) if one["level"] == "info"] == [
        f"Created fine-tuning job: {job['id']}",
        f"Validating training file: {job['training_file']} and validation file: {job['validation_file']}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        "Step 1/2 , train mean reward=0.67, full validation mean reward=0.62, full validation mean parse error=0.00",
        "Checkpoint created at step 1 (no weights were trained)",
        "Step 2/2 , train mean reward=0.67, full validation mean reward=0.62, full validation mean parse error=0.00",
        "Checkpoint created at step 2 (no weights were trained)",
        "Verdict: this job would run, as far as its files and its grader go. The job has successfully completed",
    ]  # fmt: skip
    assert said(store, job["id"])[-1]["data"]["verdict"] == verdict(job)
    names = [one["fine_tuned_model_checkpoint"] for one in store.jobs.checkpoints(job["id"])[0]]
    assert all(":mine:no-weights-" in name and "dry-run" in name for name in names)
    assert store.jobs.runnable() == []


def test_auto_becomes_numbers_that_the_job_shows(store: Store, body: Any) -> None:
    job = run(store, body(rows(40), rows(4, 100)))
    shown = job["method"]["reinforcement"]["hyperparameters"]
    assert shown == {
        "batch_size": 4, "n_epochs": 1, "eval_interval": 1, "eval_samples": 2,
        "compute_multiplier": 1, "learning_rate_multiplier": 1, "reasoning_effort": "default",
    }  # fmt: skip
    assert job["dry_run"]["total_steps"] == 10


def test_a_step_has_every_hosted_name(store: Store, body: Any) -> None:
    grader = {
        "type": "multi", "name": "both", "graders": {"a": CHECK, "b": CHECK},
        "calculate_output": "(a + b) / 2",
    }  # fmt: skip
    job = run(store, body(grader=grader, hyperparameters={"batch_size": 12}))
    (step,) = steps(store, job["id"])
    assert set(step) == HOSTED | {"dry_run"}
    assert step["scores"]["graders"][0] == {
        "name": "a", "type": "string_check", "train_reward_mean": pytest.approx(2 / 3),
        "valid_reward_mean": 0.625,
    }  # fmt: skip
    assert [one["name"] for one in step["errors"]["graders"]] == ["a", "b"]
    for code in CODES:
        for split in ("train", "valid"):
            assert step["errors"]["graders"][0][f"{split}_{code}_mean"] == 0.0
            assert step["errors"]["graders"][0][f"{split}_{code}_count"] == 0
    assert set(step["timing"]["step"]) == {"eval", "sampling", "training", "full_iteration"}
    assert step["timing"]["step"]["training"] is None
    assert step["reasoning_tokens_mean"] is None
    assert step["model_graders_token_usage"] == {}


def test_an_evaluation_follows_every_so_many_steps_and_the_last(store: Store, body: Any) -> None:
    job = run(store, body(hyperparameters={"batch_size": 1, "eval_interval": 5}))
    evaluated = [
        one["step"] for one in steps(store, job["id"]) if one["full_valid_mean_reward"] is not None
    ]
    assert evaluated == [5, 10, 12]


def test_the_three_best_checkpoints_are_kept(store: Store, body: Any, serve: Any) -> None:
    # The model gets worse: the validation row is asked once after each of five steps.
    right = iter([True, True, False, True, False])
    server = serve(lambda asked, _: completion("2" if next(right) else "3"))
    training = [row(str(n), "2", sample="2") for n in range(5)]
    job = run(
        store,
        body(training, prompts(1), hyperparameters={"batch_size": 1, "eval_interval": 1}),
        rollout_url=server.url,
    )
    kept, more = store.jobs.checkpoints(job["id"])
    assert [one["step_number"] for one in kept] == [4, 2, 1]
    assert not more
    assert kept[0]["metrics"]["full_valid_mean_reward"] == 1.0
    assert kept[0]["metrics"]["train_loss"] is None


def test_recorded_samples_are_graded_once_for_all_epochs_and_evaluations(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda asked, _: completion())
    job = run(
        store,
        body(grader=JUDGE, hyperparameters={"n_epochs": 3, "batch_size": 4, "eval_interval": 1}),
        judge=JudgeOptions(base_url=server.url, cache="none"),
    )
    assert job["status"] == "succeeded"
    assert len(server.asked) == 12 * 2 + 4 * 2
    tokens = verdict(job)["judge_tokens"]
    assert tokens["measured"]["judge-1"]["train_prompt_tokens"] == 24 * 10
    assert tokens["whole_job"]["judge-1"] == {
        "train_prompt_tokens": 24 * 10 * 3, "train_completion_tokens": 24 * 5 * 3,
        "train_cached_tokens": 0, "eval_prompt_tokens": 8 * 10 * 9,
        "eval_completion_tokens": 8 * 5 * 9, "eval_cached_tokens": 0,
    }  # fmt: skip
    step = steps(store, job["id"])[0]
    assert step["model_graders_token_usage"]["judge-1"]["eval_prompt_tokens"] == 80
    (usage,) = step["usage"]["graders"]
    assert (usage["model"], usage["train_completion_tokens"]) == ("gpt-4.1-2025-04-14", 40)


def test_a_failed_judge_is_counted_under_its_hosted_name(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda asked, n: error(400, "no") if n % 2 else completion())
    judge = JudgeOptions(base_url=server.url, cache="none", concurrency=1, reply_form="text")
    job = run(store, body(grader=JUDGE, hyperparameters={"batch_size": 12}), judge=judge)
    (step,) = steps(store, job["id"])
    (errors,) = step["errors"]["graders"]
    assert errors["train_model_grader_server_error_count"] == 12
    assert errors["train_model_grader_server_error_mean"] == 0.5
    # As the service does it, a failed grade counts as 0.0; how many there are stands beside it.
    assert step["train_mean_reward"] == 0.25
    assert step["dry_run"]["train"] == {"rollouts": 24, "graded": 24, "scored": 12}
    (failure,) = verdict(job)["failures"]
    assert (failure["code"], failure["count"]) == ("model_grader_server_error", 16)
    assert failure["first"]["line"] == 1
    assert verdict(job)["outcome"] == "would_teach_nothing"  # What was scored is all 0.5.
    assert "failed_grades" in reasons(job)


def test_the_results_file_lists_every_sample_by_its_line(store: Store, body: Any) -> None:
    training = b"\n" + lines(rows(2)) + b"\r\n  \n" + lines(rows(1, 5))
    job = run(store, body(training))
    assert store.files.get(job["result_files"][0])["purpose"] == "fine-tune-results"
    found = results(store, job)
    kinds = [one["kind"] for one in found]
    assert kinds[0] == "job"
    assert kinds[-1] == "verdict"
    graded = [one for one in found if one["kind"] == "rollout" and one["split"] == "train"]
    assert [(one["line"], one["sample"], one["reward"]) for one in graded] == [
        (2, 0, 1.0), (2, 1, 1.0), (3, 0, 1.0), (3, 1, 0.0), (6, 0, 1.0), (6, 1, 0.0),
    ]  # fmt: skip
    assert found[-1]["outcome"] == verdict(job)["outcome"]


# Files.

PROBLEMS: list[tuple[Any, str, str]] = [
    ([], "training_file", "has no rows"),
    (b"\n\n \n", "training_file", "has no rows"),
    (lines(rows(1)) + b"{not json\n", "training_file", "line 2: not JSON"),
    (lines(rows(1)) + b"\xff\xfe\n", "training_file", "line 2: not JSON: not UTF-8"),
    (b'{"messages": NaN}\n', "training_file", "line 1: not JSON: NaN"),
    (lines([row(sample="x"), 5]), "training_file", "line 2: a row is an object"),
    (lines([row(sample="x", messages=[])]), "training_file", "line 1: messages: is a list"),
    (
        lines([row(sample="x", messages=[{"role": "human", "content": "x"}])]),
        "training_file",
        "line 1: messages[0].role: is one of",
    ),
    (lines([row(sample="x"), row(sample=5)]), "training_file", "line 2: sample: is a text or"),
    (lines([row(samples=["x", None])]), "training_file", "line 1: samples[1]: is a text or"),
    (lines([row(samples="x")]), "training_file", "line 1: samples: is a list"),
    (lines([row(samples=["x"], sample="x")]), "training_file", "stands beside sample"),
    (lines([row(samples=["x"] * 1025)]), "training_file", "at most 1,024"),
    (lines([row(sample="x", tools={})]), "training_file", "line 1: tools: is a list"),
    (b"[" * 100_000 + b"\n", "training_file", "nests too deeply"),
    (b'{"a": "' + b"x" * LONGEST_LINE + b'"}\n', "training_file", "line 1: the line is longer"),
]


@pytest.mark.parametrize(("content", "param", "says"), PROBLEMS)
def test_a_bad_file_fails_the_job_with_line_and_field(
    store: Store, body: Any, content: Any, param: str, says: str
) -> None:
    job = run(store, body(content))
    assert job["status"] == "failed"
    assert job["error"]["param"] == param
    ours = "sample" in says or "at most" in says  # No service reads what rows record.
    assert job["error"]["code"] == ("invalid_rollouts" if ours else f"invalid_{param}")
    assert says in job["error"]["message"]
    assert job["training_file"] in job["error"]["message"]
    assert verdict(job)["outcome"] == ("undecided" if ours else "would_be_refused")
    last = said(store, job["id"])[-1]
    assert last["level"] == "error"
    assert last["data"]["verdict"] == verdict(job)
    assert job["result_files"] == []
    assert store.jobs.runnable() == []


def test_too_many_rows_are_refused(store: Store, body: Any) -> None:
    job = run(store, body(None, lines([row(sample="x")]) * 1001))
    assert job["error"]["code"] == "invalid_validation_file"
    assert "line 1,001: the file has more than 1,000 rows" in job["error"]["message"]


def test_a_file_with_too_many_rows_behind_empty_lines_is_refused(store: Store, body: Any) -> None:
    job = run(store, body(b"\n" * 500_000 + b"{}\n" * 51_000))
    assert "line 550,001: the file has more than 50,000 rows" in job["error"]["message"]


def test_a_key_that_stands_twice_has_its_last_value(store: Store, body: Any) -> None:
    line = b'{"messages": [{"role": "user", "content": "?"}], "answer": "1", "answer": "2", "sample": "2"}\n'
    job = run(store, body(line))
    assert verdict(job)["rewards"]["train_mean"] == 1.0


def test_every_problem_is_an_event(store: Store, body: Any) -> None:
    training = lines([row(sample=5), {"sample": "x"}]) + b"{\n"
    job = run(store, body(training, [row(sample="x"), 7]))
    problems = [one for one in said(store, job["id"]) if "line" in one["data"]]
    assert [one["data"]["line"] for one in problems] == [1, 2, 2, 3, 2]
    assert [one["level"] for one in problems] == ["error", "error", "warn", "error", "error"]
    assert "more kinds of problem" in job["error"]["message"]


def test_rows_that_stand_in_both_files_are_warned_of(store: Store, body: Any) -> None:
    job = run(store, body(rows(3), rows(3)))
    assert job["status"] == "succeeded"
    (event,) = [
        one for one in said(store, job["id"]) if "also in the training file" in one["message"]
    ]
    assert event["level"] == "warn"


def test_a_job_without_a_validation_file_is_refused(store: Store, body: Any) -> None:
    job = run(store, body(validation_file=None))
    assert job["error"]["code"] == "missing_validation_file"
    assert job["error"]["param"] == "validation_file"
    assert verdict(job)["outcome"] == "would_be_refused"


def test_rows_without_rollouts_need_a_model(store: Store, body: Any) -> None:
    job = run(store, body(prompts(2)))
    assert job["error"]["code"] == "missing_rollouts"
    assert "line 1: the row records no rollout under sample or samples" in job["error"]["message"]


def test_what_records_rollouts_is_no_part_of_the_item(store: Store, body: Any) -> None:
    spied = {**CHECK, "reference": "{{ item.sample }}"}
    job = run(store, body([row(sample="x")], [row(sample="y")], grader=spied))
    assert job["status"] == "succeeded"
    assert "nothing_scored" in reasons(job)
    (failure,) = verdict(job)["failures"]
    assert failure["code"] == "invalid_variable_error"
    assert "item has no sample" in failure["first"]["message"]


@pytest.mark.parametrize("what", ["delete", "change", "grow"])
def test_a_file_that_changed_under_a_job_fails_it(store: Store, body: Any, what: str) -> None:
    name = store.jobs.create(body())["id"]
    blob = store.files.path(store.jobs.get(name)["validation_file"])
    if what == "delete":
        blob.unlink()
    else:
        with blob.open("r+b") as opened:
            opened.seek(0, 2 if what == "grow" else 0)
            opened.write(b"{}\n")
    job = run_job(store, name)
    assert job["error"]["code"] == "file_changed"
    says = "is not in the store any more" if what == "delete" else "is not what was uploaded"
    assert says in job["error"]["message"]


def test_a_file_that_changes_while_a_job_runs_fails_it(store: Store, body: Any) -> None:
    long = [{**one, "padding": "x" * 100_000} for one in rows(12)]  # More than is read ahead.
    name = store.jobs.create(body(long, hyperparameters={"batch_size": 1}))["id"]
    blob = store.files.path(store.jobs.get(name)["training_file"])
    changed = blob.read_bytes().replace(b'"answer": "12"', b'"answer": "21"')

    def act(progress: Any) -> None:
        if progress.step == 3:
            blob.write_bytes(changed)

    job = run_job(store, name, on_progress=act)
    assert job["error"]["code"] == "file_changed"
    assert "was changed while the job ran" in job["error"]["message"]


def test_a_file_that_changed_while_a_job_was_paused_fails_it(store: Store, body: Any) -> None:
    name = store.jobs.create(body(hyperparameters={"batch_size": 1}))["id"]

    def act(progress: Any) -> None:
        if progress.step == 3:
            store.jobs.pause(name)

    run_job(store, name, on_progress=act)
    blob = store.files.path(store.jobs.get(name)["validation_file"])
    blob.write_bytes(blob.read_bytes().upper())
    store.jobs.resume(name)
    job = run_job(store, name)
    assert (job["error"]["code"], job["error"]["param"]) == ("file_changed", "validation_file")


# Jobs that train on answers.

ANSWERED = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
PREFERRED = {
    "input": {"messages": [{"role": "user", "content": "?"}]},
    "preferred_output": [{"role": "assistant", "content": "yes"}],
    "non_preferred_output": [{"role": "assistant", "content": "no"}],
}


@pytest.mark.parametrize(
    ("kind", "good", "bad", "says"),
    [
        ("supervised", ANSWERED, row(), "messages: ends with the user's"),
        ("supervised", ANSWERED, {"messages": None}, "messages: is missing"),
        ("dpo", PREFERRED, {**PREFERRED, "input": "x"}, "input: is an object with messages"),
        ("dpo", PREFERRED, {**PREFERRED, "preferred_output": []}, "preferred_output: is a list"),
        (
            "dpo",
            PREFERRED,
            {**PREFERRED, "non_preferred_output": [{"role": "user", "content": "x"}]},
            "non_preferred_output: is the assistant's answer",
        ),
    ],
)
def test_other_methods_are_validated_and_then_refused(
    store: Store, upload: Any, kind: str, good: Any, bad: Any, says: str
) -> None:
    request: dict[str, Any] = {"model": "gpt-4.1", "method": {"type": kind, kind: {}}}
    job = run(store, {**request, "training_file": upload([good])})
    assert job["status"] == "failed"
    assert job["error"]["code"] == "unsupported_method"
    assert job["error"]["param"] == "method"
    assert "only reinforcement jobs can be dry-run" in job["error"]["message"]
    job = run(store, {**request, "training_file": upload([good, bad])})
    assert job["error"]["code"] == "invalid_training_file"
    assert f"line 2: {says}" in job["error"]["message"]


# Rollouts from a model.


def test_a_model_answers_the_rows_that_record_nothing(store: Store, body: Any, serve: Any) -> None:
    def script(asked: Any, count: int) -> Told:
        told = json.loads(completion("2" if count % 2 else "3").body)
        told["usage"]["completion_tokens_details"] = {"reasoning_tokens": 4}
        return Told(body=json.dumps(told).encode())

    server = serve(script)
    tools = [{"type": "function", "function": {"name": "add"}}]
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": False, "schema": {}}}
    job = run(
        store,
        body(
            prompts(2, tools=tools), rows(2, 50), seed=1,
            reinforcement={"response_format": form},
            hyperparameters={"n_epochs": 2, "reasoning_effort": "low", "batch_size": 2},
        ),
        rollout_url=server.url, rollout_model="mine",
    )  # fmt: skip
    assert job["status"] == "succeeded"
    sent = [one.body for one in server.asked]
    assert len(sent) == 2 * 4 * 2  # rows, samples, epochs
    assert len({one["seed"] for one in sent}) == len(sent)
    asked = sorted(one["messages"][0]["content"] for one in sent)
    assert asked == ["0?"] * 8 + ["1?"] * 8
    assert {one["model"] for one in sent} == {"mine"}
    assert sent[0]["tools"] == tools
    assert sent[0]["response_format"] == form
    assert sent[0]["reasoning_effort"] == "low"
    step = steps(store, job["id"])[0]
    assert step["completion_tokens_mean"] == 5.0
    assert step["reasoning_tokens_mean"] == 4.0
    assert step["train_mean_reward"] == 0.5
    outputs = [one for one in results(store, job) if "output" in one]
    assert {one["epoch"] for one in outputs} == {1, 2}
    assert outputs[0]["output"]["output_text"] in ("2", "3")
    assert verdict(job)["rollout_tokens"]["train"]["completion_tokens"] == 80


def test_the_compute_multiplier_scales_the_samples_of_a_prompt(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda asked, _: completion("2"))
    run(
        store,
        body(prompts(1), rows(1, 9), hyperparameters={"compute_multiplier": 1.5}),
        rollout_url=server.url,
    )
    assert len(server.asked) == 6


def test_a_failed_rollout_is_counted_and_named(store: Store, body: Any, serve: Any) -> None:
    def script(asked: Any, count: int) -> Told:
        return [
            completion("2"), error(400, "too long"), completion("2", finish="length"),
            Told(body=b"not json"),
        ][count % 4]  # fmt: skip

    server = serve(script)
    job = run(
        store, body(prompts(4), rows(1, 9)), rollout_url=server.url, rollout_concurrency=1
    )  # fmt: skip
    assert job["status"] == "succeeded"
    found = {(one["code"], one["count"]) for one in verdict(job)["failures"]}
    assert found == {("rollout_error", 8), ("truncated_observation_error", 4)}
    assert verdict(job)["rewards"]["train_mean"] == 1.0  # Of those that were answered.
    assert verdict(job)["rollouts"]["train"] == {"rollouts": 16, "graded": 4, "scored": 4}
    assert "failed_rollouts" in reasons(job)
    graded = [one for one in results(store, job) if one["kind"] == "rollout"]
    nothing = [one for one in graded if one["failures"]]
    assert len(nothing) == 12
    assert all(one["reward"] is None for one in nothing)


def test_a_model_that_answers_nothing_fails_the_job_at_its_first_step(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda asked, _: error(401, "no such key: sk-very-secret-key-0123456789"))
    job = run(store, body(prompts(2), prompts(1)), rollout_url=server.url)
    assert job["error"]["code"] == "rollout_failed"
    assert "none of the" in job["error"]["message"]
    assert "401" in job["error"]["message"]
    assert "sk-very" not in json.dumps([job, said(store, job["id"])])


def test_a_parameter_that_a_server_does_not_take_is_left_out(
    store: Store, body: Any, serve: Any
) -> None:
    def script(asked: Any, count: int) -> Told:
        return error(400, "unknown field seed") if "seed" in asked.body else completion("2")

    server = serve(script)
    job = run(store, body(prompts(2), rows(1)), rollout_url=server.url, rollout_concurrency=1)
    assert verdict(job)["rewards"]["train_mean"] == 1.0
    assert sum("seed" in one.body for one in server.asked) == 1


def test_tool_calls_and_refusals_are_what_a_model_said(store: Store, body: Any, serve: Any) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
    server = serve(
        lambda asked, n: (
            completion(None, tool_calls=calls) if n % 2 else completion(None, refusal="No.")
        )
    )
    job = run(store, body(prompts(1), rows(1)), rollout_url=server.url, rollout_concurrency=1)
    outputs = [one["output"] for one in results(store, job) if "output" in one]
    assert {"output_text": "", "output_tools": calls} in outputs
    assert {"output_text": "No."} in outputs


def test_a_model_that_is_gone_pauses_the_job_which_later_goes_on(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda asked, _: completion("2"))
    options = RunOptions(rollout=RolloutOptions(url=server.url, attempts=1))
    name = store.jobs.create(body(prompts(4), rows(1), hyperparameters={"batch_size": 1}))["id"]

    def act(progress: Any) -> None:
        if progress.step == 2:
            server.stop()

    job = run_job(store, name, options, act)
    assert job["status"] == "paused"
    assert "prompts get no answers any more" in said(store, name)[-1]["message"]
    assert job["dry_run"]["step"] == 2
    other = serve(lambda asked, _: completion("2"))
    store.jobs.resume(name)
    job = run_job(store, name, RunOptions(rollout=RolloutOptions(url=other.url)))
    assert verdict(job)["failures"] == []
    assert (len(server.asked), len(other.asked)) == (8, 8)


def test_a_model_that_was_never_there_fails_the_job(store: Store, body: Any, serve: Any) -> None:
    server = serve(lambda asked, _: completion("2"))
    server.stop()
    options = {"rollout_url": server.url, "rollout_attempts": 1}
    job = run(store, body(prompts(4), rows(1)), **options)
    assert job["error"]["code"] == "rollout_failed"
    assert "cannot be reached" in job["error"]["message"]


def test_a_rate_limit_is_waited_for(store: Store, body: Any, serve: Any) -> None:
    server = serve(
        lambda asked, n: error(429, "slow", retry_after_ms="1") if n == 1 else completion("2")
    )
    job = run(store, body(prompts(1), rows(1)), rollout_url=server.url)
    assert verdict(job)["failures"] == []


# Verdicts.


@pytest.mark.parametrize(
    ("training", "code"),
    [
        ([row(samples=["2", "2"])] * 3, "constant_reward"),
        ([row(samples=["3", "3"])] * 3, "constant_reward"),
        ([row(samples=["2", "2"]), row(samples=["3", "3"])], "no_signal"),
        ([row(samples=["2", "2"])] * 2 + [row(samples=["2", "3"])], "little_signal"),
        ([row(sample="2"), row(sample="3")], "signal_unknown"),
        (rows(12), None),
    ],
)
def test_rewards_that_teach_nothing_are_said(
    store: Store, body: Any, training: Any, code: str | None
) -> None:
    job = run(store, body(training))
    nothing = code in ("constant_reward", "no_signal")
    assert verdict(job)["outcome"] == ("would_teach_nothing" if nothing else "would_run")
    assert reasons(job) - {"base_model_off"} == ({code} if code else set())


def test_too_many_python_errors_would_fail_the_job_and_the_run_goes_on(
    store: Store, body: Any
) -> None:
    training = [row(sample="x", n=n) for n in range(10)]
    made = body(training, [row("v", sample="x", n=1)], grader=PYTHON)
    job = run_job(store, store.jobs.create(made, target="azure")["id"])
    assert job["status"] == "succeeded"
    assert verdict(job)["outcome"] == "would_be_refused"
    assert "too_many_python_errors" in reasons(job)
    (failure,) = verdict(job)["failures"]
    assert (failure["code"], failure["count"]) == ("python_grader_runtime_error", 2)
    assert "ZeroDivisionError" in failure["first"]["message"]


def test_a_grader_that_cannot_be_loaded_fails_the_job(store: Store, body: Any) -> None:
    broken = {**PYTHON, "source": "def grade(sample, item)\n    return 1"}
    job = run(store, body(grader=broken))
    assert job["error"]["code"] == "invalid_grader"
    assert job["error"]["param"] == "method.reinforcement.grader.source"


def test_findings_of_the_linter_are_in_the_verdict_and_its_events(store: Store, body: Any) -> None:
    form = {"name": "x", "strict": False, "schema": {
        "type": "object", "properties": {"y": {"type": "string"}}, "additionalProperties": False,
    }}  # fmt: skip
    job = run(
        store,
        body(
            [row(sample='{"x": "2"}')], [row(sample='{"x": "3"}')],
            grader={**CHECK, "input": "{{ sample.output_json.x }}"},
            reinforcement={"response_format": {"type": "json_schema", "json_schema": form}},
        ),
    )  # fmt: skip
    assert "G710" in [one["code"] for one in verdict(job)["lint"]]
    assert verdict(job)["outcome"] == "would_teach_nothing"
    assert any("G710" in one["message"] for one in said(store, job["id"]))


def test_a_retired_model_is_a_warning(store: Store, body: Any) -> None:
    (reason,) = verdict(run(store, body()))["reasons"]
    assert (reason["code"], reason["severity"]) == ("base_model_off", "warning")
    assert "2026-10-23" in reason["message"]


def test_nothing_scored_would_fail(store: Store, body: Any) -> None:
    grader = {**CHECK, "input": "{{ sample.output_json.x }}"}
    job = run(store, body(grader=grader))
    assert verdict(job)["outcome"] == "would_teach_nothing"
    assert "nothing_scored" in reasons(job)
    step = steps(store, job["id"])[0]
    assert step["full_valid_mean_parse_error"] > 0


def test_a_judge_that_cannot_be_asked_fails_the_job(
    store: Store, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    job = run(store, body(grader=JUDGE))
    assert job["error"]["code"] == "grader_unavailable"
    assert "needs a key" in job["error"]["message"]


def test_a_job_with_a_model_is_not_run_without_one(store: Store, body: Any, serve: Any) -> None:
    server = serve(lambda asked, _: completion("2"))
    name = store.jobs.create(body(prompts(3), rows(1), hyperparameters={"batch_size": 1}))["id"]

    def act(progress: Any) -> None:
        if progress.step == 1:
            store.jobs.pause(name)

    run_job(store, name, RunOptions(rollout=RolloutOptions(url=server.url)), act)
    store.jobs.resume(name)
    with pytest.raises(ApiError, match="name the server that answers them"):
        run_job(store, name)
    assert store.jobs.get(name)["status"] == "queued"
    assert (
        run_job(store, name, RunOptions(rollout=RolloutOptions(url=server.url)))["status"]
        == "succeeded"
    )
    assert len(server.asked) == 12


def test_a_refused_job_has_the_lint_findings_too(store: Store, body: Any) -> None:
    constant = {**CHECK, "input": "a", "reference": "b"}
    job = store.jobs.create(body([*rows(3), {"messages": 5}], grader=constant))
    verdict = run_job(store, job["id"])["dry_run"]["verdict"]
    assert verdict["outcome"] == "would_be_refused"
    assert "G111" in [one["code"] for one in verdict["lint"]]
