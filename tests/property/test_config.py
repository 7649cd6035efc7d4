"""Configs: what `dump` gives loads to an equal config, and any JSON loads or is refused."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.config import dump, load
from graders.errors import ConfigError, Fault
from graders.kinds import EvalCriteria
from tests.examples import examples

words = st.text(st.characters(exclude_characters="{", exclude_categories=["Cs", "Cc"]), max_size=8)
templates = st.lists(
    words | st.sampled_from(["{{item.a}}", "{{ sample.output_text }}", "{{item.b[0].c}}"]),
    max_size=3,
).map("".join)
numbers = st.integers(-100, 100) | st.floats(-100, 100)
parts = st.one_of(
    templates,
    st.fixed_dictionaries({"type": st.just("input_text"), "text": templates}),
    st.fixed_dictionaries({"type": st.just("output_text"), "text": templates}),
    st.fixed_dictionaries(
        {"type": st.just("input_image"), "image_url": templates},
        optional={
            "detail": st.sampled_from(["auto", "low", "high", None]),
            "file_id": st.none() | words,
        },
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("input_audio"),
            "input_audio": st.fixed_dictionaries(
                {"data": templates, "format": st.sampled_from(["mp3", "wav"])}
            ),
        }
    ),
)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "developer"]),
            "content": parts | st.lists(parts, max_size=3),
        },
        optional={"type": st.just("message")},
    ),
    min_size=1,
    max_size=3,
)
name = {"name": words | st.none()}
threshold = {"pass_threshold": numbers | st.none()}
checks = st.fixed_dictionaries(
    {
        "type": st.just("string_check"),
        "input": templates,
        "reference": templates,
        "operation": st.sampled_from(["eq", "ne", "like", "ilike"]),
    },
    optional=name,
)
similarities = st.fixed_dictionaries(
    {
        "type": st.just("text_similarity"),
        "input": templates,
        "reference": templates,
        "evaluation_metric": st.sampled_from(["cosine", "bleu", "fuzzy_match", "rouge_5"]),
    },
    optional={**name, **threshold},
)
pythons = st.fixed_dictionaries(
    {"type": st.just("python"), "source": st.text(max_size=20)},
    optional={**name, **threshold, "image_tag": st.none() | words},
)
scores = st.fixed_dictionaries(
    {"type": st.just("score_model"), "model": words.filter(bool), "input": messages},
    optional={
        **name,
        **threshold,
        "range": st.lists(numbers, min_size=2, max_size=2, unique_by=float).map(sorted),
        "sampling_params": st.fixed_dictionaries(
            {},
            optional={
                "seed": st.integers() | st.none(),
                "temperature": st.floats(0, 2),
                "top_p": st.floats(0, 1),
                "max_completions_tokens": st.integers(1, 10_000),
                "reasoning_effort": st.sampled_from(["low", "high", None]),
            },
        ),
    },
)
labels = st.fixed_dictionaries(
    {
        "type": st.just("label_model"),
        "model": words.filter(bool),
        "input": messages,
        "labels": st.just(["good", "fair", "bad"]),
        "passing_labels": st.sampled_from([["good"], ["good", "fair"]]),
    },
    optional=name,
)
leaves = st.one_of(checks, similarities, pythons, scores, labels)


@st.composite
def multis(draw):
    keys = draw(
        st.lists(st.sampled_from(["a", "b", "class", "odd key", "é"]), min_size=1, unique=True)
    )
    return {
        "type": "multi",
        "graders": {key: draw(leaves) for key in keys},
        "calculate_output": " + ".join(keys),
        **draw(st.fixed_dictionaries({}, optional={**name, **threshold, "invalid_grade": numbers})),
    }


configs = leaves | multis()
few = settings(
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(configs)
@few
def test_dump_gives_back_an_equal_config(config):
    loaded = load(config)
    dumped = dump(loaded)
    assert load(dumped) == loaded
    assert dump(load(dumped)) == dumped


@given(configs)
@few
def test_json_and_yaml_texts_load_as_the_object_does(config):
    expected = load(config)
    assert load(json.dumps(config)) == expected
    assert load(json.dumps(config, ensure_ascii=False, indent=2).encode()) == expected
    assert load("\n" + yaml.safe_dump(config)) == expected


@given(st.lists(leaves, min_size=1, max_size=4))
@few
def test_criteria_dump_and_load_to_the_same(graders):
    for grader in graders:
        if grader["type"] == "text_similarity":
            grader["pass_threshold"] = 0.5
    loaded = load({"name": "eval", "testing_criteria": graders})
    assert load(dump(loaded)) == loaded
    if len(graders) > 1:
        assert isinstance(loaded, EvalCriteria)
        assert len(loaded.graders) == len(graders)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw):
    """A config in which one value, somewhere, is any JSON value at all."""
    config = draw(configs)
    node, key = config, draw(st.sampled_from([*config, "new"]))
    while isinstance(node.get(key), dict) and node[key] and draw(st.booleans()):
        node = node[key]
        key = draw(st.sampled_from([*node, "new"]))
    node[key] = draw(json_values)
    return config


@given(damaged())
@settings(max_examples=examples(400), suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_config_loads_or_is_refused_with_paths(config):
    for fault in _faults(config):
        assert fault.path.startswith("$")
        assert "\0" not in str(fault)
        assert "Input should" not in str(fault)
        assert str(fault).encode()


def _faults(source: Any) -> tuple[Fault, ...]:
    """The faults of a source, none when it loads; any other exception goes through."""
    try:
        load(source)
    except ConfigError as error:
        return error.faults
    return ()


@given(st.text(max_size=40) | st.text(st.sampled_from("{}[]:,\"'&*!|>-?#\n\t ab1"), max_size=40))
@settings(max_examples=examples(500))
def test_any_text_is_a_config_or_refused(text):
    for fault in _faults("\n" + text):
        assert str(fault).encode()
