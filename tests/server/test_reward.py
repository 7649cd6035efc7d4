"""Rewards by HTTP: each trainer's way to ask, failures as data, the same numbers as in the process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import importlib
import importlib.util
import json
import math
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import graders
from graders.server import frame
from graders.server.asked import Asked, with_others
from graders.server.form import FORMS, path_of
from graders.server.frame import bundle, framed, pack, unbundle
from graders.server.openapi import document
from graders.server.option import ServeOptions
from graders.server.pool import _Group
from graders.server.worker import REWARD
from tests import forks
from tests.models.server import ScriptedServer, Told, completion
from tests.server.process import TOKEN, Answer, Serving
from tests.server.test_grader import JUDGE
from tests.server.test_over import at_work, below, goes_on
from tests.waiting import until

RIGHT = {
    "type": "string_check", "name": "right", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "operation": "like",
}  # fmt: skip
NEAR = {
    "type": "text_similarity", "name": "near", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "evaluation_metric": "fuzzy_match",
}  # fmt: skip
BOTH: dict[str, Any] = {
    "type": "multi", "name": "both", "graders": {"right": RIGHT, "near": NEAR},
    "calculate_output": "0.75 * right + 0.25 * near",
}  # fmt: skip
SHORT = {
    "type": "python", "name": "short",
    "source": "def grade(sample, item):\n    return float(len(sample['output_text']) < item['most'])\n",
}  # fmt: skip
CALLS = {
    "type": "python", "name": "calls",
    "source": "def grade(sample, item):\n    return float(len(sample['output_tools']))\n",
}  # fmt: skip
SPINNER = {
    "type": "python", "name": "spinner",
    "source": "def grade(sample, item):\n    while item['on']:\n        pass\n    return 0.5\n",
}  # fmt: skip
BEARER: Final[dict[str, Any]] = {"Authorization": f"Bearer {TOKEN}"}
SAID: Final = "It is Paris."
WORTH: Final = graders.load(BOTH).grade({"answer": "Paris"}, SAID).reward
MESSAGES: Final = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SAID}]
RESPONSE: Final = {
    "object": "response", "id": "resp_1", "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
    ],
}  # fmt: skip


def written(folder: Path, **configs: dict[str, Any]) -> list[str]:
    """Write graders down and return the options that serve them."""
    folder.mkdir(exist_ok=True)
    options = []
    for name, config in configs.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
        options += ["--grader", f"{name}={folder / name}.json"]
    return options


@pytest.fixture(scope="module")
def rewarding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of three graders, whose failed rows are errors where a number is wanted."""
    folder = tmp_path_factory.mktemp("rewarding")
    options = written(folder / "graders", both=BOTH, short=SHORT, calls=CALLS)
    serving = Serving(folder / "store", ("--jobs", "0", "--processes", "1", "--max-rows", "500",
                                         *options))  # fmt: skip
    yield serving
    try:
        assert serving.stop() == 0
        assert "Traceback" not in serving.said
    finally:
        serving.close()


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of one grader, with a token, whose failed rows get -1 where a number is wanted."""
    folder = tmp_path_factory.mktemp("settled")
    (folder / "token").write_text(TOKEN)
    serving = Serving(folder / "store", (
        "--jobs", "0", "--processes", "1", "--host", "0.0.0.0", "--token-file", str(folder / "token"),
        "--failed", "-1", "--max-body", "100k", *written(folder / "graders", both=BOTH),
    ))  # fmt: skip
    yield serving
    serving.close()


def asked(server: Serving, form: str, body: Any, name: str = "both", **headers: Any) -> Answer:
    path = f"/verify/{name}" if form == "verify" else f"/v1/rewards/{form}/{name}"
    return server.ask("POST", path, body, **headers)


def rows(count: int) -> list[dict[str, Any]]:
    """Return rows; each third one fails, for it lacks its answer."""
    return [
        {"item": {"answer": f"n{n}"} if n % 3 else {"other": n}, "sample": f"it is n{n - n % 2}"}
        for n in range(count)
    ]


# --- batch ------------------------------------------------------------------------------------------


def test_a_batch_has_the_grades_of_the_process_in_order(rewarding: Serving) -> None:
    given = rows(90)
    answer = asked(rewarding, "batch", {"rows": given})
    expected = [one.to_dict() for one in graders.load(BOTH).grade_many(given)]
    assert answer.status == 200
    assert answer.json == {
        "object": "list",
        "rewards": [one["reward"] for one in expected],
        "results": expected,
        "counts": {"rows": 90, "scored": 60, "failed": 30},
    }
    assert answer.json["rewards"][0] is None
    assert answer.json["results"][0]["failures"][0]["code"] == "invalid_variable_error"
    columns = {
        name: [row[key] for row in given]
        for name, key in (("items", "item"), ("samples", "sample"))
    }
    assert asked(rewarding, "batch", columns).json == answer.json


def test_samples_come_in_every_shape(rewarding: Serving) -> None:
    shapes = [SAID, {"output_text": SAID}, MESSAGES, MESSAGES[1], RESPONSE,
              {"choices": [{"message": MESSAGES[1]}]}, [{"type": "text", "text": SAID}]]  # fmt: skip
    given = [{"item": {"answer": "Paris"}, "sample": one} for one in shapes]
    assert asked(rewarding, "batch", {"rows": given}).json["rewards"] == [WORTH] * len(shapes)


def test_rows_without_sample_or_item_fail_each_by_itself(rewarding: Serving) -> None:
    given: list[Any] = [{}, {"item": None, "sample": None}, {"item": {"answer": "a"}, "sample": []},
                        {"item": {"answer": "a"}, "sample": "a"}]  # fmt: skip
    answer = asked(rewarding, "batch", {"rows": given}).json
    assert answer["rewards"] == [None, None, None, 1.0]
    assert answer["results"][2]["failures"][0]["code"] == "sample_parse_error"


def test_a_null_that_a_template_names_is_no_answer(rewarding: Serving) -> None:
    rows = [{"item": {"answer": None}, "sample": "null"}, {"item": {"answer": "null"}, "sample": "null"}]  # fmt: skip
    told = asked(rewarding, "batch", {"rows": rows}).json
    assert told["rewards"] == [None, 1.0]


def test_python_graders_are_asked_for_batches(rewarding: Serving) -> None:
    given = [{"item": {"most": n} if n % 3 else {}, "sample": "abcd"} for n in range(9)]
    answer = asked(rewarding, "batch", {"rows": given}, "short").json
    assert answer["rewards"] == [None, 0.0, 0.0, None, 0.0, 1.0, None, 1.0, 1.0]
    assert answer["results"][0]["failures"][0]["code"] == "python_grader_runtime_error"


def test_whatever_holds_a_grader_is_served(start: Callable[..., Serving], tmp_path: Path) -> None:
    job = {"method": {"type": "reinforcement", "reinforcement": {"grader": BOTH}}}
    criteria = {"testing_criteria": [RIGHT, {**NEAR, "pass_threshold": 0.5}]}
    server = start("--jobs", "0", *written(tmp_path / "graders", job=job, criteria=criteria))
    given = {"rows": rows(6)}
    for name, config in (("job", job), ("criteria", criteria)):
        expected = [one.to_dict() for one in graders.load(config).grade_many(given["rows"])]
        assert asked(server, "batch", given, name).json["results"] == expected


def test_graders_are_read_as_the_options_say(start: Callable[..., Serving], tmp_path: Path) -> None:
    server = start("--jobs", "0", "--strip-think", *written(tmp_path / "graders", near=NEAR))
    thought = f"<think>Rome, or not?</think>{SAID}"
    given = {"rows": [{"item": {"answer": SAID}, "sample": thought}]}
    assert asked(server, "batch", given, "near").json["rewards"] == [1.0]
    # What others send is read as the hosted service does.
    assert server.run(NEAR, thought, {"answer": SAID}).json["reward"] < 1.0


def test_no_rows_are_no_error(rewarding: Serving) -> None:
    body: dict[str, Any]
    for body in ({"rows": []}, {"items": [], "samples": []}):
        assert asked(rewarding, "batch", body).json["counts"] == {
            "rows": 0,
            "scored": 0,
            "failed": 0,
        }
    assert asked(rewarding, "bedrock", []).json == []
    assert asked(rewarding, "openrlhf", {"query": []}).json["rewards"] == []


# --- Each trainer's way. ----------------------------------------------------------------------------


def test_openrlhf_gets_numbers_of_a_lone_row_and_lists_of_many(rewarding: Serving) -> None:
    label = json.dumps({"answer": "Paris"})
    lone = {"query": [f"Q? {SAID}</s>"], "prompts": ["Q? "], "labels": [label]}
    told = asked(rewarding, "openrlhf", lone)
    logs = {"failed": 0.0, "reward_right": 1.0, "reward_near": pytest.approx(4 * (WORTH or 0) - 3)}
    assert told.json == {"rewards": WORTH, "scores": WORTH, "extra_logs": logs}
    assert told.headers["content-type"] == "application/json"
    many = {"query": ["Q? a", "Q? b", "Q? c"], "prompts": ["Q? "] * 3,
            "labels": ['{"answer": "a"}', "plain", '{"answer": "a"}']}  # fmt: skip
    told = asked(rewarding, "openrlhf", many)
    assert told.json["rewards"] == [1.0, None, 0.0]
    assert told.json["extra_logs"]["failed"] == [0.0, 1.0, 0.0]
    assert told.json["extra_logs"]["reward_right"] == pytest.approx(
        [1.0, math.nan, 0.0], nan_ok=True
    )


def test_openrlhf_is_never_answered_with_an_error_for_a_row_that_fails(rewarding: Serving) -> None:
    # It would ask four times more, and then know no reason.
    for label in ("plain", '{"answer": ', None, 7, '{"other": 1}'):
        told = asked(rewarding, "openrlhf", {"query": ["a"], "prompts": [""], "labels": [label]})
        assert told.status == 200
        assert (told.json["rewards"], told.json["scores"]) == (None, None)
        # The names of every other row: OpenRLHF takes a batch's from its first, and needs each in all.
        logs = {"failed": 1.0, "reward_right": math.nan, "reward_near": math.nan}
        assert told.json["extra_logs"] == pytest.approx(logs, nan_ok=True)
        assert "_error" in told.json["failures"]


def test_rows_that_invalid_grade_stands_for_are_counted_apart(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    options = written(tmp_path / "graders", both={**BOTH, "invalid_grade": -0.5})
    server = start(*options)
    body = {"query": ["Paris"] * 2, "prompts": [""] * 2, "labels": ['{"answer": "Paris"}', "{}"]}
    told = asked(server, "openrlhf", body).json
    assert told["rewards"] == [1.0, -0.5]
    assert told["extra_logs"]["failed"] == [0.0, 0.0]
    assert told["extra_logs"]["invalid"] == [0.0, 1.0]
    (one,) = asked(server, "bedrock", [{"id": "1", "messages": MESSAGES}]).json
    assert {"name": "invalid", "value": 1.0, "type": "Metric"} in one["metrics_list"]
    empty = {"example": {}, "response": {"parts": [{"text": "Paris"}]}}
    aux = json.loads(asked(server, "gemini", empty).json["user_requested_aux_info"])
    assert "item has no answer" in aux["invalid"]


def test_azure_gets_a_score(rewarding: Serving) -> None:
    body = {"sample": {"output_text": SAID}, "item": {"answer": "Paris"}, "trace_id": "trace_1"}
    assert asked(rewarding, "azure", body).json == {"score": WORTH}


def test_gemini_gets_a_reward_of_references_and_parts(rewarding: Serving) -> None:
    example = {
        "contents": [{"role": "user", "parts": [{"text": "?"}]}],
        "references": {"answer": "Paris"},
    }
    parts = [{"text": "Rome, I think", "thought": True}, {"text": "It is "}, {"text": "Paris."}]
    body = {
        "example": example,
        "response": {"parts": parts},
        "metadata": {"step": 1, "tuning_job_id": 2},
    }
    told = asked(rewarding, "gemini", body).json
    assert told["reward"] == WORTH
    assert json.loads(told["user_requested_aux_info"])["sub_rewards"]["right"] == 1.0
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    body = {"example": {}, "response": {"parts": [call, call]}}
    assert asked(rewarding, "gemini", body, "calls").json == {"reward": 2.0}


def test_bedrock_and_nova_get_a_list(rewarding: Serving) -> None:
    body = [
        {"id": "b", "messages": MESSAGES, "metadata": {"answer": "Paris"}},
        {"id": "a", "messages": MESSAGES, "answer": "Rome"},
    ]
    told = asked(rewarding, "bedrock", body).json
    assert [one["id"] for one in told] == ["b", "a"]
    assert told[0]["aggregate_reward_score"] == WORTH
    assert told[1]["aggregate_reward_score"] < 0.3
    assert told[0]["metrics_list"][0] == {"name": "right", "value": 1.0, "type": "Reward"}
    assert told[0]["metrics_list"][-1] == {"name": "failed", "value": 0.0, "type": "Metric"}


def test_nemo_gym_gets_its_body_back_with_a_reward(rewarding: Serving, settled: Serving) -> None:
    body = {"responses_create_params": {"input": "?"}, "response": RESPONSE, "answer": "Paris"}
    told = asked(rewarding, "verify", body).json
    assert told == {
        **body,
        "reward": WORTH,
        "reward_right": 1.0,
        "reward_near": told["reward_near"],
    }
    # A server of one grader answers at the path that NeMo Gym knows.
    assert settled.ask("POST", "/verify", body, **BEARER).json == told
    again = {**told, "reward": -1.0, "mask_sample": True, "failure_reason": "it was so"}
    assert settled.ask("POST", "/verify", again, **BEARER).json == told
    assert settled.ask("POST", "/seed_session", {"any": 1}, **BEARER).json == {}
    several = rewarding.ask("POST", "/verify", body)
    assert (several.status, several.error["code"]) == (404, "grader_not_found")
    assert "/verify/short" in several.error["message"]


FAILING: Final[dict[str, Any]] = {
    "azure": {"sample": SAID, "item": {}},
    "gemini": {"example": {}, "response": {"parts": [{"text": SAID}]}},
    "bedrock": [
        {"id": "1", "messages": MESSAGES, "answer": "Paris"},
        {"id": "2", "messages": MESSAGES},
    ],
    "verify": {"responses_create_params": {}, "response": RESPONSE},
}


@pytest.mark.parametrize("form", FAILING)
def test_a_row_that_fails_is_an_error_or_the_number_that_was_chosen(
    rewarding: Serving, settled: Serving, form: str
) -> None:
    refused = asked(rewarding, form, FAILING[form])
    assert (refused.status, refused.error["code"]) == (422, "invalid_variable_error")
    assert "item.answer" in refused.error["message"]
    assert "--failed NUMBER" in refused.error["message"]
    told = asked(settled, form, FAILING[form], **BEARER).json
    if form == "bedrock":
        assert [one["aggregate_reward_score"] for one in told] == [WORTH, -1.0]
        assert told[1]["metrics_list"] == [{"name": "failed", "value": 1.0, "type": "Metric"}]
    else:
        assert told["score" if form == "azure" else "reward"] == -1.0
    if form == "verify":
        assert told["mask_sample"] is True
        assert "item.answer" in told["failure_reason"]
    if form == "gemini":
        assert "item.answer" in told["user_requested_aux_info"]


def test_what_failed_stays_null_where_a_form_knows_rows_without_a_reward(settled: Serving) -> None:
    told = asked(settled, "batch", {"rows": [{}]}, **BEARER).json
    assert told["rewards"] == [None]
    lone = {"query": ["a"], "prompts": [""], "labels": ["b"]}
    told = asked(
        settled, "openrlhf", lone, **BEARER
    ).json  # A number was chosen, and is counted apart.
    assert (told["rewards"], told["extra_logs"]["failed"]) == (-1.0, 1.0)


# --- What is refused. -------------------------------------------------------------------------------

BAD: Final[list[tuple[str, Any, str]]] = [
    ("batch", {}, "rows is required"),
    ("batch", {"rows": {}}, "rows is a list"),
    ("batch", {"rows": None}, "rows is a list"),
    ("batch", {"rows": [1]}, "rows[0] is an object"),
    ("batch", {"rows": [{"sampel": ""}]}, "did you mean sample?"),
    ("batch", {"rows": [{"item": 1}]}, "rows[0].item is an object, got 1"),
    ("batch", {"rows": [{}, {"sample": 1}]}, "rows[1].sample is a text"),
    ("batch", {"rows": [], "row": []}, "did you mean rows?"),
    ("batch", {"rows": [], "items": []}, "not in both"),
    ("batch", {"items": []}, "rows is required"),
    ("batch", {"items": [{}], "samples": []}, "got 1 and 0"),
    ("batch", {"items": [1], "samples": [""]}, "items[0] is an object"),
    ("batch", [], "the body is no JSON object"),
    ("openrlhf", {"query": "a"}, "query is a list"),
    ("openrlhf", {}, "query is required"),
    ("openrlhf", {"query": [1]}, "query[0] is a text"),
    ("openrlhf", {"query": ["a"], "prompts": []}, "prompts has 0 entries"),
    ("openrlhf", {"query": ["a"], "labels": None}, "labels is a list"),
    ("azure", {"item": {}}, "sample is required"),
    ("azure", {"sample": True}, "got true"),
    ("azure", {"sample": "", "item": []}, "item is an object"),
    ("azure", {"sample": "", "trace_id": 1}, "trace_id is a text"),
    ("gemini", {"example": {}}, "response is required"),
    ("gemini", {"example": {"references": []}, "response": {}}, "example.references"),
    ("gemini", {"example": {}, "response": {"parts": {}}}, "response.parts is a list"),
    ("gemini", {"example": {}, "response": {"parts": [{"text": 1}]}}, "response.parts[0].text"),
    ("bedrock", {}, "the body is no JSON list"),
    ("bedrock", [{"id": "1"}], "[0].messages is required"),
    ("bedrock", [{"id": 1, "messages": []}], "[0].id is required"),
    ("bedrock", [{"id": "1", "messages": [], "metadata": 1}], "[0].metadata is an object"),
    ("verify", {"response": {}}, "responses_create_params is required"),
    ("verify", {"responses_create_params": {}, "response": "x"}, "response is an object"),
    ("verify", b"{", "not JSON"),
    ("azure", b'{"sample": NaN}', "NaN"),
    ("azure", b'{"sample": "a", "sample": "b"}', "twice"),
    ("azure", b"\xff", "UTF-8"),
]


@pytest.mark.parametrize(("form", "body", "says"), BAD)
def test_bodies_of_no_form_are_refused_in_a_sentence(
    rewarding: Serving, form: str, body: Any, says: str
) -> None:
    answer = asked(rewarding, form, body)
    assert answer.status == 400, answer.body
    assert says in answer.error["message"]


def test_the_schema_refuses_what_the_server_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    known = {one.name: one for one in FORMS}
    for form, body, says in BAD:
        if isinstance(body, bytes) or "entries" in says or says == "got 1 and 0":
            continue  # No JSON; and no schema says that two lists are as long.
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body, known[form].body)
    for form, body in FAILING.items():
        jsonschema.validate(body, known[form].body)


def test_unknown_names_are_told_the_nearest(rewarding: Serving, server: Serving) -> None:
    answer = asked(rewarding, "batch", {"rows": []}, "boht")
    assert (answer.status, answer.error["code"]) == (404, "grader_not_found")
    assert answer.error["message"] == 'no grader "boht" is served; did you mean both?'
    answer = asked(rewarding, "openrlfh", {"rows": []})
    assert (answer.status, answer.error["message"]) == (
        404, 'no trainer asks as "openrlfh"; did you mean openrlhf?'
    )  # fmt: skip
    answer = asked(server, "batch", {"rows": []})
    assert (answer.status, answer.error["code"]) == (404, "grader_not_found")
    assert "--grader NAME=grader.json" in answer.error["message"]
    assert server.ask("POST", "/verify", {}).status == 404


def test_too_many_rows_and_too_long_bodies_are_refused(
    rewarding: Serving, settled: Serving
) -> None:
    answer = asked(rewarding, "batch", {"rows": [{}] * 501})
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert "501 rows" in answer.error["message"]
    assert asked(rewarding, "batch", {"rows": [{}] * 500}).status == 200
    long = asked(settled, "azure", {"sample": "x" * 110_000}, **BEARER)
    assert (long.status, long.error["code"]) == (413, "request_too_large")


def test_a_row_that_is_too_much_work_fails_by_itself(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    grown = {**RIGHT, "input": "{{ item.answer }}" * 2000}
    server = start("--jobs", "0", *written(tmp_path / "graders", grown=grown))
    given = [
        {"item": {"answer": "y" * 100_000}, "sample": "x"},
        {"item": {"answer": "y"}, "sample": "x"},
    ]
    answer = asked(server, "batch", {"rows": given}, "grown").json
    assert answer["rewards"] == [None, 1.0]
    assert answer["results"][0]["failures"][0]["code"] == "other_error"
    assert "200,100,000 characters" in answer["results"][0]["failures"][0]["message"]


def test_the_token_is_demanded_and_may_stand_in_the_address(settled: Serving) -> None:
    body = {"sample": SAID, "item": {"answer": "Paris"}}
    basic = {
        name: "Basic " + base64.b64encode(f"{given}".encode()).decode()
        for name, given in (
            ("right", f"any:{TOKEN}"),
            ("bare", f":{TOKEN}"),
            ("wrong", "any:token"),
        )
    }
    for right in (basic["right"], basic["bare"], f"Bearer {TOKEN}"):
        assert asked(settled, "azure", body, Authorization=right).json == {"score": WORTH}
    assert asked(settled, "azure", body, api_key=TOKEN).json == {"score": WORTH}
    for wrong in (basic["wrong"], "Basic ***", "Bearer wrong-token-of-some-length"):
        answer = asked(settled, "azure", body, Authorization=wrong)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    for path in ("/v1/rewards/azure/both", "/v1/rewards/batch/unknown", "/verify", "/seed_session"):
        assert settled.ask("POST", path, body).status == 401
    assert settled.ask("GET", "/v1/rewards").status == 401


def test_graders_are_listed_and_described(rewarding: Serving) -> None:
    listed = rewarding.ask("GET", "/v1/rewards").json["data"]
    assert [(one["id"], one["name"], one["type"]) for one in listed] == [
        ("both", "both", "multi"), ("short", "short", "python"), ("calls", "calls", "python"),
    ]  # fmt: skip
    assert listed[0]["paths"] == {one.name: path_of(at, "both") for at, one in enumerate(FORMS)}
    paths = rewarding.ask("GET", "/openapi.json").json["paths"]
    assert paths["/v1/rewards/batch/{name}"]["parameters"][0]["schema"] == {
        "enum": ["both", "short", "calls"]
    }
    assert set(document()["paths"]) == set(paths)


# --- Many at once. ----------------------------------------------------------------------------------


def test_64_clients_at_once_get_the_grades_of_the_process(rewarding: Serving) -> None:
    given = rows(192)
    expected = [one.reward for one in graders.load(BOTH).grade_many(given)]
    before = counted(rewarding)

    def client(own: list[dict[str, Any]]) -> list[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", rewarding.port)
        found = []
        for at, row in enumerate(own):
            form, body = ("batch", {"rows": [row]}) if at % 2 else ("openrlhf", {
                "query": [row["sample"]], "prompts": [""], "labels": [json.dumps(row["item"])],
            })  # fmt: skip
            connection.request("POST", f"/v1/rewards/{form}/both", json.dumps(body))
            answer = json.loads(connection.getresponse().read())
            found.append(answer["rewards"][0] if form == "batch" else answer["rewards"])
        connection.close()
        return found

    with ThreadPoolExecutor(64) as threads:
        found = list(threads.map(client, [given[n::64] for n in range(64)]))
    assert [found[n % 64][n // 64] for n in range(192)] == expected
    after = counted(rewarding)
    assert (after["scored"] - before["scored"], after["failed"] - before["failed"]) == (128, 64)


def counted(server: Serving) -> dict[str, float]:
    """Return how many rows of the multi the server has counted."""
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    return {
        outcome: sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("graders_grades_total")
            and f'"{outcome}"' in line
            and '"multi"' in line
        )
        for outcome in ("scored", "failed")
    }


def test_requests_that_wait_for_one_grader_are_graded_together(tmp_path: Path) -> None:
    async def all_of_it() -> None:
        loop = asyncio.get_running_loop()

        def one(grader: bytes = b"a", body: bytes = b"{}") -> Asked:
            return Asked(REWARD, framed(0, body), loop.create_future(), grader)

        first, second, other, gone, long = (
            one(),
            one(),
            one(b"b"),
            one(),
            one(body=b"x" * (1 << 20)),
        )
        gone.answer.cancel()
        assert with_others(first, [other, gone, second, long], 1) == (first, second)
        assert len(with_others(first, [one() for _ in range(200)], 1)) == 64
        assert len(with_others(first, [one() for _ in range(9)], 2)) == 5
        assert len(with_others(first, [one()], 2)) == 1
        first.alone = True
        assert with_others(first, [second], 1) == (first,)
        assert with_others(second, [first], 1) == (second,)

    asyncio.run(all_of_it())
    assert unbundle(bundle(b"a", [framed(1, b"x"), framed(2, b"")])) == ("a", [(1, b"x"), (2, b"")])


@pytest.mark.parametrize("status", [500, 504, 503, 200])
def test_one_that_ends_a_process_does_not_take_others_with_it(tmp_path: Path, status: int) -> None:
    async def all_of_it() -> None:
        loop = asyncio.get_running_loop()
        group = _Group(ServeOptions(data_dir=tmp_path, jobs=0), "metrics", 1)
        group._processes[0]._stopped = True  # Which gives it nothing: what waits, waits.
        members = tuple(Asked(REWARD, framed(0, b"{}"), loop.create_future(), b"a") for _ in "abc")
        together = Asked(REWARD, b"", loop.create_future(), b"a", members=members)
        told = b"".join(pack(at, frame.Answer(200, str(at).encode())) for at in range(3))
        together.answer.set_result(frame.Answer(status, told))
        group._share_out(together)
        if status in (500, 504):  # Each is tried again, alone: one of them did it.
            assert list(group._waiting) == list(members)
            assert all(one.alone and not one.answer.done() for one in members)
            return
        found = [one.answer.result() for one in members]
        assert [one.status for one in found if isinstance(one, frame.Answer)] == [status] * 3
        if status == 200:
            assert [one.body for one in found if isinstance(one, frame.Answer)] == [
                b"0",
                b"1",
                b"2",
            ]

    asyncio.run(all_of_it())


def test_a_request_that_is_over_leaves_nothing_running(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    graders_ = written(tmp_path / "graders", spinner=SPINNER)
    server = start("--jobs", "0", *graders_)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({"rows": [{"item": {"on": True}, "sample": "x"}] * 8})
    there = set(below(server.process.pid))
    connection.request("POST", "/v1/rewards/batch/spinner", body)
    until(lambda: at_work(server, there))
    connection.close()
    until(lambda: server.is_busy_with(0))
    until(lambda: not goes_on(server.process.pid))
    quick = {"rows": [{"item": {"on": False}, "sample": "x"}] * 8}
    assert asked(server, "batch", quick, "spinner").json["rewards"] == [0.5] * 8
    assert server.stop() == 0


def test_a_judge_that_fails_or_hangs_for_a_third_fails_these_rows_alone(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    judge = {
        "type": "score_model", "name": "judge", "model": "gpt-4o-2024-08-06", "range": [0, 1],
        "input": [{"role": "user", "content": "Rate: {{ sample.output_text }}"}],
    }  # fmt: skip
    over = threading.Event()

    def reply(asked: Any, _: int) -> Told:
        text = json.dumps(asked.body["messages"])
        told = completion("no number" if "bad" in text else '{"result": 0.25, "steps": []}')
        return replace(told, held=lambda: "hang" in text and not over.is_set())

    scripted = ScriptedServer(reply)
    with contextlib.ExitStack() as stack:
        stack.callback(scripted.stop)
        stack.callback(over.set)
        server = start("--jobs", "0", "--base-url", scripted.url, "--attempts", "1",
                       "--deadline", "3", *written(tmp_path / "graders", judge=judge))  # fmt: skip
        said = ["bad", "good", "good", "hang", "good", "good"]
        given: list[Any] = [{"item": {}, "sample": one} for one in said]
        answer = asked(server, "batch", {"rows": given}, "judge").json
        assert answer["rewards"] == [None, 0.25, 0.25] * 2
        codes = [one["failures"][0]["code"] for one in answer["results"] if one["failures"]]
        assert codes == ["model_grader_parse_error", "model_grader_server_error"]
        paid: Any = {"query": ["bad", "good"], "prompts": [""] * 2, "labels": ["{}"] * 2}
        logs = asked(server, "openrlhf", paid, "judge").json["extra_logs"]
        assert logs == {"failed": [1.0, 0.0], "judge_tokens": [15, 15]}
        spoken = [{"role": "assistant", "content": "good"}]
        (told_of,) = asked(server, "bedrock", [{"id": "1", "messages": spoken}], "judge").json
        assert {"name": "judge_tokens", "value": 15.0, "type": "Metric"} in told_of["metrics_list"]
        aux = asked(
            server, "gemini", {"example": {}, "response": {"parts": [{"text": "good"}]}}, "judge"
        )
        assert json.loads(aux.json["user_requested_aux_info"]) == {"judge_tokens": 15}
        lone = {"query": ["hang"], "prompts": [""], "labels": ["{}"]}
        told = asked(server, "openrlhf", lone, "judge")
        assert (told.status, told.json["rewards"]) == (200, None)


# --- Callers of others. -----------------------------------------------------------------------------


def test_our_own_endpoint_grader_asks_it_as_azure_does(
    settled: Serving, rewarding: Serving
) -> None:
    for server, headers, last in (
        (settled, {"Authorization": f"Bearer {TOKEN}"}, -1.0), (rewarding, {}, None),
    ):  # fmt: skip
        config = {"type": "endpoint", "name": "far", "url": f"{server.url}/v1/rewards/azure/both",
                  "headers": headers, "rate_limit": 1000}  # fmt: skip
        options = graders.JudgeOptions(allow_endpoint={"127.0.0.1": ()})
        with graders.load(config, judge=options) as grader:
            given: list[dict[str, Any]] = [{"item": {"answer": "Paris"}, "sample": SAID}, {"item": {"answer": "Rome"}, "sample": MESSAGES},
                     {"item": {}, "sample": SAID}]  # fmt: skip
            found = list(grader.grade_many(given))
        with graders.load(BOTH) as near:
            expected = [one.reward for one in near.grade_many(given)]
        assert [one.reward for one in found] == [*expected[:2], last]
        if last is None:
            assert found[2].failures[0].code == "endpoint_grader_server_error"


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OpenRLHF's own module of callers; its packages import torch, and are left out."""
    pytest.importorskip("aiohttp")
    if (found := importlib.util.find_spec("openrlhf")) is None or found.origin is None:
        pytest.skip("openrlhf is not installed")
    for name in ("openrlhf", "openrlhf.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, package)
    return importlib.import_module("openrlhf.utils.agent")


def test_openrlhf_s_own_caller_gets_rewards(agent: Any, settled: Serving) -> None:
    # It sends no headers of ours: the token stands in the address.
    url = f"http://any:{TOKEN}@127.0.0.1:{settled.port}/v1/rewards/openrlhf/both"
    executor = agent.SingleTurnAgentExecutor(url)
    labels = [json.dumps({"answer": "Paris"}), "none", '{"answer": "n"}'] * 22

    async def fetch() -> list[Any]:
        calls = [executor._fetch_rewards_via_http([f"Q{SAID}</s>"], ["Q"], [one]) for one in labels]
        return [one[0] for one in await asyncio.gather(*calls)]

    found = asyncio.run(fetch())
    assert [one["rewards"] for one in found[:2]] == [WORTH, -1.0]
    assert [one["rewards"] for one in found] == [one["rewards"] for one in found[:3]] * 22
    logs = {"failed": 1.0, "reward_right": math.nan, "reward_near": math.nan}
    assert found[1]["extra_logs"] == pytest.approx(logs, nan_ok=True)


def test_nemo_gym_s_own_client_gets_rewards(settled: Serving) -> None:
    utils = pytest.importorskip("nemo_gym.server_utils")
    base = pytest.importorskip("nemo_gym.base_resources_server")
    pydantic, conf = pytest.importorskip("pydantic"), pytest.importorskip("omegaconf").OmegaConf
    # A server of its configuration that has no entrypoint is one it does not start.
    address = {"host": f"any:{TOKEN}@127.0.0.1", "port": settled.port}
    config = conf.create({"answer": {"resources_servers": {"answer": address}}})
    head = utils.BaseServerConfig(host="127.0.0.1", port=1)
    client = utils.ServerClient(head_server_config=head, global_config_dict=config)
    known = pydantic.ConfigDict(extra="allow")
    sent: Any
    gets: Any
    sent, gets = (
        type("Of", (one,), {"model_config": known})
        for one in (base.BaseVerifyRequest, base.BaseVerifyResponse)
    )
    content = [{"type": "output_text", "text": SAID, "annotations": []}]
    message = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
    body = {
        "responses_create_params": {"input": "?"}, "answer": "Paris", "response": {
            "id": "r", "created_at": 1.0, "model": "m", "object": "response", "output": [message],
            "parallel_tool_calls": False, "tool_choice": "none", "tools": [],
        },
    }  # fmt: skip

    async def verify() -> list[Any]:
        utils.set_global_aiohttp_client(utils.GlobalAIOHTTPAsyncClientConfig())
        seeded = await client.post(server_name="answer", url_path="/seed_session", json=body)
        await utils.raise_for_status(seeded)
        found = []
        for one in (body, {key: value for key, value in body.items() if key != "answer"}):
            request = sent.model_validate(one).model_dump()
            answer = await client.post(server_name="answer", url_path="/verify", json=request)
            await utils.raise_for_status(answer)
            found.append(gets.model_validate(await utils.get_response_json(answer)))
        return found

    right, failed = asyncio.run(verify())
    assert (right.reward, right.reward_right, right.answer) == (WORTH, 1.0, "Paris")
    assert (failed.reward, failed.mask_sample) == (-1.0, True)


# --- The start. -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "options", "says"),
    [
        ({**RIGHT, "operation": "equals"}, ["--grader", "a=g.json"], "operation"),
        ({**SHORT, "source": "def grade(sample): pass"}, ["--grader", "a=g.json"], "grade"),
        (RIGHT, ["--grader", "g.json"], "is not NAME=PATH"),
        (RIGHT, ["--grader", "a/b=g.json"], "letters, digits"),
        (RIGHT, ["--grader", "a=g.json", "--grader", "a=g.json"], "names a twice"),
        (RIGHT, ["--grader", "a=none.json"], "none.json"),
        (JUDGE, ["--grader", "a=g.json"], "needs a key"),
        (
            {"type": "endpoint", "name": "far", "url": "http://127.0.0.1:9/"},
            ["--grader", "a=g.json"],
            "--allow-endpoint 127.0.0.1:9",
        ),
        (RIGHT, ["--grader", "a=g.json", "--dialect", "jinja2"], "is served with --dialect hosted"),
        (RIGHT, ["--grader", "a=g.json", "--failed", "nan"], "nan is no number"),
        (RIGHT, ["--grader", "a=g.json", "--failed", "none"], "--failed"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_ends_the_server_before_it_begins(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    options: list[str],
    says: str,
) -> None:
    (tmp_path / "g.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    environment = {name: one for name, one in os.environ.items() if not name.startswith("OPENAI")}
    ended = forks.start(["serve", "--port", "0", "--data-dir", "store", *options], environment)
    with ended.stderr as said:
        told = said.read()
    assert ended.wait() == 2
    assert says in told
    assert "Traceback" not in told
    assert not (tmp_path / "store").exists()
