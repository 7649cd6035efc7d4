"""The pytest plugin, run as users run it: in a process of its own where that is the subject."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from graders import pytest_plugin, suite
from tests.suite.conftest import GRADER

pytest_plugins = ["pytester"]

SUITE = """
grader: grader.json
defaults: {item: {a: abcd}}
cases:
  - {name: right, sample: abcd, reward: 1}
  - {name: wrong, sample: abce, reward: 1}   # a comment
orderings:
  - {order: [right, wrong]}
invariances:
  - {name: case, of: right, changes: upper_case}
"""


@pytest.fixture
def project(pytester: pytest.Pytester, grader_file: Path) -> pytest.Pytester:
    shutil.copy(grader_file, pytester.path / "grader.json")
    pytester.path.joinpath("s.graders.yaml").write_text(SUITE)
    return pytester


def run(project: pytest.Pytester, *words: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *words)


Here = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Loads all that a suite needs: pytester forgets what is loaded as long as it is there."""
    folder = tmp_path_factory.mktemp("loaded")
    (folder / "grader.json").write_text(GRADER)
    (folder / "s.graders.yaml").write_text(SUITE)
    with suite.Bench(suite.load_suite(folder / "s.graders.yaml")) as bench:
        for test in bench.suite.tests:
            bench.run(test)


@pytest.fixture
def here(loaded: None, project: pytest.Pytester) -> Here:
    """Runs pytest in this process."""

    def call(*words: str) -> pytest.RunResult:
        return project.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *words)

    return call


def test_a_suite_gives_one_test_for_each_case_ordering_and_invariance(here: Here) -> None:
    done = here("-v")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines([
        "s.graders.yaml::right PASSED*",
        "s.graders.yaml::wrong FAILED*",
        "s.graders.yaml::right > wrong PASSED*",
        "s.graders.yaml::case FAILED*",
    ])  # fmt: skip


def test_a_failure_is_an_explanation_and_no_traceback(here: Here) -> None:
    done = here("-k", "wrong and not right")
    done.stdout.fnmatch_lines([
        "reward: expected 1.0, got 0.375",
        "  (exact + near) / 2",
        "= (0.0 + 0.75) / 2",
        "near        text_similarity  0.75",
        "near.reference   abcd",
    ])  # fmt: skip
    assert "Traceback" not in done.stdout.str()
    assert "pytest_plugin.py" not in done.stdout.str()


@pytest.mark.parametrize(
    "processes",
    [pytest.param("1", marks=pytest.mark.more), pytest.param("2", marks=pytest.mark.slow)],
)
def test_it_works_with_xdist(here: Here, processes: str) -> None:
    here("-n", processes).assert_outcomes(passed=2, failed=2)


def test_junit_xml_has_each_test(project: pytest.Pytester, here: Here) -> None:
    here("--junitxml=out.xml")
    cases = ET.parse(project.path / "out.xml").iter("testcase")
    failed = {case.get("name"): case.find("failure") is not None for case in cases}
    assert failed == {"right": False, "wrong": True, "right > wrong": False, "case": True}


def test_a_faulty_suite_is_an_error_of_collection_with_its_sentences(
    project: pytest.Pytester, here: Here
) -> None:
    project.path.joinpath("s.graders.yaml").write_text("grader: grader.json\ncase: []\n")
    done = here()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(['*$.case (line 2): unknown key "case"; did you mean cases?'])
    assert "Traceback" not in done.stdout.str()


def test_updating_rewrites_and_passes_what_it_rewrote(project: pytest.Pytester, here: Here) -> None:
    done = here("--graders-update")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["graders: *s.graders.yaml: rewrote what is expected of: wrong"])
    text = project.path.joinpath("s.graders.yaml").read_text()
    assert text == SUITE.replace("abce, reward: 1}", "abce, reward: 0.375}")


def test_updating_what_cannot_be_written_fails(project: pytest.Pytester, here: Here) -> None:
    text = "grader: grader.json\ncases:\n  - &c {name: a, item: {a: x}, sample: x, reward: 0.5}\n"
    text += "  - {<<: *c, name: b, sample: x}\n"
    project.path.joinpath("s.graders.yaml").write_text(text)
    done = here("--graders-update")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*nothing was written*"])
    assert project.path.joinpath("s.graders.yaml").read_text() == text


