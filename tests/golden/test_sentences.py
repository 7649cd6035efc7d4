"""What users are told about what they get wrong, word for word: whatever the libraries say of it.

`sentences.json` holds for each sort of input what is given and what is said. Another sentence is a
change that users see: `make golden` writes the new ones there, to be read before they are committed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import graders
from graders import cli
from graders.config import load_source
from graders.errors import ConfigError, FormulaError, TemplateError
from graders.formula import compile_formula
from graders.server.handler import Answer, Handler
from graders.server.option import ServeOptions
from graders.suite.load import load_suite
from graders.template import compile_template
from tests.golden import kept, nonsense

CHECK: Final = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip
JUDGE: Final = {
    "type": "score_model", "name": "judge", "model": "m", "input": [{"role": "user", "content": "x"}],
}  # fmt: skip

Case = dict[str, Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to stand in, and a terminal of one width."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    Path("check.json").write_text(json.dumps(CHECK))
    Path("judge.json").write_text(json.dumps(JUDGE))
    Path("rows.jsonl").write_text('{"item": {"a": "x"}, "sample": "x"}\n')
    Path("binary").write_bytes(bytes(range(256)))
    Path("empty").touch()
    Path("folder").mkdir()


def of_config(given: str) -> str:
    return _complaint(load_source, given)


def _complaint(read: Callable[[Any], Any], given: Any) -> str:
    try:
        read(given)
    except ConfigError as error:
        return str(error)
    return "nothing is wrong"


def of_template(given: str, **dialect: Any) -> str:
    try:
        compile_template(given, **dialect)
    except TemplateError as error:
        return str(error)
    return of_row([{**CHECK, "reference": given}, {"item": {"a": "x"}, "sample": "x"}], **dialect)


def of_formula(given: str) -> str:
    try:
        program = compile_formula(given, ["a", "b"])
    except FormulaError as error:
        return str(error)
    return repr(program)


def of_row(given: list[Any], **dialect: Any) -> str:
    grade = graders.load(given[0], **dialect).grade(**given[1])
    assert (grade.reward is None) == bool(grade.failures)
    return "\n".join(str(one) for one in grade.failures) or f"{grade.reward!r}"


def of_suite(given: str) -> str:
    Path("s.graders.yaml").write_text(given)
    return _complaint(load_suite, Path("s.graders.yaml"))


def of_request(given: Case) -> str:
    handler = Handler(ServeOptions(data_dir=Path("store")), "metrics")
    answer = handler.answer(given["task"], given["body"].encode())
    assert isinstance(answer, Answer)
    return f"{answer.status} {answer.body.decode()}"


def of_command(given: Case) -> list[str]:
    for name, content in given.get("files", {}).items():
        data = content.get("text", "").encode() or base64.b64decode(content.get("base64", ""))
        Path(name).write_bytes(data)
    code = cli._main(given["run"])
    sys.stdout.flush()
    sys.stderr.flush()
    return [f"exit {code}"]


SORTS: Final[dict[str, Callable[[Any], Any]]] = {
    "config": of_config,
    "template": of_template,
    "jinja2 template": lambda given: of_template(given, dialect="jinja2"),
    "formula": of_formula,
    "row": of_row,
    "suite": of_suite,
    "request": of_request,
    "rows": of_command,
    "command line": of_command,
}


def _heard(sort: str, given: Any, capfd: pytest.CaptureFixture[str]) -> Any:
    with Path(os.devnull).open() as nothing, pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdin", nothing)
        said = SORTS[sort](given)
    if not isinstance(said, list):
        return said
    captured = capfd.readouterr()
    results = Path("out.jsonl")
    rows = results.read_text().splitlines() if results.exists() else []
    results.unlink(missing_ok=True)
    # A summary holds times; what else `score` says is on standard error and in the results.
    shown = captured.err if given["run"][0] == "score" else captured.out + captured.err
    shown = re.sub(r"\bin [\d.]+ s\b", "in … s", shown)
    return [
        *said,
        *map(str.rstrip, shown.splitlines()),
        *(str(json.loads(row).get("failures")) for row in rows),
    ]


@pytest.mark.parametrize("library", ["as they are", "nonsense"])
@pytest.mark.parametrize("sort", SORTS)
def test_what_is_wrong_is_said_word_for_word(
    sort: str, library: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "nonsense":
        nonsense.reword(monkeypatch)
    writes = library == "as they are"
    kept.check("sentences.json", sort, lambda given: _heard(sort, given, capfd), writes=writes)
