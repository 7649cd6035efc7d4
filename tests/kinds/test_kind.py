"""What holds for every kind: it is complete, the table and the documents have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.hosted import CODES
from graders.kinds import KINDS, GraderConfig, Kind, Rows, StringCheck, TextField, kind_of

ROOT = Path(__file__).parents[2]
JUDGE: dict[str, Any] = {"model": "m", "input": [{"role": "user", "content": "{{ item.a }}"}]}
TEXTS = {"input": "{{ sample.output_text }}", "reference": "{{ item.a }}"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "string_check": {**TEXTS, "operation": "eq"},
    "text_similarity": {**TEXTS, "evaluation_metric": "bleu"},
    "python": {"source": "def grade(sample, item): return 1"},
    "score_model": {**JUDGE, "range": [1, 7]},
    "label_model": {**JUDGE, "labels": ["a", "b"], "passing_labels": ["a"]},
    "endpoint": {"url": "https://example.com/grade"},
}


class Incomplete(Kind[StringCheck]):
    """A kind that does not say what it asks, nor what replies mean."""

    name = "incomplete"
    config = StringCheck

    def performer(self, config: StringCheck) -> Any:
        return "itself"

    def texts(self, config: StringCheck) -> Iterator[TextField]:
        return iter(())


def test_a_kind_that_lacks_a_part_cannot_be_made() -> None:
    # mypy says so first: were it content with this, it would call the comment unused.
    with pytest.raises(TypeError, match=r"abstract methods.*ask.*scores.*settle"):
        Incomplete()  # type: ignore[abstract]


def of(name: str) -> tuple[Kind[Any], GraderConfig]:
    config = KINDS[name].config.model_validate(
        {"type": name, "name": "n", **EXAMPLES.get(name, {})}
    )
    return kind_of(config), config


def test_every_kind_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(KINDS), "EXAMPLES above has the fields of each kind"


@pytest.mark.parametrize("name", KINDS)
def test_every_part_of_a_kind_answers(name: str) -> None:
    kind, config = of(name)
    assert kind.name == name == config.type
    scores = kind.scores(config)
    assert scores.low <= scores.high
    assert not scores.bounded or scores.low <= kind.passes_at(config) <= scores.high
    fields = [one.path for one in kind.texts(config)]
    assert len(set(fields)) == len(fields)
    empty = Rows(dict.fromkeys(fields, ()), (), ())
    assert kind.ask(config, empty, 1) is not None
    for point in kind.points(config):
        assert isinstance(point, str)
    assert bool(kind.points(config)) == (type(kind).hit is not Kind.hit)
    # Whoever runs code sees the whole row, and whoever asks a judge names it.
    assert kind.code(config) is None or kind.sees_all(config)
    assert (kind.model(config) is None) == (kind.performer(config) != "chat")
    assert (kind.metric(config) is None) == (kind.performer(config) != "metrics")


@pytest.mark.parametrize("name", KINDS)
def test_the_reference_has_every_kind_and_field(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")
    section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
    assert section
    assert all(f"`{field}`" in section for field in KINDS[name].config.model_fields)


def test_what_a_kind_expects_in_vain_is_no_field_of_it() -> None:
    for kind in KINDS.values():
        assert not set(kind.not_here) & set(kind.config.model_fields)
        assert set(kind.needed_in_evals) <= set(kind.config.model_fields)


def test_the_codes_of_endpoints_are_the_services_own() -> None:
    assert {"endpoint_grader_internal_error", "endpoint_grader_server_error"} <= set(CODES)
