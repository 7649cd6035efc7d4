"""npm openai, old and new, calls every endpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import report
from tests.clients.environment import NODE, node

pytestmark = pytest.mark.clients

SCRIPT = Path(__file__).with_name("node_script.mjs")


@pytest.mark.parametrize("name", list(NODE))
def test_the_official_client_makes_every_call(name: str, servers: dict[str, Any]) -> None:
    told = report([node(name), SCRIPT], servers, node(name).parents[2])
    assert told["failed"] == {}, "\n\n".join(f"{k}: {v}" for k, v in told["failed"].items())
    checks = re.findall(r"^  async (\w+)\(", SCRIPT.read_text(), re.MULTILINE)
    assert set(told["held"]) == set(checks)
    assert told["version"].partition(".")[0] == name.rpartition("-")[2]
