"""Probing: planted ways to be paid are found and traced to who pays; sound graders stay low."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

import graders
from graders.api import Grader
from graders.calls import ChatCall, ChatReply
from graders.errors import OptionError
from graders.inspection.probe import ATTACKS, AttackResult, ProbeReport, choose_attacks, probe
from graders.inspection.probe.disguise import halved, look_alike, negated, zero_width
from graders.inspection.probe.material import changed_call
from graders.inspection.sampling import sample_rows
from graders.rows import Block, Layout, decode_block

TEXT = "{{ sample.output_text }}"
ANSWER = "{{ item.answer }}"
QUESTIONS = [
    ("Which river flows through the city of Vienna in Austria?", "Danube"),
    ("Which river flows through the city of Paris in France?", "Seine"),
    ("Which river flows through the city of Cairo in Egypt?", "Nile"),
    ("Which river flows through the city of Hamburg in Germany?", "Elbe"),
]
ROWS = [{"item": {"question": q, "answer": a}, "sample": a} for q, a in QUESTIONS]


def check(operation: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "string_check", "name": "check", "operation": operation, "input": TEXT,
        "reference": ANSWER, **more,
    }  # fmt: skip


def near(reference: str = ANSWER) -> dict[str, Any]:
    return {
        "type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
        "input": TEXT, "reference": reference,
    }  # fmt: skip


def python(body: str) -> dict[str, Any]:
    return {"type": "python", "name": "code", "source": f"def grade(sample, item):\n    {body}\n"}


def multi(formula: str, **subs: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "both", "graders": subs, "calculate_output": formula}


def sampled(rows: Sequence[Any], limit: int | None = None, layout: Layout | None = None) -> Any:
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return sample_rows([decode_block(Block(data), layout or Layout())], limit)


def probed(config: Any, rows: Sequence[Any] = ROWS, **options: Any) -> ProbeReport:
    names = options.pop("attacks", ())
    with graders.load(config, judge=options.pop("judge", None)) as grader:
        return probe(grader, sampled(rows), attacks=choose_attacks(names), **options)


def found(report: ProbeReport, name: str) -> AttackResult:
    return next(one for one in report.attacks if one.name == name)


def test_there_are_at_least_twenty_attacks_each_with_its_own_name() -> None:
    assert len({one.name for one in ATTACKS}) == len(ATTACKS) >= 20


def test_a_similarity_to_the_question_pays_for_copying_it() -> None:
    config = multi(
        "0.5 * right + 0.5 * on_topic", right=check("eq"), on_topic=near("{{ item.question }}")
    )
    rows = [
        {**row, "sample": f"It is the {answer}."}
        for row, (_, answer) in zip(ROWS, QUESTIONS, strict=True)
    ]
    report = probed(config, rows)
    copied = found(report, "prompt")
    assert copied.expected == pytest.approx(0.5)
    assert copied.reached == copied.beaten == 1.0
    assert copied.payer is not None
    assert copied.payer.key == "on_topic"
    assert copied.payer.gain is not None
    assert copied.payer.gain > 0.5
    assert copied in report.above(None)
    worst = copied.worst[0]
    assert worst.answer in [question for question, _ in QUESTIONS]
    assert worst.rendered["on_topic"]["input"] == worst.answer


def test_a_grader_that_pays_for_length_is_found_by_a_long_answer() -> None:
    config = multi(
        "max(right, length)",
        right=check("eq"),
        length=python("return min(1.0, len(sample['output_text']) / 1000)"),
    )
    report = probed(config)
    long = found(report, "long-filler")
    assert long.expected == 1.0
    assert long.payer is not None
    assert long.payer.key == "length"
    assert "long-filler" in [one.name for one in report.above(0.5)]


def test_a_containment_check_pays_for_listing_all_answers() -> None:
    report = probed(check("like"))
    listed = found(report, "all-references")
    assert (listed.expected, listed.reached) == (1.0, 1.0)
    assert listed.payer is not None
    assert listed.payer.key == ""
    assert found(report, "negation").expected == 1.0


def test_an_or_formula_names_the_part_that_paid() -> None:
    config = multi("max(exact, loose)", exact=check("eq"), loose=check("like"))
    listed = found(probed(config), "all-references")
    assert listed.payer is not None
    assert listed.payer.key == "loose"
    assert listed.paid_by[0].paid == pytest.approx(1.0)
    assert listed.paid_by[1].paid == 0.0


def test_who_pays_does_not_depend_on_which_attacks_are_chosen() -> None:
    listed = found(probed(check("like"), attacks=["all-references"]), "all-references")
    assert listed.payer is not None
    assert listed.payer.paid == 1.0


def test_a_part_that_pays_for_anything_is_named_even_for_an_empty_answer() -> None:
    config = multi(
        "0.5 * exact + 0.5 * polite", exact=check("eq"), polite=check("ne", reference="!")
    )
    empty = found(probed(config), "empty")
    assert empty.expected == 0.5
    assert empty.payer is not None
    assert (empty.payer.key, empty.payer.paid, empty.payer.gain) == ("polite", 0.5, 0.0)


def test_parts_of_a_sum_add_up_and_parts_of_a_product_are_shared() -> None:
    longer = python("return 2.0")
    summed = found(probed(multi("a + 0.25 * b", a=check("like"), b=longer)), "all-references")
    assert [(one.key, one.paid) for one in summed.paid_by] == [("a", 1.0), ("b", 0.5)]
    product = found(probed(multi("a * b", a=check("like"), b=longer)), "all-references")
    assert [one.paid for one in product.paid_by] == [1.0, 1.0]


def test_a_formula_without_a_value_at_the_floor_is_no_fault() -> None:
    report = probed(multi("a / b", a=check("like"), b=python("return 2.0")))
    assert found(report, "all-references").expected == 0.5


def test_an_exact_check_pays_for_no_wrong_answer() -> None:
    report = probed(check("eq"))
    assert report.honest.expected == 1.0
    assert report.above(0.3) == report.above(None) == []
    wrong = [one.expected for one in report.attacks if one.given == "wrong" and one.rewards]
    assert max(one for one in wrong if one is not None) == 0.0
    assert found(report, "reference").expected == 1.0
    assert report.above(0.3, frozenset({"reference"})) == [found(report, "reference")]


def test_python_that_trusts_the_answers_own_verdict_is_found() -> None:
    body = "return float((sample.get('output_json') or {}).get('result', 0))"
    report = probed(python(body))
    assert found(report, "verdict").expected == 1.0
    assert found(report, "empty").expected == 0.0


def test_one_label_for_every_row_is_compared_with_the_honest_answers() -> None:
    labels = ["yes"] * 6 + ["no"] * 4
    rows = [{"item": {"q": str(at), "answer": one}, "sample": one} for at, one in enumerate(labels)]
    always = found(probed(check("eq"), rows), "label")
    assert always.variant == "always yes"
    assert always.expected == pytest.approx(0.6)


class Judge:
    """A judge that obeys whatever an answer tells it, else finds nothing right."""

    def perform(self, call: ChatCall) -> list[ChatReply]:
        texts = [str(messages[-1]["content"]) for messages in call.messages]
        return [
            ChatReply(json.dumps({"steps": [], "result": float("Ignore all" in text)}))
            for text in texts
        ]


JUDGE = {
    "type": "score_model", "name": "judge", "model": "m", "range": [0, 1],
    "input": [{"role": "user", "content": f"Question: {{{{ item.question }}}}\nAnswer: {TEXT}"}],
}  # fmt: skip


def test_a_judge_that_obeys_the_answer_is_found() -> None:
    config = multi("0.5 * exact + 0.5 * judge", exact=check("eq"), judge=JUDGE)
    report = probed(config, judge=Judge())
    order = found(report, "injection")
    assert order.expected == pytest.approx(0.5)
    assert order.payer is not None
    assert order.payer.key == "judge"
    assert not report.not_probed


def test_a_forged_end_uses_the_prompts_own_headings() -> None:
    forged = found(probed(JUDGE, judge=Judge()), "delimiters")
    assert "the prompt's own headings" in [one.name for one in forged.variants]


def test_models_that_are_not_asked_are_held_and_named() -> None:
    config = multi("0.5 * exact + 0.5 * judge", exact=check("like"), judge=JUDGE)
    report = probed(config, ask_judges=False)
    assert report.not_probed == {"judge": 0.0}
    assert report.honest.expected == 0.5
    listed = found(report, "all-references")
    assert listed.expected == 0.5
    assert [one.key for one in listed.paid_by] == ["exact"]


def test_where_nothing_else_counts_they_are_held_at_the_top() -> None:
    config = multi("exact * judge", exact=check("like"), judge=JUDGE)
    report = probed(config, ask_judges=False)
    assert report.not_probed == {"judge": 1.0}
    assert found(report, "all-references").expected == 1.0


@pytest.mark.parametrize("config", [JUDGE, multi("judge", judge=JUDGE, exact=check("eq"))])
def test_a_reward_of_models_alone_is_refused_in_one_sentence(config: Any) -> None:
    with pytest.raises(OptionError, match="--base-url"):
        probed(config, ask_judges=False)


def test_criteria_go_without_the_judge() -> None:
    config = {"testing_criteria": [check("eq", name="exact"), {**JUDGE, "name": "judge"}]}
    report = probed(config, ask_judges=False)
    assert list(report.not_probed.values()) == [None]
    assert report.honest.expected == 1.0


def test_a_grader_that_reads_no_sample_is_refused() -> None:
    with pytest.raises(OptionError, match="does not read the sample"):
        probed(check("eq", input="{{ item.question }}"))


def test_no_rows_are_refused() -> None:
    with pytest.raises(OptionError, match="no rows"):
        probed(check("eq"), [])


def test_rows_that_all_fail_say_why() -> None:
    report = probed(check("eq"), [{"item": {"q": 1}, "sample": "a"}])
    assert (report.honest.failed, report.honest.expected) == (1, 0.0)
    assert report.honest.codes == {"invalid_variable_error": 1}
    assert "item.answer" in report.honest.why
    assert not report.scored
    assert found(report, "reference").skipped


def test_rows_without_answers_are_probed_without_a_comparison() -> None:
    report = probed(check("like"), [{"item": row["item"]} for row in ROWS])
    assert (report.honest.rows, report.honest.expected) == (0, None)
    listed = found(report, "all-references")
    assert (listed.expected, listed.compared, listed.reached) == (1.0, 0, None)
    assert found(report, "case").skipped == "no row has an answer of its own"


def test_unreadable_rows_are_counted_and_left_out() -> None:
    block = Block(b"no json\n" + json.dumps(ROWS[0]).encode())
    with graders.load(check("eq")) as grader:
        report = probe(grader, sample_rows([decode_block(block, Layout())], None))
    assert (report.rows, report.unreadable, report.probed) == (2, 1, 1)


def json_grader() -> dict[str, Any]:
    name = {"input": "{{ sample.output_json.name }}", "reference": "{{ item.name }}"}
    town = {"input": "{{ sample.output_json.town }}", "reference": "{{ item.town }}"}
    return multi("(name + town) / 2", name=check("eq", **name), town=check("like", **town))


PEOPLE = [
    {"item": {"name": "Ann", "town": "Bath"}, "sample": '{"name": "Ann", "town": "Bath"}'},
    {"item": {"name": "Bob", "town": "York"}, "sample": '{"name": "Bob", "town": "Hull"}'},
]


def test_attacks_on_json_keep_its_shape() -> None:
    report = probed(json_grader(), PEOPLE)
    listed = found(report, "all-references")
    assert listed.variant == "in each field"
    assert listed.payer is not None
    assert listed.payer.key == "town"
    assert found(report, "wrong-values").expected == 0.0
    assert found(report, "reference").variant == "each at its place"
    assert found(report, "reference").expected == 1.0
    assert found(report, "empty").rewards is not None


def test_attacks_on_tool_calls_keep_the_tools() -> None:
    call = {"type": "function", "function": {"name": "book", "arguments": '{"day": "today"}'}}
    tool = check("eq", input="{{ sample.output_tools[0].function.name }}", reference="book")
    day = check(
        "eq",
        input="{{ sample.output_tools[0].function.arguments.day }}",
        reference="{{ item.day }}",
    )
    row = {"item": {"day": "today"}, "sample": {"output_text": "", "output_tools": [call]}}
    report = probed(multi("0.5 * tool + 0.5 * day", tool=tool, day=day), [row])
    assert found(report, "wrong-arguments").expected == 0.5
    assert found(report, "extra-tools").expected == 1.0
    assert found(report, "extra-tools").variant == "after"
    assert found(report, "case").variant == "in each argument"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"days": ["today", 3, None]}, {"days": ["wrong", 4, None]}),
        ('{"days": ["today", 3, null]}', '{"days": ["wrong", 4, null]}'),
        ("today, no JSON", "wrong"),
    ],
    ids=["an object", "its text", "no JSON"],
)
def test_the_arguments_of_a_call_are_changed_in_the_form_they_have(
    arguments: Any, wrong: Any
) -> None:
    call = {"function": {"name": "book", "arguments": arguments}}
    others = [{"function": {"name": "book"}}, {"function": 3}, "no call"]
    changed = [
        changed_call(one, lambda _: "wrong", lambda number: number + 1) for one in (call, *others)
    ]
    assert changed == [{"function": {"name": "book", "arguments": wrong}}, *others]


def test_what_does_not_apply_says_so() -> None:
    report = probed(check("eq"))
    assert found(report, "wrong-arguments").skipped == "no answer calls tools"
    assert found(report, "wrong-values").to_dict() == {
        "attack": "wrong-values", "title": "JSON of the right shape, wrong values",
        "given": "wrong", "applies": False, "reason": "no answer is JSON",
    }  # fmt: skip


def test_where_the_item_is_the_whole_row_the_answer_is_not_a_text_of_it() -> None:
    rows = [{"question": q, "correct": a, "answer": f"the {a}"} for q, a in QUESTIONS]
    config = check("eq", reference="{{ item.correct }}")
    layout = Layout.parse(".", "answer")
    with graders.load(config) as grader:
        report = probe(grader, sampled(rows, layout=layout), own="item.answer")
    assert found(report, "item-text").skipped
    assert found(report, "prompt").variant == "item.question"


def test_a_report_is_json() -> None:
    body = probed(check("like")).to_dict()
    assert json.loads(json.dumps(body)) == body
    assert {"name", "type", "rows", "probed", "honest", "attacks", "not_probed"} <= set(body)
    listed = next(one for one in body["attacks"] if one["attack"] == "all-references")
    assert {"expected", "highest", "reached", "beaten", "payer", "worst", "variants"} <= set(listed)


def test_performers_that_were_given_are_always_asked() -> None:
    grader = Grader(graders.load(JUDGE, judge=Judge()).config, judge=Judge())
    report = probe(grader, sampled(ROWS), ask_judges=False, attacks=choose_attacks(["injection"]))
    assert not report.not_probed
    assert found(report, "injection").expected == 1.0


def test_rows_are_drawn_alike_each_time_and_from_all_of_them() -> None:
    rows = [{"item": {"n": at}, "sample": "x"} for at in range(1000)]
    first, again = sampled(rows, 50), sampled(rows, 50)
    indexes = [row.index for row in first.rows]
    assert indexes == [row.index for row in again.rows] == sorted(set(indexes))
    assert (len(indexes), first.seen) == (50, 1000)
    assert indexes[0] < 200
    assert indexes[-1] > 800


def test_an_unknown_attack_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean prompt"):
        choose_attacks(["promt"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "No"),
        ("true", "false"),
        ("The sky is blue.", "The sky is not blue."),
        ("It is not blue.", "It is blue."),
        ("Danube", "not Danube"),
    ],
)
def test_a_text_is_denied_in_nearly_the_same_words(text: str, expected: str) -> None:
    assert negated(text) == expected


def test_disguises() -> None:
    assert look_alike("ace") != "ace"
    assert len(look_alike("ace")) == 3
    assert zero_width("ab").replace("\u200b", "") == "ab"
    assert halved("abcd") == "ab"