def test_updating_from_several_processes_is_refused(here: Here) -> None:
    done = here("--graders-update", "-n", "2")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*run it without -n"])


def test_the_fixtures_load_graders_beside_the_test(project: pytest.Pytester, here: Here) -> None:
    project.makepyfile("""
        import pytest
        from graders import assert_reward

        @pytest.mark.grader("grader.json")
        def test_marked(grader):
            assert_reward(grader, 1.0, item={"a": "x"}, sample="x", sub_rewards={"near": ">= 1"})

        def test_loaded_once(load_grader):
            assert load_grader("grader.json") is load_grader("grader.json")
            assert load_grader("grader.json", dialect="jinja2") is not load_grader("grader.json")

        def test_unmarked(grader):
            pass

        @pytest.mark.grader("grader.json")
        def test_explains(grader):
            assert_reward(grader, {"about": 0.9, "within": 0.05}, item={"a": "xy"}, sample="xz")
        """)
    done = here("--strict-markers", "test_the_fixtures_load_graders_beside_the_test.py")
    done.assert_outcomes(passed=2, failed=1, errors=1)
    done.stdout.fnmatch_lines([
        '*the fixture grader needs @pytest.mark.grader("grader.json")*',
        "E*AssertionError: reward: expected 0.9 ± 0.05, got 0.25",
        "E*= (0.0 + 0.5) / 2",
    ])  # fmt: skip


@pytest.mark.more
def test_a_project_without_suites_sees_nothing_of_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_nothing_is_loaded():
            heavy = [n for n in sys.modules if n.startswith("graders.")]
            assert heavy == ["graders.pytest_plugin"]
            assert "pydantic" not in sys.modules and "numpy" not in sys.modules
        """)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    done.assert_outcomes(passed=1)
    assert "graders:" not in done.stdout.str()


def test_the_ini_file_names_sandbox_and_interpreter(pytester: pytest.Pytester, here: Here) -> None:
    pytester.makefile(
        ".graders.yaml",
        s='grader: {type: python, name: p, source: "def grade(s, i): return 1"}\n'
        "cases: [{name: c, sample: x, reward: 1}]\n",
    )
    pytester.makeini("[pytest]\ngraders_sandbox = nope")
    done = here()
    done.stdout.fnmatch_lines(["graders_sandbox is one of strong, standard*, got nope"])
    pytester.makeini(f"[pytest]\ngraders_python = {sys.executable}")
    here().assert_outcomes(passed=1)


def test_the_plugin_can_be_left_out(here: Here) -> None:
    here("-p", "no:graders").assert_outcomes()


def test_loading_the_plugin_loads_nothing_else() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import graders.pytest_plugin; "
        "print(sorted(n for n in set(sys.modules) - before if '.' not in n or 'graders' in n))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['graders', 'graders.pytest_plugin']"


def test_the_plugin_knows_the_endings_of_suites() -> None:
    assert pytest_plugin.ENDINGS == suite.ENDINGS


def test_what_a_source_may_hide_is_said_once_at_the_end(project: pytest.Pytester) -> None:
    hidden = "def grade(sample, item):\n    try:\n        import nowhere_here\n    except ImportError:\n        return 0\n"
    grader = {"type": "python", "name": "p", "source": hidden}
    (project.path / "grader.json").write_text(json.dumps(grader))
    cases = "cases: [{name: a, sample: x, reward: 0}, {name: b, sample: y, reward: 0}]\n"
    (project.path / "s.graders.yaml").write_text(f"grader: grader.json\n{cases}")
    project.makepyfile(
        "import pytest\n@pytest.mark.grader('grader.json')\ndef test_it(grader):\n    assert grader() == 0\n"
    )
    done = run(project)
    done.assert_outcomes(passed=3)
    said = [line for line in done.outlines if "nowhere_here is not installed" in line]
    assert len(said) == 2
    assert any("s.graders.yaml: source line 3" in line for line in said)
