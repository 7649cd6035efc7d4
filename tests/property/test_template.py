"""Templates against a plain substitution, and the fast way against the careful one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graders.errors import TemplateError
from graders.sample import Wanted, prepare
from graders.template import JinjaTemplate, Template, compile_template, render_column
from tests.examples import examples

KEYS = ("a", "b", "items", "0")
texts = st.text(st.characters() | st.sampled_from("{}%#. "), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)
items = st.dictionaries(st.sampled_from(KEYS), json_values)
samples = texts | st.fixed_dictionaries(
    {}, optional={"output_text": texts, "output_json": json_values}
)
paths = st.tuples(
    st.sampled_from(["item", "sample", "sample.output_text", "sample.output_json"]),
    st.lists(st.sampled_from([".a", ".b", ".items", ".0", "[0]", "[1]"]), max_size=3),
).map(lambda t: t[0] + "".join(t[1]))


@st.composite
def templates(draw):
    """A template as (texts without braces, paths) and its written form."""
    plain = st.text(st.characters(exclude_characters="{}"), max_size=8)
    pieces = draw(st.lists(st.tuples(plain, paths), max_size=4))
    space = draw(st.sampled_from(["", " ", "\n"]))
    last = draw(plain)
    return pieces, last, "".join(f"{t}{{{{{space}{p}{space}}}}}" for t, p in pieces) + last


def _walk(path: str, row: Any) -> Any:
    """The value at a path, or LookupError, in the plainest way."""
    value = row
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            if not isinstance(value, list):
                raise LookupError
            value = value[int(step[1:-1])]
        elif not isinstance(value, dict):
            raise LookupError
        else:
            value = value[step]
    return value


def _plain(pieces: list[tuple[str, str]], last: str, item: Any, sample: Any) -> str:
    if isinstance(sample, str):
        sample = {"output_text": sample}
    row = {"item": item, "sample": sample}
    shown = ""
    for text, path in pieces:
        value = _walk(path, row)
        shown += text + (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return shown + last


rows = st.lists(st.tuples(items, samples), min_size=1, max_size=4)


@given(templates(), rows)
@settings(max_examples=examples(200))
def test_a_template_equals_a_plain_substitution(template, rows):
    pieces, last, text = template
    column = render_column(
        compile_template(text),
        [item for item, _ in rows],
        [prepare(sample) for _, sample in rows],
    )
    for index, (item, sample) in enumerate(rows):
        try:
            expected = _plain(pieces, last, item, sample)
        except LookupError:
            assert column.failures[index].code == "invalid_variable_error"
            assert column.texts[index] == ""
        else:
            assert index not in column.failures
            assert column.texts[index] == expected


@given(templates(), rows)
@settings(max_examples=examples(150))
def test_a_column_equals_its_rows_one_by_one(template, rows):
    compiled = compile_template(template[2])
    items = [item for item, _ in rows]
    samples = [prepare(sample, Wanted(output_json=True)) for _, sample in rows]
    column = render_column(compiled, items, samples)
    # The last row sends every column the careful way.
    careful = render_column(compiled, [*items, None], [*samples, None])
    for index in range(len(rows)):
        one = render_column(compiled, [items[index]], [samples[index]])
        assert column.texts[index] == one.texts[0] == careful.texts[index]
        assert column.failures.get(index) == one.failures.get(0) == careful.failures.get(index)


@given(st.text(st.characters() | st.sampled_from("{}{}{}%#. [0]item"), max_size=40))
@settings(max_examples=examples(500))
def test_any_text_is_a_template_or_refused_with_its_place(text):
    compiled = _compiled(text)
    if isinstance(compiled, TemplateError):
        assert text.startswith("{{", compiled.start)
    elif "{{" not in text:
        assert render_column(compiled, [None], [None]).texts == [text]


def _compiled(text: str) -> Template | JinjaTemplate | TemplateError:
    try:
        return compile_template(text)
    except TemplateError as error:
        return error


@given(st.text(st.characters(exclude_characters="{", exclude_categories=["Cc"])))
def test_a_text_without_braces_is_the_same_in_both_dialects(text):
    for dialect in ("hosted", "jinja2"):
        assert render_column(compile_template(text, dialect), [{}], [""]).texts == [text]
