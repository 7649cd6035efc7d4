"""Every version of openai-python calls every endpoint, in an interpreter of its own."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import report
from tests.clients.environment import NEWEST, PYTHON, interpreter, version

pytestmark = pytest.mark.clients

SCRIPT = Path(__file__).with_name("python_script.py")


def checks() -> set[str]:
    """Return the names of the script's checks, read without running it."""
    return {
        node.name
        for node in ast.parse(SCRIPT.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(one, ast.Name) and one.id == "check" for one in node.decorator_list)
    }


@pytest.mark.parametrize("name", [*PYTHON, NEWEST])
def test_the_official_client_makes_every_call(
    name: str, servers: dict[str, Any], tmp_path: Path
) -> None:
    told = report([interpreter(name), SCRIPT], servers, tmp_path)
    assert told["failed"] == {}, "\n\n".join(f"{k}: {v}" for k, v in told["failed"].items())
    assert set(told["held"]) == checks()
    assert name == NEWEST or told["version"] == version(name)
    assert int(told["version"].partition(".")[0]) >= 3 or name != NEWEST
