"""Rows in the words of chat templates."""

from __future__ import annotations

from graders.training.rows import dpo_row, messages_of, prompt_row, supervised_row


def test_messages_are_plain_texts_and_tool_calls_hold_objects() -> None:
    call = {
        "id": "c1", "type": "function",
        "function": {"name": "find", "arguments": '{"city": "Zürich"}'},
    }  # fmt: skip
    found = messages_of(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "7 °C"},
        ]
    )  # fmt: skip
    assert [one["role"] for one in found] == ["system", "user", "assistant", "tool"]
    assert [one["content"] for one in found] == ["Be brief.", "ab", "", "7 °C"]
    assert found[2]["tool_calls"][0]["function"]["arguments"] == {"city": "Zürich"}
    assert found[3]["tool_call_id"] == "c1"


def test_arguments_that_are_no_json_are_kept_as_they_are() -> None:
    call = {"function": {"name": "f", "arguments": "{not json"}}
    (found,) = messages_of([{"role": "assistant", "content": "", "tool_calls": [call]}])
    assert found["tool_calls"][0]["function"]["arguments"] == {"arguments": "{not json"}


def test_a_weight_of_0_is_not_learned() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "2", "weight": 0},
            {"role": "user", "content": "3"},
            {"role": "assistant", "content": "4"},
        ],
        "tools": [],
    }
    assert supervised_row(row)["learned"] == [3]
    assert supervised_row(row)["tools"] is None
    assert supervised_row({"prompt": "a", "completion": "b"}) == {"prompt": "a", "completion": "b"}


def test_a_preference_has_two_answers_and_a_prompt_its_item() -> None:
    asked = [{"role": "user", "content": "q"}]
    found = dpo_row(
        {
            "input": {"messages": asked, "tools": [{"type": "function"}]},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
        }
    )
    assert found["tools"] == [{"type": "function"}]
    assert (found["chosen"][0]["content"], found["rejected"][0]["content"]) == ("yes", "no")
    row = {"messages": asked, "answer": "7", "sample": "recorded"}
    assert prompt_row(row, ("sample", "samples"))["item"] == {"messages": asked, "answer": "7"}
