"""Each recipe, written out as users get it, does what its page, its rows and its suite say, and bears attacks."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import cli
from graders.errors import OptionError
from graders.recipes import RECIPES, next_commands, recipe, write

JUDGES = tuple(one.name for one in RECIPES.values() if one.judged)
PLAIN = [name for name in RECIPES if name not in JUDGES]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(recipe(request.param), tmp_path / request.param)
    folder: Path = tmp_path / request.param
    return folder


def options(folder: Path) -> list[str]:
    if folder.name not in JUDGES:
        return []
    replies = str(folder / "replies.sqlite")
    return ["--base-url", "http://127.0.0.1:8000/v1", "--offline", "--cache-file", replies]


def run(folder: Path, command: str, *words: str) -> int:
    return cli._main([command, *words, *options(folder)])


every = pytest.mark.parametrize("folder", RECIPES, indirect=True)
plain = pytest.mark.parametrize("folder", PLAIN, indirect=True)
# A suite covers its recipe; two stand for the others, which `make test-more` runs.
suites = pytest.mark.parametrize(
    "folder",
    [
        name if name in {"start", "tool-call"} else pytest.param(name, marks=pytest.mark.more)
        for name in RECIPES
    ],
    indirect=True,
)


@pytest.mark.more
@every
def test_hosted_services_take_it_and_lint_has_nothing_to_say(folder: Path) -> None:
    grader, rows = str(folder / "grader.json"), str(folder / "rows.jsonl")
    # The models that grade are all going; the page says so, and how to name another.
    ignored = ("--ignore", "G406") if folder.name in JUDGES else ()
    for target in ("openai", "azure"):
        assert cli._main(["validate", grader, "--target", target, "--strict", *ignored]) == 0
    assert run(folder, "validate", grader, "--rows", rows, "--strict", *ignored) == 0


# Rows are graded alike whatever the recipe.
rows = pytest.mark.parametrize(
    "folder",
    [name if name == "code" else pytest.param(name, marks=pytest.mark.more) for name in RECIPES],
    indirect=True,
)


@pytest.mark.more
@every
def test_the_next_commands_are_typed_as_they_are_shown(folder: Path) -> None:
    commands = next_commands(recipe(folder.name), folder)
    assert len(commands) == 3
    for one in commands:
        assert cli._main(shlex.split(one.replace("\\\n", " "))[1:]) == 0, one


@suites
def test_its_suite_passes(folder: Path) -> None:
    assert cli._main(["test", str(folder)]) == 0


@rows
def test_its_rows_get_what_they_say(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) > 5
    out = folder / "results.jsonl"
    scored = run(folder, "score", str(folder / "grader.json"), str(folder / "rows.jsonl"), "-o", str(out))  # fmt: skip
    assert scored == 0
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["reward"] for one in results] == pytest.approx([row["expected"] for row in rows])


DECLARED = {"tool-call": {"item-text"}}
"""Attacks that get more than the honest answers, and the page says why."""


@pytest.mark.more
@plain
def test_only_what_its_page_says_gets_more_than_the_honest_answers(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (str(folder / "grader.json"), str(folder / "rows.jsonl"), "--fail-above", "honest")
    run(folder, "probe", *words, "--json")
    above = set(json.loads(capfd.readouterr().out)["above"])
    assert above == DECLARED.get(folder.name, set())
    page = (folder / "README.md").read_text()
    assert all(f"`{one}`" in page for one in above)


@every
def test_its_page_says_where_it_is_from_where_it_is_weak_and_what_next(folder: Path) -> None:
    page = (folder / "README.md").read_text()
    for part in ("**From.**", "**Where it is weak**", "**Next.**", "graders test ."):
        assert part in page
    assert {one.name for one in folder.iterdir()} - {"replies.sqlite"} == {
        "README.md", "grader.json", "rows.jsonl", f"{folder.name}.graders.yaml",
    }  # fmt: skip


ALLOWED = {"ast", "builtins", "cmath", "fractions", "json", "math", "re", "signal"}


@every
def test_its_sources_need_nothing_that_is_not_in_python(folder: Path) -> None:
    config = json.loads((folder / "grader.json").read_text())
    for one in [config, *config.get("graders", {}).values()]:
        source = one.get("source", "")
        assert len(source.encode()) < 256_000
        found = re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)
        assert set(found) <= ALLOWED


def rewards(name: str, tmp_path: Path, rows: list[tuple[dict[str, Any], Any]]) -> list[Any]:
    write(recipe(name), tmp_path / name)
    with graders.load(tmp_path / name / "grader.json", python_timeout=30) as grader:
        given = [{"item": item, "sample": sample} for item, sample in rows]
        return [one.reward for one in grader.grade_many(given)]


EQUAL = [
    (r"\frac{3}{4}", "0.75"), (r"\dfrac34", "3/4"), (r"75\%", "0.75"), ("75", r"75\%"), (r"1{,}234{,}567", "1234567"),
    (r"1\,000", "1,000"), (r"12\text{ km}", "12 kilometers"), ("90^\\circ", "90"), (r"\$3.50", "3.5"), (r"1\frac{1}{2}", "1.5"),
    (r"\{a, b\}", r"\{b, a\}"), (r"(-\infty, 0] \cup [1, \infty)", r"[1,\infty)\cup(-\infty,0]"), (r"x = \pm 3", "3, -3"),
    (r"\sqrt[3]{27}", "3"), (r"2\sqrt{2}", r"\sqrt{8}"), (r"\frac{x^2-1}{x-1}", "x+1"), ("(a+b)^2", "a^2+2ab+b^2"),
    (r"\binom{6}{2}", "15"), ("i^2", "-1"), (r"\sin^2 x", r"\sin^2 x"), (r"\left(\tfrac12, -1\right)", "(0.5, -1)"), ("2+3=5", "5=2+3"),
]  # fmt: skip
UNEQUAL = [
    ("75", "0.75"), (r"75\%", r"0.75\%"), ("5 km", "5 kg"), ("(1,2)", "(2,1)"), ("[1,2)", "(1,2)"), (r"\{1\}", r"\{1,2\}"), ("1, 2, 3", "2"),
    ("x", r"\sqrt{x^2}"), ("0.6667", r"\frac23"), ("3.14159", r"\pi"), ("1000000001", "1000000000"), ("", "0"), (r"\boxed{}", "0"),
    ("2 or 3 or 4", "3"), ("1 2", "12"), (r"9^{9^{9^9}}", "1"), ("((((1", "1"), ("1/0", "1/0"), ("all real numbers", "1"), ("-" * 3000 + "1", "-1"),
]  # fmt: skip


def test_mathematics_is_compared_by_what_it_is_worth(tmp_path: Path) -> None:
    rows = [({"answer": two}, f"\\boxed{{{one}}}") for one, two in [*EQUAL, *UNEQUAL]]
    found = rewards("math", tmp_path, rows)
    wanted = [1.0] * len(EQUAL) + [0.0] * len(UNEQUAL)
    assert dict(zip([*EQUAL, *UNEQUAL], found, strict=True)) == dict(
        zip([*EQUAL, *UNEQUAL], wanted, strict=True)
    )


HUGE = "x" * 1_000_000


@pytest.mark.more
@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("math", {"answer": "7"}),
        ("format", {"answer": "7"}),
        ("json-schema", {"schema": {"type": "array"}, "reference": [1]}),
        ("length", {"answer": "7"}),
        ("repetition", {"answer": "7"}),
        ("code", {"tests": ["assert f() == 7"]}),
    ],
)
def test_hostile_texts_get_next_to_nothing_and_never_fail_a_row(
    name: str, item: dict[str, Any], tmp_path: Path
) -> None:
    texts = [
        "", " \n\t", HUGE, "{" * 100_000, "[" * 100_000, "\\boxed{" * 50_000, "<answer>" * 50_000, "```" * 50_000,
        "\x00", "\ud7ff\u202e", "Answer: " + ", ".join(map(str, range(2000))), "(" * 5000 + "7" + ")" * 5000,
    ]  # fmt: skip
    found = rewards(name, tmp_path, [(item, text) for text in texts])
    assert [one for one in found if one is None or one > 0.3] == []


CHEATS = {
    "a bare except that eats its end": "def f():\n    while True:\n        try:\n            while True: pass\n        except: pass",
    "a finally without end": "def f():\n    try:\n        while True: pass\n    finally:\n        return 7",
    "prints for ever": "while True:\n    print('x' * 10000)",
    "exit": "exit()", "os._exit": "import os\nos._exit(0)", "by a module": "import random\nrandom._os._exit(0)",
    "by typing": "import typing\ntyping.sys.exit(0)", "by import from": "from random import _os\n_os._exit(0)",
    "raise SystemExit": "raise SystemExit", "KeyboardInterrupt": "raise KeyboardInterrupt",
    "equal to all": "class A(int):\n    def __eq__(self, o): return True\ndef f(): return A()",
    "subclass of str": "class S(str):\n    def __eq__(self, o): return True\n    def __hash__(self): return 1\ndef f(): return [S('a')]",
    "globals": "def f(): return f.__globals__['wanted']", "frames": "def f():\n    g = (x for x in [1])\n    return g.gi_frame.f_back",
    "format": "def f(): return '{0.__globals__}'.format(f)", "no end of recursion": "def f(): return f()", "memory": "def f(): return [0] * 10 ** 12",
    "deep source": "(" * 3000 + ")" * 3000, "reads a file": "def f(): return open('/etc/passwd').read()", "by eval": "def f(): return eval('7')",
}  # fmt: skip


@pytest.mark.more
def test_code_that_cheats_gets_nothing_and_is_no_failed_row(tmp_path: Path) -> None:
    item = {"tests": ["assert f() == 7"]}
    rows = [(item, f"```python\n{code}\n```") for code in CHEATS.values()]
    found = rewards("code", tmp_path, [*rows, (item, "```py\ndef f():\n    return 7\n```")])
    assert dict(zip(CHEATS, found, strict=False)) == dict.fromkeys(CHEATS, 0.0)
    assert found[-1] == 1.0


def test_nothing_is_written_over_unless_forced(tmp_path: Path) -> None:
    made = recipe("format")
    write(made, tmp_path)
    (tmp_path / "grader.json").write_text("mine")
    with pytest.raises(OptionError, match=r"is there already; choose another folder, or --force"):
        write(made, tmp_path)
    assert (tmp_path / "grader.json").read_text() == "mine"
    (tmp_path / "README.md").unlink()
    with pytest.raises(
        OptionError, match=r"grader.json is there already|graders.yaml is there already"
    ):
        write(made, tmp_path)
    assert not (tmp_path / "README.md").exists()
    write(made, tmp_path, force=True)
    assert (tmp_path / "grader.json").read_bytes() == made.files()["grader.json"]
    with pytest.raises(OptionError, match="cannot write"):
        write(made, tmp_path / "grader.json" / "below")
