"""The grader types: every field, enum and limit, in the forms real configs have."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from pydantic import ValidationError

from graders.config import dump, load
from graders.errors import ConfigError
from graders.kinds import (
    KINDS,
    LabelModel,
    Multi,
    Python,
    ScoreModel,
    StringCheck,
    TextSimilarity,
)
from graders.metrics import METRICS

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
    "reference": "{{item.reference}}",
    "evaluation_metric": "fuzzy_match",
}
SCORE = {
    "type": "score_model",
    "name": "judge",
    "model": "judge-model",
    "input": [{"role": "user", "content": "Rate this: {{sample.output_text}}"}],
}
LABEL = {
    "type": "label_model",
    "name": "tone",
    "model": "judge-model",
    "input": [{"role": "developer", "content": "Name the tone of {{item.text}}"}],
    "labels": ["kind", "neutral", "rude"],
    "passing_labels": ["kind", "neutral"],
}
PYTHON = {"type": "python", "name": "code", "source": "def grade(sample, item):\n    return 1.0"}
MULTI = {
    "type": "multi",
    "name": "all",
    "graders": {"exact": CHECK, "close": SIMILARITY},
    "calculate_output": "0.5 * exact + 0.5 *close",
}
ALL = [CHECK, SIMILARITY, SCORE, LABEL, PYTHON, MULTI]


def faults(config: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(config)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def fault(config: Any) -> tuple[str, str]:
    [only] = faults(config)
    return only


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["type"])
def test_a_minimal_config_of_each_type_loads_and_dumps(config):
    loaded = load(config)
    assert loaded.type == config["type"]
    assert loaded.name == config["name"]
    assert load(dump(loaded)) == loaded
    assert {**dump(loaded), **config} == dump(loaded)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (CHECK, StringCheck),
        (SIMILARITY, TextSimilarity),
        (SCORE, ScoreModel),
        (LABEL, LabelModel),
        (PYTHON, Python),
        (MULTI, Multi),
    ],
)
def test_a_type_becomes_its_frozen_class(config, kind):
    loaded = load(config)
    assert type(loaded) is kind
    with pytest.raises(ValidationError, match="frozen"):
        loaded.name = "other"


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["type"])
def test_loading_leaves_the_callers_object_as_it_is(config):
    before = copy.deepcopy(config)
    nameless = {key: value for key, value in config.items() if key != "name"}
    load(config)
    load(nameless)
    assert config == before
    assert "name" not in nameless


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["type"])
def test_a_missing_name_gets_one_in_the_hosted_form(config):
    nameless = {key: value for key, value in config.items() if key != "name"}
    name = load(nameless).name
    assert re.fullmatch("grader-[0-9A-Za-z]{12}", name)
    assert load(copy.deepcopy(nameless)).name == name
    assert load(dict(reversed(nameless.items()))).name == name
    assert load({**nameless, "name": None}).name == name


def test_different_graders_get_different_names():
    names = {load({**PYTHON, "name": None, "source": f"# {number}"}).name for number in range(100)}
    assert len(names) == 100


def test_a_name_is_text():
    assert fault({**CHECK, "name": 5}) == ("$.name", "text is needed, got 5")


@pytest.mark.parametrize("operation", ["eq", "ne", "like", "ilike"])
def test_every_operation_is_taken(operation):
    assert load({**CHECK, "operation": operation}).operation == operation


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("neq", 'got "neq"; the operation is spelled ne (eq, ne, like, ilike)'),
        ("==", 'got "=="; the operation is spelled eq (eq, ne, like, ilike)'),
        ("!=", 'got "!="; the operation is spelled ne (eq, ne, like, ilike)'),
        ("contains", 'got "contains"; the operation is spelled like (eq, ne, like, ilike)'),
        ("icontains", 'got "icontains"; the operation is spelled ilike (eq, ne, like, ilike)'),
        ("EQ", 'one of eq, ne, like, ilike is needed, got "EQ"; did you mean eq?'),
        ("regex", 'one of eq, ne, like, ilike is needed, got "regex"'),
        (None, "one of eq, ne, like, ilike is needed, got null"),
        ("\ud800", 'one of eq, ne, like, ilike is needed, got "\\ud800"'),
    ],
)
def test_another_operation_is_refused_with_the_right_one(operation, message):
    assert fault({**CHECK, "operation": operation}) == ("$.operation", message)


@pytest.mark.parametrize("metric", ["cosine", *METRICS])
def test_every_metric_is_taken(metric):
    assert load({**SIMILARITY, "evaluation_metric": metric}).evaluation_metric == metric


@pytest.mark.parametrize(
    ("metric", "near"),
    [("rouge-l", "rouge_l"), ("fuzzy", "fuzzy_match"), ("BLEU", "bleu"), ("cosin", "cosine")],
)
def test_another_metric_is_refused_with_the_nearest(metric, near):
    path, message = fault({**SIMILARITY, "evaluation_metric": metric})
    assert path == "$.evaluation_metric"
    assert message.startswith(f"one of cosine, {', '.join(METRICS)}")
    assert message.endswith(f'got "{metric}"; did you mean {near}?')


@pytest.mark.parametrize("config", [SIMILARITY, SCORE, PYTHON, MULTI], ids=lambda c: c["type"])
@pytest.mark.parametrize("threshold", [0, 0.5, 5.5, -1.0, None])
def test_a_pass_threshold_is_any_finite_number(config, threshold):
    loaded = load({**config, "pass_threshold": threshold})
    assert loaded.pass_threshold == threshold
    assert load(dump(loaded)) == loaded


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("0.5", 'a number is needed, got "0.5"'),
        (True, "a number is needed, got true"),
        (float("nan"), "a finite number is needed, got nan"),
        (float("inf"), "a finite number is needed, got inf"),
        (10**400, "a number is needed, got a very large number"),
        ([0.5], "a number is needed, got a list of 1"),
    ],
)
def test_a_pass_threshold_is_nothing_else(threshold, message):
    assert fault({**PYTHON, "pass_threshold": threshold}) == ("$.pass_threshold", message)


@pytest.mark.parametrize("config", [CHECK, LABEL], ids=lambda config: config["type"])
def test_some_types_have_no_pass_threshold(config):
    path, message = fault({**config, "pass_threshold": 1})
    assert path == "$.pass_threshold"
    assert f"a {config['type']} has no pass_threshold" in message


CONTENTS = [
    "text",
    "",
    {"type": "input_text", "text": "a {{item.x}}"},
    {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": None, "n": [1]}},
    {"type": "output_text", "text": "a"},
    {"type": "input_image", "image_url": "{{item.url}}"},
    {"type": "input_image", "image_url": "data:,", "detail": "high", "file_id": None},
    {"type": "input_image", "image_url": "data:,", "detail": "low", "file_id": "f"},
    {"type": "input_image", "image_url": "data:,", "detail": "auto"},
    {"type": "input_image", "image_url": "data:,", "detail": "original"},
    {"type": "input_audio", "input_audio": {"data": "{{item.audio}}", "format": "mp3"}},
    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    [],
    ["text", {"type": "input_text", "text": "a"}, "more"],
    [
        {"type": "output_text", "text": "a"},
        {"type": "input_image", "image_url": "u"},
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
    ],
]


@pytest.mark.parametrize("config", [SCORE, LABEL], ids=lambda config: config["type"])
@pytest.mark.parametrize("content", CONTENTS, ids=repr)
def test_content_is_text_or_a_part_or_a_list_of_both(config, content):
    loaded = load({**config, "input": [{"role": "user", "content": content}]})
    assert load(dump(loaded)) == loaded


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
@pytest.mark.parametrize("more", [{}, {"type": "message"}])
def test_every_role_is_taken_with_and_without_the_message_type(role, more):
    loaded = load({**SCORE, "input": [{"role": role, "content": "x", **more}]})
    assert loaded.input[0].role == role


@pytest.mark.parametrize(
    ("message", "path", "sentence"),
    [
        ({"role": "tool", "content": "x"}, ".role", 'one of user, assistant, system, developer is needed, got "tool"'),
        ({"content": "x"}, ".role", "role is required"),
        ({"role": "user"}, ".content", "content is required"),
        ({"role": "user", "content": None}, ".content", "text, a part or a list of both is needed, got null"),
        ({"role": "user", "content": 5}, ".content", "text, a part or a list of both is needed, got 5"),
        ({"role": "user", "content": [5]}, ".content[0]", "text or a part is needed, got 5"),
        ({"role": "user", "content": [["x"]]}, ".content[0]", "text or a part is needed, got a list of 1"),
        ({"role": "user", "content": {"text": "x"}}, ".content", "text, a part or a list of both is needed, got an object without a type; type is one of input_text, output_text, input_image, input_audio"),
        ({"role": "user", "content": {"type": "text", "text": "x"}}, ".content", 'text, a part or a list of both is needed, got unknown type "text"; type is one of input_text, output_text, input_image, input_audio'),
        ({"role": "user", "content": [{"type": "list"}]}, ".content[0]", 'text or a part is needed, got unknown type "list"; type is one of input_text, output_text, input_image, input_audio'),
        ({"role": "user", "content": ["a", {"type": "input_txt"}]}, ".content[1]", 'text or a part is needed, got unknown type "input_txt"; did you mean input_text?'),
        ({"role": "user", "content": [{"type": "input_text"}]}, ".content[0].text", "text is required"),
        ({"role": "user", "content": {"type": "input_text", "text": 1}}, ".content.text", "text is needed, got 1"),
        ({"role": "user", "content": {"type": "input_image", "image_url": {"url": "u"}}}, ".content.image_url", "text is needed, got an object"),
        ({"role": "user", "content": {"type": "input_image", "image_url": "u", "detail": "max"}}, ".content.detail", 'one of auto, low, high, original is needed, got "max"'),
        ({"role": "user", "content": {"type": "input_audio", "input_audio": {"data": "x", "format": "ogg"}}}, ".content.input_audio.format", 'one of mp3, wav is needed, got "ogg"'),
        ({"role": "user", "content": {"type": "input_audio"}}, ".content.input_audio", "input_audio is required"),
        ({"role": "user", "content": "x", "nam": 1}, ".nam", 'unknown field "nam"; the fields here are: role, content, type'),
        ({"role": "user", "content": "x", "type": "msg"}, ".type", 'message is needed, got "msg"; did you mean message?'),
        ("text", "", 'an object is needed, got "text"'),
    ],
)  # fmt: skip
def test_a_wrong_message_is_refused_at_its_place(message, path, sentence):
    good = {"role": "user", "content": "x"}
    assert fault({**SCORE, "input": [good, message]}) == (f"$.input[1]{path}", sentence)


@pytest.mark.parametrize("config", [SCORE, LABEL], ids=lambda config: config["type"])
@pytest.mark.parametrize(
    ("input_", "message"),
    [
        ("Rate this", 'a list is needed, got "Rate this"'),
        ([], "input needs at least one entry, got an empty list"),
        ({"role": "user", "content": "x"}, "a list is needed, got an object"),
    ],
)
def test_the_input_of_a_judge_is_a_list_of_messages(config, input_, message):
    assert fault({**config, "input": input_}) == ("$.input", message)


@pytest.mark.parametrize("limits", [[0, 1], [0, 100], [-1.5, 2.5], [1, 10]])
def test_a_range_is_two_numbers(limits):
    assert load({**SCORE, "range": limits}).range == tuple(map(float, limits))


def test_the_range_is_zero_to_one_unless_given():
    assert load(SCORE).range == (0.0, 1.0)
    assert load({**SCORE, "range": None}).range == (0.0, 1.0)


@pytest.mark.parametrize(
    ("limits", "path", "message"),
    [
        ([1, 0], "", "the lower end comes first and is smaller, got [1.0, 0.0]"),
        ([1, 1], "", "the lower end comes first and is smaller, got [1.0, 1.0]"),
        ([0], "[1]", "two numbers are needed, lowest and highest"),
        ([0, 1, 2], "", "at most 2 values are allowed, got 3"),
        (["0", 1], "[0]", 'a number is needed, got "0"'),
        ([0, float("inf")], "[1]", "a finite number is needed, got inf"),
        (5, "", "a list is needed, got 5"),
    ],
)
def test_another_range_is_refused(limits, path, message):
    assert fault({**SCORE, "range": limits}) == (f"$.range{path}", message)


def test_every_sampling_parameter_is_taken():
    params = {
        "seed": 42,
        "temperature": 0.7,
        "top_p": 1,
        "max_completions_tokens": 1,
        "reasoning_effort": "low",
    }
    loaded = load({**SCORE, "sampling_params": params})
    assert dump(loaded)["sampling_params"] == params
    assert load({**SCORE, "sampling_params": dict.fromkeys(params)}).sampling_params is not None


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_every_reasoning_effort_is_taken(effort):
    loaded = load({**SCORE, "sampling_params": {"reasoning_effort": effort}})
    assert loaded.sampling_params.reasoning_effort == effort


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", 1.5, "a whole number is needed, got 1.5"),
        ("seed", True, "a whole number is needed, got true"),
        ("seed", "1", 'a whole number is needed, got "1"'),
        ("temperature", 2.1, "at most 2 is allowed, got 2.1"),
        ("temperature", -0.1, "at least 0 is needed, got -0.1"),
        ("top_p", 1.5, "at most 1 is allowed, got 1.5"),
        ("top_p", "1", 'a number is needed, got "1"'),
        ("max_completions_tokens", 0, "at least 1 is needed, got 0"),
        ("reasoning_effort", "hi", 'one of none, minimal, low, medium, high, xhigh, max is needed, got "hi"; did you mean high?'),
        ("max_tokens", 5, 'unknown field "max_tokens" (an older spelling); write max_completions_tokens'),
        ("max_completion_tokens", 5, 'unknown field "max_completion_tokens" (an older spelling); write max_completions_tokens'),
        ("topp", 1, 'unknown field "topp"; did you mean top_p?'),
        ("n", 2, 'unknown field "n"; the fields here are: seed, temperature, top_p, max_completions_tokens, reasoning_effort'),
    ],
)  # fmt: skip
def test_a_wrong_sampling_parameter_is_refused(field, value, message):
    assert fault({**SCORE, "sampling_params": {field: value}}) == (
        f"$.sampling_params.{field}",
        message,
    )


@pytest.mark.parametrize(
    ("config", "older", "right"),
    [
        (SCORE, "sampling_parameters", "sampling_params"),
        (SIMILARITY, "metric", "evaluation_metric"),
        (PYTHON, "code", "source"),
        (PYTHON, "threshold", "pass_threshold"),
        (MULTI, "formula", "calculate_output"),
    ],
)
def test_an_older_spelling_is_named_once_with_the_right_one(config, older, right):
    moved = {key: value for key, value in config.items() if key != right}
    assert fault({**moved, older: config.get(right, {})}) == (
        f"$.{older}",
        f'unknown field "{older}" (an older spelling); write {right}',
    )


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"labels": []}, "labels", "labels needs at least one entry, got an empty list"),
        ({"passing_labels": []}, "passing_labels", "passing_labels needs at least one entry, got an empty list"),
        ({"labels": "kind"}, "labels", 'a list is needed, got "kind"'),
        ({"passing_labels": ["Kind"]}, "passing_labels", '"Kind" is not one of the labels; did you mean "kind"?'),
        ({"passing_labels": ["xx"]}, "passing_labels", '"xx" is not one of the labels; labels: kind, neutral, rude'),
        ({"sampling_params": {}}, "sampling_params", "a label_model has no sampling_params; leave it out"),
        ({"range": [0, 1]}, "range", "a label_model has no range: its labels give 1 or 0; leave it out"),
        ({"model": ""}, "model", "model cannot be empty"),
        ({"model": None}, "model", "text is needed, got null"),
    ],
)  # fmt: skip
def test_a_wrong_label_model_is_refused(changes, path, message):
    assert fault({**LABEL, **changes}) == (f"$.{path}", message)


def test_a_python_source_has_at_most_256_kb():
    assert load({**PYTHON, "source": "x" * 256_000}).source
    assert fault({**PYTHON, "source": "é" * 128_001}) == (
        "$.source",
        "the source has 256,002 bytes; the service allows 256,000",
    )


def test_a_python_image_tag_is_any_text():
    assert load({**PYTHON, "image_tag": "2025-05-08"}).image_tag == "2025-05-08"
    assert fault({**PYTHON, "image_tag": 5}) == ("$.image_tag", "text is needed, got 5")


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["type"])
def test_every_required_field_is_asked_for(config):
    missing = faults({"type": config["type"], "name": "bare"})
    assert missing == [
        (f"$.{key}", f"{key} is required") for key in config if key not in ("type", "name")
    ]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config["type"])
def test_an_unknown_field_is_refused_with_the_fields_there_are(config):
    path, message = fault({**config, "q": 1})
    assert path == "$.q"
    assert message.startswith('unknown field "q"; the fields here are: type, name, ')


def test_a_multi_holds_all_five_other_types():
    graders = {"a": CHECK, "b": SIMILARITY, "c": SCORE, "d": LABEL, "e": PYTHON}
    loaded = load({**MULTI, "graders": graders, "calculate_output": "(a+b+c+d+e) / 5"})
    assert list(loaded.graders) == list(graders)
    assert load(dump(loaded)) == loaded


def test_the_keys_of_a_multi_are_the_formulas_names_not_the_graders_own():
    loaded = load({**MULTI, "graders": {"type": CHECK}, "calculate_output": "type"})
    assert loaded.graders["type"].name == "capital"
    [(path, message)] = faults({**MULTI, "calculate_output": "capital"})
    assert path == "$.calculate_output"
    assert "the grader named 'capital' stands under the key 'exact'" in message


def test_an_array_of_graders_is_refused_with_how_to_write_the_map():
    assert fault({**MULTI, "graders": [CHECK], "calculate_output": "exact"}) == (
        "$.graders",
        (
            "graders is a map whose keys are the names in calculate_output: write "
            '"graders": {"first": {…}, "second": {…}}, not an array'
        ),
    )


def test_a_single_grader_is_tolerated_under_its_name():
    loaded = load({**MULTI, "graders": CHECK, "calculate_output": "2 * capital"})
    assert list(loaded.graders) == ["capital"]
    assert load(dump(loaded)) == loaded


def test_a_fault_in_a_single_grader_has_its_own_path():
    wrong = {**CHECK, "operation": "neq"}
    path, _ = fault({**MULTI, "graders": wrong, "calculate_output": "capital"})
    assert path == "$.graders.operation"


@pytest.mark.parametrize(
    ("graders", "path", "message"),
    [
        ({"a": MULTI}, "$.graders.a", "a multi cannot stand inside a multi; write one formula over all the graders"),
        ({"a": None}, "$.graders.a", "a grader is an object with a type, got null"),
        ({"a": {}}, "$.graders.a", f"an object without a type; type is one of {', '.join(KINDS)}"),
        ({"a": {"type": "azure_ai_evaluator"}}, "$.graders.a", 'type "azure_ai_evaluator" is Azure-only: it runs in Azure Foundry, not here'),
        (None, "$.graders", 'graders is a map whose keys are the names in calculate_output: write "graders": {"first": {…}, "second": {…}}, not null'),
    ],
)  # fmt: skip
def test_other_graders_are_refused(graders, path, message):
    assert (path, message) in faults({**MULTI, "graders": graders, "calculate_output": "a"})


def test_an_empty_map_of_graders_is_refused():
    found = faults({**MULTI, "graders": {}, "calculate_output": "1"})
    assert found == [("$.graders", "graders needs at least one entry, got an empty object")]


def test_azures_invalid_grade_is_kept():
    loaded = load({**MULTI, "invalid_grade": 0.0})
    assert loaded.invalid_grade == 0.0
    assert dump(loaded)["invalid_grade"] == 0.0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("azure_ai_evaluator", 'type "azure_ai_evaluator" is Azure-only'),
        ("stringcheck", 'unknown type "stringcheck"; did you mean string_check?'),
        ("String_Check", 'unknown type "String_Check"; did you mean string_check?'),
        ("other", 'unknown type "other"; type is one of string_check, text_similarity,'),
        (None, "unknown type null; type is one of"),
        (["python"], "unknown type a list of 1; type is one of"),
    ],
)
def test_another_type_is_refused_by_name(kind, message):
    path, found = fault({**CHECK, "type": kind})
    assert path == "$"
    assert found.startswith(message)


ENDPOINT = {"type": "endpoint", "name": "e", "url": "https://example.com:8443/grade?v=1"}


def test_an_endpoint_is_read_as_azure_has_it():
    full = {
        **ENDPOINT,
        "headers": {"Authorization": "Bearer ${KEY}"},
        "rate_limit": 50,
        "pass_threshold": 8,
    }
    assert dump(load(full)) == full
    assert dump(load({**MULTI, "graders": {"a": ENDPOINT}, "calculate_output": "a"}))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("url", "u", "a URL such as https://example.com/grade is needed, got u"),
        ("url", "ftp://example.com/x", "a URL such as"),
        ("url", "file:///etc/passwd", "a URL such as"),
        ("url", "http://", "a URL such as"),
        ("url", "http://[::1", "a URL such as"),
        ("url", "http://h:99999999/", "a URL such as"),
        ("url", "https://example.com/a b", "a URL such as"),
        ("url", "https://example.com/\r\nX: y", "a URL such as"),
        ("url", "https://example.com/" + "x" * 5000, "a URL such as"),
        ("url", "https://user:secret@example.com/", "the URL holds a user or a password; send them in headers"),
        ("headers", {"Host": "x"}, "Host cannot be set as a header"),
        ("headers", {"Content-Length": "1"}, "Content-Length cannot be set"),
        ("headers", {"a b": "x"}, "a b cannot be set as a header"),
        ("headers", {"": "x"}, "cannot be set as a header"),
        ("headers", {"X": "a\r\nY: b"}, "the header X has characters that no header has"),
        ("headers", {"X": "é"}, "the header X has characters"),
        ("headers", {"X": 1}, "text is needed, got 1"),
        ("rate_limit", 0, "more than 0 is needed, got 0"),
        ("rate_limit", "5", "a number is needed"),
        ("retries", 5, "unknown field"),
    ],
)  # fmt: skip
def test_an_endpoint_that_could_not_be_asked_is_refused(field, value, message):
    ((path, said),) = faults({**ENDPOINT, field: value})
    assert path.startswith(f"$.{field}")
    assert message in said
