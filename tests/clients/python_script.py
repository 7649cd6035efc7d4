"""The calls every version of openai-python makes; runs in that version's own interpreter.

    python python_script.py        with GRADERS_CLIENTS={"open": URL, "token": URL, "key": TOKEN, ...}

Prints one JSON object: the version, the names of the checks that held, and why others did not.
Responses are parsed strictly: a field that the SDK's types do not allow raises. It uses nothing
but the SDK and the standard library, for it runs where graders is not installed.
"""

# Wrong requests are the point of some calls, and the types are those of one of several versions.
# mypy: disable-error-code="arg-type, union-attr, index, operator, misc, comparison-overlap"

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import itertools
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI

GIVEN: dict[str, Any] = json.loads(os.environ["GRADERS_CLIENTS"])

CHECKS: list[Callable[[], Awaitable[None] | None]] = []


def check(function: Any) -> Any:
    CHECKS.append(function)
    return function


def client(**options: Any) -> OpenAI:
    given = {
        "base_url": GIVEN["open"] + "/v1",
        "api_key": "anything",
        "_strict_response_validation": True,
        "timeout": 60,
        **options,
    }
    return OpenAI(**given)


def loose(**options: Any) -> OpenAI:
    """For what the SDK's types contradict the service's own answers on."""
    return client(_strict_response_validation=False, **options)


def asynchronous(**options: Any) -> AsyncOpenAI:
    return AsyncOpenAI(
        base_url=GIVEN["open"] + "/v1", api_key="anything", _strict_response_validation=True,
        timeout=60, **options,
    )  # fmt: skip


def raises(kind: type[Exception], call: Callable[[], Any]) -> Any:
    try:
        got = call()
    except kind as error:
        assert type(error) is kind, f"{type(error)} is not {kind}"
        return error
    raise AssertionError(f"{kind.__name__} was not raised; got {got!r}")


