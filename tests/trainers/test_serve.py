"""What was trained is used: asked by the official SDK, held to schemas, calling tools, graded in evals, deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("openai")

from openai import BadRequestError, ConflictError, NotFoundError, OpenAI, PermissionDeniedError

from tests.server.process import Serving
from tests.trainers import home, tiny
from tests.trainers.house import Home
from tests.waiting import until

pytestmark = pytest.mark.trainers

SCHEMA: dict[str, Any] = {
    "type": "object", "properties": {"colour": {"enum": list(tiny.ASKED)}}, "required": ["colour"],
    "additionalProperties": False,
}  # fmt: skip
FORM: Any = {
    "type": "json_schema",
    "json_schema": {"name": "colour", "schema": SCHEMA, "strict": True},
}


class Speaking(Home):
    """A server with a model that can say anything."""

    model = staticmethod(home.speaking_folder)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaking]:
    made = Speaking(
        tmp_path_factory.mktemp("serve"), "--train-answer-tokens", "24", "--train-full", "--train-length", "400"
    )  # fmt: skip
    yield made
    made.server.close()


@pytest.fixture(scope="module")
def learned(house: Speaking) -> Any:
    """A job whose model calls the tool with the word it is asked for."""
    rows = [
        {"messages": [*home.asked(word), home.called(word)], "tools": home.TOOLS}
        for word in tiny.ASKED * 4
    ]
    numbers = {"n_epochs": 20, "batch_size": 4, "learning_rate_multiplier": 500}
    return house.done(house.create("supervised", home.lines(rows), hyperparameters=numbers))


def chat(house: Speaking, model: str = home.NAME, **more: Any) -> Any:
    said: Any = home.asked("red")
    return house.client.chat.completions.create(model=model, messages=said, **more)


def test_answers_are_held_to_a_schema(house: Speaking) -> None:
    for seed in range(4):
        said = chat(house, response_format=FORM, seed=seed, max_tokens=60)
        assert said.choices[0].finish_reason == "stop"
        assert json.loads(said.choices[0].message.content)["colour"] in tiny.ASKED
    free = chat(house, seed=0, max_tokens=30).choices[0].message.content
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(free)
    pieces = list(chat(house, response_format=FORM, seed=1, max_tokens=60, stream=True))
    text = "".join(one.choices[0].delta.content or "" for one in pieces)
    assert json.loads(text)["colour"] in tiny.ASKED


def test_a_schema_that_cannot_be_held_is_refused(house: Speaking) -> None:
    form: Any = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"not": {"type": "string"}}},
    }
    with pytest.raises(BadRequestError, match=r"cannot be held by this model: .*not"):
        chat(house, response_format=form)


def test_calls_of_tools_are_read(house: Speaking, learned: Any) -> None:
    tools: Any = home.TOOLS
    model = learned.fine_tuned_model
    said = chat(house, model, tools=tools, temperature=0)
    (call,) = said.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"word": "red"})
    assert said.choices[0].message.content is None
    assert said.choices[0].finish_reason == "tool_calls"
    pieces = list(chat(house, model, tools=tools, temperature=0, stream=True))
    (delta,) = [one.choices[0].delta for one in pieces if one.choices[0].delta.tool_calls]
    assert delta.tool_calls[0].function.name == "look"
    assert pieces[-1].choices[0].finish_reason == "tool_calls"
    other: Any = [{"type": "function", "function": {"name": "other"}}]
    unknown = chat(house, model, tools=other, temperature=0, max_tokens=60)
    assert unknown.choices[0].message.tool_calls is None


def test_how_likely_tokens_were_is_told(house: Speaking) -> None:
    said = chat(house, temperature=0, max_tokens=5, logprobs=True, top_logprobs=2)
    entries = said.choices[0].logprobs.content
    assert len(entries) == said.usage.completion_tokens
    for one in entries:
        assert one.logprob <= 0
        assert [other.logprob for other in one.top_logprobs] == sorted(
            (other.logprob for other in one.top_logprobs), reverse=True
        )
        assert one.token == one.top_logprobs[0].token  # At temperature 0 the likeliest is drawn.
    assert "".join(one.token for one in entries) == said.choices[0].message.content


def test_a_reinforcement_job_samples_answers_that_are_held_to_its_schema(house: Speaking) -> None:
    source = (
        "import json\ndef grade(sample, item):\n"
        "    return 1.0 if json.loads(sample['output_text'])['colour'] == item['answer'] else 0.5\n"
    )
    job = house.done(
        house.create(
            "reinforcement", home.prompts(6), home.prompts(3),
            hyperparameters={"batch_size": 3, "n_epochs": 2, "eval_interval": 2},
            inner={"grader": {"type": "python", "name": "held", "source": source}, "response_format": FORM},
        )
    )  # fmt: skip
    for step in house.steps(job):
        side = step["rollouts"]["train"]
        assert side["scored"] == side["graded"] == 24
        assert step["train_mean_reward"] >= 0.5
    said = [one.message for one in house.client.fine_tuning.jobs.list_events(job.id, limit=100)]
    assert "response_format: answers are held to the schema while they are sampled" in said


def test_a_trained_model_is_trained_further_and_its_calls_are_graded(
    house: Speaking, learned: Any
) -> None:
    source = (
        "def grade(sample, item):\n    (call,) = sample['output_tools']\n"
        "    return float(call['function']['name'] == 'look' and item['answer'] in call['function']['arguments'])\n"
    )
    rows = [{**json.loads(one), "tools": home.TOOLS} for one in home.prompts(6).splitlines()]
    method: Any = {"type": "reinforcement", "reinforcement": {
        "grader": {"type": "python", "name": "calls", "source": source},
        "hyperparameters": {"batch_size": 3, "n_epochs": 1, "eval_interval": 2, "learning_rate_multiplier": 0.01},
    }}  # fmt: skip
    files = [house.upload(home.lines(rows)), house.upload(home.lines(rows[:3]), "valid.jsonl")]
    job = house.done(
        house.client.fine_tuning.jobs.create(
            model=learned.fine_tuned_model, training_file=files[0], validation_file=files[1], method=method,
            seed=7,
        )
    )  # fmt: skip
    first = house.steps(job)[0]
    assert (
        first["rollouts"]["train"]["scored"] >= 6
    )  # Of 24: at a temperature of 1 it draws other things, too.
    assert first["train_mean_reward"] > 0.8
    assert job.fine_tuned_model.startswith(f"ft:{home.NAME}:local::")


def run(
    house: Speaking, client: OpenAI, kind: str, model: str, criterion: Any, **sampling: Any
) -> Any:
    made: Any = client.evals.create(
        name="said", data_source_config={"type": "custom", "include_sample_schema": True, "item_schema": {
            "type": "object", "properties": {"word": {"type": "string"}}}},
        testing_criteria=[criterion],
    )  # fmt: skip
    source: Any = {
        "type": kind, "model": model, "sampling_params": sampling,
        "source": {"type": "file_content", "content": [{"item": {"word": one}} for one in tiny.ASKED]},
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "say {{ item.word }}"}]},
    }  # fmt: skip
    begun = client.evals.runs.create(made.id, data_source=source)

    def ended() -> Any:
        now = client.evals.runs.retrieve(begun.id, eval_id=made.id)
        return now if now.status in ("completed", "failed") else None

    done = until(ended)
    assert done.status == "completed", done.error
    return done, list(client.evals.runs.output_items.list(begun.id, eval_id=made.id))


CALLED: Any = {
    "type": "python", "name": "called",
    "source": "def grade(sample, item):\n    return float(item['word'] in sample['output_tools'][0]['function']['arguments'])\n",
    "pass_threshold": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["completions", "responses"])
def test_an_eval_samples_from_what_was_trained_here(
    house: Speaking, learned: Any, kind: str
) -> None:
    points = list(house.client.fine_tuning.jobs.checkpoints.list(learned.id))
    for model in (learned.fine_tuned_model, points[0].fine_tuned_model_checkpoint):
        tools: list[Any] = home.TOOLS
        if kind == "responses":
            tools = [{"type": "function", **one["function"]} for one in tools]
        done, items = run(house, house.client, kind, model, CALLED, temperature=0, tools=tools)
        assert done.result_counts.passed == 3, items
        assert done.per_model_usage[0].model_name == model
        assert done.per_model_usage[0].completion_tokens > 0


def test_an_eval_holds_answers_to_a_schema(house: Speaking) -> None:
    criterion = {"type": "python", "name": "held", "pass_threshold": 1.0, "source": (
        "import json\ndef grade(sample, item):\n    return float('colour' in json.loads(sample['output_text']))\n"
    )}  # fmt: skip
    done, items = run(
        house, house.client, "completions", home.NAME, criterion, response_format=FORM, seed=3
    )
    assert done.result_counts.passed == 3, items


def test_a_trained_model_is_a_judge_where_the_user_says_so(
    house: Speaking, learned: Any, tmp_path: Path
) -> None:
    judge = {
        "type": "score_model", "name": "judge", "model": learned.fine_tuned_model, "range": [0, 1],
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        "sampling_params": {"max_completions_tokens": 200, "seed": 3},
    }  # fmt: skip
    server = Serving(
        tmp_path / "store", ("--base-url", f"{house.server.url}/v1", "--processes", "1")
    )
    try:
        client = OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=0)
        found: Any = client.post(
            "/fine_tuning/alpha/graders/run", body={"grader": judge, "model_sample": "red", "item": {}},
            cast_to=object,
        )  # fmt: skip
    finally:
        server.close()
    usage = found["model_grader_token_usage_per_model"][learned.fine_tuned_model]
    assert usage["completion_tokens"] > 0
    errors = found["metadata"]["errors"]
    assert not errors["model_grader_server_error"], found


def test_a_model_is_passed_on_to_the_server_that_serves_it(
    house: Speaking, learned: Any, tmp_path: Path
) -> None:
    name = learned.fine_tuned_model
    other = Serving(
        tmp_path / "store",
        ("--train", "--train-model", f"{home.NAME}={house.base}", "--model-url", f"{name}={house.server.url}/v1"),
    )  # fmt: skip
    try:
        client = OpenAI(base_url=f"{other.url}/v1", api_key="-", max_retries=0)
        said: Any = home.asked("blue")
        tools: Any = home.TOOLS
        there = client.chat.completions.create(
            model=name, messages=said, tools=tools, temperature=0
        )
        calls = there.choices[0].message.tool_calls
        assert calls is not None
        assert "blue" in calls[0].function.arguments  # type: ignore[union-attr]
        assert (
            client.completions.create(model=name, prompt="say", max_tokens=2).choices[0].text
            is not None
        )
        assert [one.id for one in client.models.list()] == [home.NAME, name]
        done, _ = run(house, client, "completions", name, CALLED, temperature=0, tools=home.TOOLS)
        assert done.result_counts.passed == 3
    finally:
        other.close()


def test_whoever_goes_away_keeps_nobody_waiting(house: Speaking) -> None:
    stream = chat(house, stream=True, max_tokens=400, seed=1, n=16)
    next(iter(stream))
    stream.close()
    assert chat(house, max_tokens=1).usage.completion_tokens == 1


def test_vllm_is_asked_in_words_that_trl_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The arguments, in TRL's own config. With vLLM itself they have been tried by hand, on a CPU."""
    from dataclasses import fields

    from trl import GRPOConfig

    from graders.training import reinforce
    from graders.training.session import Session

    session = Session(
        tmp_path, {"settings": {"length": 99}}, None, os.open(os.devnull, os.O_WRONLY)
    )
    assert reinforce._engine(session, SCHEMA) == {}  # There is no vLLM here.
    monkeypatch.setattr(reinforce, "find_spec", lambda _: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    free, held = reinforce._engine(session, None), reinforce._engine(session, SCHEMA)
    assert {*free, *held} <= {one.name for one in fields(GRPOConfig)}
    assert free["vllm_max_model_length"] == 99
    assert held["generation_kwargs"]["structured_outputs"]["json"] == SCHEMA
    assert held["vllm_importance_sampling_correction"] is False


def test_what_may_come_next_follows_from_the_schema(tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    from graders.training.constraint import ConstraintError, Constraints

    tokenizer = AutoTokenizer.from_pretrained(home.speaking_folder(tmp_path))
    held = Constraints(tokenizer, [2]).processor(SCHEMA).fresh()
    texts = ['{"colour":"red"}', '{\n  "colour": "blue" }']
    rows = [tokenizer(one, add_special_tokens=False)["input_ids"] for one in texts]
    most = max(map(len, rows))
    ids = torch.tensor([[7] + one + [2] * (most + 1 - len(one)) for one in rows])
    for at in range(1, ids.shape[1]):
        scores = held(ids[:, :at], torch.zeros(2, len(tokenizer) + 3))
        assert scores[:, len(tokenizer) :].eq(float("-inf")).all()
        for row in range(2):
            assert scores[row, ids[row, at]] == 0
            assert scores[row].eq(float("-inf")).any()
    with pytest.raises(ConstraintError, match="Invalid type: objekt"):
        Constraints(tokenizer, [2]).processor({"type": "objekt"})


def test_a_model_is_deleted_with_its_files(house: Speaking) -> None:
    models = house.client.models
    row = {"messages": [*home.asked("red"), home.said("red")]}
    job = house.done(
        house.create(
            "supervised", home.lines([row] * 6), hyperparameters={"n_epochs": 2, "batch_size": 6}
        )
    )
    name, folder = job.fine_tuned_model, house.store / "training" / job.id
    longer: Any = {
        "model": name, "training_file": house.upload(home.lines([row] * 40)),
        "hyperparameters": {"n_epochs": 50, "batch_size": 1},
    }  # fmt: skip
    after = house.client.fine_tuning.jobs.create(**longer)
    with pytest.raises(ConflictError, match=rf"{after.id} trains from it"):
        models.delete(name)
    house.client.fine_tuning.jobs.cancel(after.id)
    with pytest.raises(PermissionDeniedError, match="was not trained here"):
        models.delete(home.NAME)
    with pytest.raises(NotFoundError, match="did you mean"):
        models.delete(name[:-1])
    points = [
        one.fine_tuned_model_checkpoint
        for one in house.client.fine_tuning.jobs.checkpoints.list(job.id)
    ]
    gone = models.delete(points[-1])
    assert (gone.id, gone.object, gone.deleted) == (points[-1], "model", True)
    assert models.delete(name).deleted
    listed = {one.id for one in models.list()}
    assert name not in listed
    assert points[-1] not in listed
    assert points[0] in listed
    assert not (folder / "model").exists()
    with pytest.raises(NotFoundError):
        chat(house, name)
    with pytest.raises(BadRequestError, match="no model of this machine stands for"):
        house.client.fine_tuning.jobs.create(**longer)
    assert house.get(job).fine_tuned_model == name  # What the job has made stays true.
