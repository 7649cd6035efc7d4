"""`--update`: expectations follow, and all else in the file stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.config import document
from graders.suite import Bench, Rewrite, load_suite, rewrite
from graders.suite.rewrite import _written

Write = Callable[..., Path]


def update(path: Path) -> Rewrite:
    suite = load_suite(path)
    with Bench(suite) as bench:
        outcomes = [bench.run(test) for test in suite.tests]
    return rewrite(suite, outcomes)


def failing(path: Path) -> list[str]:
    suite = load_suite(path)
    with Bench(suite) as bench:
        return [test.name for test in suite.tests if not bench.run(test).passed]


BEFORE = """\
# A comment at the top: ünïcödé 🎉.
grader: grader.json   # the grader

defaults:   {item:   {a: abcd}}

cases:
    - name: number
      sample: abce
      reward: 1.0   # a comment behind
      sub_rewards: {exact: 1, "near": 0.5}

    - name:   "quoted 🎉"
      reward: '0.5'
      sample: >
        abcd
        efgh
    # a comment between
    - {sample: abce, name: flow, reward: {within: 0.01, about: 0.1}}
    - name: block about
      sample: abce
      reward:
        about: 0.1      # about
        within: 0.01
    - name: fails now
      item: 5
      sample: x
      reward: 1
    - name: fails no more
      failure: invalid_variable_error # was so
      sample: abcd
    - name: other code
      item: 5
      failure: sample_parse_error
    - name: from null
      sample: abcd
      reward: null
    - name: pending
      sample: abcd     # nothing yet
    - sample: |
        abcd
      name: pending too
    - name: pending three
      sample: |
        abcd
        efgh

    - {name: pending flow, sample: abcd}
    - name: right
      sample: abcd
      reward: 1        # not 1.0

orderings: [{order: [right, number]}]
"""

AFTER = """\
# A comment at the top: ünïcödé 🎉.
grader: grader.json   # the grader

defaults:   {item:   {a: abcd}}

cases:
    - name: number
      sample: abce
      reward: 0.375   # a comment behind
      sub_rewards: {exact: 0.0, "near": 0.75}

    - name:   "quoted 🎉"
      reward: 0.2857142857142857
      sample: >
        abcd
        efgh
    # a comment between
    - {sample: abce, name: flow, reward: {within: 0.01, about: 0.375}}
    - name: block about
      sample: abce
      reward:
        about: 0.375      # about
        within: 0.01
    - name: fails now
      item: 5
      sample: x
      failure: invalid_variable_error
    - name: fails no more
      reward: 1.0 # was so
      sample: abcd
    - name: other code
      item: 5
      failure: invalid_variable_error
    - name: from null
      sample: abcd
      reward: 1.0
    - name: pending
      sample: abcd     # nothing yet
      reward: 1.0
      sub_rewards: {exact: 1.0, near: 1.0}
    - sample: |
        abcd
      name: pending too
      reward: 0.4444444444444444
      sub_rewards: {exact: 0.0, near: 0.8888888888888888}
    - name: pending three
      reward: 0.2857142857142857
      sub_rewards: {exact: 0.0, near: 0.5714285714285714}
      sample: |
        abcd
        efgh

    - {name: pending flow, sample: abcd, reward: 1.0, sub_rewards: {exact: 1.0, near: 1.0}}
    - name: right
      sample: abcd
      reward: 1        # not 1.0

orderings: [{order: [right, number]}]
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_only_the_spans_of_expectations_change(folder: Path, newline: str, start: str) -> None:
    path = folder / "s.graders.yaml"
    path.write_bytes((start + BEFORE).replace("\n", newline).encode())
    done = update(path)
    assert done.refused == ()
    text = path.read_bytes().decode()
    assert text == (start + AFTER).replace("\n", newline)
    assert failing(path) == []
    assert update(path) == Rewrite(path, (), ())
    assert path.read_bytes().decode() == text


