"""The script that takes evals out of the hosted API, by every version of openai-python."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from graders.evals.incoming import bring
from graders.evals.look import every_run, items_of
from graders.evals.parcel import Parcel
from graders.evals.store import EvalStore
from graders.jobs import Store
from tests.clients.environment import NEWEST, PROJECT, PYTHON, interpreter
from tests.clients.serving import Serving
from tests.waiting import PATIENCE

pytestmark = pytest.mark.clients

SAMPLE = PROJECT / "samples" / "evals-move"


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Our server standing in for the hosted one, with the sample's eval and one of its own."""
    folder = tmp_path_factory.mktemp("hosted") / "data"
    with Store(folder) as store, Parcel.open([SAMPLE / "export"]) as parcel:
        bring(store, parcel)
        EvalStore(store).create(
            {
                "name": "empty", "data_source_config": {"type": "custom", "item_schema": {}},
                "testing_criteria": [
                    {"type": "string_check", "name": "a", "operation": "eq", "input": "a", "reference": "a"}
                ],
            }
        )  # fmt: skip
    serving = Serving(folder)
    yield serving
    serving.stop()


def export(name: str, url: str, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [interpreter(name), SAMPLE / "export.py", folder, *words], capture_output=True, text=True,
        check=False, timeout=PATIENCE,
        env={"PATH": "/usr/bin:/bin", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "anything"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("name", [*PYTHON, NEWEST])
def test_what_it_writes_is_what_was_there(name: str, hosted: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    said = export(name, hosted.url, folder)
    assert "2 evals into" in said
    assert "16 output items" in said
    with Store(tmp_path / "data") as store, Parcel.open([folder]) as parcel:
        done = bring(store, parcel)
        assert (done.problems, done.items.new, done.files.new) == ([], 16, 1)
        with Store(hosted.folder) as other:
            mine, theirs = EvalStore(store), EvalStore(other)
            assert mine.list()[0] == theirs.list()[0]
            (of,) = [one["id"] for one in mine.list()[0] if one["name"] == "Ticket triage"]
            (run,) = every_run(mine, of)
            assert [run] == every_run(theirs, of)
            assert list(items_of(mine, of, run["id"])) == list(items_of(theirs, of, run["id"]))


def test_it_goes_on_where_it_was(hosted: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export(NEWEST, hosted.url, folder)
    (items,) = folder.glob("*.output_items.jsonl")
    before = items.stat().st_mtime_ns
    assert "its output items are there" in export(NEWEST, hosted.url, folder)
    assert items.stat().st_mtime_ns == before
    items.unlink()
    assert "16 output items" in export(NEWEST, hosted.url, folder)
    assert not list(folder.glob(".*.part"))


def test_one_eval_by_its_id(hosted: Serving, tmp_path: Path) -> None:
    with Store(hosted.folder) as store:
        (of,) = [one["id"] for one in EvalStore(store).list()[0] if one["name"] == "empty"]
    assert "1 evals into" in export(NEWEST, hosted.url, tmp_path / "export", of)
