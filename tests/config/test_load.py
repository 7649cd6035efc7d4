"""Loading: every kind of source and envelope, and nothing but a ConfigError when it is wrong."""

from __future__ import annotations

import io
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from graders import jsontext
from graders.config import dump, load, load_source
from graders.errors import ConfigError, Fault
from graders.kinds import EvalCriteria, Multi, StringCheck
from tests.waiting import at_most

CHECK = {
    "type": "string_check",
    "name": "capital",
    "input": "{{sample.output_text}}",
    "reference": "{{item.capital}}",
    "operation": "eq",
}
SIMILARITY = {
    "type": "text_similarity",
    "name": "close",
    "input": "{{sample.output_text}}",
    "reference": "é ü 名",
    "evaluation_metric": "bleu",
    "pass_threshold": 0.5,
}
MULTI = {
    "type": "multi",
    "name": "all",
    "graders": {"exact": CHECK, "close": SIMILARITY},
    "calculate_output": "exact + close",
}
CHECK_YAML = """\
# The capital, exactly.
type: string_check
name: capital
input: "{{sample.output_text}}"
reference: '{{item.capital}}'
operation: eq
"""


def faults(source: Any, **options: Any) -> list[Fault]:
    with pytest.raises(ConfigError) as caught:
        load(source, **options)
    return list(caught.value.faults)


def message(source: Any) -> str:
    [fault] = faults(source)
    return fault.message


# Sources.


def test_an_object_a_json_text_a_yaml_text_and_bytes_load_alike():
    expected = load(CHECK)
    text = json.dumps(CHECK)
    for source in (
        text,
        json.dumps(CHECK, indent="\t"),
        "\n  " + text,
        text.encode(),
        CHECK_YAML,
        CHECK_YAML.encode(),
        yaml.safe_dump(CHECK),
        "\ufeff" + text,
        b"\xef\xbb\xbf" + text.encode(),
        "\ufeff" + CHECK_YAML,
        text.replace("\n", "\r\n"),
        types.MappingProxyType(CHECK),
        expected,
    ):
        assert load(source) == expected


@pytest.mark.parametrize("content", [json.dumps(CHECK), CHECK_YAML, "\ufeff" + CHECK_YAML])
def test_a_path_loads_as_path_or_text(tmp_path: Path, content):
    path = tmp_path / "grader.conf"
    path.write_text(content, encoding="utf-8")
    assert load(path) == load(str(path)) == load(CHECK)
    assert load_source(path).name == str(path)


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(CHECK).encode())))
    loaded = load_source("-")
    assert loaded.config == load(CHECK)
    assert loaded.name == "standard input"


@pytest.mark.parametrize(
    ("length", "said"),
    [(2048, "the text is empty"), (2049, "cannot be read: it is longer than 2 kB")],
)
def test_a_source_that_never_ends_is_left(monkeypatch, tmp_path: Path, length: int, said: str):
    """`yes | graders validate -` is one sentence, and does not fill the memory."""
    monkeypatch.setattr(jsontext.read_whole, "__defaults__", (2048,))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b" " * length)))
    (tmp_path / "long.json").write_bytes(b" " * length)
    for source in ("-", tmp_path / "long.json"):
        with pytest.raises(ConfigError, match=said):
            load(source)


def test_a_yaml_block_keeps_a_python_source():
    source = "def grade(sample, item):\n    return 1.0\n"
    text = "type: python\nname: code\nsource: |\n" + "".join(
        f"  {line}\n" for line in source.splitlines()
    )
    assert load(text).source == source


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path):
    (tmp_path / "grader.json").write_text("{}")
    wrong = tmp_path / "graders.json"
    with pytest.raises(ConfigError) as caught:
        load(wrong)
    assert str(caught.value) == (
        f"{wrong}: 1 fault\n  $: there is no such file; did you mean {tmp_path / 'grader.json'}?"
    )


@pytest.mark.parametrize("name", ["a\0b", "x" * 100_000])
def test_a_name_that_can_be_no_file_is_refused(name):
    assert message(name).startswith("cannot be read: ")


def test_a_directory_is_refused(tmp_path: Path):
    assert message(os.fspath(tmp_path)).startswith("cannot be read: ")


@pytest.mark.parametrize("source", ["", b"", " \n", "\ufeff", "# only a comment\n"])
def test_an_empty_text_is_refused(source):
    assert message(source) in {
        "the text is empty; a grader is expected",
        "a grader is an object with a type, got null",
    }