EXACT = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
CLOSE = {
    "type": "text_similarity", "name": "close", "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
PYTHON = {
    "type": "python", "name": "half",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / len(item['answer'])\n",
}  # fmt: skip
SCORE = {
    "type": "score_model", "name": "judge", "model": "judge-1", "range": [0, 1],
    "input": [{"role": "user", "content": "Rate {{ sample.output_text }}"}],
    "sampling_params": {"temperature": 0, "max_completions_tokens": 50},
}  # fmt: skip
LABEL = {
    "type": "label_model", "name": "label", "model": "labels-1", "labels": ["good", "bad"],
    "passing_labels": ["good"], "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}  # fmt: skip
MULTI = {
    "type": "multi", "name": "both", "graders": {"exact": EXACT, "close": CLOSE},
    "calculate_output": "0.5 * exact + 0.5 * close",
}  # fmt: skip
SLOW: Any = {
    "type": "python", "name": "slow",
    "source": "import time\ndef grade(sample, item):\n    time.sleep(item.get('wait', 0.15))\n    return 0.5\n",
}  # fmt: skip


# --- graders ------------------------------------------------------------------------------------


@check
def run_string_check() -> None:
    done = client().fine_tuning.alpha.graders.run(
        grader=EXACT, model_sample="yes", item={"answer": "yes"}
    )
    assert done.reward == 1.0
    assert done.metadata.name == "exact"
    assert done.metadata.type == "string_check"
    assert done.metadata.token_usage is None
    assert not done.metadata.errors.invalid_variable_error
    assert done.metadata.execution_time >= 0
    assert done.sub_rewards == {}


@check
def run_text_similarity() -> None:
    done = client().fine_tuning.alpha.graders.run(
        grader=CLOSE, model_sample="kitten", item={"answer": "sitting"}
    )
    assert 0.6 < done.reward < 0.63, done.reward


@check
def run_python() -> None:
    done = client().fine_tuning.alpha.graders.run(
        grader=PYTHON, model_sample="ab", item={"answer": "abcd"}
    )
    assert done.reward == 0.5


@check
def run_python_that_fails() -> None:
    done = client().fine_tuning.alpha.graders.run(
        grader=PYTHON, model_sample="ab", item={"answer": ""}
    )
    errors = done.metadata.errors
    assert done.reward == 0.0
    assert errors.python_grader_runtime_error
    assert "ZeroDivisionError" in (errors.python_grader_runtime_error_details or "")


@check
def run_multi() -> None:
    done = client().fine_tuning.alpha.graders.run(
        grader=MULTI, model_sample="a", item={"answer": "a"}
    )
    assert done.reward == 1.0
    assert done.sub_rewards == {"exact": 1.0, "close": 1.0}
    assert done.metadata.type == "multi"


@check
def run_score_model() -> None:
    # token_usage is an object in the service's own example and an integer in the SDK's types.
    done = loose().fine_tuning.alpha.graders.run(grader=SCORE, model_sample="a", item={})
    assert done.reward == 0.5, done
    assert done.metadata.sampled_model_name == "judge-1"
    usage = done.model_dump(by_alias=True)["model_grader_token_usage_per_model"]["judge-1"]
    assert usage["total_tokens"] == 15, usage


@check
def run_label_model() -> None:
    done = loose().fine_tuning.alpha.graders.run(grader=LABEL, model_sample="a", item={})
    assert done.reward == 1.0, done


@check
def run_without_an_item() -> None:
    grader = {**EXACT, "reference": "yes"}
    done = client().fine_tuning.alpha.graders.run(grader=grader, model_sample="yes")
    assert done.reward == 1.0


@check
def run_missing_variable_is_flagged() -> None:
    done = client().fine_tuning.alpha.graders.run(grader=EXACT, model_sample="yes", item={})
    assert done.reward == 0.0
    assert done.metadata.errors.invalid_variable_error


@check
def run_parses_json_samples() -> None:
    grader = {**EXACT, "input": "{{ sample.output_json.a[1] }}", "reference": "ü"}
    done = client().fine_tuning.alpha.graders.run(grader=grader, model_sample='{"a": [0, "ü"]}')
    assert done.reward == 1.0


@check
def validate_fills_in_a_name() -> None:
    for grader in (EXACT, CLOSE, PYTHON, SCORE):
        done = client().fine_tuning.alpha.graders.validate(grader=grader)
        assert done.grader.name == grader["name"]
        assert done.grader.type == grader["type"]
    nameless = {key: value for key, value in PYTHON.items() if key != "name"}
    done = client().fine_tuning.alpha.graders.validate(grader=nameless)
    assert done.grader.name


@check
def validate_takes_a_map_of_graders() -> None:
    # MultiGrader.graders is typed as one grader; every real configuration is a map.
    done = loose().fine_tuning.alpha.graders.validate(grader=MULTI)
    assert done.to_dict()["grader"]["graders"]["exact"]["operation"] == "eq"


@check
async def graders_asynchronously() -> None:
    async with asynchronous() as c:
        done = await asyncio.gather(*(
            c.fine_tuning.alpha.graders.run(
                grader=EXACT, model_sample=str(n % 2), item={"answer": "1"}
            )
            for n in range(20)
        ))  # fmt: skip
        assert [each.reward for each in done] == [float(n % 2) for n in range(20)]
        valid = await c.fine_tuning.alpha.graders.validate(grader=EXACT)
        assert valid.grader.name == "exact"


@check
def raw_and_streaming_responses() -> None:
    graders = client().fine_tuning.alpha.graders
    raw = graders.with_raw_response.run(grader=EXACT, model_sample="a", item={"answer": "a"})
    assert raw.status_code == 200
    assert raw.headers["x-request-id"]
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.parse().reward == 1.0
    with graders.with_streaming_response.run(
        grader=EXACT, model_sample="a", item={"answer": "a"}
    ) as streamed:
        assert streamed.headers["content-type"].startswith("application/json")
        assert json.loads(streamed.read())["reward"] == 1.0
    assert (graders.run(grader=EXACT, model_sample="a", item={"answer": "a"}))._request_id


# --- errors -------------------------------------------------------------------------------------


@check
def a_bad_grader_is_a_bad_request() -> None:
    broken = {**MULTI, "graders": {"exact": {**EXACT, "operation": "equals"}}}
    for call in (
        lambda: client().fine_tuning.alpha.graders.validate(grader=broken),
        lambda: client().fine_tuning.alpha.graders.run(grader=broken, model_sample="a"),
    ):
        error = raises(openai.BadRequestError, call)
        assert error.status_code == 400
        assert error.type == "invalid_request_error", error.type
        assert error.param == "grader.graders.exact.operation", error.param
        assert error.code, error.body
        assert "equals" in error.body["message"]
        assert error.body["faults"][0]["path"]
        assert error.request_id


@check
def a_missing_field_is_named() -> None:
    error = raises(
        openai.BadRequestError,
        lambda: client().post(
            "/fine_tuning/alpha/graders/run", body={"grader": EXACT}, cast_to=object
        ),
    )
    assert error.param == "model_sample", error.param


@check
def what_is_not_there_is_not_found() -> None:
    c = client()
    for call in (
        lambda: c.files.retrieve("file-nothere"),
        lambda: c.files.content("file-nothere"),
        lambda: c.files.delete("file-nothere"),
        lambda: c.fine_tuning.jobs.retrieve("ftjob-nothere"),
        lambda: c.fine_tuning.jobs.cancel("ftjob-nothere"),
        lambda: c.fine_tuning.jobs.pause("ftjob-nothere"),
        lambda: c.fine_tuning.jobs.resume("ftjob-nothere"),
        lambda: c.fine_tuning.jobs.list_events("ftjob-nothere"),
        lambda: c.fine_tuning.jobs.checkpoints.list("ftjob-nothere"),
        lambda: c.get("/no/such/path", cast_to=object),
    ):
        error = raises(openai.NotFoundError, call)
        assert error.body["message"], error.body
        assert error.type == "invalid_request_error", error.body


@check
def a_token_is_asked_for() -> None:
    for options in ({"api_key": "wrong"}, {"api_key": GIVEN["key"] + "x"}):
        error = raises(
            openai.AuthenticationError,
            lambda options=options: client(base_url=GIVEN["token"] + "/v1", **options).files.list(),
        )
        assert error.status_code == 401
        assert GIVEN["key"] not in str(error.body)
    assert client(base_url=GIVEN["token"] + "/v1", api_key=GIVEN["key"]).files.list().data == []


@check
def a_timeout_is_the_clients_own_error() -> None:
    raises(
        openai.APITimeoutError,
        lambda: client(timeout=0.3, max_retries=0).fine_tuning.alpha.graders.run(
            grader=SLOW, model_sample="a", item={"wait": 2}
        ),
    )


@check
def nobody_there_is_a_connection_error() -> None:
    raises(
        openai.APIConnectionError,
        lambda: client(base_url=GIVEN["nobody"] + "/v1", max_retries=0).files.list(),
    )


@check
def a_busy_server_is_asked_again() -> None:
    c = client(base_url=GIVEN["narrow"] + "/v1", max_retries=60)

    def ask(_: int) -> tuple[float, int]:
        raw = c.fine_tuning.alpha.graders.with_raw_response.run(
            grader=SLOW, model_sample="a", item={"wait": 0.4}
        )
        return raw.parse().reward, raw.retries_taken

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(ask, range(8)))
    assert [reward for reward, _ in done] == [0.5] * 8
    assert any(retries for _, retries in done), "the server was never too busy"


@check
def a_busy_server_says_so_to_who_does_not_ask_again() -> None:
    c = client(base_url=GIVEN["narrow"] + "/v1", max_retries=0)

    def ask(_: int) -> Any:
        try:
            return c.fine_tuning.alpha.graders.run(
                grader=SLOW, model_sample="a", item={"wait": 0.6}
            ).reward
        except openai.APIStatusError as error:
            assert error.status_code in (429, 503), error
            assert float(error.response.headers["retry-after"]) > 0
            assert isinstance(error, (openai.RateLimitError, openai.InternalServerError))
            return "busy"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(ask, range(8)))
    assert "busy" in done, done
    assert 0.5 in done, done


