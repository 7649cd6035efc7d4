"""Every rule fires on its example, and is silent on what looks much like it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from graders.inspection.lint import RULES, TARGETS
from graders.inspection.lint.example import (
    check,
    endpoint,
    job,
    judge,
    labeler,
    multi,
    python,
    similar,
)
from graders.inspection.lint.finding import Example
from graders.inspection.lint.source import PythonSource
from tests.inspection.lint.conftest import Run

TWO: dict[str, Any] = {"exact": check(), "near": similar()}
GOOD = "def grade(sample, item):\n    return float(sample['output_text'] == item['answer'])\n"


def body(*statements: str, before: str = "") -> dict[str, Any]:
    return python(before + "def grade(sample, item):\n" + "".join(f"    {s}\n" for s in statements))


def rows(*samples: str, answer: str = "a b") -> list[Any]:
    return [{"item": {"answer": answer}, "sample": one} for one in samples]


def message(role: str = "user", content: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def row(**more: Any) -> dict[str, Any]:
    return {"messages": [message()], "answer": "2", **more}


def strict(schema: Any, **more: Any) -> dict[str, Any]:
    inner = {"name": "a", "strict": True, "schema": schema, **more}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


FORMAT_X = strict({
    "type": "object", "properties": {"x": {"enum": ["yes", "no", 2]}}, "required": ["x"],
    "additionalProperties": False,
})  # fmt: skip
ENUM_X = check(input="{{ sample.output_json.x }}")


def evals(grader: Any, **config: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    given = {"type": "custom", "item_schema": schema, "include_sample_schema": True, **config}
    return {"name": "e", "data_source_config": given, "testing_criteria": [grader]}


CLOSED = {
    "type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"],
    "additionalProperties": False,
}  # fmt: skip
READS_X = check(input="{{ sample.output_json.x }}")
VARIED = rows("a b", "a c", "x", "a", "b", "zz", "a b c", "q", "r", "a b", "s", "t")


def _cells(*values: str) -> list[Any]:
    return [{"item": {"ok": one, "answer": "a"}, "sample": one} for one in values] * 2


SILENT: dict[str, list[Any]] = {
    "G001": [check()],
    "G002": [check(), Example(grader=endpoint(), target="azure"), Example(grader=endpoint())],
    "G003": [check()],
    "G004": [check(**{"$schema": "s"}), Example(grader=check(), target="openai"), Example(
        grader=job(reinforcement=strict({"$schema": "s", "type": "object"})), target="azure",
    )],
    "G101": [multi("(exact + near) ^ 2 / 4", **TWO)],
    "G102": [multi("exact", exact=check(name="another"))],
    "G103": [multi("min(exact, near)", **TWO)],
    "G104": [
        multi("exact - near + 1", **TWO),
        multi("max(20, count)", count=body("return len(sample['output_text'])")),
    ],
    "G105": [
        multi("exact + near - exact * near", **TWO),
        multi("min(1, exact + near)", **TWO),
        multi("bleu", bleu=similar(evaluation_metric="bleu")),
        multi("count", count=body("return len(sample['output_text'])")),
        {**multi("5 * exact", exact=check()), "pass_threshold": 4},
        judge("Score <a>{{ sample.output_text }}</a> from 1 to 7.", range=[1, 7]),
    ],
    "G106": [{**multi("0.5 * exact + 0.5 * near", **TWO), "pass_threshold": 1}],
    "G107": [{**multi("(exact + near) / 2", **TWO), "pass_threshold": 0.1}],
    "G108": [
        multi("exact / (near + 0.5)", **TWO),
        multi("exact / max(0.001, near)", **TWO),
        multi("exact / (check2 - 0.5)", exact=check(), check2=check(operation="like")),
    ],
    "G109": [multi("sqrt(near) + log(1 + near)", near=similar()), multi("near ^ 0.5", near=similar())],
    "G110": [
        multi("max(0, a + b + c + d - 3.9)", a=check(), b=similar(), c=check(operation="like"),
              d=check(operation="ilike")),
        multi("floor(0.1 * a + 0.95)", a=similar()),
    ],
    "G111": [check(input="get_city", reference="{{ sample.output_text }}"), python(GOOD)],
    "G112": [multi("(a + b) / 2", a=check(), b=check(operation="ilike"))],
    "G113": [multi("0.5 * exact + 0.5 * near", **TWO), multi("0.3 + 0.7 * near", near=similar())],
    "G114": [multi("exp(-near)", near=similar())],
    "G201": [check(reference='{"a": {{ item.answer }}}')],
    "G202": [
        check(input="{{ item.predicted.city }}", reference="{{ item.correct.city }}"),
        {"name": "e", "testing_criteria": [check(input="{{ item.model_answer }}")]},
        multi("1 - abs(judge - wanted)", judge=judge(), wanted=body("return float(item['score'])")),
        body("return helper(sample)", before="def helper(s):\n    return 1.0 * len(s)\n\n"),
    ],
    "G203": [judge()],
    "G204": [check(), check(input="{{ sample.output_json.a }}", reference="{{ sample.output_json.b }}")],
    "G205": [
        judge('From 0 to 1: "{{ item.answer }}" {{ sample.output_text }}'.replace('" {{', '" `{{')),
        judge("Score from 0 to 1.\n{{ item.question }}\n{{ sample.output_text }}"),
        judge(),
    ],
    "G206": [check(operation="like"), check(operation="eq", input="{{ item.answer }}", reference="{{ sample.output_text }}")],
    "G207": [similar(evaluation_metric="bleu"), similar(input="{{ item.answer }}", reference="{{ sample.output_text }}")],
    "G208": [check()],
    "G209": [Example(grader=check(), target="openai", dialect="jinja2")],
    "G210": [Example(grader=check(input="{{ sample.output_tools[0].function.arguments }}"), target="openai")],
    "G211": [labeler(labels=["{polite}", "rude"], passing_labels=["rude"])],
    "G212": [check(reference='{"a": "{{ item.answer }}"}'), check(reference="{answer} {{ item.answer }}")],
    "G213": [check(input="{{ sample.output_text }}"), check(input="{{ sample.output_audio.data }}"), check(input="{{ sample.usage.total }}")],
    "G214": [judge()],
    "G301": [
        similar(pass_threshold=1), similar(evaluation_metric="bleu", pass_threshold=1),
        judge("Score <a>{{ sample.output_text }}</a> from 0 to 5.", range=[0, 5], pass_threshold=5),
        {**body("return 5 * len(sample['output_text'])"), "pass_threshold": 5},
    ],
    "G302": [similar(pass_threshold=0.1), {**body("return len(item)"), "pass_threshold": 0}],
    "G303": [
        Example(grader=similar(evaluation_metric="cosine"), target="openai"),
        Example(grader=multi("near", near=similar(evaluation_metric="cosine"))),
    ],
    "G304": [similar(evaluation_metric="rouge_3", reference="yes of course"), similar(evaluation_metric="rouge_5")],
    "G305": [check(), check(input="{{ sample.output_text }} ", reference="{{ item.answer }} "), check(operation="like", input=" {{ sample.output_text }}")],
    "G306": [check(reference=""), check(operation="like", reference="a")],
    "G307": [Example(grader=similar(pass_threshold=0.9), target="azure"), multi("near", near=similar(pass_threshold=0.9))],
    "G308": [{"name": "e", "testing_criteria": [judge(pass_threshold=0.5)]}, judge()],
    "G309": [check(reference="a\tb\nc\r\n"), body("return float('\\t\\x00\\n' in sample['output_text'])"), check(reference="\\frac{1}{2}")],
    "G310": [similar(reference="naïve café"), similar(evaluation_metric="fuzzy_match", reference="вода"), similar(evaluation_metric="gleu", reference="вода")],
    "G401": [labeler()],
    "G402": [labeler()],
    "G403": [labeler("polite, rude or off topic: {{ sample.output_text }}", labels=["polite", "rude", "off-topic"])],
    "G404": [
        labeler("Off topic, polite or rude?\n<a>{{ sample.output_text }}</a>", labels=["polite", "rude", "off_topic"]),
        labeler("x", input=[message("system", "{{ item.rubric }}"), message(content="polite? {{ sample.output_text }}")]),
    ],
    "G405": [judge(), judge(sampling_params={"seed": 42}), judge(sampling_params={"temperature": 0}), labeler()],
    "G406": [judge(model="gpt-4o"), Example(grader=judge(model="o3-mini"), target="azure")],
    "G407": [
        judge(model="gpt-5-mini", sampling_params={"temperature": 1, "top_p": 1, "seed": 1}),
        judge(model="gpt-4o", sampling_params={"temperature": 0}),
    ],
    "G408": [
        judge(), judge("Score <a>{{ sample.output_text }}</a> on a scale from 1 to 10.", range=[1, 10]),
        judge("Rate tone from 1 to 10, then give a score from 0 to 1 for <a>{{ sample.output_text }}</a>."),
        judge("Grade the answer. The battle lasted 3 to 9 days. <a>{{ sample.output_text }}</a>"),
        judge("Score from 0 to 1. Is the value 5 - 10 in {{ sample.output_text }}?"),
    ],
    "G409": [judge(sampling_params={"seed": 1, "max_completions_tokens": 1000})],
    "G410": [judge()],
    "G411": [labeler(), Example(grader=job(multi("tone", tone=labeler())), target="openai")],
    "G501": [python(GOOD)],
    "G502": [
        body("words = []", "words.append(sample['output_text'])", "return float(len(words))"),
        body("return TABLE.get(sample['output_text'], 0.0)", before="TABLE = {'a': 1.0}\n\n"),
        body("seen = set()", "seen.add(1)", "return float(len(seen))", before="seen = set()\n\n"),
    ],
    "G503": [Example(grader=body("import numpy as np, rapidfuzz, sklearn.metrics, json", "return float(len(sample))"), target="openai"),
             Example(grader={**body("import jellyfish", "return 1.0 * len(sample)"), "image_tag": "alpha"}, target="openai")],
    "G504": [body("import json", "return float(len(json.dumps(sample)))")],
    "G505": [
        body("import random", "random.seed(0)", "return random.random() + len(sample)"),
        body("import random", "r = random.Random(7)", "return r.random() + len(sample)"),
        body("words = set(sample['output_text'].split())", "return len(words & set(item['answer'].split())) / 10"),
        body("return float(sorted(set(sample['output_text']))[0] == item['answer'])"),
        body("import datetime", "return float(datetime.date.fromisoformat(sample['output_text']).year)"),
    ],
    "G506": [
        body("if sample['output_text']:", "    return 1.0", "else:", "    return 0.0"),
        body("try:", "    return float(sample['output_text'])", "except ValueError:", "    return 0.0"),
        body("while True:", "    return 1.0 * len(sample)"),
        body("for one in item['answers']:", "    if one == sample['output_text']:", "        return 1.0", "return 0.0"),
        body("match sample['output_text']:", "    case 'a':", "        return 1.0", "    case _:", "        return 0.0"),
        body("with open('x') as f:", "    return float(f.read() == sample['output_text'])"),
        body("raise ValueError(sample)"),
    ],
    "G507": [
        body("try:", "    return float(sample['output_text'])", "except (ValueError, KeyError):", "    return 0.0"),
        body("try:", "    return float(sample['output_text'])", "except Exception as e:", "    raise ValueError from e"),
    ],
    "G508": [body("return sample['output_text'] == item['answer']"), body("f = lambda: 'x'", "return len(f() + sample['output_text'])")],
    "G509": [body("from urllib.parse import urlparse", "return float(bool(urlparse(sample['output_text']).scheme))")],
    "G510": [body("open('/tmp/x', 'w').write(sample['output_text'])", "return 1.0"), body("open('scratch', 'w').close()", "return 1.0")],
    "G511": [python(GOOD), python(GOOD.replace("(sample, item)", "(s, it)").replace("sample[", "s[").replace("item[", "it["))],
    "G512": [python(GOOD), body("return float(sample.get('usage', 0))"), body("sample = sample['output_json']", "return float(sample['text'] == 'a')")],
    "G513": [body("return subprocess.PIPE", before="import subprocess\n"), python(GOOD)],
    "G514": [body("return len(nltk.word_tokenize(sample['output_text']))", before="import nltk\n"), body("return 1", before="from nltk.util import ngrams\n")],
    "G515": [
        Example(
            grader=body("return float(item['sample']['output_text'] == item['a'])"),
            rows=[{"item": {"a": "x", "sample": {"output_text": "x"}}}],
        ),
        body("return float((item.get('sample') or sample)['output_text'] == item['a'])"),
        check(input="{{ item.sample }}"), check(input="{{ item.sample.text }}"),
    ],
    "G601": [Example(grader=check(), rows=VARIED)],
    "G602": [Example(grader=check(), rows=VARIED)],
    "G603": [Example(grader=check(), rows=VARIED), Example(grader=check(), rows=rows("a", "a"))],
    "G604": [Example(grader=multi("(exact + near) / 2", **TWO), rows=VARIED)],
    "G605": [Example(grader=READS_X, rows=[*rows("no"), *rows('{"x": "a b"}')])],
    "G606": [Example(grader=python(GOOD), rows=VARIED)],
    "G607": [Example(grader=multi("(exact + near) / 2", **TWO), rows=VARIED)],
    "G608": [Example(grader=check(), rows=rows(*["a b"] * 8, *"xy")), Example(grader=check(), rows=rows(*["a b"] * 8, "x"))],
    "G609": [Example(grader=check(), rows=rows("a b", "a b", *"xyzuvwst"))],
    "G610": [Example(grader=multi("(exact + near) / 2", **TWO), rows=VARIED)],
    "G611": [
        Example(grader=multi("(exact + near) / 2", **TWO), rows=VARIED),
        Example(grader=body("return 5.0 * (sample['output_text'] == item['answer'])"), rows=VARIED),
    ],
    "G612": [Example(grader=check(), rows=VARIED)],
    "G613": [
        Example(grader=similar(evaluation_metric="bleu", pass_threshold=0.2), rows=VARIED),
        Example(grader=similar(pass_threshold=1), rows=VARIED),
    ],
    "G614": [Example(grader=check(), rows=VARIED), Example(grader=check(), rows=[*rows("true", answer="1"), *rows("{}", answer="[]"), *rows("x y", answer="xy")])],
    "G615": [Example(grader=check(), rows=rows("a", answer="two\tcolumns\nand lines\r\n"))],
    "G616": [
        Example(grader=similar(evaluation_metric="rouge_1"), rows=rows("a", answer="une idée naïve")),
        Example(grader=similar(), rows=rows("a", answer="вода")),
        Example(grader=similar(evaluation_metric="bleu"), rows=rows("a", answer="вода кипит")),
    ],
    "G617": [Example(grader=check(operation="like"), rows=VARIED), Example(grader=check(), rows=rows("a", answer=""))],
    "G620": [
        Example(
            grader=body("return 1.0 if item['ok'] else 0.0"), rows=_cells("False", "True"), cells=False
        ),
        Example(grader=body("return 1.0 if item['ok'] else 0.0"), rows=_cells("yes", "True"), cells=True),
        Example(grader=body("return 1.0 if item['ok'] else 0.0"), rows=_cells("x", "[y"), cells=True),
        # A template shows the digits as they stand.
        Example(grader=check(reference="{{ item.ok }}"), rows=_cells("1", "20"), cells=True),
        Example(grader=check(), rows=_cells("False", "True"), cells=True),
    ],
    "G701": [job()], "G702": [job(), Example(grader=job(drop="validation_file"), validation=[row()])],
    "G703": [
        job(reinforcement={"hyperparameters": {"n_epochs": 50, "batch_size": "auto", "eval_interval": 100,
            "learning_rate_multiplier": 0.1, "compute_multiplier": 5, "reasoning_effort": "high"}}),
    ],
    "G704": [job(reinforcement={"hyperparameters": {"n_epochs": 2}}, suffix="a", seed=1, metadata={})],
    "G705": [job(reinforcement={"hyperparameters": {"n_epochs": 2}})],
    "G706": [job()],
    "G707": [
        job(reinforcement=strict(CLOSED)),
        Example(grader=job(reinforcement={"response_format": {"type": "json_schema", "name": "a", "schema": CLOSED}}), target="azure"),
    ],
    "G708": [job(reinforcement=strict(CLOSED)), job(reinforcement=strict({"type": "object", "properties": {"x": {}}}, strict=False))],
    "G709": [job(), job(READS_X, reinforcement=strict(CLOSED))],
    "G710": [job(READS_X, reinforcement=strict(CLOSED)), job(READS_X, reinforcement=strict({"type": "object"}))],
    "G711": [job(), job(model="ft:o4-mini-2025-04-16:org::id")],
    "G712": [job(), Example(grader=job(model="gpt-5.5"), target="openai")],
    "G721": [Example(grader=job(), training=[row()])],
    "G722": [Example(grader=job(), training=[
        row(messages=[message("developer"), message("assistant", None, tool_calls=[{}]), message("tool"),
                      message(content=[{"type": "text", "text": "Hi"}])]),
    ])],
    "G723": [Example(grader=job(), training=[row()])],
    "G724": [Example(grader=job(), validation=[row()] * 1000)],
    "G725": [Example(grader=job(), training=[row(tools=[{"type": "function", "function": {"name": "f"}}])])],
    "G726": [Example(grader=job(), training=[row()])],
    "G727": [Example(grader=job(), training=[row()])],
    "G728": [Example(grader=job(), training=[row()], validation=[row(answer="3")])],
    "G729": [
        Example(grader=job(ENUM_X, reinforcement=FORMAT_X), training=[row(answer="yes"), row(answer=2)]),
        job(check(input="{{ sample.output_json.x }}", reference="no"), reinforcement=FORMAT_X),
        job(check(input="{{ sample.output_json.x }}", reference="perhaps {{ item.a }}"), reinforcement=FORMAT_X),
        job(check(input="{{ sample.output_json.x }}", reference="n", operation="like"), reinforcement=FORMAT_X),
    ],
    "G731": [
        evals(check()), evals(check(reference="{{ item.b.c }}"), item_schema={"properties": {"b": {"type": "object"}}}),
        evals(check(reference="{{ item.c }}"), item_schema={"properties": {"b": {}}, "additionalProperties": True}),
        evals(check(reference="{{ item.c }}"), type="logs"), evals(check(reference="{{ item.c }}"), item_schema={"type": "object"}),
    ],
    "G732": [
        evals(check()), evals(check(), type="stored_completions", include_sample_schema=False),
        evals(check(input="{{ item.answer }}"), include_sample_schema=False),
    ],
}  # fmt: skip

CASES = [
    pytest.param(code, one if isinstance(one, Example) else Example(grader=one), id=f"{code}-{at}")
    for code, quiet in SILENT.items()
    for at, one in enumerate(quiet)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_fires_on_its_example(rule: Any, run: Run) -> None:
    found = [one for one in run(rule.example) if one.code == rule.code]
    assert found
    for one in found:
        assert one.message
        assert one.fix
        assert one.path.startswith("$")
        assert one.line
        assert not one.message.endswith(".")


@pytest.mark.parametrize(("code", "example"), CASES)
def test_a_rule_is_silent_where_nothing_is_wrong(code: str, example: Example, run: Run) -> None:
    assert [one.message for one in run(example) if one.code == code] == []


ORDER = [
    "return float(list(set(sample['output_text']))[0] == 'a')",
    "return float(tuple({c for c in sample['output_text']})[0] == 'a')",
    "return float(next(iter(set(sample['output_text']))) == 'a')",
    "return float(''.join(set(sample['output_text'])) == 'ab')",
    "return float(frozenset(sample['output_text']).pop() == 'a')",
    "return float({'a', sample['output_text']}.pop() == 'a')",
]


@pytest.mark.parametrize("statement", ORDER)
def test_the_order_of_a_set_is_chance_however_it_is_taken(statement: str, run: Run) -> None:
    assert "G505" in [one.code for one in run(Example(grader=body(statement)))]


def test_the_order_of_a_set_is_chance_behind_a_name_unless_it_is_sorted(run: Run) -> None:
    words = ["words = list(set(sample['output_text'].split()))", "return float(words[0] == 'a')"]
    sorted_words = [words[0], "words.sort()", words[1]]
    found = [
        "G505" in [one.code for one in run(Example(grader=body(*one)))]
        for one in (words, sorted_words)
    ]
    assert found == [True, False]


KEPT = {
    "a default": "def grade(sample, item, seen=[]):\n    seen.append(1)\n    return float(len(seen))\n",
    "a counter": "import itertools\ncount = itertools.count()\ndef grade(sample, item):\n    return float(next(count))\n",
    "a field of the function": "def grade(sample, item):\n    grade.calls = 1\n    return 1.0 * len(sample)\n",
    "a cell": "seen = {}\ndef grade(sample, item):\n    seen['a'] = 1\n    return float(len(seen))\n",
    "a global": "calls = 0\ndef grade(sample, item):\n    global calls\n    calls += 1\n    return float(calls)\n",
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_what_outlives_a_call_is_seen_wherever_it_is_kept(source: str, run: Run) -> None:
    assert "G502" in [one.code for one in run(Example(grader=python(source)))]


def test_every_rule_has_a_silent_case() -> None:
    wanted = [rule.code for rule in RULES]
    lacks = sorted(set(wanted) - set(SILENT))
    assert list(SILENT) == wanted, f"SILENT above has an entry a rule, by code; it lacks {lacks}"


def test_codes_and_names_are_stable_and_unique() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes)), "RULES stand by code, within a group and among groups"
    names = [rule.name for rule in RULES]
    assert [name for name in names if names.count(name) > 1] == []
    assert all(re.fullmatch(r"G\d{3}", code) for code in codes)


def test_every_rule_says_something_for_some_target() -> None:
    for rule in RULES:
        assert any(rule.severity_for(target) for target in TARGETS), rule.code
        for text in (rule.what, rule.why, rule.fix):
            assert text.endswith((".", "}")), (rule.code, text)
            assert "\n" not in text


def test_a_rule_bound_to_a_target_is_silent_for_others(run: Run) -> None:
    for rule in RULES:
        for target in TARGETS:
            if rule.severity_for(target) is None:
                example = Example(
                    grader=rule.example.grader, target=target, dialect=rule.example.dialect
                )
                assert rule.code not in {one.code for one in run(example)}


@pytest.mark.parametrize(
    "body",
    [
        "    if x: return 0\n" + "    elif x: return 0.5\n" * 400 + "    return 1\n",
        "    return " + "1 if x else " * 900 + "0\n",
    ],
)
def test_a_source_of_endless_levels_is_not_looked_at(body: str) -> None:
    assert PythonSource.parse("def grade(sample, item):\n" + body) is None


def test_what_python_thinks_of_an_escape_is_not_printed(recwarn: pytest.WarningsRecorder) -> None:
    assert (
        PythonSource.parse("def grade(sample, item):\n    return 1 if '\\d' else 0\n") is not None
    )
    assert not recwarn


def test_a_value_of_a_training_file_that_the_enum_lacks_is_found_where_it_stands(run: Run) -> None:
    training = [row(answer="yes"), row(answer="maybe"), row(answer="perhaps")]
    grader = job(ENUM_X, reinforcement=FORMAT_X)
    (found,) = [one for one in run(Example(grader=grader, training=training)) if one.code == "G729"]
    assert found.message.startswith('item.answer is "maybe", none of what response_format allows')
    assert found.line == 2


def test_a_sample_that_is_none_is_not_mended_by_lines(run: Run) -> None:
    found = [one for one in run(Example(grader=check(), rows=rows(5))) if one.code == "G602"]  # type: ignore[arg-type]
    assert [one.fix for one in found] == [
        "Write the answer as a text, or in one of the shapes of answers."
    ]