@pytest.mark.parametrize("source", [b"5", b"null", b'"text"', "\n5", "- \n- 1\n"])
def test_a_text_without_an_object_is_refused(source):
    assert "a grader is an object with a type, got" in faults(source)[0].message


def test_text_that_is_not_utf8_is_refused_with_its_line():
    assert message(b'{"type":\n"\xff"}').endswith("not UTF-8 text (line 2)")
    assert message(json.dumps(CHECK).encode("utf-16")[:-1]).endswith("not UTF-8 text (line 1)")


# Envelopes.


def test_a_fine_tuning_job_holds_its_grader():
    body = {
        "model": "base-model",
        "training_file": "file-1",
        "method": {
            "type": "reinforcement",
            "reinforcement": {"grader": MULTI, "hyperparameters": {"n_epochs": 1}},
        },
    }
    loaded = load_source(body)
    assert loaded.config == load(MULTI)
    assert loaded.place == ("method", "reinforcement", "grader")


def test_a_fault_in_a_job_has_the_whole_path():
    wrong = {**CHECK, "operation": "neq"}
    body = {"method": {"type": "reinforcement", "reinforcement": {"grader": wrong}}}
    [fault] = faults(json.dumps(body, indent=1))
    assert fault.path == "$.method.reinforcement.grader.operation"
    assert fault.line == 10


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        (None, "$.method", "the body of a reinforcement job holds its grader in method.reinforcement"),
        ({"type": "supervised"}, "$.method", "a supervised job has no grader; only reinforcement jobs have one"),
        ({"type": "dpo"}, "$.method", "a dpo job has no grader; only reinforcement jobs have one"),
        ({"type": "reinforcement"}, "$.method", "the body of a reinforcement job holds its grader in method.reinforcement"),
        ({"reinforcement": {}}, "$.method.reinforcement", "the body of a reinforcement job holds its grader in method.reinforcement.grader"),
        ({"reinforcement": {"grader": None}}, "$.method.reinforcement.grader", "a grader is an object with a type, got null"),
    ],
)  # fmt: skip
def test_a_job_without_a_grader_says_where_it_would_be(method, path, sentence):
    [fault] = faults({"model": "m", "method": method})
    assert (fault.path, fault.message) == (path, sentence)


def test_a_run_body_brings_its_item_and_sample():
    loaded = load_source({"grader": CHECK, "item": {"capital": "Bern"}, "model_sample": "Bern"})
    assert loaded.config == load(CHECK)
    assert loaded.item == {"capital": "Bern"}
    assert loaded.model_sample == "Bern"
    assert loaded.place == ("grader",)


def test_a_validate_body_brings_only_its_grader():
    loaded = load_source({"grader": CHECK})
    assert loaded.config == load(CHECK)
    assert loaded.item is loaded.model_sample is None


@pytest.mark.parametrize("grader", [None, "text", [CHECK]])
def test_a_body_whose_grader_is_no_object_says_so_there(grader):
    [fault] = faults({"grader": grader})
    assert fault.path == "$.grader"
    assert fault.message.startswith("a grader is an object with a type, got")


@pytest.mark.parametrize("source", [[CHECK], {"testing_criteria": [CHECK]}])
def test_one_criterion_is_its_grader(source):
    assert load(source) == load(CHECK)


@pytest.mark.parametrize(
    "source",
    [
        [CHECK, SIMILARITY],
        {"name": "my eval", "data_source_config": {}, "testing_criteria": [CHECK, SIMILARITY]},
    ],
)
def test_several_criteria_stand_together_under_their_names(source):
    loaded = load(source)
    assert isinstance(loaded, EvalCriteria)
    assert list(loaded.graders) == ["capital", "close"]
    assert load(dump(loaded)) == loaded


def test_an_evals_own_name_is_kept():
    assert load({"name": "my eval", "testing_criteria": [CHECK, SIMILARITY]}).name == "my eval"


def test_an_eval_as_the_api_returns_it_is_read():
    returned = {**CHECK, "id": "check-8f14e45f", "created_at": 1}
    body = {"object": "eval", "id": "eval_1", "created_at": 1, "testing_criteria": [returned]}
    assert load(body) == load(CHECK)
    with pytest.raises(ConfigError, match='unknown field "id"'):
        load(returned)


