"""Every code that is printed is explained, and each example really gives its code."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import graders
from graders import cli
from graders.calls import ChatError, ChatReply, EndpointReply, PythonError, PythonReply
from graders.config import load
from graders.errors import ConfigError, OptionError
from graders.grading.runner import Runner
from graders.hosted import CODES, FLAGS
from graders.inspection.lint import RULES
from graders.inspection.lint.finding import Example
from graders.inspection.meaning import Meaning, beginning_with, every, meaning_of
from graders.inspection.probe import ATTACKS
from graders.plan import build
from graders.rows import Block, Layout, decode_block
from tests.inspection.lint.conftest import Run, quick, run  # noqa: F401  (fixtures)

ROOT = Path(__file__).parents[2]
SOURCE = {path: path.read_text() for path in (ROOT / "graders").rglob("*.py") if "meaning" not in path.parts}  # fmt: skip
NEVER = {"unresponsive_reward_error", "endpoint_grader_safety_check_error"}
"""What no version of ours gives."""


def of(sort: str) -> list[Any]:
    return [pytest.param(one, id=one.code) for one in every().values() if one.sort == sort]


def found(pattern: str, *folders: str) -> set[str]:
    return {
        name for path, text in SOURCE.items() if path.parts[-2] in folders
        for name in re.findall(pattern, text)
    }  # fmt: skip


def codes_of(page: str, heading: str) -> set[str]:
    """Return what stands in the first column of the table below a heading."""
    text = (ROOT / "docs" / "reference" / page).read_text().partition(heading)[2].lstrip("\n")
    table = text[text.index("|") :].partition("\n\n")[0]
    return {name for line in table.splitlines()[1:] for name in re.findall(r"`?(\w+)`?", line.split("|")[1])}  # fmt: skip


def test_every_code_and_name_has_a_meaning() -> None:
    known = every()
    assert known.keys() >= set(CODES) | {"config_error", "template_parse_error", "rollout_error"}
    assert known.keys() >= {rule.code for rule in RULES}
    assert known.keys() >= {attack.name for attack in ATTACKS}
    assert known.keys() >= {name for name in codes_of("command.md", "`NO_COLOR` set.") if name.isdigit()}  # fmt: skip
    assert known.keys() >= {*FLAGS, *found(r'"code": "([a-z_]+)"', "evals", "jobs")} - {"error"}
    assert known.keys() >= codes_of("result.md", "## Failure codes") - {"code"}
    assert known.keys() >= codes_of("job.md", "## States") - {"error", "code"}
    reasons = found(r'(?:Reason|_nothing)\(\s*"(\w+)"', "jobs")
    assert "constant_reward" in reasons
    assert known.keys() >= reasons
    refused = found(r'RefusedError\(\s*"(\w+)"', "jobs")
    assert "missing_validation_file" in refused
    assert known.keys() >= refused
    served = found(r'\bcode="([a-z_]+)"', "server", "route", "jobs", "files", "evals", "wire")
    assert {"unknown_url", "job_is_run"} <= served
    assert known.keys() >= served


@pytest.mark.parametrize("one", [pytest.param(one, id=one.code) for one in every().values()])
def test_a_meaning_says_what_and_the_cure_and_where_there_is_more(one: Meaning) -> None:
    assert one.what.endswith((".", "*")), one.what
    assert one.cure
    assert (ROOT / one.page).is_file()
    assert one.case != type(one.case)(), "an example"
    assert meaning_of(one.code) is one
    json.dumps(one.to_dict())


@pytest.mark.parametrize("one", of("lint rule"))
def test_the_example_of_a_rule_fires(one: Meaning, run: Run) -> None:  # noqa: F811
    example: Example = next(rule.example for rule in RULES if rule.code == one.code)
    assert one.case.grader is example.grader
    assert one.code in {finding.code for finding in run(example)}


_ROUND = {
    "model_grader_server_error": ChatError("server", "the server answered 503"),
    "model_grader_refusal_error": ChatError("refused", "the judge refused"),
    "model_grader_exceeded_max_tokens_error": ChatError("length", "the reply was cut off"),
    "endpoint_grader_server_error": ChatError("server", "the endpoint answered 500"),
}


class ByHand:
    """Answers as the example says."""

    signature = ""

    def __init__(self, one: Meaning) -> None:
        self.one = one

    def check(self, source: str, image_tag: str | None = None) -> None:
        return None

    def perform(self, call: Any) -> list[Any]:
        error = _ROUND.get(self.one.code)
        if hasattr(call, "messages"):
            text = self.one.case.reply if error is None else ""
            return [ChatReply(text, error) for _ in call.messages]
        if hasattr(call, "url"):
            return [EndpointReply(None, error) for _ in call.samples]
        said = PythonError("worker_start", "no process can be started")
        return [PythonReply(None, said) for _ in call.samples]


_BY_HAND = {*_ROUND, "model_grader_parse_error", "python_grader_server_error"}
_ELSEWHERE = {
    "exported": '"exported"', "exported_unfinished": '"exported_unfinished"',
    # The worker ends: tests/batch; a model that answers prompts: tests/jobs/test_run.py.
    "other_error": 'Failure("other_error"', "rollout_error": '"rollout_error"',
    "truncated_observation_error": '"truncated_observation_error"',
}  # fmt: skip


@pytest.mark.parametrize("one", of("failure of a row"))
def test_the_example_of_a_failure_fails_so(one: Meaning, tmp_path: Path) -> None:
    if one.code in NEVER:
        assert not any(f'Failure("{one.code}"' in text for text in SOURCE.values())
        return
    if one.code in _ELSEWHERE:
        assert any(_ELSEWHERE[one.code] in text for text in SOURCE.values())
        return
    row = one.case.row.replace("a text of more than 1 MB", "x" * 1_100_000)
    row = row.replace("another text of 2 MB", "y" * 2_000_000).replace(
        "a text of 2 MB", "x" * 2_000_000
    )
    hand: Any = ByHand(one)
    if one.code == "endpoint_grader_server_error":
        runner = Runner(build(load(one.case.grader)), {"endpoint": hand})
        graded = runner.grade(decode_block(Block(row.encode() + b"\n"), Layout()))
        assert [failure.code for failure in graded.grade(0).failures] == [one.code]
        return
    given: Any = {"python": hand, "judge": hand} if one.code in _BY_HAND else {"allow_endpoint": {"example.com": ()}}  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(row + "\n")
    with graders.load(one.case.grader, **given) as grader:
        graders.score_file(grader, tmp_path / "rows.jsonl", tmp_path / "out.jsonl", workers=0)
    result = json.loads((tmp_path / "out.jsonl").read_text())
    assert [failure["code"] for failure in result["failures"]] == [one.code]


@pytest.mark.parametrize("one", of("fault of a config"))
def test_the_example_of_a_fault_is_one(one: Meaning) -> None:
    with pytest.raises(ConfigError) as caught:
        graders.load(one.case.grader)
    assert [fault.code for fault in caught.value.faults] == [one.code]


Command = Callable[[str], int]


def put_body(case: Any) -> None:
    """Write the body of a job, and its validation file."""
    body: dict[str, Any] = {"model": "o4-mini-2025-04-16", "training_file": "rows.jsonl"}
    if case.validation:
        Path("valid.jsonl").write_text("\n".join(map(json.dumps, case.validation)) + "\n")
        body["validation_file"] = "valid.jsonl"
    if case.grader is not None:
        body["method"] = {"type": "reinforcement", "reinforcement": {"grader": case.grader}}
    Path("body.json").write_text(json.dumps(deep(body, case.body)))


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Meaning], Command]:
    """Type the words of an example in a folder that holds it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADERS_DATA_DIR", str(tmp_path / "kept"))
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def put(one: Meaning) -> Command:
        case = one.case
        lines = case.row or "\n".join(map(json.dumps, case.rows or ()))
        Path("grader.json").write_text(json.dumps(case.grader))
        Path("rows.jsonl").write_text(lines + "\n")
        if case.validation is not None:
            put_body(case)
        return lambda more: cli._main([*shlex.split(case.words)[1:], *shlex.split(more)])

    return put


