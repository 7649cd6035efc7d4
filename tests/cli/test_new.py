"""`graders new` lists recipes and writes one; `graders init` writes one here; both say what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from graders import cli
from graders.recipes import RECIPES


def test_without_a_name_recipes_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli._main(["new"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line) <= 80 for line in lines)


def test_a_recipe_goes_into_a_folder_of_its_name_or_of_yours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli._main(["new", "format"]) == 0
    out, err = capfd.readouterr()
    assert err == (
        "next:\n  graders validate format/grader.json --rows format/rows.jsonl\n"
        "  graders test format\n"
        "  graders score format/grader.json format/rows.jsonl -o format/results.jsonl\n"
    )
    assert out.splitlines() == sorted(str(one) for one in Path("format").iterdir())
    assert cli._main(["new", "format"]) == 2
    assert "is there already" in capfd.readouterr().err
    assert cli._main(["new", "format", "--force"]) == 0
    assert cli._main(["new", "format", "-o", "a b/c"]) == 0
    assert "  graders test 'a b/c'\n" in capfd.readouterr().err


def test_what_is_wrong_is_said_in_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli._main(["new", "mth"]) == 2
    assert capfd.readouterr().err == 'graders: there is no recipe "mth"; did you mean math?\n'
    assert cli._main(["new", "--force"]) == 2
    assert "Name a recipe; graders new lists them." in capfd.readouterr().err


def test_init_writes_a_grader_rows_and_a_suite_here_and_never_over_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("mine")
    assert cli._main(["init"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["grader.json", "rows.jsonl", "start.graders.yaml"]
    commands = [shlex.split(line) for line in err.splitlines()[1:]]
    assert [words[1] for words in commands] == ["validate", "test", "score"]
    for words in commands:
        assert cli._main(words[1:]) == 0
    assert Path("README.md").read_text() == "mine"
    Path("grader.json").write_text("mine")
    assert cli._main(["init"]) == 2
    assert "grader.json is there already; choose another folder" in capfd.readouterr().err
    assert Path("grader.json").read_text() == "mine"
    assert cli._main(["init", "--force"]) == 0
    assert Path("grader.json").read_text() != "mine"


@pytest.mark.parametrize("name", RECIPES)
def test_init_takes_each_recipe_by_either_name_of_the_option(name: str, tmp_path: Path) -> None:
    for option in ("--recipe", "--kind"):
        assert cli._main(["init", str(tmp_path / option / "a b"), option, name]) == 0
        assert (tmp_path / option / "a b" / f"{name}.graders.yaml").is_file()


def test_init_says_what_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli._main(["init", str(tmp_path / "file" / "in")]) == 2
    assert "cannot write" in capfd.readouterr().err
    assert cli._main(["init", str(tmp_path / "x"), "--kind", "strat"]) == 2
    assert 'there is no recipe "strat"; did you mean start?' in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
