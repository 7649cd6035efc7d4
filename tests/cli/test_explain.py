"""Codes explained: one, those that begin alike, all of them, and one that is none."""

from __future__ import annotations

import json

import pytest

from graders import cli


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli._main(["explain", *words]) == 0
    return capsys.readouterr().out


def test_a_code_has_its_reason_its_example_and_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "G502")
    assert text.startswith("G502 state-between-rows: lint rule")
    parts = [text.index(word) for word in ("what  ", "why   ", "cure  ", "example", "more: ")]
    assert parts == sorted(parts)
    found = json.loads(said(capsys, "G502", "--json"))
    assert found["code"] == "G502"


def test_the_beginning_of_codes_lists_them_and_nothing_lists_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = said(capsys, "G5")
    assert "G501" in text
    assert "G401" not in text
    few = [one["code"] for one in json.loads(said(capsys, "G5", "--json"))]
    every = [one["code"] for one in json.loads(said(capsys, "--json"))]
    assert few == [one for one in every if one.startswith("G5")]
    assert {"formula_parse_error", "G401", *few} < set(every)


def test_a_code_that_is_none_has_its_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._main(["explain", "formla_parse_error"]) == 2
    assert "did you mean formula_parse_error?" in capsys.readouterr().err
