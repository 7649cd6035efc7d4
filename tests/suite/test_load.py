"""Reading suites: every fault at once, each in a sentence with its line and path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from graders.errors import ConfigError
from graders.suite import Case, Invariance, Ordering, load_suite

Write = Callable[..., Path]


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    assert caught.value.source == str(path)
    return [str(fault) for fault in caught.value.faults]


def test_a_suite_has_cases_orderings_and_invariances(write: Write) -> None:
    suite = load_suite(
        write("""
        defaults: {item: {a: abc, b: 1}, within: 0.1}
        cases:
          - {name: right, sample: abc, reward: 1}
          - name: other
            item: {a: abd}
            sample: {output_text: abd}
            reward: ">= 0.5"
        orderings:
          - {order: [right, {name: written out, sample: x}], margin: 0.2}
        invariances:
          - {of: [right, other], changes: [whitespace]}
        """)
    )
    first, second, ordering, invariance = suite.tests
    assert isinstance(first, Case)
    assert isinstance(second, Case)
    assert first.reward is not None
    assert first.reward.within == 0.1
    assert second.row.item == {"a": "abd", "b": 1}
    assert second.line == 5
    assert isinstance(ordering, Ordering)
    assert ordering.name == "right > written out"
    assert isinstance(invariance, Invariance)
    assert invariance.name == "right, other: whitespace"
    assert [len(variants) for _, variants in invariance.pairs] == [1, 1]  # no inner blanks


def test_every_fault_is_listed_with_its_line_and_the_nearest_right_key(write: Write) -> None:
    found = faults(
        write("""\
        grader: grader.json
        option: {}
        cases:
          - {nam: x, sample: x}
          - {name: y, sample: x, rewrad: 1, sub_rewards: {exat: 1, near: high}}
          - {name: z, sample: 5, failure: sample_parse_eror}
          - {name: w, item: {d: 2024-01-01}, reward: 1, failure: other_error}
          - {name: v, failure: {code: other_error, where: nera}}
        orderings:
          - {order: [y, zz]}
          - {order: [y]}
          - {ordr: [y, y]}
        invariances:
          - {of: yy, changes: [whitspace]}
          - {of: y}
          - {name: n, changes: case}
          - {sample: {output_tools: []}, changes: case}
        """)
    )
    wanted = [
        '$.option (line 2): unknown key "option"; did you mean options?',
        '$.cases[0].nam (line 4): unknown key "nam"; did you mean name?',
        '$.cases[1].rewrad (line 5): unknown key "rewrad"; did you mean reward?',
        '$.cases[1].sub_rewards.exat (line 5): the grader has no sub-grader "exat"; did you mean exact?',
        "$.cases[1].sub_rewards.near (line 5): a number,",
        "$.cases[2].sample (line 6): a sample is text",
        "$.cases[2].failure (line 6): unknown failure code",
        "$.cases[3].item.d (line 7): YAML reads this as a date",
        "$.cases[3] (line 7): a row has a reward or a failure",
        '$.cases[4].failure.where (line 8): no sub-grader "nera"; did you mean near?',
        '$.orderings[0].order[1] (line 10): there is no case "zz"',
        "$.orderings[1].order (line 11): order is a list",
        '$.orderings[2].ordr (line 12): unknown key "ordr"; did you mean order?',
        '$.invariances[0].of (line 14): there is no case "yy"; did you mean y?',
        '$.invariances[0].changes[0] (line 14): there is no change "whitspace"; did you mean whitespace?',
        "$.invariances[1] (line 15): changes (",
        "$.invariances[2] (line 16): of (the name of a case",
        "$.invariances[3] (line 17): the sample: the sample has no text",
    ]
    assert len(found) == len(wanted), found
    for got, start in zip(found, wanted, strict=True):
        assert got.startswith(start)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("grader: grader.jsn", "did you mean"),
        ("grader: 5", "a path or a grader's object is needed, got 5"),
        ("gradr: grader.json", 'unknown key "gradr"; did you mean grader?'),
        ("$schema: x.grader", "grader is required"),
        (
            "grader: grader.json\n$schema: {}",
            "expected a string, a JSON Schema's name, got an empty object",
        ),
        ("grader: {type: string_chek, name: x}", "did you mean string_check?"),
        ("grader: grader.json\noptions: {dialct: x}", "did you mean dialect?"),
        ("grader: grader.json\noptions: {dialect: jinja}", "did you mean jinja2?"),
        ("grader: grader.json\noptions: {offline: 1}", "offline is true or false"),
        ("grader: grader.json\noptions: {python_timeout: -1}", "more than 0 seconds"),
        ("grader: grader.json\noptions: {repeats: 0}", "repeats is at least 1"),
        ("grader: grader.json\noptions: {isolation: none}", "isolation is one of"),
        ("grader: grader.json\noptions: {sandbox: limits}", 'unknown key "sandbox"'),
        ("grader: grader.json\noptions: {python: ./evil}", 'unknown key "python"'),
        ("grader: grader.json\noptions: {base_url: 'https://x.example/v1'}", "the key would go to"),
        ("grader: grader.json\noptions: {embedding_url: 'http://[x'}", "the key would go to"),
        ("grader: grader.json\noptions: {model_map: {a: 1}}", "model names"),
        ("grader: grader.json\noptions: []", "options is an object"),
        ("grader: grader.json\ndefaults: {within: -1}", "within is a number, at least 0"),
    ],
)
def test_faults_of_the_head(write: Write, head: str, said: str) -> None:
    (found,) = faults(write(f"{head}\ncases: [{{name: c, sample: x, reward: 1}}]\n"))
    assert said in found


def test_faults_of_a_grader_inside_a_suite_have_the_suites_lines(write: Write) -> None:
    (found,) = faults(
        write("""\
        grader:
          type: string_check
          name: x
          input: "{{ sample.output_text }}"
          reference: x
          operation: equals
        cases: [{name: c, sample: x, reward: 1}]
        """)
    )
    assert found.startswith("$.grader.operation (line 6): ")
    (found,) = faults(write("grader: {type: string_check, name: x, reference: x, operation: eq}\n"
                            "cases: [{name: c, sample: x, reward: 1}]\n"))  # fmt: skip
    assert found.startswith("$.grader.input (line 1): input is required")


def test_a_grader_is_told_from_a_suite(folder: Path) -> None:
    (found,) = faults(folder / "grader.json")
    assert "this is a grader; a suite names one in grader" in found


def test_a_suite_asks_the_servers_that_its_user_names(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "options: {base_url: 'https://x.example/v1', offline: %s}\ncases: [{name: c}]\n"
    load_suite(write(text % "true"))
    path = write(text % "false")
    assert "set OPENAI_BASE_URL=https://x.example/v1" in faults(path)[0]
    with pytest.raises(ConfigError):
        load_suite(write(text % "true"), record=True)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://x.example/v1")
    load_suite(path, record=True)


def test_names_are_unique(write: Write) -> None:
    (found,) = faults(write("cases:\n- {name: a, reward: 1}\n- {name: ' a', reward: 1}\n"))
    assert found == '$.cases[1] (line 4): the name "a" is taken by the case of line 3'


BOMB = "grader: grader.json\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "an alias bomb": BOMB,
    "an alias of itself": "grader: grader.json\ncases: &a [*a]\n",
    "a key twice": "grader: grader.json\ncases: []\ncases: []\n",
    "a key twice in JSON": '{"grader": "grader.json", "grader": "grader.json"}',
    "deep nesting": "grader: grader.json\ncases: " + "[" * 5000 + "]" * 5000,
    "deep JSON": '{"grader": ' + "[" * 100_000,
    "a python tag": "grader: !!python/object/apply:os.system [echo]\n",
    "no YAML": "grader: [\n",
    "a control character": "grader: \x00\n",
    "a list": "- 1\n- 2\n",
    "a text": "hello",
    "nothing": " \n",
    "a number as key": "grader: grader.json\n1: x\n",
    "a huge number": "grader: grader.json\ncases: [{name: x, reward: " + "9" * 9000 + "}]\n",
    "nothing to test": "grader: grader.json\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_with_a_sentence(folder: Path, text: str) -> None:
    path = folder / "s.graders.yaml"
    path.write_text(text)
    assert 1 <= len(faults(path)) < 20


def test_a_huge_or_binary_file_is_refused(folder: Path) -> None:
    path = folder / "s.graders.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in faults(path)[0]
    with path.open("wb") as file:
        file.truncate(17_000_000)
    assert "at most 2 MB" in faults(path)[0]
    path.unlink()
    path.mkdir()
    assert "cannot be read" in faults(path)[0]


def test_json_is_read_as_well(folder: Path) -> None:
    body = {"grader": "grader.json", "cases": [{"name": "a", "sample": "x", "reward": 1}]}
    path = folder / "s.graders.json"
    path.write_text(json.dumps(body, indent="\t"))
    assert [test.name for test in load_suite(path).tests] == ["a"]
