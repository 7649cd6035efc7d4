"""Jobs of a store: what the API shows of them, and what may be asked of them when."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.jobs import ApiError, Store
from tests.examples import examples

FIELDS = {
    "id", "object", "created_at", "finished_at", "status", "model", "fine_tuned_model",
    "organization_id", "training_file", "validation_file", "result_files", "trained_tokens",
    "error", "hyperparameters", "method", "seed", "estimated_finish", "integrations", "metadata",
    "user_provided_suffix", "eval_id", "shared_with_openai", "dry_run",
}  # fmt: skip


def said(store: Store, name: str) -> list[str]:
    return [one["message"] for one in store.jobs.events(name, limit=100)[0]][::-1]


def test_a_new_job_has_every_hosted_field_and_says_that_it_trains_nothing(
    store: Store, body: Any
) -> None:
    job = store.jobs.create(body(suffix="mine", seed=7, metadata={"team": "a"}))
    assert set(job) == FIELDS
    assert job["status"] == "validating_files"
    assert (job["seed"], job["user_provided_suffix"], job["metadata"]) == (7, "mine", {"team": "a"})
    assert job["dry_run"]["weights_trained"] is False
    assert job["dry_run"]["verdict"] is None
    assert (job["fine_tuned_model"], job["trained_tokens"], job["error"]) == (None, None, None)
    assert store.jobs.get(job["id"]) == job
    assert said(store, job["id"]) == [
        f"Created fine-tuning job: {job['id']}",
        f"Validating training file: {job['training_file']} and validation file: {job['validation_file']}",
    ]


def test_wandb_is_taken_and_said_not_to_be_contacted(store: Store, body: Any) -> None:
    asked = [{"type": "wandb", "wandb": {"project": "p", "tags": ["x"]}}]
    job = store.jobs.create(body(integrations=asked))
    assert job["integrations"] == asked
    events, _ = store.jobs.events(job["id"])
    assert any("not contacted" in one["message"] and one["level"] == "warn" for one in events)


@pytest.mark.parametrize("param", ["training_file", "validation_file"])
@pytest.mark.parametrize("name", ["file-none", "../../etc/passwd", "a\0b", "x" * 500, "\ud800"])
def test_a_file_that_is_not_there_is_refused(
    store: Store, body: Any, param: str, name: str
) -> None:
    with pytest.raises(ApiError, match="there is no file") as caught:
        store.jobs.create(body(**{param: name}))
    assert (caught.value.status, caught.value.param) == (400, param)
    assert store.jobs.list() == ([], False)


def test_a_file_of_another_purpose_is_refused(store: Store, body: Any, upload: Any) -> None:
    with pytest.raises(ApiError, match="has the purpose batch") as caught:
        store.jobs.create(body(validation_file=upload([], "batch")))
    assert (caught.value.status, caught.value.param) == (400, "validation_file")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "a\0b", "ftjob-none", "\ud800", "x" * 999]
)
def test_a_job_that_is_not_there_is_said_in_the_hosted_words(store: Store, name: str) -> None:
    jobs = store.jobs
    calls: list[Callable[[str], Any]] = [
        jobs.get, jobs.cancel, jobs.pause, jobs.resume, jobs.events, jobs.checkpoints, jobs.claim,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ApiError, match="Could not find fine tune: ") as caught:
            call(name)
        assert (caught.value.status, caught.value.code) == (404, "fine_tune_not_found")
        assert caught.value.param == "fine_tune_id"
    assert not list((store.folder / "locks").iterdir())


@pytest.mark.parametrize("status", ["validating_files", "queued", "running"])
def test_pause_shows_at_once_and_resume_queues(store: Store, body: Any, status: str) -> None:
    name = store.jobs.create(body())["id"]
    with store.database.writing() as base:
        base.execute("UPDATE job SET status=?", (status,))
    assert store.jobs.runnable() == [name]
    assert store.jobs.pause(name)["status"] == "paused"
    assert store.jobs.runnable() == []
    with pytest.raises(ApiError, match="paused already") as caught:
        store.jobs.pause(name)
    assert caught.value.status == 400
    assert store.jobs.resume(name)["status"] == "queued"
    with pytest.raises(ApiError, match="is queued; only a paused job can be resumed"):
        store.jobs.resume(name)
    assert said(store, name)[-2:] == ["The job was paused", "The job was resumed"]


@pytest.mark.parametrize("status", ["validating_files", "queued", "running", "paused"])
def test_a_job_is_cancelled_in_every_state(store: Store, body: Any, status: str) -> None:
    name = store.jobs.create(body())["id"]
    with store.database.writing() as base:
        base.execute("UPDATE job SET status=?", (status,))
    job = store.jobs.cancel(name)
    assert job["status"] == "cancelled"
    assert job["finished_at"] is not None
    assert job["trained_tokens"] == 0
    assert store.jobs.runnable() == []


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
@pytest.mark.parametrize("what", ["cancel", "pause", "resume"])
def test_a_finished_job_stays_as_it_is(store: Store, body: Any, status: str, what: str) -> None:
    name = store.jobs.create(body())["id"]
    with store.database.writing() as base:
        base.execute("UPDATE job SET status=?", (status,))
    with pytest.raises(ApiError, match=f"is {status}") as caught:
        getattr(store.jobs, what)(name)
    assert caught.value.status == 400
    assert caught.value.code is not None
    assert store.jobs.get(name)["status"] == status


def test_jobs_are_listed_newest_first_and_by_metadata(store: Store, body: Any) -> None:
    made = [
        store.jobs.create(body(metadata=metadata))["id"]
        for metadata in ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "2"}, None, {"": "\ud800"})
    ]

    def ids(**named: Any) -> list[str]:
        return [one["id"] for one in store.jobs.list(**named)[0]]

    assert ids() == made[::-1]
    assert ids(metadata={"a": "1"}) == [made[1], made[0]]
    assert ids(metadata={"a": "1", "b": "2"}) == [made[0]]
    assert ids(metadata={"a": "3"}) == []
    assert ids(metadata={"": "\ud800"}) == [made[4]]
    assert ids(metadata={"a": "1' OR '1'='1"}) == []
    assert ids(after=made[2], limit=1) == [made[1]]


@pytest.mark.parametrize("limit", [101, -1, True, 10**30])
def test_a_limit_is_checked(store: Store, body: Any, limit: Any) -> None:
    name = store.jobs.create(body())["id"]
    calls: list[Callable[[], Any]] = [
        lambda: store.jobs.list(limit=limit),
        lambda: store.jobs.events(name, limit=limit),
        lambda: store.jobs.checkpoints(name, limit=limit),
    ]
    for call in calls:
        with pytest.raises(ApiError, match="limit is a whole number from 0 to 100"):
            call()


@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(size=st.integers(1, 7), paused=st.integers(0, 5))
def test_pages_of_events_give_each_once_in_order(
    store: Store, body: Any, size: int, paused: int
) -> None:
    name = store.jobs.create(body())["id"]
    for _ in range(paused):
        store.jobs.pause(name)
        store.jobs.resume(name)
    whole = [one["id"] for one in store.jobs.events(name, limit=100)[0]]
    seen: list[str] = []
    more = True
    while more:
        listed, more = store.jobs.events(name, after=seen[-1] if seen else None, limit=size)
        seen += [one["id"] for one in listed]
    assert seen == whole
    assert len(set(seen)) == 2 + 2 * paused


def test_events_of_another_job_do_not_show(store: Store, body: Any) -> None:
    one, other = store.jobs.create(body())["id"], store.jobs.create(body())["id"]
    assert said(store, one)[0] == f"Created fine-tuning job: {one}"
    assert len(said(store, one)) == len(said(store, other)) == 2


def test_a_claim_is_for_one_at_a_time(store: Store, body: Any) -> None:
    name = store.jobs.create(body())["id"]
    with store.jobs.claim(name) as first:
        assert first.held
        with store.jobs.claim(name) as second:
            assert not second.held
    with store.jobs.claim(name) as third:
        assert third.held
        third.release(finished=True)
    assert not list((store.folder / "locks").iterdir())
    with store.jobs.claim(name) as fourth:
        assert fourth.held


def test_a_checkpoint_can_be_shared_in_name(store: Store, body: Any) -> None:
    name = store.jobs.create(body())["id"]
    with store.database.writing() as base:
        base.execute(
            "INSERT INTO checkpoint (id, job, created_at, step, name, metrics, reward)"
            " VALUES ('ftckpt_x', 1, 1, 5, 'ft:o4-mini:dry-run:none:no-weights', '{\"step\": 5}', 1)"
        )
    shown = store.jobs.checkpoints(name)[0][0]
    assert shown["weights_trained"] is False
    assert (shown["step_number"], shown["metrics"]) == (5, {"step": 5})
    permissions = store.permissions
    named = shown["fine_tuned_model_checkpoint"]
    made = permissions.create(named, ["proj_a", "proj_b", "proj_a"])
    assert [one["project_id"] for one in made] == ["proj_a", "proj_b"]
    assert permissions.create("ftckpt_x", ["proj_a"]) == [made[0]]
    assert permissions.list(named) == ([made[1], made[0]], False)
    assert permissions.list(named, order="ascending", limit=1) == ([made[0]], True)
    assert permissions.list(named, project_id="proj_b") == ([made[1]], False)
    assert permissions.delete(named, made[0]["id"])["deleted"]
    assert permissions.list(named, after=made[1]["id"]) == ([], False)
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: permissions.delete(named, made[0]["id"]), "Could not find permission"),
        (lambda: permissions.delete(named, "../x"), "Could not find permission"),
        (lambda: permissions.list("ft:none"), "Could not find checkpoint"),
        (lambda: permissions.create("../\0", ["a"]), "Could not find checkpoint"),
    ]
    for call, says in calls:
        with pytest.raises(ApiError, match=says) as caught:
            call()
        assert caught.value.status == 404
    for wrong in (None, [], "proj", ["../x"], [5], ["a"] * 1001):
        with pytest.raises(ApiError, match="project") as caught:
            permissions.create(named, wrong)
        assert caught.value.status == 400


def test_an_error_travels_between_processes() -> None:
    error = ApiError(400, "no", param="x", code="y")
    again = pickle.loads(pickle.dumps(error))
    assert again.body() == error.body() == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "x", "code": "y"}
    }  # fmt: skip
