"""graders.run and graders.validate over HTTP: the same grades as in the process, the hosted shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.hosted import DETAILS, FLAGS
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.server.process import Serving

CHECK = {
    "type": "string_check", "name": "check", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "operation": "ilike",
}  # fmt: skip
SIMILAR = {
    "type": "text_similarity", "name": "similar", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "evaluation_metric": "rouge_l",
}  # fmt: skip
PYTHON = {
    "type": "python", "name": "length",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['most']\n",
}  # fmt: skip
MULTI: dict[str, Any] = {
    "type": "multi", "name": "both", "graders": {"a": CHECK, "b": SIMILAR, "c": PYTHON},
    "calculate_output": "(a + b + c) / 3",
}  # fmt: skip
JUDGE = {
    "type": "score_model", "name": "judge", "model": "gpt-4o-2024-08-06",
    "input": [{"role": "user", "content": "Rate: {{ sample.output_text }}"}], "range": [0, 1],
}  # fmt: skip
LABEL = {
    "type": "label_model", "name": "label", "model": "gpt-4o-2024-08-06", "labels": ["good", "bad"],
    "passing_labels": ["good"],
    "input": [{"role": "user", "content": "Label: {{ sample.output_text }}"}],
}  # fmt: skip
ITEM = {"answer": "It is Paris", "most": 64}


@pytest.mark.parametrize("grader", [CHECK, SIMILAR, PYTHON, MULTI], ids=lambda one: one["type"])
def test_grade_is_the_one_of_the_process(server: Serving, grader: dict[str, Any]) -> None:
    answer = server.run(grader, "It is in Paris, I think", ITEM)
    expected = graders.load(grader).grade(ITEM, "It is in Paris, I think").hosted
    body = answer.json
    assert answer.status == 200
    assert body["metadata"].pop("execution_time") > 0
    expected["metadata"].pop("execution_time")
    assert body == expected
    assert list(body) == [
        "reward", "metadata", "sub_rewards", "model_grader_token_usage_per_model",
    ]  # fmt: skip
    assert set(body["metadata"]["errors"]) == {*FLAGS, *DETAILS}


def test_a_failing_row_is_answered_as_hosted(server: Serving) -> None:
    answer = server.run(CHECK, "Paris", {"other": 1})
    errors = answer.json["metadata"]["errors"]
    assert (answer.status, answer.json["reward"]) == (200, 0.0)
    assert errors["invalid_variable_error"] is True
    assert "answer" in errors["invalid_variable_error_details"]


def test_a_python_error_has_its_traceback(server: Serving) -> None:
    source = "def grade(sample, item):\n    return item['nothing']\n"
    answer = server.run({"type": "python", "name": "p", "source": source}, "x", {})
    errors = answer.json["metadata"]["errors"]
    assert (answer.status, answer.json["reward"]) == (200, 0.0)
    assert errors["python_grader_runtime_error"] is True
    assert "KeyError" in errors["python_grader_runtime_error_details"]


def test_sample_that_is_json_is_also_output_json(server: Serving) -> None:
    grader = {**CHECK, "input": "{{ sample.output_json.city }}", "operation": "eq"}
    assert server.run(grader, '{"city": "It is Paris"}', ITEM).json["reward"] == 1.0


def test_name_is_filled_in(server: Serving) -> None:
    unnamed = {key: value for key, value in CHECK.items() if key != "name"}
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/validate", {"grader": unnamed})
    assert answer.status == 200
    assert answer.json["grader"].pop("name").startswith("grader-")
    assert answer.json == {"grader": {**unnamed, "name": answer.json["grader"]["name"]}}


def test_validate_gives_the_grader_back(server: Serving) -> None:
    for grader in (CHECK, SIMILAR, PYTHON, MULTI, JUDGE, LABEL):
        answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/validate", {"grader": grader})
        assert answer.status == 200, answer.body
        assert graders.config.load(answer.json["grader"]) == graders.config.load(grader)


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"grader": {**CHECK, "operation": "equals"}}, "grader.operation", "operation"),
        ({"grader": {**CHECK, "operatoin": "eq"}}, "grader.operatoin", "operation"),
        ({"grader": {**CHECK, "type": "string_chek"}}, "grader", "did you mean string_check"),
        ({"grader": {**MULTI, "calculate_output": "a +"}}, "grader.calculate_output", "^"),
        (
            {"grader": {**MULTI, "graders": {**MULTI["graders"], "b": {**SIMILAR, "input": "{{ item.x"}}}},
            "grader.graders.b.input", "{{ item.x",
        ),
        ({"grader": {"type": "python", "source": "def grade(sample):\n    return 1\n"}},
         "grader.source", "two arguments"),
        ({"grader": {"type": "python", "source": "def grade(sample, item)\n    return 1\n"}},
         "grader.source", "line 1"),
        ({"grader": "string_check"}, "grader", "is an object"),
        ({"grader": None}, "grader", "required"),
        ({}, "grader", "required"),
        ({"grader": CHECK, "garder": 1}, "garder", "did you mean grader"),
        ({"grader": {"type": "endpoint", "url": "127.0.0.1"}}, "grader.url", "https://example.com/grade"),
        ({"grader": [CHECK]}, "grader", "is an object"),
    ],
)  # fmt: skip
def test_faults_are_named_where_they_are(server: Serving, body: Any, param: str, said: str) -> None:
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/validate", body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == param
    assert said in answer.error["message"]


def test_all_faults_are_listed(server: Serving) -> None:
    grader = {**MULTI, "graders": {"a": {**CHECK, "operation": 1}, "b": {**SIMILAR, "input": 5}}}
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/validate", {"grader": grader})
    assert [one["path"] for one in answer.error["faults"]][:2] == [
        "grader.graders.a.operation", "grader.graders.b.input",
    ]  # fmt: skip
    assert "more fault" in answer.error["message"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model_sample": None}, "model_sample"),
        ({"model_sample": 5}, "model_sample"),
        ({"item": "text"}, "item"),
        ({"item": [1]}, "item"),
        ({"samples": "x"}, "samples"),
    ],
)
def test_wrong_fields_of_run_are_named(server: Serving, change: Any, param: str) -> None:
    body = {"grader": CHECK, "model_sample": "x", "item": ITEM, **change}
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/run", body)
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"null", b"[]", b'"x"', b"{", b'{"grader": }', b'{"grader": NaN}', b"\xff\xfe{}",
        b'{"a": 1, "a": 2}', b'{"grader": "\xed\xa0\x80"}', b"{" * 100_000, b'{"a":' * 5000,
        b"[" * 100_000, b'{"grader": 1e999}', b'{"grader": ' + b"9" * 5000 + b"}", b"\x00", b"{}\x00",
    ],
    ids=lambda body: repr(body[:16]),
)  # fmt: skip
def test_bodies_that_are_no_request_get_a_sentence(server: Serving, body: bytes) -> None:
    for path in ("run", "validate"):
        answer = server.ask("POST", f"/v1/fine_tuning/alpha/graders/{path}", body)
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"
        assert answer.error["message"]
        assert "Traceback" not in answer.error["message"]


def test_odd_texts_go_there_and_back(server: Serving) -> None:
    text = "\ud83d\ude00 \u202e \x00 日本 \\ud800"
    answer = server.run({**CHECK, "operation": "eq"}, text, {"answer": text})
    assert answer.json["reward"] == 1.0
    lone = (
        b'{"grader": '
        + json.dumps(CHECK).encode()
        + b', "model_sample": "\\ud800", "item": {"answer": "\\ud800"}}'
    )
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/run", lone)
    assert (answer.status, answer.json["reward"]) == (200, 1.0)


def test_azure_paths_are_the_same(server: Serving) -> None:
    body = {"grader": CHECK, "model_sample": "it is paris", "item": ITEM}
    path = "/openai/v1/fine_tuning/alpha/graders/run?api-version=preview"
    assert server.ask("POST", path, body, api_key="x").json["reward"] == 1.0


def test_judges_are_asked_side_by_side_and_their_key_stays(start: Callable[..., Serving]) -> None:
    key = "sk-very-secret-key-0123456789"

    def script(asked: Asked, _: int) -> Told:
        assert asked.headers["authorization"] == f"Bearer {key}"
        if "Label" in asked.body["messages"][-1]["content"]:
            return completion('{"steps": [], "result": "good"}')
        if "beside" in asked.body["messages"][-1]["content"]:
            return Told(body=completion().body, delay=1.0)
        if "echo" in asked.body["messages"][-1]["content"]:
            return Told(500, json.dumps({"error": {"message": f"bad key {key}"}}).encode())
        return completion('{"steps": [{"description": "d", "conclusion": "c"}], "result": 0.75}')

    judge = ScriptedServer(script)
    try:
        server = start("--base-url", judge.url, "--attempts", "1", OPENAI_API_KEY=key)
        scored = server.run(JUDGE, "fine").json
        assert scored["reward"] == 0.75
        assert scored["metadata"]["sampled_model_name"] == "judge-1"
        assert scored["metadata"]["token_usage"]["total_tokens"] == 15
        assert scored["model_grader_token_usage_per_model"]["judge-1"]["prompt_tokens"] == 10
        labelled = server.run(LABEL, "fine").json
        assert labelled["reward"] == 1.0
        assert "label_model" in labelled["notes"][0]
        failed = server.run(JUDGE, "echo").json
        assert failed["metadata"]["errors"]["model_grader_server_error"] is True
        metrics = server.ask("GET", "/metrics").body.decode()
        assert 'graders_judge_tokens_total{kind="total"} 30.0' in metrics
        assert 'graders_failures_total{code="model_grader_server_error"} 1.0' in metrics
        everything = (
            json.dumps(failed)
            + metrics
            + server.said
            + server.ask("GET", "/playground/info").body.decode()
        )
        assert key not in everything
        refused = server.run({"type": "endpoint", "name": "e", "url": "http://127.0.0.1:9/g"}, "x")
        assert refused.status == 403
        assert refused.json["error"]["code"] == "endpoint_not_allowed"
        assert "allow it by --allow-endpoint 127.0.0.1:9" in refused.json["error"]["message"]
        # Nor do python graders see it.
        source = "import os\ndef grade(sample, item):\n    print(dict(os.environ))\n    return float('secret' in str(os.environ))\n"
        assert (
            server.run({"type": "python", "name": "p", "source": source}, "x").json["reward"] == 0.0
        )
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda n: server.run(JUDGE, f"beside {n}"), range(17)))
        assert [one.json["reward"] for one in answers] == [0.5] * 17
        assert judge.most >= 8
    finally:
        judge.stop()


def test_explanation_has_what_the_page_shows(server: Serving) -> None:
    source = "def grade(sample, item):\n    print('seen')\n    return 0.5\n"
    multi = {
        **MULTI,
        "graders": {
            "a": CHECK,
            "b": SIMILAR,
            "c": {"type": "python", "name": "c", "source": source},
        },
    }
    body = {"grader": json.dumps(multi), "item": ITEM, "sample": "It is Paris"}
    shown = server.ask("POST", "/playground/run", body).json
    assert shown["ok"] is True
    assert shown["grade"]["sub_rewards"] == {"a": 1.0, "b": 1.0, "c": 0.5}
    assert shown["grade"]["reward"] == pytest.approx(2.5 / 3)
    assert shown["rendered"]["a"] == {"input": "It is Paris", "reference": "It is Paris"}
    assert shown["printed"] == {"c": "seen\n"}
    assert shown["types"] == {"a": "string_check", "b": "text_similarity", "c": "python"}
    assert shown["formula"] == "(a + b + c) / 3"
    assert shown["signatures"]["b"].startswith("rouge_l|")
    assert shown["hosted"]["reward"] == shown["grade"]["reward"]


def test_explanation_of_a_faulty_grader_says_where(server: Serving) -> None:
    text = 'type: string_check\nname: x\ninput: "{{ item.a }"\nreference: b\noperation: eq\n'
    shown = server.ask("POST", "/playground/run", {"grader": text, "sample": ""}).json
    assert shown["ok"] is False
    assert shown["faults"][0]["path"] == "$.input"
    assert shown["faults"][0]["line"] == 3
    assert shown["findings"][0]["severity"] == "error"


def test_lint_finds_what_validate_does(server: Serving) -> None:
    constant = {**CHECK, "input": "x", "reference": "y"}
    body = {"grader": json.dumps(constant, indent=1), "target": "openai"}
    shown = server.ask("POST", "/playground/lint", body).json
    assert shown["faults"] == []
    assert "G111" in [one["code"] for one in shown["findings"]]
    answer = server.ask("POST", "/playground/lint", {"grader": "", "target": "openai"})
    assert "empty" in answer.json["faults"][0]["message"]
    answer = server.ask("POST", "/playground/lint", {"grader": "x", "target": "mars"})
    assert (answer.status, answer.error["param"]) == (400, "target")


@pytest.mark.parametrize("named", [{}, 1, None])
@pytest.mark.parametrize("grader", [CHECK, ""])
def test_what_rows_are_called_is_a_text_whatever_the_grader(
    server: Serving, grader: Any, named: Any
) -> None:
    body = {"grader": grader, "rows": [{}], "named": named}
    answer = server.ask("POST", "/playground/rows", body)
    assert (answer.status, answer.error["param"]) == (400, "named")


def test_figures_of_rows_are_those_of_the_command_line(server: Serving, tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "samples/support-answers"
    out = tmp_path / "out.jsonl"
    run = graders.score_file(graders.load(folder / "grader.json"), folder / "rows.jsonl", out)
    lines = [json.loads(one) for one in out.read_text().splitlines()]
    rewards = [one["reward"] for one in lines]
    keys = lines[0]["sub_rewards"]
    side = {"rewards": rewards, "sub_rewards": {key: [one["sub_rewards"][key] for one in lines] for key in keys}}  # fmt: skip
    other = {"rewards": [None, *rewards[:-1]], "sub_rewards": {}}
    found = server.ask("POST", "/playground/figures", {"sides": [side, other]}).json
    told = run.tally.to_dict()
    for name in (
        "rows",
        "scored",
        "failed",
        "mean_of_scored",
        "mean_of_all",
        "reward",
        "histogram",
        "sub_rewards",
    ):
        assert found["sides"][0][name] == told[name]
    assert found["sides"][0]["reward"]["mean_95"][0] < told["mean_of_scored"]
    assert found["sides"][0]["bars"] == [list(one) for one in run.tally.rewards.bars()]
    pairs = [(a, b) for a, b in zip(rewards, other["rewards"], strict=True) if None not in (a, b)]
    apart = found["difference"]
    assert (apart["compared"], apart["changed"]) == (len(pairs), sum(a != b for a, b in pairs))
    assert apart["mean_delta"] == pytest.approx(sum(b - a for a, b in pairs) / len(pairs))
    low, high = apart["mean_delta_95"]
    assert low < apart["mean_delta"] < high


def test_figures_of_no_row_and_of_failed_ones_are_none(server: Serving) -> None:
    for rewards in ([], [None, None]):
        side = {"rewards": rewards, "sub_rewards": {"a": rewards}}
        found = server.ask("POST", "/playground/figures", {"sides": [side]}).json["sides"][0]
        assert (found["rows"], found["failed"], found["mean_of_scored"]) == (len(rewards), len(rewards), None)  # fmt: skip
        assert found["bars"] == []
        both = server.ask("POST", "/playground/figures", {"sides": [side, side]})
        assert both.status == 200
        assert both.json["difference"]["mean_delta"] is None


@pytest.mark.parametrize(
    "sides",
    [
        None, [], [{}] * 3, [1], [{"rewards": [1]}], [{"rewards": ["x"], "sub_rewards": {}}],
        [{"rewards": [True], "sub_rewards": {}}], [{"rewards": [1], "sub_rewards": {"a": []}}],
        [{"rewards": [10**400], "sub_rewards": {}}],
        [{"rewards": [1], "sub_rewards": {}}, {"rewards": [], "sub_rewards": {}}],
    ],
)  # fmt: skip
def test_what_are_no_columns_is_said(server: Serving, sides: Any) -> None:
    answer = server.ask("POST", "/playground/figures", {"sides": sides})
    assert answer.status == 400
    assert answer.error["message"]
