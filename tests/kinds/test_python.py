"""python: what is asked for a column, and what the replies become."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from graders.calls import PythonCall, PythonError, PythonReply
from graders.hosted import FLAG_OF_CODE
from graders.kinds import Python, Rows, python
from graders.sample import Absent, Wanted, prepare

CONFIG = Python(
    type="python", name="p", source="def grade(sample, item): return 1", image_tag="2025-05-08"
)


def asked(samples: list[Any], items: list[Any]) -> PythonCall:
    return python.PythonKind().ask(CONFIG, Rows({}, items, samples), 1)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("text", {"output_text": "text"}),
        ('{"a": 1}', {"output_text": '{"a": 1}', "output_json": {"a": 1}}),
        ("", {"output_text": ""}),
        ({"output_text": "t", "mine": 1}, {"output_text": "t", "mine": 1}),
        ({"output_json": [1]}, {"output_json": [1]}),
        (None, {}),
    ],
)
def test_a_sample_is_a_dict_with_output_json_only_where_the_text_is_json(
    raw: Any, seen: dict[str, Any]
) -> None:
    assert asked([prepare(raw, Wanted(output_json=True))], [{}]).samples == [seen]


def test_a_plain_text_becomes_output_text() -> None:
    assert asked(["text"], [{}]).samples == [{"output_text": "text"}]


@pytest.mark.parametrize(
    ("item", "seen"), [({"a": 1}, {"a": 1}), (None, {}), (Absent("none"), {}), ([1], [1])]
)
def test_an_absent_item_is_an_empty_dict(item: Any, seen: Any) -> None:
    assert asked(["x"], [item]).items == [seen]


def test_a_call_carries_source_and_image_tag() -> None:
    call = asked([], [])
    assert (call.source, call.image_tag) == (CONFIG.source, "2025-05-08")


def test_asking_leaves_the_row_as_it_is() -> None:
    raw = {"output_text": "prose"}
    asked([prepare(raw, Wanted(output_json=True))], [{}])
    assert raw == {"output_text": "prose"}


def test_replies_become_scores_and_failures_row_by_row() -> None:
    error = PythonError("timeout", "timed out after 2 s")
    replies = [PythonReply(0.5), PythonReply(None, error), PythonReply(7.0)]
    settled = python.PythonKind().settle(CONFIG, replies, 1)
    assert settled.scores == [0.5, None, 7.0]
    assert list(settled.failures) == [1]
    assert settled.failures[1].message == "timed out after 2 s"


@pytest.mark.parametrize("kind", sorted(python.CODE_OF_KIND))
def test_the_graders_own_errors_are_runtime_errors_and_ours_are_server_errors(kind: Any) -> None:
    ours = kind in {"sandbox_unavailable", "worker_start", "protocol", "resource"}
    failure = python.failure_of(PythonError(kind, "message", "trace"))
    assert failure.code == f"python_grader_{'server' if ours else 'runtime'}_error"
    assert failure.details == (kind if ours else "trace")
    assert failure.code in FLAG_OF_CODE


def test_every_kind_of_error_has_a_code() -> None:
    assert set(python.CODE_OF_KIND) == set(get_args(get_type_hints(PythonError)["kind"]))
