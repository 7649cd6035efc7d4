"""Metrics of other packages: what is wrong with one is a sentence, at load or in the row it fails."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import cli
from graders.errors import ExtensionError, OptionError
from graders.extension import installed, quiet
from graders.metrics import METRICS, Metric, Request, Scorer, signature
from tests.extension.conftest import Extend
from tests.waiting import PATIENCE

GOOD = """
from graders.metrics import Metric

def share(candidates, references):
    return [{score} for one, other in zip(candidates, references, strict=True)]

SHARE = Metric.of(share, name="share", version="3"{more})
"""
CONFIG: dict[str, Any] = {
    "type": "text_similarity", "name": "near", "input": "{{ sample.output_text }}",
    "reference": "b", "evaluation_metric": "share",
}  # fmt: skip
HEAD = "the extension acme-graders 1.2 is broken: its entry point share = {} in graders.metrics "


def add(
    extend: Extend, code: str = "", value: str = "acme_share:SHARE", name: str = "share"
) -> None:
    extend({"metrics": {name: value}}, {"acme_share": code})


def good(score: str = "float(one == other)", more: str = "") -> str:
    return GOOD.format(score=score, more=more)


def fault_of(metric: str = "share") -> str:
    with pytest.raises(graders.ConfigError) as caught:
        graders.load({**CONFIG, "evaluation_metric": metric})
    (found,) = caught.value.faults
    assert found.path == "$.evaluation_metric"
    return found.message


def test_it_scores_beside_ours_and_signs(extend: Extend) -> None:
    add(extend, good())
    body = {
        "type": "multi", "name": "m", "calculate_output": "a + b",
        "graders": {"a": CONFIG, "b": {**CONFIG, "evaluation_metric": "bleu", "name": "bleu"}},
    }  # fmt: skip
    grader = graders.load(body)
    assert [one.reward for one in grader.grade_many([{"sample": "b"}, {"sample": "c"}])] == [
        2.0,
        0.0,
    ]
    assert grader.signatures["a"].startswith("share|version:3|package:acme-graders@1.2|graders:")
    assert graders.load(graders.dump(grader.config)).config == grader.config
    assert Scorer().score([Request("share", ["b"], ["b"])]) == [[1.0]]
    assert signature("share").startswith("share|version:3|")


@pytest.mark.parametrize(
    ("code", "value", "problem"),
    [
        ("", "acme_share:SHARE", "names nothing: acme_share has no SHARE; a graders.metrics.Metric"),
        ("SHARED = 1", "acme_share:SHARE", "names nothing: acme_share has no SHARE; did you mean SHARED?"),
        ("", "acme_nowhere:SHARE", "failed when it was imported (ModuleNotFoundError"),
        ("import acme_gone", "acme_share:SHARE", "failed when it was imported (ModuleNotFoundError"),
        ("raise SystemExit(3)", "acme_share:SHARE", "failed when it was imported (SystemExit: 3)"),
        ("1 +", "acme_share:SHARE", "failed when it was imported (SyntaxError"),
        ("raise KeyError", "acme_share:SHARE", "failed when it was imported (KeyError)"),
        ("SHARE = 3", "acme_share:SHARE", "is 3; a graders.metrics.Metric"),
        (good(), "acme_share:share", "is the function share; a graders.metrics.Metric"),
        (good(), "acme_share:Metric", "is the class Metric itself; a graders.metrics.Metric"),
        (good(), "acme_share", "names nothing: module:object is needed"),
        (good(), "", "names nothing: module:object is needed"),
        (good(), "acme share:SHARE", "names nothing: module:object is needed"),
        (good().replace('"share"', '"other"'), "acme_share:SHARE", 'gives a metric of the name "other"'),
        (good(more=", low=2"), "acme_share:SHARE", "finite scores, low < high: 2 to 1.0"),
        (
            good().replace("def share(candidates, references):", "def share(candidates):"),
            "acme_share:SHARE", "the metric share needs a function of (candidates, references)",
        ),
        (
            ("from graders.metrics import Metric\n"
            "SHARE = Metric(name='share', family=None, parts=None, low='a')"),
            "acme_share:SHARE", 'has scores from "a" to 1.0; two finite numbers are needed',
        ),
        (
            good().replace("def share", "async def share"),
            "acme_share:SHARE", "the metric share needs a function of (candidates, references)",
        ),
        (good().replace('"3"', "3"), "acme_share:SHARE", 'the metric share needs a version, a text such as "1"'),
        (good().replace('"3"', '"a|b"'), "acme_share:SHARE", 'has "a|b" in parts(), which no signature can hold'),
        (
            "from graders.metrics import Metric as M; SHARE = M(name='share', family=None, parts=lambda _: 3)",
            "acme_share:SHARE", "failed in parts() (TypeError",
        ),
        (
            ("from graders.metrics import Metric\n"
            "class Odd(Metric):\n    def __getattribute__(self, name):\n        raise ValueError(name)\n"
            "SHARE = object.__new__(Odd)"),
            "acme_share:SHARE", "failed when it was looked at (ValueError",
        ),
    ],
)  # fmt: skip
def test_a_broken_one_is_one_sentence_at_its_place(
    extend: Extend, code: str, value: str, problem: str
) -> None:
    add(extend, code, value)
    said = fault_of()
    assert said.startswith(HEAD.format(value).replace("share =  in", "share in"))
    assert problem in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("score", "problem"),
    [
        ("float('nan')", "gave nan for this row; a finite number is needed"),
        ("float('inf')", "gave inf for this row; a finite number is needed"),
        ("None", "gave null for this row; a finite number is needed"),
        ("'0.5'", 'gave "0.5" for this row; a finite number is needed'),
        ("True", "gave true for this row; a finite number is needed"),
        ("[1.0]", "gave a list for this row; a finite number is needed"),
        ("1.5", "gave 1.5 for this row, outside its range of 0 to 1"),
        ("-0.5", "gave -0.5 for this row, outside its range of 0 to 1"),
        ("1 / 0", "failed in score() (ZeroDivisionError: division by zero)"),
        ("exit(4)", "failed in score() (SystemExit: 4)"),
    ],
)
def test_a_row_without_a_score_fails_and_no_other(extend: Extend, score: str, problem: str) -> None:
    add(extend, good(f"{score} if one == 'bad' else 0.5"))
    grades = list(graders.load(CONFIG).grade_many([{"sample": one} for one in ("a", "bad", "c")]))
    assert [one.reward for one in grades] == [0.5, None, 0.5]
    (failure,) = grades[1].failures
    assert failure.code == "other_error"
    assert failure.message == HEAD.format("acme_share:SHARE") + problem
    with pytest.raises(ExtensionError):
        Scorer().score([Request("share", ["bad"], ["b"])])


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("[0.5]", "gave 1 scores for 3 rows; one a row is needed"),
        ("[0.5] * 9", "gave more than 3 scores for 3 rows; one a row is needed"),
        ("iter(lambda: 0.5, 1)", "gave more than 3 scores for 3 rows; one a row is needed"),
        ("None", "gave no column of scores; a list of a score a row is needed"),
        ("0.5", "gave no column of scores; a list of a score a row is needed"),
        ("'0.5'", "gave no column of scores; a list of a score a row is needed"),
        ("{0: 0.5, 1: 0.5, 2: 0.5}", "gave no column of scores; a list of a score a row is needed"),
    ],
)
def test_another_number_of_scores_fails_every_row(
    extend: Extend, result: str, problem: str
) -> None:
    code = f"from graders.metrics import Metric\nSHARE = Metric.of(lambda a, b: {result}, name='share', version='1')"
    add(extend, code)
    grades = list(graders.load(CONFIG).grade_many([{"sample": one} for one in "abc"]))
    assert [one.reward for one in grades] == [None] * 3
    assert all(problem in one.failures[0].message for one in grades)


def test_numbers_of_other_types_and_lazy_columns_will_do(extend: Extend) -> None:
    add(
        extend,
        "import numpy\nfrom graders.metrics import Metric\n"
        "SHARE = Metric.of(lambda a, b: numpy.ones(len(a), 'float32') / 2, name='share', version='1')",
    )
    assert graders.load(CONFIG)({}, "x") == 0.5


def test_what_it_prints_is_no_result(extend: Extend, capsys: pytest.CaptureFixture[str]) -> None:
    add(extend, "print('loaded')\n" + good("print('scoring') or 0.5"))
    assert graders.load(CONFIG)({}, "x") == 0.5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "loaded\nscoring\n"


def test_standard_output_comes_back_from_several_threads() -> None:
    inside, before = threading.Barrier(2), sys.stdout

    def work() -> None:
        with quiet():
            inside.wait(PATIENCE)
            assert sys.stdout is sys.stderr

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sys.stdout is before


def test_columns_that_it_changes_are_its_own(extend: Extend) -> None:
    add(extend, good().replace("    return", "    candidates.clear()\n    return"))
    assert "AttributeError" in graders.load(CONFIG).grade({}, "x").failures[0].message


@pytest.mark.parametrize("name", ["a b", "1st", "share-2"])
def test_a_name_that_is_no_identifier_is_refused(extend: Extend, name: str) -> None:
    add(extend, good().replace('"share"', f'"{name}"'), name=name)
    assert "has a name that is no identifier; write one such as word_overlap" in fault_of(name)


def test_two_of_one_name_are_refused(extend: Extend) -> None:
    add(extend, good())
    extend({"metrics": {"share": "acme_share:SHARE"}}, {}, package="other-graders", version="7")
    assert fault_of() == (
        "two extensions have share in graders.metrics: acme-graders 1.2 and other-graders 7; "
        "uninstall one, or ask its author for another name"
    )


def test_ours_stay_ours(extend: Extend) -> None:
    add(extend, good().replace('"share"', '"bleu"'), name="bleu")
    grader = graders.load({**CONFIG, "evaluation_metric": "bleu"})
    assert grader.signatures == {"near": METRICS["bleu"].name + signature("bleu")[4:]}
    assert installed.cache_info().misses == 0, "nobody looked"


def test_a_package_that_stands_twice_on_the_path_is_one(extend: Extend) -> None:
    add(extend, good())
    add(extend, good("0.25"))
    assert graders.load(CONFIG)({}, "b") == 0.25


def test_a_file_of_entry_points_that_is_none_hides_nobody(extend: Extend) -> None:
    add(extend, good())
    extend({"metrics": {"": "", "[x": "", "= y": "z"}}, {}, package="odd-graders")
    assert graders.load(CONFIG)({}, "b") == 1.0


def test_extras_are_an_installers(extend: Extend) -> None:
    add(extend, good(), value="acme_share:SHARE [more]")
    assert graders.load(CONFIG)({}, "b") == 1.0


def test_the_nearest_name_is_known(extend: Extend) -> None:
    add(extend, good())
    assert "did you mean share?" in fault_of("shares")
    with pytest.raises(OptionError, match=r"there are fuzzy_match, .*, share"):
        signature("shar")


def test_a_metric_is_what_ours_are() -> None:
    assert all(type(one) is Metric for one in METRICS.values())
    with pytest.raises(OptionError, match="2 candidates but 1 references"):
        METRICS["bleu"].scores(["a", "b"], ["c"])


def test_hosted_services_have_none_of_them(
    extend: Extend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(extend, good())
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(CONFIG))
    words = ["validate", str(grader), "--select", "G002", "--format", "json", "--target"]
    assert cli._main([*words, "local"]) == 0
    capsys.readouterr()
    assert cli._main([*words, "openai"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["path"] == "$.evaluation_metric"
    assert "the grader has share of the extension acme-graders 1.2" in found["message"]


@pytest.mark.parametrize("before", [None, "1"])
def test_a_command_without_extensions_leaves_the_switch_as_it_was(
    extend: Extend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, before: str | None
) -> None:
    add(extend, good())
    if before is not None:
        monkeypatch.setenv("GRADERS_EXTENSIONS", before)
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(CONFIG))
    assert cli._main(["--no-extensions", "validate", str(grader)]) == 2
    assert "extensions are off" in capsys.readouterr().err
    assert os.environ.get("GRADERS_EXTENSIONS") == before
    assert cli._main(["validate", str(grader)]) == 0
    assert cli._main(["validate", "--no-extensions", str(grader)]) == 2
    assert "It stands before the command: graders --no-extensions" in capsys.readouterr().err
