"""Verdicts: the ends a job may have, and jobs built to teach nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graders
from graders.inspection.lint import TARGETS
from graders.jobs import RunOptions, Store, run_job
from graders.jobs.journal import TRAIN, SampleKey, StoredGrade
from graders.jobs.outcome import EXIT_CODES, SAID, Service
from graders.jobs.signal import MeasuredSteps, Spread, same
from graders.jobs.trial import by_chance
from graders.models import JudgeOptions, RolloutOptions
from tests.jobs.conftest import CHECK, row, rows
from tests.models.server import completion, error

Json = dict[str, Any]


def python(*body: str, top: str = "") -> Json:
    source = f"{top}\ndef grade(sample, item):\n" + "\n".join(f"    {line}" for line in body)
    return {"type": "python", "name": "code", "source": source}


def multi(formula: str, **graders: Json) -> Json:
    return {"type": "multi", "name": "both", "graders": graders, "calculate_output": formula}


def run(store: Store, body: Json, target: Any = "local", **rollout: Any) -> Json:
    name = store.jobs.create(body, target=target)["id"]
    return run_job(store, name, RunOptions(rollout=RolloutOptions(**rollout)))


def verdict(job: Json) -> Json:
    found: Json = job["dry_run"]["verdict"]
    return found


def first(job: Json) -> tuple[str, str]:
    """The outcome and the code of the first reason, "" for none."""
    found = verdict(job)
    return found["outcome"], found["reasons"][0]["code"] if found["reasons"] else ""


def asked(*samples: Sequence[Any], prompt: str = "{}?", **more: Any) -> list[Json]:
    """A row for each list of answers; every prompt is another one."""
    return [
        row(prompt.format(n), "2", samples=list(one), n=n, **more) for n, one in enumerate(samples)
    ]


VARIED = asked(["2", "3"], ["2", "no"], ["3", "2"], ["2", "4"])
SINGLE = [row(f"{n}?", str(n), sample=f"answer {n}", n=n) for n in range(8)]
FUZZY = {
    "type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
JSON_CHECK = {**CHECK, "input": "{{ sample.output_json.x }}"}
CHANCE = python("return random.random() + 0 * len(sample['output_text'])", top="import random")
COINS = [
    row("Heads or tails?", answer, samples=["heads", "tails"]) for answer in ("heads", "tails") * 3
]

NOTHING: dict[str, tuple[Any, Any, Any, str]] = {
    # name: training rows, grader, hyperparameters, the first reason
    "the floor": (asked(["3", "4"], ["5", "no"]), None, None, "constant_reward"),
    "the ceiling": (asked(["2", "2"], ["2", "2"], ["2", "2"]), None, None, "constant_reward"),
    "saturated in words": (VARIED, python("return min(1.0, 5.0 + len(sample['output_text']))"), None, "constant_reward"),
    "constant but for failures": (
        asked(['{"x": "2"}', "no JSON"], ["none", '{"x": "2"}']), JSON_CHECK, None, "constant_reward",
    ),
    "constant where invalid_grade stands in for failures": (
        asked(['{"x": "2"}', "no JSON"], ["none", '{"x": "2"}']),
        {**multi("x", x=JSON_CHECK), "invalid_grade": 0.0}, None, "constant_reward",
    ),
    "all failures with invalid_grade": (
        asked(["a", "b"], ["c", "d"]), {**multi("x", x=JSON_CHECK), "invalid_grade": 0.5}, None, "nothing_scored",
    ),
    "all answers fail": (VARIED, JSON_CHECK, None, "nothing_scored"),
    "no row has the field": (VARIED, {**CHECK, "reference": "{{ item.gold }}"}, None, "nothing_scored"),
    "a source that raises": (VARIED, python("return item['gold'] + len(sample)"), None, "nothing_scored"),
    "a formula without a value": (VARIED, multi("log(a - 1)", a=CHECK), None, "nothing_scored"),
    "a source that returns NaN": (VARIED, python("return float('nan') * len(sample['output_text'])"), None, "nothing_scored"),
    "only validation can be scored": (asked(["x"] * 2, ["y"] * 2), JSON_CHECK, None, "nothing_scored"),
    "one sample scored": (
        asked(["a", "b"], ["c", '{"x": "2"}'], ["d", "e"]), JSON_CHECK, None, "one_scored",
    ),
    "one scored of each prompt": (
        [
            row(f"{n}?", str(n % 2), samples=["no", '{"x": "1"}', "none"]) for n in range(4)
        ], JSON_CHECK, None, "no_signal",
    ),
    "groups alike, rows not": (asked(["2", "2"], ["3", "4"], ["2", "2"]), None, None, "no_signal"),
    "about the item alone, in groups": (VARIED, python("return item['n'] + 0 * len(sample['output_text'])"), None, "no_signal"),
    "about the item alone, one answer a row": (
        SINGLE, python("return item['n'] / 8 + 0 * len(sample['output_text'])"), None, "depends_on_item",
    ),
    "the answer is never read": (SINGLE, python("return item['n'] / 8"), None, "ignores_answer"),
    "the answer is in no template": (SINGLE, {**FUZZY, "input": "{{ item.n }}"}, None, "ignores_answer"),
    "less than a trainer can see": (
        VARIED, python("return 0.5 + 1e-9 * len(sample['output_text'])"), None, "constant_reward",
    ),
    "less than a float32 holds": (
        VARIED, multi("item + a", item=python("return 1e9 * (1 + item['n']) + 0 * len(sample['output_text'])"), a=CHECK),
        None, "no_signal",
    ),
    "more than a float32 holds": (VARIED, multi("a * 10 ^ 300", a=CHECK), None, "no_signal"),
    "chance": (asked(*[["1", "22", "333", "4444"]] * 8), CHANCE, None, "random_reward"),
    "chance, in one prompt": (asked(["1", "22", "333", "4444"]), CHANCE, None, "random_reward"),
    "chance, and what all of a prompt share": (
        asked(*[["1", "22", "333", "4444"]] * 8),
        python("return item['n'] + len(item) + random.random() + 0 * len(sample['output_text'])", top="import random"),
        None, "random_reward",
    ),
    "rows that take back what others teach": (COINS, None, None, "contradictory_rows"),
    "no whole batch": (VARIED, None, {"batch_size": 64}, "no_whole_batch"),
    "one sample of a prompt": (VARIED, None, {"compute_multiplier": 0.1}, "one_sample"),
    "no learning rate": (VARIED, None, {"learning_rate_multiplier": 1e-9}, "no_learning_rate"),
    "a threshold out of reach": (VARIED, {**FUZZY, "pass_threshold": 1.5}, None, "lint_error"),
    "a formula that cancels out": (VARIED, multi("a - a + 0.5", a=CHECK), None, "lint_error"),
    "compared with itself": (VARIED, {**CHECK, "reference": CHECK["input"]}, None, "lint_error"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_a_job_that_teaches_nothing(store: Store, body: Any, name: str) -> None:
    training, grader, hyperparameters, code = NOTHING[name]
    # Validation rows that all graders can score, so that only training speaks.
    validation = [row("v?", "2", sample='{"x": "2"}', n=1)]
    job = run(store, body(training, validation, grader=grader, hyperparameters=hyperparameters))
    assert job["status"] == "succeeded", job["error"]
    assert first(job) == ("would_teach_nothing", code)
    event = store.jobs.events(job["id"], limit=1)[0][0]
    assert event["level"] == "warn"
    assert event["message"].startswith("Verdict: this job would run but teach nothing: ")
    assert verdict(job)["reasons"][0]["message"] in event["message"]


RUNS: dict[str, tuple[Any, Any]] = {
    "answers of different worth": (VARIED, None),
    "one prompt in many that tells": (asked(*[["2", "2"]] * 9, ["2", "3"]), None),
    "one answer a row, and it counts": (
        [row(f"{n}?", str(n), sample="x" * n + str(n), n=n) for n in range(8)], FUZZY,
    ),
    "one right answer among many that are wrong, one a row": (
        [row(f"{n}?", str(n), sample=str(n) if n == 50 else "none", n=n) for n in range(101)], None,
    ),
    "what all answers of a prompt share changes": (
        VARIED, python("return len(item) / 8 + (sample['output_text'] == '2')"),
    ),
    "failures beside different rewards": (asked(["no", '{"x": "2"}', '{"x": "3"}']), JSON_CHECK),
    "large rewards": (VARIED, multi("1000000 + a", a=CHECK)),
    "negative rewards": (VARIED, multi("0 - a", a=CHECK)),
    "signal above some chance": (
        asked(*[["2", "33333333", "2", "33333333"]] * 6),
        python("return len(sample['output_text']) + random.random()", top="import random"),
    ),
    "the same prompt twice, with one answer that is right": (
        [row("1 + 1?", "2", samples=["2", "3"])] * 2, None,
    ),
    "a threshold always met": (VARIED, {**FUZZY, "pass_threshold": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_job_that_teaches_something(store: Store, body: Any, name: str) -> None:
    training, grader = RUNS[name]
    job = run(store, body(training, [row("v?", "2", sample="2", n=1)], grader=grader))
    assert verdict(job)["outcome"] == "would_run", verdict(job)["reasons"]


def test_what_validation_shows_alone_is_a_warning(store: Store, body: Any) -> None:
    validation = [row("v?", "2", sample="no JSON")]
    job = run(store, body(asked(['{"x": "2"}', '{"x": "3"}']), validation, grader=JSON_CHECK))
    assert verdict(job)["outcome"] == "would_run"
    codes = [one["code"] for one in verdict(job)["reasons"]]
    assert "validation_unscored" in codes


@pytest.mark.parametrize(
    ("answers", "grader", "code"),
    [
        (["yes", "no"], {**CHECK, "reference": "YES"}, "G614"),
        (["2\u200b", "3"], CHECK, "G614"),
        (["\u4f60\u597d", "\u518d\u89c1"], {**FUZZY, "evaluation_metric": "rouge_1", "reference": "{{ item.zh }}"}, "G616"),
        (["2", "3"], {**CHECK, "reference": "2 "}, "G305"),
        (["2", "3"], python(
            "try:", "    import subprocess", "    return float(subprocess.run(sample['output_text']))",
            "except Exception:", "    return 0.0",
        ), "G513"),
    ],
)  # fmt: skip
def test_a_likely_cause_stands_beside_rewards_that_are_alike(
    store: Store, body: Any, answers: list[str], grader: Any, code: str
) -> None:
    job = run(store, body(asked(answers, answers, zh="\u4f60\u597d"), grader=grader))
    assert first(job) == ("would_teach_nothing", "constant_reward")
    causes = [one for one in verdict(job)["reasons"] if one["code"] == "likely_cause"]
    assert code in [one["message"].split()[0] for one in causes]


def test_no_cause_is_looked_for_where_there_is_signal(store: Store, body: Any) -> None:
    job = run(store, body(VARIED, grader={**CHECK, "reference": "2 "}))
    assert "likely_cause" in [one["code"] for one in verdict(job)["reasons"]]
    job = run(store, body(asked(["2 ", "3"]), grader={**CHECK, "reference": "2 "}))
    assert "likely_cause" not in [one["code"] for one in verdict(job)["reasons"]]


def test_validation_that_never_varies_is_a_warning(store: Store, body: Any) -> None:
    job = run(store, body(VARIED, asked(["3", "4"])))
    assert first(job) == ("would_run", "validation_constant")
    assert verdict(job)["reasons"][-1]["code"] == "base_model_off"


def test_reasons_that_decide_come_first_in_all_of_a_job(store: Store, body: Any) -> None:
    job = run(store, body())
    assert list(job)[:3] == ["id", "object", "dry_run"]
    assert next(iter(job["dry_run"])) == "verdict"
    assert list(verdict(job))[:2] == ["outcome", "reasons"]
    broken = asked(["no", "2"], ["x", "y"], ["2", "2"])
    job = run(store, body(broken, grader=multi("log(a - 1)", a=CHECK)), target="openai")
    outcomes = [one["outcome"] for one in verdict(job)["reasons"]]
    assert outcomes[0] == verdict(job)["outcome"] == "would_be_refused"
    assert outcomes == sorted(outcomes, key=["would_be_refused", "would_teach_nothing", None].index)


# What is refused, and by whom.


@pytest.mark.parametrize(
    ("target", "more", "outcome", "code"),
    [
        ("local", {}, "would_run", "base_model_off"),
        ("azure", {}, "would_run", ""),
        ("openai", {}, "would_be_refused", "base_model_off"),
        ("openai", {"model": "ft:o4-mini-2025-04-16:org:x:id"}, "would_be_refused", "base_model_off"),
        ("openai", {"model": "gpt-4.1-2025-04-14"}, "would_be_refused", "base_model"),
        ("azure", {"model": "gpt-5-2025-08-07"}, "would_run", ""),
        ("azure", {"model": "llama"}, "would_be_refused", "base_model"),
        ("local", {"model": "llama"}, "would_run", ""),
        ("azure", {"hyperparameters": {"compute_multiplier": 5}}, "would_be_refused", "lint_error"),
        ("local", {"hyperparameters": {"compute_multiplier": 5}}, "would_run", "base_model_off"),
    ],
)  # fmt: skip
def test_the_target_decides_who_refuses(
    store: Store, body: Any, target: str, more: Json, outcome: str, code: str
) -> None:
    job = run(store, body(VARIED, **more), target=target)
    assert verdict(job)["outcome"] == outcome
    # From 2027-01-06 on there is one more for openai.
    assert code in [one["code"] for one in verdict(job)["reasons"]] or not code
    assert verdict(job)["target"] == target == job["dry_run"]["target"]


def test_a_day_decides_what_is_switched_off() -> None:
    service = Service(target="openai", day="2026-10-22", model="o4-mini", judges={"judge": "o3"})
    assert list(service.reasons()) == []
    assert any("until 2027-01-06" in one for one in service.notes())
    assert any("o3 (judge) off on 2026-12-11" in one for one in service.notes())
    later = Service(target="openai", day="2027-01-06", model="o4-mini", judges={"judge": "o3"})
    codes = [one.code for one in later.reasons()]
    assert codes == ["base_model_off", "no_new_jobs", "judge_off"]


def test_a_file_with_a_bad_line_is_refused_and_not_for_want_of_answers(
    store: Store, body: Any
) -> None:
    job = run(store, body(b'{"messages": [{"role": "user", "content": "?"}], "answer": "1"}\n{\n'))
    assert first(job) == ("would_be_refused", "invalid_training_file")
    assert "line 2: not JSON" in job["error"]["message"]
    assert "G721" in [one["code"] for one in verdict(job)["lint"]]


def test_a_job_without_answers_is_not_known(store: Store, body: Any) -> None:
    job = run(store, body([row("1?")], [row("2?")]))
    assert first(job) == ("undecided", "missing_rollouts")
    event = store.jobs.events(job["id"], limit=1)[0][0]
    assert event["message"].startswith("Verdict: not known: we need something")
    assert "refuse" not in json.dumps(verdict(job)["reasons"])


def test_answers_recorded_wrong_are_ours_to_say(store: Store, body: Any) -> None:
    job = run(store, body([row(samples="2")]))
    assert first(job) == ("undecided", "invalid_rollouts")


def test_a_job_without_answers_may_be_known_to_teach_nothing(store: Store, body: Any) -> None:
    job = run(store, body([row("1?")], [row("2?")], grader={**CHECK, "reference": CHECK["input"]}))
    assert first(job) == ("would_teach_nothing", "lint_error")
    assert "missing_rollouts" in [one["code"] for one in verdict(job)["reasons"]]


def test_a_judge_that_never_sees_the_answer_need_not_be_asked(
    store: Store, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judge = {
        "type": "score_model", "name": "judge", "model": "gpt-4.1",
        "input": [{"role": "user", "content": "Is {{ item.answer }} right?"}],
    }  # fmt: skip
    job = run(store, body(VARIED, grader=judge))
    assert first(job) == ("would_teach_nothing", "ignores_answer")
    assert verdict(job)["reasons"][1]["code"] == "grader_unavailable"


def test_a_judge_that_gives_no_answer_here_is_not_known(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda _, __: error(500, "down"))
    judge = {
        "type": "score_model", "name": "judge", "model": "gpt-4.1",
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    }  # fmt: skip
    name = store.jobs.create(body(VARIED, VARIED, grader=judge))["id"]
    asks = JudgeOptions(base_url=server.url, cache="none", attempts=1)
    job = run_job(store, name, RunOptions(judge=asks))
    assert first(job) == ("undecided", "grader_unanswered")


def test_an_endpoint_that_is_not_allowed_is_not_known(store: Store, body: Any) -> None:
    endpoint = {"type": "endpoint", "name": "mine", "url": "https://grades.example/score"}
    job = run(store, body(VARIED, grader=endpoint), target="azure")
    assert first(job) == ("undecided", "grader_unavailable")
    assert "--allow-endpoint grades.example" in job["error"]["message"]
    job = run(store, body(VARIED, grader=endpoint), target="openai")
    assert verdict(job)["outcome"] == "would_be_refused"


def test_a_package_that_is_not_here_is_not_known(store: Store, body: Any) -> None:
    code = python("return float(len(sample['output_text']))", top="import skbio")
    job = run(store, body(VARIED, grader=code), target="azure")
    assert first(job) == ("undecided", "grader_unavailable")
    assert "skbio" in job["error"]["message"]


def test_a_model_that_answers_nothing_is_not_known(store: Store, body: Any, serve: Any) -> None:
    server = serve(lambda _, __: completion("2"))
    server.stop()
    job = run(store, body([row("1?")], [row("2?")]), url=server.url, attempts=1)
    assert first(job) == ("undecided", "rollout_failed")


def test_a_model_that_always_says_the_same_teaches_nothing(
    store: Store, body: Any, serve: Any
) -> None:
    server = serve(lambda _, __: completion("2"))
    training = [row("1 + 1?", "2"), row("2 + 2?", "4")]
    job = run(store, body(training, rows(1)), url=server.url)
    assert first(job) == ("would_teach_nothing", "no_signal")
    assert "the answers themselves are the same" in verdict(job)["reasons"][0]["message"]


# The completion format.

COMPLETION = {"prompt": "1 + 1 =", "completion": " 2"}


@pytest.mark.parametrize(
    ("model", "line", "outcome", "says"),
    [
        ("davinci-002", COMPLETION, "undecided", "the files are good"),
        ("babbage-002", {**COMPLETION, "completion": ""}, "would_be_refused", "completion: is empty"),
        ("davinci-002", {"prompt": 5, "completion": "x"}, "would_be_refused", "prompt: is a text"),
        ("davinci-002", {"messages": []}, "would_be_refused", "take prompt and completion"),
        ("gpt-4.1", COMPLETION, "would_be_refused", "only davinci-002 and babbage-002 take"),
    ],
)  # fmt: skip
def test_rows_of_the_completion_format(
    store: Store, upload: Any, model: str, line: Json, outcome: str, says: str
) -> None:
    method = {"type": "supervised", "supervised": {}}
    job = run(store, {"model": model, "training_file": upload([line]), "method": method})
    assert verdict(job)["outcome"] == outcome
    assert says in job["error"]["message"]


def test_completion_rows_are_prompts_where_the_trainer_is_ones_own(
    store: Store, body: Any, serve: Any
) -> None:
    reads = {**CHECK, "reference": "{{ item.completion }}"}
    server = serve(lambda _, count: completion(" 2" if count % 2 else "3"))
    made = body([COMPLETION], [{**COMPLETION, "prompt": "2?"}], grader=reads)
    job = run(store, made, url=server.url)
    assert verdict(job)["outcome"] == "would_run"
    assert server.asked[0].body["messages"][0]["content"] in ("1 + 1 =", "2?")
    job = run(store, made, target="azure", url=server.url)
    assert first(job) == ("would_be_refused", "invalid_training_file")
    assert "completion format" in job["error"]["message"]


# The parts.


def test_every_end_has_its_own_sentence_and_exit_code() -> None:
    assert set(SAID) == set(EXIT_CODES)
    assert len(set(EXIT_CODES.values()) - {2, 130}) == len(SAID) == 4
    assert set(TARGETS) == {"local", "openai", "azure"}
    page = (Path(graders.__file__).parent / "server" / "page" / "job.js").read_text()
    assert [said for said in SAID.values() if f'"{said}"' not in page] == []


@pytest.mark.parametrize(
    ("rewards", "alike"),
    [
        ([0.5], True), ([0.0, 1e-9], True), ([0.0, 0.001], False), ([1e9, 1e9 + 1], True),
        ([1e6, 1e6 + 1], False), ([-1.0, 1.0], False), ([0.0, 1e39], True), ([0.0, -0.0], True),
    ],
)  # fmt: skip
def test_what_a_trainer_can_tell_apart(rewards: list[float], alike: bool) -> None:
    assert same(rewards) is alike


def test_the_spread_of_rewards_is_the_standard_deviation() -> None:
    spread = Spread()
    assert spread.deviation is None
    for reward in (1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16):
        spread.add(reward)
    assert spread.deviation == pytest.approx(30**0.5)  # As `numpy.std(ddof=1)` and every summary.
    spread.add(1e300)
    assert spread.deviation is None


def test_one_answer_with_several_rewards_teaches_nothing() -> None:
    keys = [SampleKey(TRAIN, 0, 0, sample) for sample in range(4)]
    body = {"failures": [], "sub_rewards": {}, "line": 1}
    grades = [StoredGrade(key, key.sample / 4, body, 0.0) for key in keys]
    alike = MeasuredSteps.of(grades, {}, lambda _: b"same")
    assert (alike.groups, alike.alike, alike.telling) == (1, 1, [])
    differ = MeasuredSteps.of(grades, {}, lambda key: str(key.sample).encode())
    assert (differ.groups, differ.alike, differ.telling) == (1, 0, [keys])


def test_grading_again_asks_for_few_answers() -> None:
    with graders.load(CHECK) as grader:
        groups = [[({"answer": "2"}, "2"), ({"answer": "2"}, "3")]] * 100
        told = by_chance(grader, groups)
    assert (told.samples, told.changed, told.telling) == (32, 0, True)


def _advantages(rewards: Sequence[float]) -> Any:
    """Advantages as GRPO has them, in float32."""
    held = np.array(rewards, dtype=np.float32)
    return (held - held.mean()) / (held.std() + np.float32(1e-4))


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([0.0, 1e-12, 0.1 + 0.2, 0.3, 1.0, 1e9, 1e9 + 1]), st.integers(0, 2)),
            min_size=1, max_size=5,
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_what_tells_is_what_grpo_would_learn_from(prompts: list[list[tuple[float, int]]]) -> None:
    body = {"failures": [], "sub_rewards": {}, "line": 1}
    grades, answers, learns = [], {}, 0
    for line, prompt in enumerate(prompts):
        pushed: dict[int, float] = {}
        for sample, ((reward, answer), advantage) in enumerate(
            zip(prompt, _advantages([reward for reward, _ in prompt]), strict=True)
        ):
            key = SampleKey(TRAIN, 0, line, sample)
            answers[key] = b"%d" % answer
            grades.append(StoredGrade(key, reward, body, 0.0))
            pushed[answer] = pushed.get(answer, 0.0) + float(advantage)
        learns += any(abs(one) > 5e-3 for one in pushed.values())
    assert len(MeasuredSteps.of(grades, {}, answers.__getitem__).telling) == learns