def test_a_schema_for_editors_is_no_field_of_the_grader():
    schema = {"$schema": "./grader.schema.json"}
    assert load({**schema, **CHECK}) == load(CHECK)
    multi = {"type": "multi", "name": "m", "calculate_output": "a"}
    assert load({**schema, **multi, "graders": {"a": {**schema, **CHECK}}}) == load(
        {**multi, "graders": {"a": CHECK}}
    )
    assert "$schema" not in dump(load({**schema, **CHECK}))
    nested = {"$schema": 1, **multi, "graders": {"a": {"$schema": {}, **CHECK}}}
    inner, outer = faults(nested)
    assert (outer.path, inner.path) == ('$["$schema"]', '$.graders.a["$schema"]')
    assert "expected a string, a JSON Schema's name, got 1" in outer.message


def test_criteria_of_the_same_name_get_numbers():
    loaded = load([CHECK, {**CHECK, "operation": "ne"}, CHECK])
    assert list(loaded.graders) == ["capital", "capital (2)", "capital (3)"]
    assert load(dump(loaded)) == loaded


def test_text_similarity_needs_a_threshold_among_criteria_only():
    bare = {key: value for key, value in SIMILARITY.items() if key != "pass_threshold"}
    assert load(bare).pass_threshold is None
    [fault] = faults([CHECK, bare])
    assert fault.path == "$[1].pass_threshold"
    assert fault.message == ("pass_threshold is required for a text_similarity in testing_criteria")


def test_criteria_hold_no_multi():
    [fault] = faults({"testing_criteria": [CHECK, MULTI]})
    assert fault.path == "$.testing_criteria[1]"
    assert fault.message.startswith("testing_criteria holds no multi: it is for reinforcement")


@pytest.mark.parametrize("criteria", [[], {}, None, "x"])
def test_criteria_are_a_list_of_graders(criteria):
    assert message({"testing_criteria": criteria}).startswith(
        "testing_criteria is a list of graders, got"
    )


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({}, "the object is empty; a grader has a type"),
        ({"Type": "string_check"}, 'the keys are "Type"; did you mean type by "Type"?'),
        ({"graders": {}}, 'testing_criteria; the keys are "graders"'),
    ],
)
def test_an_object_without_a_grader_says_where_one_would_be(source, sentence):
    assert message(source).endswith(sentence)


def test_a_key_named_like_an_envelope_is_no_envelope_beside_a_type():
    [fault] = faults({**CHECK, "grader": {}})
    assert fault.message.startswith('unknown field "grader"')


# All faults at once.


def test_every_fault_is_reported_with_its_path_and_line():
    text = """\
{
  "type": "multi",
  "name": "all",
  "graders": {
    "odd key": {"type": "string_check", "input": "{{ foo }}", "reference": "x",
                "operation": "neq"},
    "judge": {
      "type": "score_model",
      "model": "m",
      "input": [{"role": "user", "content": [{"type": "input_text", "txt": "x"}, 5]}],
      "sampling_params": {"max_tokens": 5},
      "range": [1, 0]
    }
  },
  "calculate_output": "odd key + jugde",
  "extra": true
}
"""
    found = {(fault.path, fault.line, fault.code) for fault in faults(text)}
    assert found == {
        ('$.graders["odd key"].input', 5, "template_parse_error"),
        ('$.graders["odd key"].operation', 6, "config_error"),
        ("$.graders.judge.input[0].content[0].txt", 10, "config_error"),
        ("$.graders.judge.input[0].content[1]", 10, "config_error"),
        ("$.graders.judge.sampling_params.max_tokens", 11, "config_error"),
        ("$.graders.judge.range", 12, "config_error"),
        ("$.calculate_output", 15, "formula_parse_error"),
        ("$.extra", 16, "config_error"),
    }


def test_lines_are_told_in_yaml_too():
    found = faults(CHECK_YAML.replace("eq\n", "neq\n").replace("{{item", "{{itme"))
    assert [(fault.path, fault.line) for fault in found] == [("$.reference", 5), ("$.operation", 6)]


def test_the_fault_of_a_missing_field_has_the_line_of_its_object():
    text = '{\n"type": "multi", "name": "m", "calculate_output": "a",\n"graders": {\n"a": {"type": "python", "name": "p"}}}'
    [fault] = faults(text)
    assert (fault.path, fault.line) == ("$.graders.a.source", 4)