# --- files --------------------------------------------------------------------------------------


@check
def files_small() -> None:
    c = client()
    made = c.files.create(file=("rows.jsonl", b'{"a": 1}\n'), purpose="fine-tune")
    assert made.filename == "rows.jsonl"
    assert made.bytes == 9
    assert made.purpose == "fine-tune"
    assert abs(made.created_at - time.time()) < 60
    assert c.files.retrieve(made.id).to_dict() == made.to_dict()
    assert c.files.content(made.id).read() == b'{"a": 1}\n'
    assert c.files.content(made.id).text == '{"a": 1}\n'
    gone = c.files.delete(made.id)
    assert gone.deleted
    assert gone.id == made.id
    raises(openai.NotFoundError, lambda: c.files.content(made.id))
    raises(openai.NotFoundError, lambda: c.files.delete(made.id))


@check
def files_in_every_form() -> None:
    c = client()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "näme with spaces.jsonl"
        path.write_bytes(b"{}\n")
        with path.open("rb") as opened:
            forms: list[Any] = [
                b"{}\n",
                path,
                io.BytesIO(b"{}\n"),
                opened,
                ("a.jsonl", b"{}\n"),
                ("a.jsonl", io.BytesIO(b"{}\n")),
                ("a.jsonl", b"{}\n", "application/jsonl"),
                ("a.jsonl", b"{}\n", "application/octet-stream", {"X-Part": "1"}),
                ('quo"ted\\.jsonl', b"{}\n"),
            ]
            for form in forms:
                made = c.files.create(file=form, purpose="fine-tune")
                assert c.files.content(made.id).read() == b"{}\n", form
                if isinstance(form, Path):
                    assert made.filename == path.name, made.filename
                c.files.delete(made.id)


