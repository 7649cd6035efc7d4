"""`graders new`: lists recipes, writes one, and says what to type next."""

from __future__ import annotations

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
    assert err == "next: graders test format\n"
    assert out.splitlines() == sorted(str(one) for one in Path("format").iterdir())
    assert cli._main(["new", "format"]) == 2
    assert "is there already" in capfd.readouterr().err
    assert cli._main(["new", "format", "--force"]) == 0
    assert cli._main(["new", "format", "-o", "a b/c"]) == 0
    assert "next: graders test 'a b/c'" in capfd.readouterr().err


def test_what_is_wrong_is_said_in_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli._main(["new", "mth"]) == 2
    assert capfd.readouterr().err == 'graders: there is no recipe "mth"; did you mean math?\n'
    assert cli._main(["new", "--force"]) == 2
    assert "Name a recipe; graders new lists them." in capfd.readouterr().err
