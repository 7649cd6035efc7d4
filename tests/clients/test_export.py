"""The script that takes evals out of the hosted API, with our server standing in for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from graders.evals.compare import compare
from graders.evals.incoming import bring
from graders.evals.look import criteria_of_run, items_of
from graders.evals.parcel import Parcel
from graders.evals.store import EvalStore
from graders.jobs import RunOptions, Store
from tests.clients.environment import NEWEST, PROJECT, interpreter
from tests.clients.serving import Serving
from tests.waiting import PATIENCE

pytestmark = pytest.mark.clients

SAMPLE = PROJECT / "samples" / "evals-move"
RUN = "evalrun_67e579652b548190aaa83ada4b125f47"


@pytest.mark.parametrize("name", ["openai-1", NEWEST])
def test_the_script_takes_out_what_comes_in_again_as_it_was(name: str, tmp_path: Path) -> None:
    with Store(tmp_path / "hosted") as store:
        evals = EvalStore(store)
        with Parcel.open([SAMPLE / "exported"]) as parcel:
            bring(store, parcel)
        of = evals.eval_of(RUN)
        wanted = evals.get(of), evals.get_run(of, RUN), evals.list_items(of, RUN, limit=100)
    server = Serving(tmp_path / "hosted", "--jobs", "0")
    try:
        for _ in range(2):  # The second time everything is there.
            done = subprocess.run(
                [interpreter(name), SAMPLE / "export.py", "exported"], cwd=tmp_path,
                capture_output=True, text=True, check=False, timeout=PATIENCE,
                env={"PATH": os.environ["PATH"], "OPENAI_BASE_URL": f"{server.url}/v1",
                     "OPENAI_API_KEY": "anything"},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr[-2000:]
            assert "gpt-4o-mini, first prompt" in done.stdout
    finally:
        assert server.stop() == 0
    names = sorted(one.name for one in (tmp_path / "exported").iterdir())
    assert names == sorted(
        [f"{of}.json", f"{RUN}.json", f"{RUN}-items.jsonl", "file-Q9wUd2nVfTqWq4kqj4mJkE.jsonl"]
    )
    with Store(tmp_path / "home") as store:
        evals = EvalStore(store)
        with Parcel.open([tmp_path / "exported"]) as parcel:
            brought = bring(store, parcel)
        assert (brought.items.new, brought.problems) == (8, [])
        assert (
            evals.get(of),
            evals.get_run(of, RUN),
            evals.list_items(of, RUN, limit=100),
        ) == wanted
        again = compare(items_of(evals, of, RUN), criteria_of_run(evals, RUN), RunOptions())
        assert not again.faulty