@pytest.mark.parametrize("one", of("exit code"))
def test_the_example_of_an_exit_code_exits_so(
    one: Meaning, typed: Callable[[Meaning], Command]
) -> None:
    if one.code == "130":  # tests/cli/test_main.py interrupts one.
        assert "Ctrl-C" in one.case.note
        return
    assert str(typed(one)("")) == one.code


@pytest.mark.parametrize("one", of("attack of probe"))
def test_the_example_of_an_attack_is_attacked(
    one: Meaning, typed: Callable[[Meaning], Command], capfd: pytest.CaptureFixture[str]
) -> None:
    assert typed(one)("--json") == 0
    attacks = json.loads(capfd.readouterr().out)["attacks"]
    assert [attack["attack"] for attack in attacks if attack["rows"]] == [one.code]


def deep(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        both[key] = deep(both.get(key, {}), value) if isinstance(value, dict) else value
    return both


_JOB_ELSEWHERE = {
    "file_changed",
    "process_lost",
    "internal_error",
    "rollout_failed",
    "failed_rollouts",
    "grader_unanswered",
    *codes_of(
        "job.md", "has what TRL logs besides. The result file is `step_metrics.csv`, a line a step."
    ),
    "judge_off",
    "no_new_jobs",
}
"""What needs a server or a machine that fails: tests/jobs has each."""


@pytest.mark.parametrize("one", [*of("end of a job"), *of("reason in a job's verdict")])
def test_the_example_of_a_job_ends_so(
    one: Meaning, typed: Callable[[Meaning], Command], capfd: pytest.CaptureFixture[str]
) -> None:
    if one.code in _JOB_ELSEWHERE:
        assert one.case.note
        text = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))  # fmt: skip
        assert one.code in text
        return
    typed(one)
    cli._main([*(shlex.split(one.case.words)[1:] or ["job", "run", "body.json"]), "--json"])
    job = json.loads(capfd.readouterr().out)
    verdict = job["dry_run"]["verdict"] or {"reasons": []}
    said = {reason["code"] for reason in verdict["reasons"]} | {(job["error"] or {}).get("code")}
    assert one.code in said, job


