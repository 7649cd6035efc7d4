"""Findings as SARIF and GitHub annotations; codes selected and ignored."""

from __future__ import annotations

import json
import re

import pytest

from graders.errors import OptionError
from graders.inspection.lint import RULES, Finding, check_codes, chosen, github, sarif


def finding(code: str = "G101", **more: object) -> Finding:
    fields = {
        "code": code, "name": "a-name", "severity": "error", "file": "dir/a b.json",
        "path": "$.x", "message": "says", "fix": "Do it.", "line": 3, "column": 5, **more,
    }  # fmt: skip
    return Finding(**fields)  # type: ignore[arg-type]


def test_an_annotation_is_one_escaped_line() -> None:
    text = github([finding(file="a:b,c.json", message="100 %\nmore\x1b[31m", severity="info")])
    assert text == (
        "::notice file=a%3Ab%2Cc.json,line=3,col=5,title=G101 a-name::"
        "$.x: 100 %25%0Amore\\u001b[31m. Do it.\n"
    )
    assert github([]) == ""


def test_an_annotation_without_a_line_names_the_file() -> None:
    assert github([finding(line=None, column=None)]).startswith("::error file=dir/a b.json,title=")


def test_a_sarif_log_has_every_rule_and_the_place_of_each_result() -> None:
    log = sarif([finding(), finding("G405", severity="info", line=None, column=None)], RULES)
    assert json.loads(json.dumps(log)) == log
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES]
    first, second = run["results"]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "G101"
    assert (first["level"], second["level"]) == ("error", "note")
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "dir/a%20b.json"
    assert physical["region"] == {"startLine": 3, "startColumn": 5}
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert first["partialFingerprints"] != second["partialFingerprints"]
    assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]*", rule["name"]) for rule in rules)


@pytest.mark.parametrize(
    ("select", "ignore", "left"),
    [
        ([], [], ["G101", "G405", "G501"]),
        (["G4"], [], ["G405"]),
        ([], ["G4", "G501"], ["G101"]),
        (["G405"], ["G4"], ["G405"]),
        (["G"], ["G1"], ["G405", "G501"]),
        (["G101"], ["G101"], []),
    ],
)
def test_the_longer_of_two_prefixes_counts(
    select: list[str], ignore: list[str], left: list[str]
) -> None:
    found = [finding(code) for code in ("G101", "G405", "G501")]
    assert [one.code for one in chosen(found, select, ignore)] == left


def test_an_unknown_code_is_refused() -> None:
    check_codes(["G1", "G405"])
    with pytest.raises(OptionError, match="no rule has the code 'G999'"):
        check_codes(["G999"])
