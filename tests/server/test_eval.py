"""Evals as a server runs them: every path and prefix, many runs at once, a server that is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evals.conftest import EXACT, JUDGE, asking, eval_body, jsonl, says
from tests.models.server import Asked, ScriptedServer, Told
from tests.server.process import Serving
from tests.waiting import until


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that runs three runs at once, and asks a scripted model."""
    model = ScriptedServer(lambda asked, _: says(asked))
    cache = str(tmp_path_factory.mktemp("cache") / "replies.sqlite")
    options = ("--processes", "1", "--jobs", "3", "--base-url", model.url, "--cache-file", cache)
    serving = Serving(tmp_path_factory.mktemp("working"), options, {"OPENAI_API_KEY": "k"})
    yield serving
    serving.close()
    model.stop()


def create(server: Serving, *criteria: Any, prefix: str = "/v1") -> str:
    answer = server.ask("POST", f"{prefix}/evals", eval_body(*criteria))
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def begin(server: Serving, of: str, source: Any) -> str:
    answer = server.ask("POST", f"/v1/evals/{of}/runs", {"data_source": source})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def ended(server: Serving, of: str, run: str) -> Any:
    def found() -> Any:
        shown = server.ask("GET", f"/v1/evals/{of}/runs/{run}").json
        return shown if shown["status"] not in ("queued", "in_progress") else None

    return until(found)


@pytest.mark.more
def test_many_runs_at_once_keep_their_rows_apart(working: Serving) -> None:
    of = create(working, EXACT, JUDGE)
    runs = {}
    for many in range(1, 7):
        answers = [f"a{at}" if at else "wrong" for at in range(many)]
        runs[begin(working, of, asking("completions", answers))] = many
    for run, many in runs.items():
        done = ended(working, of, run)
        assert done["status"] == "completed", done
        wanted = {"total": many, "passed": many - 1, "failed": 1, "errored": 0}
        assert done["result_counts"] == wanted
    listed = working.ask("GET", f"/v1/evals/{of}/runs?limit=100&status=completed").json
    assert [one["id"] for one in listed["data"]] == list(runs)
    assert (listed["first_id"], listed["has_more"]) == (next(iter(runs)), False)


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
def test_every_prefix_leads_to_the_same_evals(working: Serving, prefix: str) -> None:
    of = create(working, EXACT, prefix=prefix)
    query = "" if prefix == "/v1" else "?api-version=2025-04-01-preview"
    for other in ("/v1", "/openai/v1", "/openai"):
        assert working.ask("GET", f"{other}/evals/{of}{query}").json["id"] == of
    run = begin(working, of, jsonl(("a", "a")))
    # SDKs of 1.x and 2.x end a run by a POST to the run, 3.x by one to its cancel.
    ended(working, of, run)
    for path in (f"{prefix}/evals/{of}/runs/{run}", f"{prefix}/evals/{of}/runs/{run}/cancel"):
        answer = working.ask("POST", path + query)
        assert (answer.status, answer.error["code"]) == (400, "run_already_finished")
    assert working.ask("DELETE", f"{prefix}/evals/{of}{query}").json["deleted"] is True
    missing = working.ask("GET", f"{prefix}/evals/{of}{query}")
    assert (missing.status, missing.error["param"]) == (404, "eval_id")


def test_what_is_wrong_with_a_query_is_said(working: Serving) -> None:
    of = create(working, EXACT)
    for query, param in (
        ("order=up", "order"), ("order_by=name", "order_by"), ("limit=x", "limit"),
        ("after=eval_no", "after"), ("order=", "order"), ("order_by=", "order_by"),
    ):  # fmt: skip
        answer = working.ask("GET", f"/v1/evals?{query}")
        assert (answer.status, answer.error["param"]) == (400, param)
    for word in ("done", ""):
        answer = working.ask("GET", f"/v1/evals/{of}/runs?status={word}")
        assert (answer.status, answer.error["param"]) == (400, "status")


def test_a_run_whose_server_is_killed_goes_on_with_the_next(tmp_path: Path) -> None:
    count, held = 40, [True]

    def slowly(asked: Asked, number: int) -> Told:
        told = says(asked)
        # After half of the rows the model says nothing until the first server is gone.
        told.held = (lambda: held[0]) if number > count // 2 else told.held
        return told

    model = ScriptedServer(slowly)
    options = ("--processes", "1", "--rollout-url", model.url)
    environment = {"OPENAI_API_KEY": "k"}
    first = Serving(tmp_path / "data", options, environment)
    try:
        of = create(first, EXACT)
        run = begin(first, of, asking("completions", [f"a{at}" for at in range(count)]))
        until(lambda: len(model.asked) > count // 2)
    finally:
        first.process.kill()
        first.close()
    held[0] = False
    second = Serving(tmp_path / "data", options, environment)
    try:
        done = ended(second, of, run)
        assert done["result_counts"] == {
            "total": count, "passed": count, "failed": 0, "errored": 0,
        }  # fmt: skip
        asked = Counter(one.body["messages"][-1]["content"] for one in model.asked)
        assert len(asked) == count
        # Those that were on their way are asked for again; those that were answered are not.
        assert sum(asked.values()) <= count + 16
        answered = Counter(model.answered_rows)
        assert max(answered.values()) == 1
    finally:
        second.close()
        model.stop()


def test_a_run_of_a_model_that_nobody_serves_says_so(
    start: Callable[..., Serving],
) -> None:
    server = start("--base-url", "local")
    of = create(server, EXACT)
    done = ended(server, of, begin(server, of, asking("completions", ["a0"])))
    assert (done["status"], done["error"]["code"]) == ("failed", "model_unavailable")
    assert "--rollout-url" in done["error"]["message"]