def test_a_config_from_an_object_has_no_lines():
    assert [fault.line for fault in faults({**CHECK, "operation": "neq"})] == [None]


def test_the_formula_is_checked_whatever_else_is_wrong():
    found = faults({**MULTI, "graders": [CHECK], "calculate_output": "a + + b"})
    assert [fault.path for fault in found] == ["$.graders", "$.calculate_output"]


def test_no_fault_says_how_the_checking_is_done():
    wrong = {
        "type": "multi",
        "name": 5,
        "graders": {
            "a": {"type": "score_model", "model": 1, "input": [{"role": 1, "content": [[1], {"type": "list"}, {"type": 5}]}, 5]},
            "b": {"type": "label_model", "labels": [1], "passing_labels": 5, "input": {}},
            "c": {"type": "python", "source": ["x"]},
            "d": [],
            "e": {"type": "text_similarity", "evaluation_metric": []},
            "f": {"type": "score_model", "model": "m", "input": [{"role": "user", "content": {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {1}}}]},
        },
        "calculate_output": None,
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        load(wrong)
    error = str(caught.value)
    for word in (
        "\0",
        "pydantic",
        "function-",
        "tagged",
        "Value error",
        "Input should",
        "str]",
        "literal",
        "union",
        "[key]",
    ):
        assert word not in error


@pytest.mark.parametrize("many", [5_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_very_many_faults_are_counted_and_not_all_worded(many):
    text = json.dumps({**CHECK, **{f"key{number}": 1 for number in range(many)}})
    with at_most():
        found = faults(text)
    assert len(found) == 1001
    assert found[-1].message == f"and {many - 1_000:,} more faults like these"


def test_messages_are_printable_whatever_the_config_holds():
    wrong = {"type": "\ud800\x1b[31m", "name": "\udc80", "\x07\udfff": 1}
    assert all(fault.message.isprintable() for fault in faults(wrong))
    multi = {**MULTI, "graders": {"\ud800\n": {"type": "\x1b"}}, "calculate_output": "x\ud800"}
    for fault in faults(multi):
        assert str(fault).replace("\n", "").isprintable()


# What JSON cannot hold, and Python objects can.


@pytest.mark.parametrize("key", [1, None, True, 1.5, (1, 2)])
def test_a_key_that_is_no_text_is_refused(key):
    assert message({"type": "string_check", key: 1}).startswith("a key is text, got")
    [fault] = faults({**MULTI, "graders": {key: CHECK}})
    assert fault.path == "$.graders"


def test_a_yaml_key_that_is_no_text_is_refused_with_its_line():
    [fault] = faults(CHECK_YAML + "1: 2\n")
    assert (fault.path, fault.line) == ("$", 2)
    assert fault.message == "a key is text, got 1; put it in quotes"


def test_an_object_that_contains_itself_is_refused():
    multi = {**MULTI}
    multi["graders"] = {"a": multi}
    assert message(multi) == "the config nests deeper than 100 levels"
    content: list[object] = []
    content.append(content)
    judge = {"type": "score_model", "model": "m", "input": [{"role": "user", "content": content}]}
    assert message(judge) == "the config nests deeper than 100 levels"


def test_a_number_of_very_many_digits_is_refused():
    assert message({"type": "string_check", "input": 10**5000}) == (
        "a number has more digits than can be read"
    )


def test_an_object_used_twice_is_no_circle():
    assert load({**MULTI, "graders": {"exact": CHECK, "close": CHECK}}).graders["close"]


def test_typed_graders_may_stand_in_an_object():
    typed = load(CHECK)
    loaded = load({**MULTI, "graders": {"exact": typed, "close": SIMILARITY}})
    assert isinstance(loaded, Multi)
    assert isinstance(loaded.graders["exact"], StringCheck)


# The jinja2 dialect.


def test_the_dialect_decides_what_a_template_is():
    jinja = {**CHECK, "input": "{{ sample.output_text|trim }}"}
    assert load(jinja, dialect="jinja2").input == jinja["input"]
    [fault] = faults(jinja)
    assert (fault.path, fault.code) == ("$.input", "template_parse_error")
    [fault] = faults({**CHECK, "input": "{% if %}"}, dialect="jinja2")
    assert (fault.path, fault.code) == ("$.input", "template_parse_error")
    assert load({**CHECK, "input": "{% if %}"}).input == "{% if %}"