def test_json_is_rewritten_in_its_layout(folder: Path) -> None:
    path = folder / "s.graders.json"
    path.write_text(
        '{"grader": "grader.json",\n "cases": [\n  {\n    "name": "a",\n    "item": {"a": "x"},\n'
        '    "sample": "x"\n  },\n  {"name": "b", "reward": 7, "sample": ""}\n ]\n}\n'
    )
    update(path)
    assert path.read_text() == (
        '{"grader": "grader.json",\n "cases": [\n  {\n    "name": "a",\n    "item": {"a": "x"},\n'
        '    "sample": "x",\n    "reward": 1.0,\n    "sub_rewards": {"exact": 1.0, "near": 1.0}\n  },\n'
        '  {"name": "b", "failure": "invalid_variable_error", "sample": ""}\n ]\n}\n'
    )
    assert failing(path) == []


REFUSED = {
    "a bound": ("{name: c, item: {a: x}, sample: y, reward: '>= 0.5'}", "a bound"),
    "a bound as a key": ("{name: c, item: {a: x}, sample: y, reward: {at_least: 0.5}}", "a bound"),
    "an anchor": ("{name: c, item: {a: x}, sample: y, reward: &n 0.5}", "an anchor"),
    "a tag": ("{name: c, item: {a: x}, sample: y, reward: !!float 0.5}", "an anchor or a tag"),
    "a place of a failure": (
        "{name: c, item: {a: x}, failure: {code: other_error, where: near}}", "change it by hand",
    ),
    "no reward and a failure": (
        "{name: c, item: {a: x}, sample: x, reward: null, failure: other_error}", "as well",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_rewritten_is_refused_with_a_sentence(
    write: Write, case: str, said: str
) -> None:
    path = write(f"cases:\n- {case}\n")
    before = path.read_text()
    done = update(path)
    assert done.changed == ()
    assert len(done.refused) == 1
    assert said in done.refused[0]
    assert f"{path}:3: c: " in done.refused[0]
    assert path.read_text() == before


def test_shared_values_are_left_alone(write: Write) -> None:
    path = write("""
        cases:
          - &first {name: a, item: {a: x}, sample: x, reward: 0.5}
          - {<<: *first, name: b}
          - {name: c, item: {a: x}, sample: y, reward: 1}
        """)
    before = path.read_text()
    done = update(path)
    assert "by an alias or a merge" in done.refused[0]
    assert "nothing was written" in done.refused[1]
    assert path.read_text() == before


def test_a_file_that_changed_meanwhile_is_left_alone(write: Write) -> None:
    path = write("cases:\n- {name: a, item: {a: x}, sample: x, reward: 0.5}\n")
    suite = load_suite(path)
    with Bench(suite) as bench:
        outcomes = [bench.run(test) for test in suite.tests]
    path.write_text(path.read_text() + "# more\n")
    assert "has changed since" in rewrite(suite, outcomes).refused[0]
    assert path.read_text().endswith("# more\n")


def test_the_files_mode_and_link_stay(write: Write, folder: Path) -> None:
    path = write("cases:\n- {name: a, item: {a: x}, sample: x, reward: 0.5}\n")
    path.chmod(0o640)
    link = folder / "link.graders.yaml"
    link.symlink_to(path)
    update(link)
    assert link.is_symlink()
    assert "reward: 1.0" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in folder.iterdir()) == [
        "grader.json", "link.graders.yaml", "s.graders.yaml",
    ]  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_is_read_as_the_same_number(value: float) -> None:
    text = _written(value, quote=False)
    assert document.parse(f"a: {text}", "x") == {"a": value}
    assert json.loads(text) == value


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_a_written_text_is_read_as_the_same_text(value: str) -> None:
    for quote in (True, False):
        text = _written({value: value}, quote=quote)
        assert document.parse(f"a: {text}", "x") == {"a": {value: value}}
