"""Scripts for programs that run code: each compiles, and gives the grader's own numbers."""

from __future__ import annotations

import ast
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graders.convert import convert
from graders.convert.script import SCRIPTS
from graders.errors import FailedError

CHECK = {
    "type": "string_check", "name": "it's", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def script(to: str, folder: Path, failed: float | str = "raise", name: str = "") -> dict[str, Any]:
    """Write a folder, and run its script."""
    made = convert(CHECK, to, failed=failed)
    for file, text in made.files.items():
        (folder / file).write_text(text)
    name = name or next(one for one in made.files if one.endswith(".py"))
    return runpy.run_path(str(folder / name))


@pytest.mark.parametrize("to", SCRIPTS)
def test_every_script_is_short_compiles_and_has_the_grader_beside_it(to: str) -> None:
    made = convert(CHECK, to, failed=0.25)
    assert not made.losses
    assert json.loads(made.files["grader.json"]) == CHECK
    [code] = [text for name, text in made.files.items() if name.endswith(".py")]
    tree = ast.parse(code)
    assert ast.get_docstring(tree)
    assert len(code.splitlines()) < 70
    assert max(map(len, code.splitlines())) <= 120
    assert "$" not in code


def test_trl(tmp_path: Path) -> None:
    reward = script("trl", tmp_path)["reward"]
    assert reward(prompts=["?"] * 2, completions=["a", "b"], answer=["a", "a"]) == [1.0, 0.0]
    assert reward(prompts=["?"], completions=["a"]) == [None]


def test_verl(tmp_path: Path) -> None:
    score = script("verl", tmp_path, 0.25)["compute_score"]
    good, bad = score("d", "a", "a", {"answer": "a"}), score("d", "a", "a", {})
    assert (good["score"], good["failed"], good["failure"]) == (1.0, 0.0, "")
    assert (bad["score"], bad["failed"]) == (0.25, 1.0)
    assert bad["failure"].startswith("invalid_variable_error")
    strict = script("verl", tmp_path)["compute_score"]
    with pytest.raises(FailedError):
        strict("d", "a", "a", {})


def test_openrlhf(tmp_path: Path) -> None:
    reward = script("openrlhf", tmp_path)["reward_func"]
    assert reward(["?a</s>"], ["?"], ['{"answer": "a"}'])["rewards"] == 1.0


def test_bedrock(tmp_path: Path) -> None:
    handler = script("bedrock", tmp_path, -1.0)["lambda_handler"]
    said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "a"}]
    rows = [
        {"id": "1", "messages": said, "answer": "a"},
        {"id": "2", "messages": said, "metadata": {"answer": "b"}},
        {"id": "3", "messages": said},
        {"id": "4", "messages": said[:1], "answer": "?"},
        {"id": "5", "answer": "a"},
    ]
    found = handler(rows, None)
    assert [(one["id"], one["aggregate_reward_score"]) for one in found] == [
        ("1", 1.0), ("2", 0.0), ("3", -1.0), ("4", -1.0), ("5", -1.0),
    ]  # fmt: skip
    assert [one["metrics_list"][-1]["value"] for one in found] == [0.0, 0.0, 1.0, 1.0, 1.0]
    strict = script("bedrock", tmp_path)["lambda_handler"]
    with pytest.raises(FailedError):
        strict(rows, None)


def test_verifiers(tmp_path: Path) -> None:
    pytest.importorskip("verifiers.v1")
    assert script("verifiers", tmp_path)["GradedTask"].graded.weight == 1.0


def test_inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspect_ai = pytest.importorskip("inspect_ai")
    words = SimpleNamespace(encode=lambda text, **_: text.split())  # The real ones are downloaded.
    monkeypatch.setattr("tiktoken.get_encoding", lambda _: words)
    rows = [
        {"input": "?", "answer": answer} for answer in ("Default output from mockllm/model", "x")
    ]
    (tmp_path / "dataset.jsonl").write_text(
        "".join(f"{json.dumps(one)}\n" for one in [*rows, {"input": "?"}])
    )
    task = script("inspect", tmp_path)["graded_task"]
    [log] = inspect_ai.eval(
        task(), model="mockllm/model", log_dir=str(tmp_path / "log"), display="none"
    )
    assert log.results.scores[0].metrics["mean"].value == 0.5
    assert log.results.scores[0].unscored_samples == 1


def test_pydantic_evals(tmp_path: Path) -> None:
    pydantic_evals = pytest.importorskip("pydantic_evals")
    graded = script("pydantic-evals", tmp_path)["Graded"]
    text = (tmp_path / "dataset.yaml").read_text()
    cases = "cases:\n  - {inputs: a, metadata: {answer: a}}\n  - {inputs: b}\n"
    dataset = pydantic_evals.Dataset[str, str, dict[str, str]].from_text(
        text.replace("cases: []\n", cases), custom_evaluator_types=[graded]
    )

    async def task(inputs: str) -> str:
        return inputs

    good, bad = dataset.evaluate_sync(task, progress=False).cases
    assert good.scores["reward"].value == 1.0
    assert not bad.scores
    assert "invalid_variable_error" in bad.evaluator_failures[0].error_message
