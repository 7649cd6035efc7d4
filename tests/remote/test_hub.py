"""Datasets of the Hugging Face Hub, by huggingface_hub itself from a hub on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.cli import _main
from graders.errors import RowsError
from graders.remote import named, reader
from graders.remote.place import _store
from tests.batch.conftest import GRADER, lines
from tests.remote.hub import TOKEN, Hub, hub

pytestmark = [pytest.mark.remote, pytest.mark.filterwarnings("ignore")]

ROWS = lines(1000)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, and this process as one whose HF_ENDPOINT it is: huggingface_hub reads that as it is loaded."""
    from huggingface_hub import constants

    monkeypatch.setattr(reader, "PIECE", 1 << 14)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as found:
        found.files = {
            "rows.jsonl": ROWS,
            "parts/1.jsonl": ROWS,
            "g.json": json.dumps(GRADER).encode(),
        }
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        template = f"{found.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        _store.cache_clear()
        yield found
        _store.cache_clear()


def score(rows: str, out: Path) -> int:
    return _main(["score", "hf://datasets/me/open/g.json", rows, "-o", str(out), "--workers", "0"])


@pytest.mark.parametrize("repository", ["open", "closed"])
def test_the_same_bytes_as_on_this_machine(
    at: Hub, tmp_path: Path, expected: bytes, repository: str, capfd: Any
) -> None:
    out = tmp_path / "out.jsonl"
    assert score(f"hf://datasets/me/{repository}/rows.jsonl", out) == 0
    assert out.read_bytes() == expected
    manifest = (tmp_path / "out.jsonl.manifest.json").read_text()
    assert TOKEN not in manifest + "".join(capfd.readouterr())
    fetched = [asked for _, path, asked in at.seen if path.endswith("resolve/main/rows.jsonl")]
    assert len(fetched) == len(set(fetched))  # Nothing twice.


def test_faults_on_the_way_cost_no_row(
    at: Hub, tmp_path: Path, expected: bytes, at_once: None, capfd: Any
) -> None:
    kinds = ["cut", "500", "503", "429"]
    at.fault = lambda number, _: kinds[number // 3 % 4] if number % 3 == 0 else ""
    assert score("hf://datasets/me/open/rows.jsonl", tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    assert "Retrying" not in capfd.readouterr().err


def test_a_pattern_names_several_files(at: Hub, tmp_path: Path) -> None:
    at.files["parts/2.jsonl"] = ROWS
    names = [str(one) for one in named("hf://datasets/me/open/parts/*.jsonl").matches()]  # type: ignore[union-attr]
    assert names == [f"hf://datasets/me/open/parts/{one}.jsonl" for one in "12"]
    at.files["parts/3.jsonl"] = ROWS  # What is put meanwhile is seen.
    assert named("hf://datasets/me/open/parts/3.jsonl").exists()


def test_a_file_that_changes_ends_the_run(at: Hub) -> None:
    blocks = graders.rows.find_source(["hf://datasets/me/open/rows.jsonl"]).blocks(1 << 14)
    assert next(blocks).index == 0
    at.files["rows.jsonl"] = ROWS.replace(b"the", b"eht")  # As long as it was.
    with pytest.raises(RowsError, match="changed while it was read"):
        list(blocks)


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        ("me/open/none.jsonl", TOKEN, "there is no such object"),
        ("me/none/rows.jsonl", TOKEN, "there is no such repository, or none that HF_TOKEN may see"),
        ("me/none/rows.jsonl", "", "there is no such repository, or none seen without HF_TOKEN"),
        ("me/open@v9/rows.jsonl", TOKEN, "there is no such revision"),
        ("me/closed/rows.jsonl", "hf_OTHER", "no access: who may read it is asked for on its page"),
        ("me/closed/rows.jsonl", "", "no access: who may read it is asked for on its page"),
        ("open", TOKEN, "Repository id must be 'namespace/name'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_sentence(
    at: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any,
    name: str, token: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", token)
    assert score(f"hf://datasets/{name}", tmp_path / "out.jsonl") == 2
    told = capfd.readouterr().err
    assert said in told
    assert told.startswith(f"graders: hf://datasets/{name}: ")
    assert told.count("\n") == 1
    assert "hf_" not in told.replace("HF_TOKEN", "")


@pytest.mark.parametrize(("status", "said"), [("401", "no access"), ("403", "no access")])
def test_a_status_is_a_sentence(
    at: Hub, tmp_path: Path, capfd: Any, status: str, said: str
) -> None:
    at.fault = lambda _, path: status if "rows" in path or path.endswith("me/closed") else ""
    assert score("hf://datasets/me/closed/rows.jsonl", tmp_path / "out.jsonl") == 2
    told = capfd.readouterr().err
    assert said in told
    assert TOKEN not in told


def test_a_process_of_its_own_reads_by_what_the_environment_says(
    at: Hub, tmp_path: Path, expected: bytes
) -> None:
    words = ["-m", "graders", "score", "hf://datasets/me/open/g.json"]
    words += ["hf://datasets/me/open/rows.jsonl", "-o", str(tmp_path / "out.jsonl")]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    assert (tmp_path / "out.jsonl").read_bytes() == expected
