"""Choices: the switches for what the hosted documents leave open."""

from __future__ import annotations

from typing import Any

import pytest

from graders.errors import OptionError
from graders.reading import Reading


def test_the_defaults_are_the_documented_ones() -> None:
    reading = Reading()
    assert (reading.dialect, reading.rendering, reading.tool_arguments) == (
        "hosted",
        "json",
        "parsed",
    )
    assert (reading.rouge_backend, reading.rouge_measure, reading.rouge_stemmer) == (
        "rouge_score",
        "fmeasure",
        False,
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("dialect", "jinja", 'dialect is one of hosted, jinja2, got "jinja"; did you mean jinja2?'),
        ("rendering", "JSON", "did you mean json?"),
        ("tool_arguments", "raw", 'tool_arguments is one of parsed, text, got "raw"'),
        ("rouge_backend", "rouge-score", "did you mean rouge_score?"),
        ("rouge_measure", "f1", "rouge_measure is one of fmeasure, recall"),
        ("rouge_stemmer", "yes", 'rouge_stemmer is true or false, got "yes"'),
        ("dialect", None, "dialect is one of hosted, jinja2, got null"),
        ("dialect", ["hosted"], "dialect is one of hosted, jinja2"),
    ],
)
def test_another_value_is_refused_with_the_ones_there_are(name: str, value: Any, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        Reading(**{name: value})
    assert says in str(caught.value)


def test_the_metrics_get_their_part() -> None:
    options = Reading(rouge_measure="recall", rouge_stemmer=True).metric_options
    assert (options.rouge_measure, options.rouge_stemmer) == ("recall", True)
