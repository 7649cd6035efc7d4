"""Templates: the grammar, what is text, what a missing variable says, and what is never done."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from graders.errors import TemplateError
from graders.grade import Failure
from graders.sample import Absent, Wanted, prepare
from graders.template import (
    Dialect,
    MissingVariableError,
    Path,
    Rendering,
    SampleParseError,
    compile_template,
    render_column,
    resolve,
    to_text,
)
from tests.waiting import at_most

ITEM = {
    "x": "one",
    "list": ["a", {"b": "c"}],
    "n": {"m": {"k": "deep"}},
    "é": "accent",
    "0": "zero",
}


def rendered(
    text: str,
    item: Any = None,
    sample: Any = "",
    *,
    dialect: Dialect = "hosted",
    rendering: Rendering = "json",
    **options: Any,
) -> str:
    template = compile_template(text, dialect, rendering)
    row = [prepare(sample, Wanted(output_json=True))]
    column = render_column(template, [item], row, rendering=rendering, **options)
    assert column.failures == {}
    return column.texts[0]


def failure(
    text: str, item: Any = None, sample: Any = "", *, dialect: Dialect = "hosted", **options: Any
) -> Failure:
    template = compile_template(text, dialect)
    column = render_column(template, [item], [prepare(sample, Wanted(output_json=True))], **options)
    assert column.texts == [""]
    return column.failures[0]


def refusal(text: str, dialect: Dialect = "hosted") -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        compile_template(text, dialect)
    return caught.value


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{item.x}}", "item.x"),
        ("{{ item.x }}", "item.x"),
        ("{{\n\titem . x\u00a0}}", "item.x"),
        ("{{item}}", "item"),
        ("{{ sample }}", "sample"),
        ("{{item.a.b.c}}", "item.a.b.c"),
        ("{{item.a[0]}}", "item.a[0]"),
        ("{{ item.a [ 0 ] [12] . b }}", "item.a[0][12].b"),
        ("{{item[0]}}", "item[0]"),
        ("{{item.a[007]}}", "item.a[7]"),
        ("{{item.a[00000000000000000000001]}}", "item.a[1]"),
        (
            "{{sample.output_tools[0].function.arguments}}",
            "sample.output_tools[0].function.arguments",
        ),
        ("{{item.0}}", "item.0"),
        ("{{item._x9}}", "item._x9"),
        ("{{item.größe}}", "item.größe"),
        ("{{item.__class__}}", "item.__class__"),
        ("{{item.item}}", "item.item"),
    ],
)
def test_a_path_is_a_namespace_then_keys_and_indexes(text, path):
    template = compile_template(text)
    assert [str(one) for one in template.paths] == [path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "{% if item.x %}",
        "{# a comment #}",
        "{",
        "}",
        "}}",
        "{ {item.x} }",
        "{item.x}",
        '{"answer": {"a": 1}}',
        "$x$ \\frac{a}{b}",
        "%(item)s {0} ${item}",
        "line\r\nline\n",
        "\ud800",
    ],
)
def test_everything_else_is_text_and_stays_as_it_is(text):
    assert rendered(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{item.x}} and {{ item.x }}", "one and one"),
        ('{"key": "{{item.x}}"}', '{"key": "one"}'),
        ('{"list": {{item.list}}}', '{"list": ["a", {"b": "c"}]}'),
        ("{{{item.x}}}", "{one}"),
        ("{{{{item.x}}}}", "{{one}}"),
        ("{{{{{item.x}}", "{{{one"),
        ("{{item.x}}}}", "one}}"),
        ("}}{{item.x}}", "}}one"),
        ("{{item.n.m.k}}{{item.list[1].b}}{{item.list[0]}}", "deepca"),
        ("{{item.0}}{{item.é}}", "zeroaccent"),
    ],
)
def test_values_stand_where_their_paths_stood(text, expected):
    assert rendered(text, ITEM) == expected


@pytest.mark.parametrize(
    ("text", "advice", "marked"),
    [
        ("a {{item.x", "this {{ has no }}", "{{item.x"),
        ("a {{ item.x }", "this {{ has no }}", "{{ item.x }"),
        ("{{}}", "; this one is empty", "{{}}"),
        ("{{ }}", "; this one is empty", "{{ }}"),
        ("{{foo.x}}", '; "foo" is neither', "{{foo.x}}"),
        ("b {{items.x}}", "; did you mean item?", "{{items.x}}"),
        ("{{Sample.x}}", "; did you mean sample?", "{{Sample.x}}"),
        ("{{іtem.x}}", "; did you mean item?", "{{іtem.x}}"),
        ("{{item.x|upper}}", "; there are no filters", "{{item.x|upper}}"),
        ("{{item.x()}}", "; there are no calls", "{{item.x()}}"),
        (
            "{{item.x[-1]}}",
            "; an index counts from 0, there are no negative ones",
            "{{item.x[-1]}}",
        ),
        ("{{item['x']}}", "; a key is letters, digits and underscores", "{{item['x']}}"),
        ("{{item.a-b}}", "; a key is letters, digits and underscores", "{{item.a-b}}"),
        ("{{item.}}", "; a path is item.key or item.list[0]", "{{item.}}"),
        ("{{item..x}}", "; a path is item.key or item.list[0]", "{{item..x}}"),
        ("{{item x}}", "; a path is item.key or item.list[0]", "{{item x}}"),
        ("{{item.x[٣]}}", "; a path is item.key or item.list[0]", "{{item.x[٣]}}"),
        ("{{ 1 + 1 }}", '; "1" is neither', "{{ 1 + 1 }}"),
        ("{{ok}}{{item.x}}", '; "ok" is neither', "{{ok}}"),
        ("{{-item.x-}}", "paths are templates", "{{-item.x-}}"),
    ],
)
def test_braces_around_anything_else_are_refused_with_a_mark(text, advice, marked):
    error = refusal(text)
    assert advice in error.message
    assert error.text[error.start : error.end] == marked


def test_a_refusal_shows_its_line_with_carets():
    assert str(refusal("first\nsecond {{ foo }} end\nthird")) == (
        'only {{ item.… }} and {{ sample.… }} paths are templates; "foo" is neither\n'
        "second {{ foo }} end\n"
        "       ^^^^^^^^^"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("item.zz", "item.zz: item has no zz; keys there: x, list, n, é, 0"),
        (
            "item.lists",
            "item.lists: item has no lists; keys there: x, list, n, é, 0; did you mean item.list?",
        ),
        ("item.n.m.q", "item.n.m.q: item.n.m has no q; keys there: k"),
        ("item.x.y", 'item.x.y: item.x is the text "one", not an object'),
        ("item.list.0", "item.list.0: item.list is a list, not an object; write item.list[0]"),
        ("item.list[2]", "item.list[2]: item.list is a list of 2 elements, there is no [2]"),
        ("item.n[0]", "item.n[0]: item.n is an object, not a list"),
        ("item.x[0]", 'item.x[0]: item.x is the text "one", not a list'),
        ("item.__class__", "item.__class__: item has no __class__; keys there: x, list, n, é, 0"),
        ("item.n.items", "item.n.items: item.n has no items; keys there: m"),
        ("item.x.upper", 'item.x.upper: item.x is the text "one", not an object'),
        (
            "sample.output_tools",
            "sample.output_tools: sample has no output_tools; keys there: output_text, output_json; did you mean sample.output_text?",
        ),
    ],
)
def test_a_missing_variable_says_what_is_there_and_what_is_near(path, message):
    failed = failure("{{" + path + "}}", ITEM, "{}")
    assert failed.code == "invalid_variable_error"
    assert failed.message == message


def test_a_row_without_item_or_sample_says_so():
    assert failure("{{item.x}}").message == "item.x: the row has no item"
    assert failure("{{sample.output_text}}", {}, None).message == (
        "sample.output_text: the row has no sample"
    )
    absent = Absent("the row has no answer")
    column = render_column(compile_template("{{item}}"), [absent], [""])
    assert column.failures[0].message == "item: the row has no answer"


def test_an_empty_object_says_that_it_has_no_keys():
    assert failure("{{item.x}}", {}).message == "item.x: item has no x; keys there: none"


def test_null_is_a_value_and_no_object():
    assert rendered("{{item.x}}", {"x": None}) == "null"
    assert failure("{{item.x.y}}", {"x": None}).message == "item.x.y: item.x is null, not an object"


def test_a_message_stays_short_and_printable_whatever_the_keys_are():
    item = {"k" * 1_000_000: 1, "\ud800\n\x1b[31m": 2, **{f"key{n}": n for n in range(100_000)}}
    message = failure("{{item.zz}}", item).message
    assert len(message) < 500
    assert message.isprintable()
    assert message.endswith(", …")


def test_only_the_rows_without_the_variable_fail():
    template = compile_template("{{item.x}}!")
    column = render_column(template, [{"x": "a"}, {}, {"x": 1}, None], [""] * 4)
    assert column.texts == ["a!", "", "1!", ""]
    assert sorted(column.failures) == [1, 3]


@pytest.mark.parametrize(
    ("value", "as_json", "as_python"),
    [
        ("text {{item.y}}", "text {{item.y}}", "text {{item.y}}"),
        (True, "true", "True"),
        (None, "null", "None"),
        (1, "1", "1"),
        (1.0, "1.0", "1.0"),
        (0.1, "0.1", "0.1"),
        (10**30, "1" + "0" * 30, "1" + "0" * 30),
        ([1, "é", None], '[1, "é", null]', "[1, 'é', None]"),
        ({"a": [True]}, '{"a": [true]}', "{'a': [True]}"),
        ([], "[]", "[]"),
        ("", "", ""),
    ],
)
def test_values_are_shown_as_json_or_as_python(value, as_json, as_python):
    assert rendered("<{{item.x}}>", {"x": value}) == f"<{as_json}>"
    assert rendered("<{{item.x}}>", {"x": value}, rendering="python") == f"<{as_python}>"
    assert to_text(value) == as_json


def test_a_rendered_value_is_never_rendered_again():
    item = {"x": "{{item.secret}}", "secret": "leaked", "y": "{{item."}
    assert rendered("{{item.x}}", item) == "{{item.secret}}"
    assert rendered("{{item.y}}secret}}", item) == "{{item.secret}}"
    assert rendered("{{sample.output_text}}", item, "{{item.secret}}") == "{{item.secret}}"
    assert rendered("{{item.x}}", item, dialect="jinja2") == "{{item.secret}}"


def test_lone_surrogates_go_through():
    assert rendered("\ud800{{item.x}}{{item.y}}", {"x": "\udc80", "y": ["\udfff"]}) == (
        '\ud800\udc80["\udfff"]'
    )


@pytest.mark.parametrize("rendering", ["json", "python"])
def test_values_that_cannot_be_written_fail_their_row(rendering):
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    column = render_column(
        compile_template("{{item.x}}"), [{"x": deep}, {"x": 1}], ["", ""], rendering=rendering
    )
    assert column.texts[1] == "1"
    assert "nests too deeply" in column.failures[0].message


TOOL = {
    "output_tools": [
        {"function": {"name": "f", "arguments": '{"city": {"name": "Bern"}, "n": [1]}'}}
    ]
}


def test_a_path_goes_on_into_the_json_text_of_arguments():
    base = "sample.output_tools[0].function.arguments"
    assert rendered("{{" + base + ".city.name}}", None, TOOL) == "Bern"
    assert rendered("{{" + base + ".n[0]}}", None, TOOL) == "1"
    assert (
        rendered("{{" + base + "}}", None, TOOL) == TOOL["output_tools"][0]["function"]["arguments"]
    )


def test_the_switch_keeps_arguments_a_text():
    path = "sample.output_tools[0].function.arguments.city"
    message = failure("{{" + path + "}}", None, TOOL, tool_arguments="text").message
    assert "is the text" in message
    assert message.endswith("not an object")


def test_arguments_that_are_no_json_are_named():
    tool = {"output_tools": [{"function": {"arguments": "city=Bern"}}]}
    failed = failure("{{sample.output_tools[0].function.arguments.city}}", None, tool)
    assert failed.code == "invalid_variable_error"
    assert failed.message.endswith(
        'the text of sample.output_tools[0].function.arguments is not JSON: "city=Bern"'
    )


def test_arguments_that_are_an_object_already_are_walked():
    tool = {"output_tools": [{"function": {"arguments": {"city": "Bern"}}}]}
    assert rendered("{{sample.output_tools[0].function.arguments.city}}", None, tool) == "Bern"


def test_no_other_text_is_parsed_on_the_way():
    assert failure("{{item.x.y}}", {"x": '{"y": 1}'}).code == "invalid_variable_error"


def test_output_json_that_does_not_parse_is_a_sample_parse_error():
    failed = failure("{{sample.output_json.a}}", None, "no json")
    assert failed.code == "sample_parse_error"
    assert 'the output text is not JSON (Expecting value at column 1): "no json"' in failed.message
    assert failure("{{sample.output_json}}", None, "").message.endswith(
        "the output text is empty, not JSON"
    )


def test_the_whole_sample_is_an_object_alone_or_among_others():
    template = compile_template("{{sample}}")
    assert render_column(template, [None], ["a"]).texts == ['{"output_text": "a"}']
    assert render_column(template, [None] * 2, ["a", {"output_text": "b"}]).texts == [
        '{"output_text": "a"}',
        '{"output_text": "b"}',
    ]
    assert rendered("{{sample}}", None, "not json") == '{"output_text": "not json"}'


@pytest.mark.parametrize(
    "item",
    [
        collections.defaultdict(str, y="b"),
        type("Indexable", (), {"__getitem__": lambda self, key: "text"})(),
        "text",
        {"x": "text", "y": 1},
        None,
    ],
)
def test_a_row_is_rendered_alike_alone_and_beside_any_other(item):
    template = compile_template("{{item.x}}")
    alone = render_column(template, [item], [""])
    beside = render_column(template, [item, {"x": 1}], ["", ""])
    assert beside.texts[0] == alone.texts[0]
    assert beside.failures.get(0) == alone.failures.get(0)


def test_resolve_tells_its_two_reasons_apart():
    with pytest.raises(MissingVariableError):
        resolve(Path("item", ("x",)), {}, "")
    with pytest.raises(SampleParseError):
        resolve(Path("sample", ("output_json",)), {}, prepare("x", Wanted(output_json=True)))


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        pytest.param("{" * 5_000_000, marks=pytest.mark.slow),
        "{{ item" + " " * 3_000_000,
        "{{" + " " * 3_000_000,
        "{{ item" + " ." * 300_000 + "}}",
        "{{item.x[" + "9" * 100_000 + "}}",
        "{{ item }" * 200_000,
    ],
)
def test_a_hostile_template_is_refused_at_once(text):
    with at_most():
        error = refusal(text)
    assert len(str(error)) < 500


def test_an_index_beyond_any_list_is_missing_and_no_error():
    message = failure("{{item.list[" + "9" * 5_000 + "]}}", ITEM).message
    assert "item.list is a list of 2 elements" in message


def test_a_very_long_path_is_walked_in_no_time():
    item: dict[str, object] = {}
    for _ in range(20_000):
        item = {"a": item}
    with at_most():
        failure("{{item" + ".a" * 20_000 + ".b}}", item)


# The jinja2 dialect.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ item.x|upper }}", "ONE"),
        ("{% for one in item.list %}{{ loop.index }}{% endfor %}", "12"),
        ("{{ item['x'] }}{{ item.list[1].b }}", "onec"),
        ("{{ item.n }}{{ true }}{{ none }}", '{"m": {"k": "deep"}}truenull'),
        ("{# a comment #}{{ item.x ~ 1 }}", "one1"),
        ("{{ sample.output_text }}\n", "{{item.x}}\n"),
        ("{{ 2 ** 10 * 2 }}{{ 'ab' * 2 }}{{ 2 ** 0.5 }}", "2048abab1.4142135623730951"),
    ],
)
def test_the_jinja2_dialect_is_jinja(text, expected):
    assert rendered(text, ITEM, "{{item.x}}", dialect="jinja2") == expected


def test_in_jinja2_a_key_comes_before_a_method():
    assert rendered("{{ item.items }}", {"items": "own"}, dialect="jinja2") == "own"


def test_in_jinja2_the_rendering_switch_holds():
    assert (
        rendered("{{ item }}", {"a": True}, dialect="jinja2", rendering="python") == "{'a': True}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ item.zz }}",
        "{{ item.zz.y }}",
        "{{ item.__class__ }}",
        "{{ item['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ item|attr('__class__') }}",
        "{{ '{0.__class__}'.format(item) }}",
        "{{ item.list|map(attribute='__class__')|list }}",
        "{{ item.update({'x': 2}) }}",
        "{{ item.list.append(1) }}",
        "{{ self.__init__ }}",
        "{{ item.update }}",
        "{{ 1 / 0 }}",
        "{{ 1|round(method='x') }}",
        "{{ item.x|truncate(1) }}",
        "{{ 'a'|xmlattr }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ [1] * 10 ** 10 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_what_a_jinja2_template_may_not_do_fails_the_row_in_time(text):
    with at_most():
        failed = failure(text, {"x": "one", "list": [1]}, dialect="jinja2")
        assert failed.code == "invalid_variable_error"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ item", "not a jinja2 template: unexpected end of template"),
        ("{% if %}", "not a jinja2 template: {% if %} has no {% endif %} after it"),
        ("{% include 'secrets' %}", "a template stands alone"),
        ("{% import 'os' as os %}", "a template stands alone"),
        ("{%+ if item %}a", "not a jinja2 template: {% if %} has no {% endif %} after it"),
        (
            "{% if item %}{% for x in item %}{% endif %}",
            "{% endif %} has no {% if %} inside {% for %}",
        ),
        ("{% if item %}{% for x in item %}{% endfor %}", "{% if %} has no {% endif %} after it"),
        ("{% do item %}", "not a jinja2 template: there is no tag {% do %}"),
        ("{{ item|foo }}", "not a jinja2 template: No filter named 'foo'."),
        ("{{ item.list|random }}", "not a jinja2 template: No filter named 'random'."),
        ("{{ range(3) }}", "unknown name range; templates see item and sample"),
        ("a {{ itm.x }}", "unknown name itm; templates see item and sample"),
        ("{{ lipsum }}", "unknown name lipsum; templates see item and sample"),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nests too deeply"),
        ("{{ " + "9" * 5_000 + " }}", "too large a number"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "nests too deeply"),
        ("{% for a in item %}" * 30 + "{% endfor %}" * 30, "nests too deeply"),
    ],
)
def test_what_is_no_jinja2_template_is_refused(text, message):
    assert message in refusal(text, "jinja2").message


def test_what_a_jinja2_template_hides_is_not_what_is_wrong_with_it():
    """A comment, a raw block and an equals sign within a filter's arguments."""
    right = "{% if %} has no {% endif %} after it"
    for hidden in (
        "{# {{ #}",
        "{% raw %}{{{% endraw %}",
        "{% set x | replace('=', '') %}{% endset %}",
    ):
        assert refusal(hidden + "{% if item %}", "jinja2").message.endswith(right)


