"""Evals in a store: lists and their pages, changes, deletions, what is needed and what is cleared."""

from __future__ import annotations

import io
from typing import Any

import pytest

from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.evals.stored import keep_call
from graders.jobs import ApiError
from graders.jobs.clear import kept, remove
from graders.wire import page
from tests.evals.conftest import EXACT, eval_body, jsonl


def pages(find: Any, *args: Any, **kwargs: Any) -> list[str]:
    """Return the ids of all pages of two."""
    found: list[str] = []
    after = None
    while True:
        data, more = find(*args, after=after, limit=2, **kwargs)
        found += [one["id"] for one in data]
        if not more:
            return found
        after = data[-1]["id"]


def test_an_eval_is_shown_with_its_schema_and_ids_of_its_criteria(evals: EvalStore) -> None:
    made = evals.create(eval_body(EXACT, EXACT, metadata={"team": "search"}))
    assert evals.get(made["id"]) == made
    config = made["data_source_config"]
    assert config["type"] == "custom"
    assert config["schema"]["required"] == ["item", "sample"]
    assert (
        config["schema"]["properties"]["item"] == eval_body()["data_source_config"]["item_schema"]
    )
    first, second = made["testing_criteria"]
    assert first["id"].startswith("exact-")
    assert first["id"] != second["id"]
    logs = evals.create(eval_body(data_source_config={"type": "logs", "metadata": {"a": "b"}}))
    assert logs["data_source_config"]["metadata"] == {"a": "b"}
    assert "input" in logs["data_source_config"]["schema"]["properties"]["item"]["properties"]


def test_evals_are_listed_by_age_and_by_change(
    evals: EvalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100, 200))
    monkeypatch.setattr("graders.evals.store.time.time", lambda: next(clock))
    names = [evals.create(eval_body())["id"] for _ in range(5)]
    assert pages(evals.list) == names
    assert pages(evals.list, order="desc") == names[::-1]
    evals.update(names[1], {"name": "new", "metadata": {"a": "b"}})
    evals.update(names[0], {"name": None})
    changed = [*names[2:], names[1], names[0]]
    assert pages(evals.list, order_by="updated_at") == changed
    assert pages(evals.list, order_by="updated_at", order="desc") == changed[::-1]
    assert (evals.get(names[1])["name"], evals.get(names[0])["name"]) == ("new", "")
    assert evals.delete(names[2]) == {
        "object": "eval.deleted", "deleted": True, "eval_id": names[2],
    }  # fmt: skip
    # A page goes on after an eval that was deleted meanwhile.
    assert [one["id"] for one in evals.list(after=names[2])[0]] == names[3:]
    for wrong in ({"order": "up"}, {"order_by": "name"}, {"limit": 101}, {"after": "eval_none"}):
        with pytest.raises(ApiError) as caught:
            evals.list(**wrong)
        assert caught.value.status == 400


def test_runs_are_listed_by_status_and_belong_to_their_eval(evals: EvalStore) -> None:
    made, other = evals.create(eval_body(EXACT)), evals.create(eval_body(EXACT))
    runs = [
        evals.create_run(made["id"], {"name": f"r{at}", "data_source": jsonl(("a", "a"))})["id"]
        for at in range(3)
    ]
    run_eval(evals, runs[1])
    evals.cancel_run(made["id"], runs[2])
    assert pages(evals.list_runs, made["id"]) == runs
    for status, wanted in (("queued", 0), ("completed", 1), ("canceled", 2)):
        found, _ = evals.list_runs(made["id"], status=status)
        assert [one["id"] for one in found] == [runs[wanted]]
    assert evals.list_runs(other["id"]) == ([], False)
    with pytest.raises(ApiError, match="No such run"):
        evals.get_run(other["id"], runs[0])
    with pytest.raises(ApiError, match="status is one of"):
        evals.list_runs(made["id"], status="done")
    assert evals.runnable() == [runs[0]]


