"""Bodies of evals and runs: what is taken, and a sentence with its place for what is not."""

from __future__ import annotations

from typing import Any

import pytest

from graders.evals.request import EvalRequest, RunRequest, updated
from graders.wire.error import ApiError
from tests.evals.conftest import ALIKE, EXACT, TEMPLATE, eval_body, jsonl


def refused(parse: Any, body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(body)
    assert caught.value.status == 400
    return caught.value


CUSTOM = {"type": "custom", "item_schema": {}}


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"data_source_config": None}, "data_source_config", "is required"),
        ({"data_source_config": 5}, "data_source_config", "an object with a type, got 5"),
        (
            {"data_source_config": {"type": "custm"}},
            "data_source_config.type",
            "did you mean custom?",
        ),
        (
            {"data_source_config": {"type": "azure_ai_source"}},
            "data_source_config.type",
            "Azure Foundry alone",
        ),
        (
            {"data_source_config": {"type": "custom"}},
            "data_source_config.item_schema",
            "is required",
        ),
        (
            {"data_source_config": {**CUSTOM, "include_sample_schema": 1}},
            "data_source_config.include_sample_schema",
            "true or false, got 1",
        ),
        (
            {"data_source_config": {**CUSTOM, "item_shema": {}}},
            "data_source_config.item_shema",
            "did you mean item_schema?",
        ),
        ({"testing_criteria": None}, "testing_criteria", "is required"),
        ({"testing_criteria": []}, "testing_criteria", "a list of graders"),
        ({"testing_criteria": [{"type": "multi"}]}, "testing_criteria[0]", "holds no multi"),
        (
            {"testing_criteria": [EXACT, {**ALIKE, "pass_threshold": None}]},
            "testing_criteria[1].pass_threshold",
            "is required for a text_similarity",
        ),
        ({"nme": "x"}, "nme", "did you mean name?"),
        ({"name": 5}, "name", "name is a text"),
        ({"metadata": {"a": 5}}, "metadata.a", "a text of at most 512"),
    ],
)
def test_a_faulty_eval_is_refused_at_its_place(change: Any, param: str, says: str) -> None:
    error = refused(EvalRequest.parse, eval_body() | change)
    assert error.param == param
    assert says in error.message


ASKING = {"type": "completions", "model": "m", "source": jsonl(("a", None))["source"],
          "input_messages": TEMPLATE}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "param", "says"),
    [
        (None, "data_source", "is required"),
        ({"type": "jsonlines"}, "data_source.type", "did you mean jsonl?"),
        ({"type": "jsonl"}, "data_source.source", "is required"),
        (
            {"type": "jsonl", "source": {"type": "stored_completions"}},
            "data_source.source.type",
            "one of file_content, file_id",
        ),
        (
            {"type": "jsonl", "source": {"type": "file_id"}},
            "data_source.source.id",
            "the id of a file",
        ),
        (
            {"type": "jsonl", "source": {"type": "file_content", "content": []}},
            "data_source.source.content",
            "a list of rows",
        ),
        (
            {"type": "jsonl", "source": {"type": "file_content", "content": [{"q": 1}]}},
            "data_source.source.content[0]",
            "got the keys q",
        ),
        ({**ASKING, "model": None}, "data_source.model", "the model that answers them"),
        (
            {**ASKING, "input_messages": {"type": "templat"}},
            "data_source.input_messages.type",
            "template?",
        ),
        (
            {**ASKING, "input_messages": {"type": "template", "template": []}},
            "data_source.input_messages.template",
            "at least one entry",
        ),
        (
            {
                **ASKING,
                "input_messages": {
                    "type": "template",
                    "template": [{"role": "bot", "content": ""}],
                },
            },
            "data_source.input_messages.template[0].role",
            "one of user, assistant, system, developer",
        ),
        (
            {**ASKING, "input_messages": {"type": "item_reference", "item_reference": "sample.x"}},
            "data_source.input_messages.item_reference",
            "a path into item",
        ),
        (
            {**ASKING, "sampling_params": {"temperature": 9}},
            "data_source.sampling_params.temperature",
            "at most 2",
        ),
        (
            {**ASKING, "sampling_params": {"temprature": 1}},
            "data_source.sampling_params.temprature",
            "did you mean temperature?",
        ),
        (
            {"type": "completions", "source": {"type": "stored_completions", "created_after": "x"}},
            "data_source.source.created_after",
            "a whole number",
        ),
        (
            {"type": "responses", "source": {"type": "responses", "tools": "x"}},
            "data_source.source.tools",
            "a list of texts",
        ),
    ],
)
def test_a_faulty_run_is_refused_at_its_place(source: Any, param: str, says: str) -> None:
    error = refused(RunRequest.parse, {"data_source": source})
    assert error.param == param
    assert says in error.message


def test_both_spellings_of_the_cap_are_taken_and_sent_by_the_right_one() -> None:
    from graders.evals.prompt import sampling_of

    for name in ("max_completion_tokens", "max_completions_tokens"):
        source = {**ASKING, "sampling_params": {name: 7, "seed": None}}
        assert RunRequest.parse({"data_source": source}).model == "m"
        assert sampling_of(source) == {"max_completion_tokens": 7}


def test_an_update_changes_what_it_names() -> None:
    assert updated({"name": "x"}) == {"name": "x"}
    assert updated({"metadata": None}) == {"metadata": None}
    assert refused(updated, {"testing_criteria": []}).param == "testing_criteria"


@pytest.mark.parametrize("body", [None, [], "x"])
def test_a_body_is_an_object(body: Any) -> None:
    assert "JSON object" in refused(EvalRequest.parse, body).message
    assert "JSON object" in refused(RunRequest.parse, body).message
