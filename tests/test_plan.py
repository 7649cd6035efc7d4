"""Plans: a config made executable once."""

from __future__ import annotations

from typing import Any

import pytest

from graders import config
from graders.errors import FormulaError, TemplateError
from graders.kinds import GraderConfig, Multi, StringCheck
from graders.plan import Plan, build
from graders.reading import Reading
from graders.template import JinjaTemplate


def check(left: str, right: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "string_check", "name": "s", "input": left, "reference": right,
        "operation": "eq", **more,
    }  # fmt: skip


def near(**more: Any) -> dict[str, Any]:
    body = {**check("a", "b"), "type": "text_similarity", "evaluation_metric": "bleu", **more}
    del body["operation"]
    return body


PYTHON = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
JUDGE = {
    "type": "score_model", "name": "j", "model": "m", "range": [1, 7],
    "input": [{"role": "user", "content": "x"}],
}  # fmt: skip


def plan(body: Any, **reading: Any) -> Plan:
    return build(config.load(body), Reading(**reading))


def test_a_grader_alone_is_one_leaf_without_a_key() -> None:
    made = plan(check("{{ item.a }}", "b"))
    assert (made.kind, made.type, made.formula) == ("leaf", "string_check", None)
    assert [leaf.key for leaf in made.leaves] == [""]


def test_a_multi_has_its_sub_graders_in_order_and_a_formula() -> None:
    body = {
        "type": "multi", "name": "m", "graders": {"z": check("1", "2"), "a": PYTHON},
        "calculate_output": "z + a", "invalid_grade": -1,
    }  # fmt: skip
    made = plan(body)
    assert made.kind == "formula"
    assert [leaf.key for leaf in made.leaves] == ["z", "a"]
    assert made.formula is not None
    assert made.invalid_grade == -1.0


def test_a_distinct_template_is_there_once() -> None:
    body = {
        "type": "multi", "name": "m", "calculate_output": "a + b",
        "graders": {
            "a": check("{{ item.x }}", "{{ sample.output_text }}"),
            "b": check("{{ sample.output_text }}", "{{ item.x }}"),
        },
    }  # fmt: skip
    made = plan(body)
    assert len(made.templates) == 2
    assert [dict(leaf.fields) for leaf in made.leaves] == [
        {"input": 0, "reference": 1},
        {"input": 1, "reference": 0},
    ]


def test_paths_are_distinct_and_in_order_of_appearance() -> None:
    made = plan(check("{{ item.b }} {{ item.a }}", "{{ item.b }} {{ sample.choices[0] }}"))
    assert [str(path) for path in made.paths] == ["item.b", "item.a", "sample.choices[0]"]


@pytest.mark.parametrize(
    ("body", "wants"),
    [
        (check("{{ sample.output_text }}", "x"), False),
        (check("{{ sample.output_json.k }}", "x"), True),
        (check("{{ item.output_json }}", "x"), False),
        (check("{{ sample }}", "x"), False),
        (PYTHON, True),
    ],
)
def test_output_json_is_parsed_only_where_something_asks_for_it(body: Any, wants: bool) -> None:
    assert plan(body).wanted.output_json is wants


@pytest.mark.parametrize(
    ("body", "passes_at"),
    [
        (check("a", "b"), 1.0),
        (near(pass_threshold=0.25), 0.25),
        (near(pass_threshold=0), 0.0),
        (PYTHON, 0.5),
        ({**PYTHON, "pass_threshold": 5}, 5.0),
        (JUDGE, 4.0),
        ({**JUDGE, "pass_threshold": 5.5}, 5.5),
    ],
)
def test_a_criterion_passes_from_its_threshold_or_the_default_of_its_type(
    body: Any, passes_at: float
) -> None:
    assert plan(body).leaves[0].passes_at == passes_at


def test_criteria_are_leaves_under_their_names() -> None:
    made = plan([check("a", "b"), {**check("a", "b"), "name": "other"}])
    assert (made.kind, made.type) == ("criteria", "testing_criteria")
    assert [leaf.key for leaf in made.leaves] == ["s", "other"]


def test_the_dialect_of_the_choices_reads_the_templates() -> None:
    body = config.load(check("{{ item.a | upper }}", "x"), dialect="jinja2")
    assert isinstance(build(body, Reading(dialect="jinja2")).templates[0], JinjaTemplate)
    with pytest.raises(TemplateError):
        build(body)


def test_a_config_that_nobody_checked_fails_at_build() -> None:
    graders: dict[str, GraderConfig] = {"a": StringCheck.model_validate(check("a", "b"))}
    body = Multi.model_construct(
        type="multi", name="m", graders=graders, calculate_output="a +", invalid_grade=None
    )
    with pytest.raises(FormulaError):
        build(body)