def test_items_are_filtered_by_every_word_for_a_status(evals: EvalStore) -> None:
    made = evals.create(eval_body(EXACT))
    rows = jsonl(("a", "a"), ("a", "b"), ("a", None))
    run = evals.create_run(made["id"], {"data_source": rows})["id"]
    run_eval(evals, run)
    for words, place in (
        (("pass", "passed"), 0),
        (("fail", "failed"), 1),
        (("error", "errored"), 2),
    ):
        for word in words:
            [item], _ = evals.list_items(made["id"], run, status=word)
            assert item["datasource_item_id"] == place
            assert evals.get_item(made["id"], run, item["id"]) == item
    newest = [
        one["datasource_item_id"] for one in evals.list_items(made["id"], run, order="desc")[0]
    ]
    assert newest == [2, 1, 0]
    with pytest.raises(ApiError, match="No such output item"):
        evals.get_item(made["id"], run, "outputitem_none")
    with pytest.raises(ApiError, match="pass, fail or error"):
        evals.list_items(made["id"], run, status="bad")


def test_a_page_ends_before_it_is_too_heavy_and_says_that_more_follow(
    evals: EvalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evals.create(eval_body(EXACT))
    run = evals.create_run(made["id"], {"data_source": jsonl(*[("a" * 1000, "a")] * 5)})["id"]
    run_eval(evals, run)
    monkeypatch.setattr(page, "_HEAVIEST", 4000)
    sizes, after = [], None
    while True:
        found, more = evals.list_items(made["id"], run, after)
        sizes.append(len(found))
        after = found[-1]["id"]
        if not more:
            break
    assert sum(sizes) == 5
    assert max(sizes) < 4


def test_a_file_that_a_run_needs_is_not_deleted(evals: EvalStore) -> None:
    files = evals.store.files
    file = files.create(io.BytesIO(b'{"item": {}}\n'), filename="a", purpose="evals")["id"]
    made = evals.create(eval_body(EXACT))
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file}}
    run = evals.create_run(made["id"], {"data_source": source})["id"]
    with pytest.raises(ApiError, match=f"the run {run}, which is queued, uses {file}"):
        files.delete(file)
    evals.cancel_run(made["id"], run)
    files.delete(file)
    with pytest.raises(ApiError) as caught:
        evals.create_run(made["id"], {"data_source": source})
    assert caught.value.param == "data_source.source.id"


def test_a_file_of_another_purpose_is_refused(evals: EvalStore) -> None:
    file = evals.store.files.create(io.BytesIO(b"x"), filename="a", purpose="vision")["id"]
    made = evals.create(eval_body(EXACT))
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file}}
    with pytest.raises(ApiError, match="has the purpose vision"):
        evals.create_run(made["id"], {"data_source": source})


def test_runs_and_calls_are_cleared_when_nothing_needs_them(evals: EvalStore) -> None:
    made = evals.create(eval_body(EXACT))
    over, waits = (
        evals.create_run(made["id"], {"data_source": jsonl(("a", "a"))})["id"] for _ in range(2)
    )
    run_eval(evals, over)
    keep_call(evals.store.database, "completions", {"messages": []}, {"id": "c1", "choices": []})
    things = [one for one in kept(evals.store) if one.kind in ("runs", "calls")]
    assert {one.id: one.needed for one in things} == {over: False, waits: True, "c1": False}
    assert {one.id for one in remove(evals.store, things)} == {over, "c1"}
    assert [one["id"] for one in evals.list_runs(made["id"])[0]] == [waits]


def test_what_is_not_there_is_said_by_its_parameter(evals: EvalStore) -> None:
    made = evals.create(eval_body(EXACT))["id"]
    for call, param in (
        (lambda: evals.get("eval_no"), "eval_id"),
        (lambda: evals.update("../x", {}), "eval_id"),
        (lambda: evals.delete(""), "eval_id"),
        (lambda: evals.get_run(made, "evalrun_no"), "run_id"),
        (lambda: evals.list_items(made, "a/b"), "run_id"),
        (lambda: evals.eval_of("evalrun_no"), "run_id"),
    ):
        with pytest.raises(ApiError) as caught:
            call()
        assert (caught.value.status, caught.value.param) == (404, param)