def test_a_filter_that_jinja2_does_not_know_is_named_inside_an_if_too():
    text = "{% if item.x %}{{ item.x|foo }}{% endif %}"
    assert "foo" in failure(text, {"x": "1"}, dialect="jinja2").message


def test_a_jinja2_template_is_not_searched_for_filters_as_long_as_nothing_fails(monkeypatch):
    """A grader of many long templates begins at once."""
    searched = []

    def searching(*_: Any) -> str:
        searched.append(1)
        return ""

    monkeypatch.setattr("graders.template.jinja._unknown", searching)
    template = compile_template("{{ item.x|upper }}{% if item.y %}{{ 1|foo }}{% endif %}", "jinja2")
    assert render_column(template, [{"x": "a", "y": 0}], [""]).texts == ["A"]
    assert searched == []
    failing = [{"x": "a", "y": 1}] * 3
    assert len(render_column(template, failing, [""] * 3).failures) == 3
    assert searched == [1]


@pytest.mark.parametrize(
    "text",
    ["{{ [1]|list|first }}{{ []|first }}", "{{ []|last }}", "{{ [[], [1]]|map('first')|join }}"],
)
def test_a_filter_that_wants_an_element_says_that_there_is_none(text):
    assert failure(text, {}, dialect="jinja2").message == (
        "a filter wants an element of what is empty"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{% macro shown(a) %}{{ a }}{% endmacro %}{{ shown() }}", "a"),
        ("{% block main %}{{ super() }}{% endblock %}", "super"),
    ],
)
def test_what_is_not_given_is_named_and_no_filter_is_blamed(text, name):
    """Of an argument left out, or the block of a parent, jinja2 gives a hint as of a filter's."""
    assert failure(text, {}, dialect="jinja2").message == f"{name!r} is undefined"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ item.s.__class__ }}", "templates may not reach '__class__' of 'str' objects"),
        ("{{ item.s.__class__.__mro__ }}", "templates may not reach '__class__' of 'str' objects"),
        ("{{ item.s.__class__[0] }}", "templates may not reach '__class__' of 'str' objects"),
        ("{{ item.no['__len__'] }}", "'dict object' has no attribute 'no'"),
        ("{{ item.no|attr('__class__') }}", "'dict object' has no attribute 'no'"),
        ("{{ [item.no] }}", "Object of type Undefined is not JSON serializable"),
    ],
)
def test_whoever_goes_on_from_what_is_missing_is_told_what_and_nothing_of_ours(text, message):
    failed = failure(text, {"s": "x"}, dialect="jinja2")
    assert failed.message.removeprefix("the jinja2 template failed: ") == message


def test_a_jinja2_refusal_points_to_its_line():
    assert str(refusal("first\n{% if %}\nlast", "jinja2")).split("\n")[1] == "{% if %}"


def test_a_jinja2_template_without_its_item_or_sample_fails():
    assert failure("{{ item.x }}", None, dialect="jinja2").message == "the row has no item"
    assert failure("{{ sample.x }}", {}, None, dialect="jinja2").message == "the row has no sample"
    assert rendered("{{ item.x }}", {"x": "1"}, None, dialect="jinja2") == "1"


def test_a_jinja2_template_fails_by_an_output_json_that_does_not_parse():
    failed = failure("{{ sample.output_json.a }}", {}, "nope", dialect="jinja2")
    assert failed.code == "sample_parse_error"
    assert rendered("{{ sample.output_json.a }}", {}, '{"a": 1}', dialect="jinja2") == "1"
