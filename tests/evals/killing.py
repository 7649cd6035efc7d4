"""A program that kills a run of an eval at every instant that matters, and lets it go on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.jobs import RunOptions, Store
from graders.models import JudgeOptions, RolloutOptions
from tests.jobs.killing import kill_everywhere, plain


def main() -> None:
    """Arguments: a folder with a store of one eval with one run, a folder to work in, a model's URL.

    And of how many transactions one is died at.
    """
    source, work, url, stride = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    options = RunOptions(
        rollout=RolloutOptions(url=url, concurrency=1),
        judge=JudgeOptions(base_url=url, cache="none"),
    )

    def run(folder: Path) -> None:
        with Store(folder) as store:
            evals = EvalStore(store)
            of = evals.list()[0][0]["id"]
            run_eval(evals, evals.list_runs(of)[0][0]["id"], options)

    def tell(folder: Path, said: Path) -> None:
        with Store(folder) as store:
            evals = EvalStore(store)
            of = evals.list()[0][0]["id"]
            run = evals.list_runs(of)[0][0]
            items = evals.list_items(of, run["id"], limit=100)[0]
            with store.database.reading() as base:
                left = base.execute("SELECT count(*) FROM answer").fetchone()[0]
        ids = [one["id"] for one in items]  # The same however often the run was interrupted.
        told = {"run": plain(run), "items": plain(items), "ids": ids, "left": left, "orphans": 0}
        said.write_text(json.dumps({**told, "modules": sorted(sys.modules)}))

    kill_everywhere(source, work, stride, run, tell)


if __name__ == "__main__":
    main()