@check
def files_of_twenty_megabytes() -> None:
    c = client()
    data = os.urandom(1 << 20) * 20
    made = c.files.create(file=("big.bin", io.BytesIO(data)), purpose="user_data")
    assert made.bytes == len(data)
    with c.files.with_streaming_response.content(made.id) as response:
        size = 0
        for piece in response.iter_bytes(1 << 16):
            assert piece == data[size : size + len(piece)]
            size += len(piece)
    assert size == len(data)
    assert c.files.content(made.id).read() == data
    c.files.delete(made.id)


@check
def files_in_parts() -> None:
    c = client()
    data = os.urandom(1 << 20)
    made = c.uploads.upload_file_chunked(
        file=data,
        filename="parts.bin",
        bytes=len(data),
        mime_type="text/plain",
        purpose="user_data",
        part_size=300_000,
    )
    assert made.status == "completed"
    assert made.file
    assert c.files.content(made.file.id).read() == data
    other = c.uploads.create(bytes=3, filename="a", mime_type="text/plain", purpose="user_data")
    c.uploads.parts.create(other.id, data=b"abc")
    assert c.uploads.cancel(other.id).status == "cancelled"
    raises(openai.BadRequestError, lambda: c.uploads.complete(other.id, part_ids=["part_x"]))
    raises(openai.NotFoundError, lambda: c.uploads.cancel("upload_nothere"))


@check
def files_empty() -> None:
    c = client()
    try:
        made = c.files.create(file=("empty.jsonl", b""), purpose="fine-tune")
    except openai.BadRequestError as error:
        assert "empty" in error.body["message"].lower(), error.body
    else:
        assert c.files.content(made.id).read() == b""
        c.files.delete(made.id)


@check
def files_expire() -> None:
    c = client()
    made = c.files.create(
        file=b"{}", purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )  # fmt: skip
    assert made.expires_at == made.created_at + 3600, made
    c.files.delete(made.id)


@check
def files_with_a_bad_purpose() -> None:
    error = raises(
        openai.BadRequestError, lambda: client().files.create(file=b"{}", purpose="no-such-thing")
    )
    assert error.param == "purpose", error.body


@check
def files_page_by_page() -> None:
    c = client()
    made = [
        c.files.create(file=(f"{n}.jsonl", b"{}\n"), purpose="batch" if n % 2 else "fine-tune").id
        for n in range(9)
    ]
    first = c.files.list(limit=4)
    assert len(first.data) == 4
    assert first.has_next_page()
    newest = [entry.id for entry in c.files.list(limit=4)]
    ours = [each for each in newest if each in made]
    assert ours == made[::-1], (ours, made)
    oldest = [entry.id for entry in c.files.list(limit=2, order="asc") if entry.id in made]
    assert oldest == made
    odd = [entry.id for entry in c.files.list(limit=2, purpose="batch") if entry.id in made]
    assert sorted(odd) == sorted(made[1::2])
    after = c.files.list(limit=3, after=made[5])
    assert [entry.id for entry in after.data if entry.id in made] == made[4:1:-1]
    for each in made:
        c.files.delete(each)


@check
async def files_asynchronously() -> None:
    async with asynchronous() as c:
        made = await asyncio.gather(*(
            c.files.create(file=(f"{n}.jsonl", b"{}\n"), purpose="fine-tune") for n in range(7)
        ))  # fmt: skip
        ids = {each.id for each in made}
        assert len(ids) == 7
        seen = [entry.id async for entry in c.files.list(limit=3) if entry.id in ids]
        assert sorted(seen) == sorted(ids)
        pages = 0
        page = await c.files.list(limit=3)
        while True:
            pages += 1
            if not page.has_next_page():
                break
            page = await page.get_next_page()
        assert pages >= 3
        assert (await c.files.content(made[0].id)).content == b"{}\n"
        for each in made:
            assert (await c.files.delete(each.id)).deleted


# --- jobs ---------------------------------------------------------------------------------------


def upload(c: OpenAI, rows: int = 4, **extra: Any) -> str:
    lines = [
        json.dumps({
            "messages": [{"role": "user", "content": f"Say {n}."}],
            "answer": str(n), "samples": [str(n), "no"], **extra,
        })
        for n in range(rows)
    ]  # fmt: skip
    return c.files.create(file=("rows.jsonl", "\n".join(lines).encode()), purpose="fine-tune").id


def reinforcement(grader: Any, **hyperparameters: Any) -> Any:
    return {
        "type": "reinforcement",
        "reinforcement": {
            "grader": grader,
            "hyperparameters": {
                "n_epochs": 1, "batch_size": 2, "eval_interval": 1, "eval_samples": 1,
                **hyperparameters,
            },
        },
    }  # fmt: skip


