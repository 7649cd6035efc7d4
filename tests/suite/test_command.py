"""`graders test`: reports, exit codes, JSON, JUnit XML, coverage, and the page that teaches it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from graders import cli
from tests.cli.conftest import Command, Done

Write = Callable[..., Path]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def test(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `graders test` in this process."""

    def run(*words: str | Path) -> Done:
        code = cli._main(["test", *map(str, words)])
        return Done(code, *capfd.readouterr())

    return run


RIGHT = "cases: [{name: right, item: {a: x}, sample: x, reward: 1}]"
WRONG = "cases: [{name: wrong, item: {a: x}, sample: 'y\\u0001', reward: 1}]"


def test_suites_are_found_in_folders_by_their_names(test: Command, write: Write) -> None:
    for name in ("a.graders.yaml", "b.graders.yml", "other.yaml", "graders.yaml"):
        write(RIGHT, name)
    (Path(".venv")).mkdir()
    write("nonsense", ".venv/c.graders.yaml")
    (Path("deep/er")).mkdir(parents=True)
    write(RIGHT.replace("cases", "grader: ../../grader.json\ncases"), "deep/er/d.graders.yaml")
    done = test("--json")
    assert [one["suite"] for one in done.json["suites"]] == [
        "a.graders.yaml", "b.graders.yml", "deep/er/d.graders.yaml",
    ]  # fmt: skip
    assert (done.code, done.json["passed"]) == (0, True)
    assert len(test("other.yaml", ".", "--json").json["suites"]) == 4


def test_the_report_says_what_failed_and_why(test: Command, write: Write) -> None:
    write(WRONG)
    done = test()
    assert done.code == 1
    assert "FAILED  wrong  (case, s.graders.yaml:2)" in done.out
    assert "reward: expected 1.0, got 0.0" in done.out
    assert "= (0.0 + 0.0) / 2" in done.out
    assert "coverage  67%  2 of 3\n  exact: not reached: holds" in done.out
    assert "0 passed, 1 failed in" in done.out
    assert "\x01" not in done.out


def test_an_update_says_what_it_wrote_and_passes(test: Command, write: Write) -> None:
    path = write(WRONG)
    done = test("--update")
    assert (done.code, "rewrote what is expected of: wrong" in done.out) == (0, True)
    assert "reward: 0" in path.read_text()


def test_a_faulty_suite_does_not_keep_others_from_running(test: Command, write: Write) -> None:
    write("case: []", "a.graders.yaml")
    write(RIGHT, "b.graders.yaml")
    done = test("--junit", "out/report.xml")
    assert done.code == 2
    assert 'unknown key "case"; did you mean cases?' in done.out
    assert "b.graders.yaml  1 test, all passed" in done.out
    broken, whole = ET.parse("out/report.xml").getroot()
    assert (broken.get("errors"), whole.get("errors"), whole.get("tests")) == ("1", "0", "1")


def test_junit_xml_is_xml_whatever_the_texts(test: Command, write: Write) -> None:
    write(WRONG)
    test("--junit", "report.xml")
    failure = ET.parse("report.xml").find(".//failure")
    assert failure is not None
    assert failure.get("message") == "reward: expected 1.0, got 0.0"
    assert "= (0.0 + 0.0) / 2" in (failure.text or "")


def test_equal_runs_give_equal_json(test: Command, write: Write) -> None:
    write(WRONG)
    assert test("--json").out == test("--json").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "there is no such file"),
        (["s.graders.yml"], "did you mean s.graders.yaml?"),
        (["empty"], "no suite is here"),
        (["-k", "nope"], "no test has 'nope' in its name"),
        (["-k", "a", "--min-coverage", "5"], "--min-coverage needs all tests"),
        (["--no-coverage", "--min-coverage", "5"], "--min-coverage needs all tests"),
        (["--junit", "grader.json/x.xml"], "grader.json/x.xml: cannot be written: File exists"),
    ],
)
def test_bad_usage_is_a_sentence_and_2(
    test: Command, write: Write, words: list[str], said: str
) -> None:
    write(RIGHT)
    Path("empty").mkdir()
    done = test(*words)
    assert done.code == 2
    assert said in done.err


def test_k_chooses_by_name(test: Command, write: Write) -> None:
    write(RIGHT.replace("]", ", {name: Other, item: {a: x}, sample: y, reward: 1}]"))
    assert test("-k", "RIGHT").code == 0
    assert [one["name"] for one in test("-k", "oth", "--json").json["suites"][0]["tests"]] == [
        "Other"
    ]


def test_too_little_coverage_fails(test: Command, write: Write) -> None:
    write(RIGHT)
    assert test("--min-coverage", "66").code == 0
    done = test("--min-coverage", "67")
    assert done.code == 1
    assert "less than 67% is covered" in done.out
    assert test("--min-coverage", "67", "--json").json["below_min_coverage"] == ["s.graders.yaml"]


def test_a_python_source_that_does_not_load_is_a_suite_not_run(test: Command, write: Write) -> None:
    write(
        'grader: {type: python, name: p, source: "def grade(sample, item) return 1"}\n'
        "cases: [{name: a, reward: 1}]\n"
    )
    done = test()
    assert done.code == 2
    assert "SyntaxError" in done.out


@pytest.mark.parametrize("name", ["judge", "partial-credit"])
def test_the_sample_suites_pass_offline_and_without_a_key(
    test: Command, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in [key for key in os.environ if key.startswith(("OPENAI", "AZURE", "GRADERS"))]:
        monkeypatch.delenv(key)
    folder = shutil.copytree(ROOT / "samples" / name, tmp_path / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = test(folder)
    assert (done.code, done.err) == (0, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_offline_judge_fails_what_was_not_recorded(test: Command, tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "samples/judge", tmp_path / "judge")
    suite = folder / "judge.graders.yaml"
    suite.write_text(suite.read_text().replace("It is Lyon.", "It is Nice."))
    done = test(folder)
    assert done.code == 1
    assert "model_grader_server_error in judge" in done.out
