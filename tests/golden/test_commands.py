"""What commands print on the samples, character by character: results, findings, attacks, figures.

`commands.json` was written before the modules moved that print it; a difference is a change that
users see. Times are left out, and so is what differs from machine to machine.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from graders import cli
from tests.golden import kept

SAMPLES: Final = Path(__file__).parents[2] / "samples"
_VARYING: Final = (
    (re.compile(r"\b\d+(\.\d+)?(e-\d+)? ?(ms|s)\b"), "… s"),
    (re.compile(r"slowest calls: .*"), "slowest calls: …"),
    (re.compile(r"  +\d+%$", re.MULTILINE), " …%"),
    (re.compile(r'("(?:execution_time|seconds|rows_per_second|took|peak_memory)": ?)[\d.e+-]+'), r"\1…"),
    (re.compile(r"[\d,]+ rows/s|[\d.,]+ [kM]B\b"), "…"),
    (re.compile(r"/\S*/samples"), "samples"),
    (re.compile(r"(rapidfuzz|regex|python)([:\" ]+)\d[\d.]*"), r"\1\2…"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples in a folder of their own, and a terminal of one width."""
    shutil.copytree(SAMPLES, tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_commands_print_the_same_character_by_character(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def printed(given: list[str]) -> list[str]:
        code = cli._main(given)
        sys.stdout.flush()
        sys.stderr.flush()
        captured = capfd.readouterr()
        said = captured.out + captured.err
        for pattern, left in _VARYING:
            said = pattern.sub(left, said)
        return [f"exit {code}", *map(str.rstrip, said.splitlines())]

    kept.check("commands.json", "command", printed)