def make(c: OpenAI, grader: Any = EXACT, rows: int = 4, row: Any = None, **options: Any) -> Any:
    """Create a job; hyperparameters of ours, the rest as given."""
    hyper = options.pop("hyper", {})
    return c.fine_tuning.jobs.create(
        model="o4-mini-2025-04-16", training_file=upload(c, rows, **(row or {})),
        validation_file=upload(c, 2, **(row or {})),
        method=reinforcement(grader, **hyper), **options,
    )  # fmt: skip


def until(c: OpenAI, job: str, *statuses: str, seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while True:
        now = c.fine_tuning.jobs.retrieve(job)
        if now.status in statuses:
            return now
        if now.status in ("failed", "succeeded", "cancelled") or time.monotonic() > end:
            raise AssertionError(f"job is {now.status}, not {statuses}: {now.to_dict()}")
        time.sleep(0.1)


@check
def jobs_run_to_their_end() -> None:
    c = client()
    made = make(c, metadata={"who": "end"}, suffix="mine", seed=7)
    assert made.object == "fine_tuning.job"
    assert made.status in ("validating_files", "queued")
    assert made.seed == 7
    assert made.metadata == {"who": "end"}
    assert made.fine_tuned_model is None
    assert made.finished_at is None
    done = until(c, made.id, "succeeded")
    assert done.finished_at >= done.created_at
    assert done.fine_tuned_model is None
    assert done.error is None
    assert done.result_files
    assert done.method.reinforcement.grader.name == "exact"
    assert isinstance(done.method.reinforcement.hyperparameters.n_epochs, int)
    assert c.files.retrieve(done.result_files[0]).purpose == "fine-tune-results"
    assert c.files.content(done.result_files[0]).read()
    events = list(c.fine_tuning.jobs.list_events(made.id, limit=2))
    assert len({event.id for event in events}) == len(events) > 3
    assert all(a.created_at >= b.created_at for a, b in itertools.pairwise(events))
    metrics = [event for event in events if event.type == "metrics"]
    assert metrics
    assert "train_mean_reward" in metrics[0].data
    page = c.fine_tuning.jobs.list_events(made.id, limit=2)
    assert len(page.data) == 2
    rest = c.fine_tuning.jobs.list_events(made.id, limit=2, after=page.data[-1].id)
    assert [event.id for event in rest.data] == [event.id for event in events[2:4]]
    kept = list(c.fine_tuning.jobs.checkpoints.list(made.id, limit=1))
    assert 1 <= len(kept) <= 3
    assert len({each.id for each in kept}) == len(kept)
    assert kept[0].fine_tuning_job_id == made.id
    assert kept[0].to_dict()["weights_trained"] is False
    error = raises(openai.BadRequestError, lambda: c.fine_tuning.jobs.cancel(made.id))
    assert error.code, error.body
    raises(openai.BadRequestError, lambda: c.fine_tuning.jobs.pause(made.id))
    raises(openai.BadRequestError, lambda: c.fine_tuning.jobs.resume(made.id))
    permissions(c, kept[0].fine_tuned_model_checkpoint)


def permissions(c: OpenAI, checkpoint: str) -> None:
    assert ":" in checkpoint
    options = {"admin_api_key": "admin"} if hasattr(c, "admin_api_key") else {}
    admin = client(**options).fine_tuning.checkpoints.permissions
    made = admin.create(checkpoint, project_ids=["proj_a", "proj_b", "proj_c"])
    assert [each.project_id for each in made.data] == ["proj_a", "proj_b", "proj_c"]
    if hasattr(admin, "list"):
        assert {each.project_id for each in admin.list(checkpoint, limit=2)} == {
            "proj_a", "proj_b", "proj_c",
        }  # fmt: skip
        only = admin.list(checkpoint, project_id="proj_b").data
        assert [each.project_id for each in only] == ["proj_b"]
    seen = admin.retrieve(checkpoint, order="ascending")
    assert len(seen.data) == 3
    assert seen.first_id == seen.data[0].id
    for each in made.data:
        gone = admin.delete(each.id, fine_tuned_model_checkpoint=checkpoint)
        assert gone.deleted
    assert admin.retrieve(checkpoint).data == []
    raises(
        openai.NotFoundError,
        lambda: admin.delete(made.data[0].id, fine_tuned_model_checkpoint=checkpoint),
    )


@check
def jobs_pause_resume_and_cancel() -> None:
    # The reference's own example of a paused job says "paused"; the SDK's types do not.
    c = loose()
    made = make(c, SLOW, rows=24, row={"wait": 0.3}, metadata={"who": "paused"})
    until(c, made.id, "running")
    paused = c.fine_tuning.jobs.pause(made.id)
    assert paused.status == "paused", paused
    raises(openai.BadRequestError, lambda: c.fine_tuning.jobs.pause(made.id))
    time.sleep(1.0)
    seen = [event.id for event in c.fine_tuning.jobs.list_events(made.id)]
    time.sleep(0.7)
    assert [event.id for event in c.fine_tuning.jobs.list_events(made.id)] == seen
    assert c.fine_tuning.jobs.retrieve(made.id).status == "paused"
    resumed = client().fine_tuning.jobs.resume(made.id)
    assert resumed.status in ("queued", "running", "validating_files")
    until(c, made.id, "running")
    gone = client().fine_tuning.jobs.cancel(made.id)
    assert gone.status == "cancelled"
    assert gone.finished_at
    raises(openai.BadRequestError, lambda: c.fine_tuning.jobs.resume(made.id))


@check
def jobs_are_listed_by_page_and_metadata() -> None:
    c = loose()
    mark = f"list-{time.time_ns()}"
    train, valid = upload(c), upload(c, 2)
    made = [
        c.fine_tuning.jobs.create(
            model="o4-mini-2025-04-16", training_file=train, validation_file=valid,
            method=reinforcement(EXACT), metadata={"mark": mark, "n": str(n % 2)},
        ).id
        for n in range(5)
    ]  # fmt: skip
    assert [job.id for job in c.fine_tuning.jobs.list(limit=2, metadata={"mark": mark})] == made[
        ::-1
    ]
    both = c.fine_tuning.jobs.list(metadata={"mark": mark, "n": "1"})
    assert [job.id for job in both.data] == [made[3], made[1]]
    assert c.fine_tuning.jobs.list(metadata={"mark": "nobody"}).data == []
    page = c.fine_tuning.jobs.list(limit=2, after=made[4], metadata={"mark": mark})
    assert [job.id for job in page.data] == [made[3], made[2]]
    assert page.has_more
    for each in made:
        try:
            c.fine_tuning.jobs.cancel(each)
        except openai.BadRequestError:
            assert c.fine_tuning.jobs.retrieve(each).status == "succeeded"


@check
def jobs_fail_with_the_line_and_the_field() -> None:
    c = client()
    bad = c.files.create(
        file=("bad.jsonl", b'{"messages": [{"role": "user", "content": "a"}]}\n{"messages": 7}\n'),
        purpose="fine-tune",
    ).id
    made = c.fine_tuning.jobs.create(
        model="o4-mini-2025-04-16", training_file=bad, validation_file=upload(c, 2),
        method=reinforcement(EXACT),
    )  # fmt: skip
    done = until(c, made.id, "failed") if made.status != "failed" else made
    assert done.error.param == "training_file", done.error
    assert done.error.code, done.error
    assert "2" in done.error.message, done.error


@check
def jobs_that_are_not_reinforcement_are_refused_when_they_run() -> None:
    c = client()
    made = c.fine_tuning.jobs.create(model="gpt-4.1", training_file=upload(c))
    assert made.method is None or made.method.type == "supervised"
    done = until(c, made.id, "failed")
    assert done.error.message
    assert done.error.code


@check
def jobs_with_faults_are_bad_requests() -> None:
    c = client()
    error = raises(openai.BadRequestError, lambda: make(c, {**EXACT, "operation": "equals"}))
    assert error.param == "method.reinforcement.grader.operation", error.body
    error = raises(
        openai.BadRequestError,
        lambda: c.fine_tuning.jobs.create(model="gpt-4.1", training_file="file-nothere"),
    )
    assert error.param == "training_file", error.body


@check
async def jobs_asynchronously() -> None:
    sync = client()
    made = make(sync, CLOSE, metadata={"who": "async"})
    async with asynchronous() as c:
        for _ in range(600):
            now = await c.fine_tuning.jobs.retrieve(made.id)
            if now.status == "succeeded":
                break
            await asyncio.sleep(0.1)
        assert now.status == "succeeded", now
        events = [event.id async for event in c.fine_tuning.jobs.list_events(made.id, limit=2)]
        assert len(events) == len(set(events)) > 3
        kept = [each async for each in c.fine_tuning.jobs.checkpoints.list(made.id, limit=1)]
        assert kept
        name = kept[0].fine_tuned_model_checkpoint
        admin = c.fine_tuning.checkpoints.permissions
        given = await admin.create(name, project_ids=["proj_z"])
        assert given.data[0].project_id == "proj_z"
        assert (await admin.delete(given.data[0].id, fine_tuned_model_checkpoint=name)).deleted
        seen = [j.id async for j in c.fine_tuning.jobs.list(limit=1, metadata={"who": "async"})]
        assert made.id in seen


# --- other faces --------------------------------------------------------------------------------


# --- evals --------------------------------------------------------------------------------------

SCHEMA: Any = {
    "type": "object",
    "properties": {"ticket": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["ticket", "answer"],
}
CRITERIA: Any = [
    {**EXACT, "name": "right"},
    {**CLOSE, "name": "near", "pass_threshold": 0.5},
    {**LABEL, "name": "polite"},
]
TICKETS = [("Printer on fire", "hardware"), ("Reset my password", "account")]


def an_eval(c: Any, **more: Any) -> Any:
    config = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
    given = {"name": "IT tickets", "metadata": {"team": "it"}, **more}
    return c.evals.create(data_source_config=config, testing_criteria=CRITERIA, **given)


def ended(c: Any, run: Any, eval_id: str) -> Any:
    deadline = time.monotonic() + 90
    while run.status in ("queued", "in_progress"):
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
        run = c.evals.runs.retrieve(run.id, eval_id=eval_id)
    return run


@check
def evals_are_created_listed_changed_and_deleted() -> None:
    c = client()
    made = an_eval(c)
    assert made.object == "eval"
    assert made.testing_criteria[0].name == "right"
    assert made.data_source_config.type == "custom"
    assert made.data_source_config.schema_["properties"]["item"] == SCHEMA
    assert c.evals.retrieve(made.id) == c.evals.retrieve(made.id)
    changed = c.evals.update(made.id, name="new", metadata={"a": "b"})
    assert (changed.name, changed.metadata) == ("new", {"a": "b"})
    other = an_eval(c)
    newest = c.evals.list(order="desc", limit=1)
    assert [one.id for one in newest.data] == [other.id]
    assert newest.has_more
    every = [one.id for one in c.evals.list(limit=1)]
    assert every.index(made.id) < every.index(other.id)
    assert {made.id, other.id} <= {one.id for one in c.evals.list(order_by="updated_at")}
    gone = c.evals.delete(made.id)
    assert (gone.deleted, gone.eval_id, gone.object) == (True, made.id, "eval.deleted")
    raises(openai.NotFoundError, lambda: c.evals.retrieve(made.id))
    raises(openai.NotFoundError, lambda: c.evals.delete(made.id))
    wrong = raises(openai.BadRequestError, lambda: an_eval(c, metadata={"a": "b" * 600}))
    assert wrong.param == "metadata.a"
    c.evals.delete(other.id)


@check
def runs_over_rows_and_files() -> None:
    c = loose()
    made = an_eval(c)
    rows: Any = [
        {"item": {"ticket": t, "answer": a}, "sample": {"output_text": said}}
        for (t, a), said in zip(TICKETS, ("hardware", "billing"), strict=True)
    ]
    given = c.evals.runs.create(
        made.id, name="rows", metadata={"k": "v"},
        data_source={"type": "jsonl", "source": {"type": "file_content", "content": rows}},
    )  # fmt: skip
    assert (given.object, given.eval_id, given.status) == ("eval.run", made.id, "queued")
    lines = "".join(json.dumps(one) + "\n" for one in rows).encode()
    file = c.files.create(file=("rows.jsonl", lines), purpose="evals")
    filed = c.evals.runs.create(
        made.id, data_source={"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    )
    for run in (ended(c, given, made.id), ended(c, filed, made.id)):
        assert run.status == "completed", run
        counts = run.result_counts
        assert (counts.total, counts.passed, counts.failed, counts.errored) == (2, 1, 1, 0)
        assert run.report_url.startswith(GIVEN["open"])
        verdicts = {
            one.testing_criteria[:5]: (one.passed, one.failed)
            for one in run.per_testing_criteria_results
        }
        assert verdicts == {"right": (1, 1), "near-": (1, 1), "polit": (2, 0)}, verdicts
        items = list(c.evals.runs.output_items.list(run.id, eval_id=made.id, limit=1))
        assert [one.status for one in items] == ["pass", "fail"]
        assert [one.datasource_item["ticket"] for one in items] == [t for t, _ in TICKETS]
        assert items[1].sample.output[0].content == "billing"
        assert items[0].results[2].sample["output"][0]["content"]
        again = c.evals.runs.output_items.retrieve(items[1].id, eval_id=made.id, run_id=run.id)
        assert again.id == items[1].id
        failed = c.evals.runs.output_items.list(run.id, eval_id=made.id, status="fail")
        assert [one.id for one in failed] == [items[1].id]
    assert [one.id for one in c.evals.runs.list(made.id, limit=1)] == [given.id, filed.id]
    assert list(c.evals.runs.list(made.id, status="failed")) == []
    c.files.delete(file.id)  # Its purpose is one that the SDK's type of files does not have.
    gone = c.evals.runs.delete(given.id, eval_id=made.id)
    assert (gone.deleted, gone.run_id, gone.object) == (True, given.id, "eval.run.deleted")
    raises(openai.NotFoundError, lambda: c.evals.runs.retrieve(given.id, eval_id=made.id))
    raises(
        openai.BadRequestError,
        lambda: c.evals.runs.create(
            made.id, data_source={"type": "jsonl", "source": {"type": "file_id", "id": "file-no"}}
        ),
    )


@check
def runs_that_ask_a_model() -> None:
    c = loose()
    made = an_eval(c)
    rows: Any = [{"item": {"ticket": t, "answer": "good"}} for t, _ in TICKETS]
    for kind in ("completions", "responses"):
        run = c.evals.runs.create(
            made.id,
            data_source={
                "type": kind, "model": "labels-1",
                "source": {"type": "file_content", "content": rows},
                "input_messages": {
                    "type": "template",
                    "template": [
                        {"role": "developer", "content": "Sort the ticket."},
                        {"role": "user", "content": {"type": "input_text", "text": "{{ item.ticket }}"}},
                    ],
                },
                "sampling_params": {"temperature": 0.2, "seed": 1, "max_completion_tokens": 50},
            },
        )  # fmt: skip
        run = ended(c, run, made.id)
        assert (run.status, run.model, run.result_counts.total) == ("completed", "labels-1", 2), run
        usage = {one.run_model_name: one.invocation_count for one in run.per_model_usage}
        assert usage["labels-1"] == 2, usage
        [first, _] = c.evals.runs.output_items.list(run.id, eval_id=made.id)
        assert first.sample.input[-1].content == TICKETS[0][0]
        assert first.sample.usage.total_tokens == 15
        assert first.sample.temperature == 0.2


@check
def runs_are_canceled() -> None:
    c = loose()
    made = c.evals.create(
        data_source_config={"type": "custom", "item_schema": {}}, testing_criteria=[SLOW]
    )
    rows: Any = [{"item": {"wait": 0.2}, "sample": {"output_text": "x"}}] * 200
    run = c.evals.runs.create(
        made.id, data_source={"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    )
    assert c.evals.runs.cancel(run.id, eval_id=made.id).status == "canceled"
    raises(openai.BadRequestError, lambda: c.evals.runs.cancel(run.id, eval_id=made.id))


@check
async def evals_asynchronously() -> None:
    async with asynchronous() as c:
        made = await c.evals.create(
            data_source_config={"type": "custom", "item_schema": SCHEMA}, testing_criteria=CRITERIA
        )
        assert (await c.evals.retrieve(made.id)).id == made.id
        assert [one.id async for one in c.evals.runs.list(made.id)] == []
        assert (await c.evals.delete(made.id)).deleted


@check
def azure_clients() -> None:
    token = GIVEN["key"]
    for options in (
        {"azure_endpoint": GIVEN["token"], "api_key": token},
        {"azure_endpoint": GIVEN["token"] + "/", "api_key": token},
        {"base_url": GIVEN["token"] + "/openai", "api_key": token},
        {"base_url": GIVEN["token"] + "/openai/v1", "api_key": token},
        {"azure_endpoint": GIVEN["token"], "azure_ad_token": token},
    ):
        c = openai.AzureOpenAI(api_version="2025-04-01-preview", max_retries=0, **options)
        done = c.fine_tuning.alpha.graders.run(grader=EXACT, model_sample="a", item={"answer": "a"})
        assert done.reward == 1.0
        made = c.files.create(file=b"{}", purpose="fine-tune")
        assert c.files.delete(made.id).deleted
        assert c.fine_tuning.jobs.list().data == []
    raises(
        openai.AuthenticationError,
        lambda: openai.AzureOpenAI(
            api_version="2025-04-01-preview", azure_endpoint=GIVEN["token"], api_key="wrong"
        ).files.list(),
    )
    plain = client(base_url=GIVEN["token"] + "/openai/v1/", api_key=token)
    made = an_eval(plain)
    assert plain.evals.retrieve(made.id).name == "IT tickets"
    assert plain.evals.delete(made.id).deleted
    assert plain.fine_tuning.alpha.graders.validate(grader=EXACT).grader.name == "exact"


@check
def the_module_client() -> None:
    openai.base_url = GIVEN["open"] + "/v1/"
    openai.api_key = "anything"
    done = openai.fine_tuning.alpha.graders.run(
        grader=EXACT, model_sample="a", item={"answer": "a"}
    )
    assert done.reward == 1.0


def main() -> int:
    held: list[str] = []
    failed: dict[str, str] = {}
    only = sys.argv[1:]
    for function in CHECKS:
        name = function.__name__
        if only and name not in only:
            continue
        try:
            made = function()
            if made is not None:
                asyncio.run(made)
        except BaseException:  # noqa: BLE001  (whatever it was, the report says it)
            failed[name] = traceback.format_exc(limit=-3)
        else:
            held.append(name)
    print(json.dumps({"version": openai.__version__, "held": held, "failed": failed}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