def test_a_code_is_found_however_it_was_copied() -> None:
    assert meaning_of(" `Invalid_Variable_Error`: ").code == "invalid_variable_error"
    assert meaning_of("g205").code == meaning_of("undelimited-reference").code == "G205"
    assert (
        meaning_of("exit code 2").code == meaning_of("exit-2").code == meaning_of("2").code == "2"
    )
    assert {one.code[:2] for one in beginning_with("g4")} == {"G4"}
    assert beginning_with("") == beginning_with("Gx") == beginning_with("G205") == []


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("invalid_varable_error", "invalid_variable_error"), ("G2005", "G205"), ("look-alike", "look-alikes"),
     ("constant_rewards", "constant_reward"), ("unknown-ur", "unknown_url")],
)  # fmt: skip
def test_the_nearest_is_named(wrong: str, near: str) -> None:
    with pytest.raises(
        OptionError, match=rf"nothing has the code '{wrong}'; did you mean {near}\?"
    ):
        meaning_of(wrong)


@pytest.mark.parametrize("wrong", ["", " ", "\0", "日本", "x" * 10_000, "[", "9" * 50])
def test_what_is_near_to_nothing_is_told_where_the_list_is(wrong: str) -> None:
    with pytest.raises(OptionError, match=r"(?s)nothing has the code .*"):
        meaning_of(wrong)
