"""Rows graded together, alone, in any order and in any cut give the same grades."""

from __future__ import annotations

import io
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import graders
from graders.batch.score import score_block
from graders.grade import Grade
from graders.rows import Block, Layout, read_blocks
from tests.examples import examples


def text_grader(metric: str) -> dict[str, Any]:
    return {
        "type": "text_similarity", "name": metric, "evaluation_metric": metric,
        "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
    }  # fmt: skip


GRADER = graders.load(
    {
        "type": "multi",
        "name": "m",
        "graders": {
            "same": {
                "type": "string_check", "name": "same", "operation": "ilike",
                "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
            },
            "key": {
                "type": "string_check", "name": "key", "operation": "ne",
                "input": "<{{ sample.output_json.k }}>", "reference": "{{ item.list[0] }}",
            },
            **{name: text_grader(name) for name in ("bleu", "gleu", "rouge_l", "fuzzy_match")},
        },
        "calculate_output": "(same + key + bleu + gleu + rouge_l) / fuzzy_match",
    }
)  # fmt: skip

words = st.lists(st.sampled_from(["a", "the", "cat", "sat.", "On", "日本", "\n", "é"]), max_size=6)
texts = st.one_of(words.map(" ".join), st.text(max_size=12))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
items = st.one_of(
    scalars,
    st.lists(scalars, max_size=2),
    st.fixed_dictionaries(
        {}, optional={"a": st.one_of(texts, texts, scalars), "list": st.lists(scalars, max_size=2)}
    ),
    st.fixed_dictionaries({"a": texts, "list": st.lists(texts, min_size=1, max_size=2)}),
)
samples = st.one_of(
    texts,
    scalars,
    st.fixed_dictionaries({"k": scalars}).map(json.dumps),
    st.fixed_dictionaries({}, optional={"output_text": st.one_of(texts, scalars)}),
    st.builds(lambda text: {"choices": [{"message": {"content": text}}]}, texts),
)
rows = st.lists(st.fixed_dictionaries({"item": items, "sample": samples}), max_size=8)


def seen(grade: Grade) -> Any:
    """A grade without what differs on purpose: how an absent item or sample is worded."""
    failures = [(one.code, one.where, one.message.split(";")[0]) for one in grade.failures]
    return grade.reward, dict(grade.sub_rewards), failures


@settings(max_examples=examples(150))
@given(rows)
def test_a_batch_gives_what_its_rows_give_one_by_one(batch: list[Any]) -> None:
    together = [seen(grade) for grade in GRADER.grade_many(batch)]
    assert together == [seen(GRADER.grade(row["item"], row["sample"])) for row in batch]


@settings(max_examples=examples(100))
@given(rows, st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_and_the_chunks_of_rows_change_no_grade(
    batch: list[Any], shuffle: random.Random, chunk: int
) -> None:
    order = list(range(len(batch)))
    shuffle.shuffle(order)
    straight = list(GRADER.grade_many(batch))
    shuffled = list(GRADER.grade_many((batch[at] for at in order), chunk=chunk))
    assert [shuffled[order.index(at)] for at in range(len(batch))] == straight


class Pieces:
    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._stream = io.BytesIO(data)
        self._sizes = sizes

    def read1(self, size: int = -1, /) -> bytes:
        self._sizes.append(self._sizes.pop(0))
        return self._stream.read(self._sizes[0])


@settings(max_examples=examples(75))
@given(rows, st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_any_cut_of_a_file_gives_equal_bytes_and_an_equal_tally(
    batch: list[Any], sizes: list[int]
) -> None:
    data = b"\n".join(json.dumps(row).encode() for row in batch)
    runner = GRADER._live.performers.runner()
    expected = score_block(runner, Block(data), Layout())
    lines, tally = b"", score_block(runner, Block(b""), Layout()).tally
    for block in read_blocks(Pieces(data, sizes)):
        scored = score_block(runner, block, Layout())
        lines += scored.lines
        tally.merge(scored.tally)
    assert lines == expected.lines
    assert tally.to_dict() == expected.tally.to_dict()


@settings(max_examples=examples(100))
@given(rows)
def test_no_row_is_ever_without_a_reward_and_a_reason(batch: list[Any]) -> None:
    for grade in GRADER.grade_many(batch):
        assert (grade.reward is None) == bool(grade.failures)
        hosted = grade.hosted
        flags = [name for name, value in hosted["metadata"]["errors"].items() if value is True]
        assert bool(flags) == (grade.reward is None)
        assert hosted["reward"] == (0.0 if grade.reward is None else grade.reward)
