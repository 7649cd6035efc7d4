"""Jobs that train, through the official SDK and a real server: paused, killed, resumed, and what they learn."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

pytest.importorskip("peft")
pytest.importorskip("openai")

from openai import BadRequestError, NotFoundError

import graders
from graders.jobs import Store
from graders.training.chat import PLAIN, Chat
from graders.training.checkpoint import newest
from tests.trainers import home, tiny
from tests.trainers.house import Home, shown, supervised
from tests.waiting import until

pytestmark = pytest.mark.trainers


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("train"), "--allow-endpoint", "127.0.0.1")
    yield made
    made.server.close()


@pytest.fixture(scope="module")
def learned(house: Home) -> Any:
    """A supervised job that nobody disturbed."""
    return house.done(supervised(house))


@pytest.mark.short
def test_a_supervised_job_learns_and_says_so_in_the_hosted_objects(
    house: Home, learned: Any
) -> None:
    job = learned
    assert job.fine_tuned_model == f"ft:{home.NAME}:local::{job.id.removeprefix('ftjob-')[:8]}"
    assert job.trained_tokens == 6 * 24 * 5
    assert job.estimated_finish is None
    assert job.hyperparameters.n_epochs == 6
    steps = house.steps(job)
    assert [one["step"] for one in steps] == list(range(1, 19))
    assert steps[-1]["train_loss"] < steps[0]["train_loss"] - 0.3
    valid = [one["full_valid_loss"] for one in steps if one["full_valid_loss"] is not None]
    assert valid[-1] < valid[0] - 0.2
    assert steps[-1]["train_mean_token_accuracy"] > steps[0]["train_mean_token_accuracy"]
    table = house.client.files.content(job.result_files[0]).text.splitlines()
    assert table[0].startswith("step,train_loss,train_accuracy,valid_loss")
    assert [float(line.split(",")[1]) for line in table[1:]] == [one["train_loss"] for one in steps]
    points = list(house.client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [one.step_number for one in points] == [18, 15, 12]
    assert points[0].metrics.full_valid_loss == steps[-1]["full_valid_loss"]
    assert points[0].fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-18"


def test_the_model_stands_in_its_folder_with_a_card(house: Home, learned: Any) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = house.store / "training" / learned.id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids = tokenizer.apply_chat_template(
        home.asked("green"), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**ids, max_new_tokens=4, do_sample=False)[0][ids["input_ids"].shape[1] :]
    assert tokenizer.decode(said, skip_special_tokens=True).strip() == "green"
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    card = (folder / "model" / "README.md").read_text()
    assert json.dumps(learned.id)[1:-1] in card
    for text in ('"type": "supervised"', "sha256", '"trl"', "| 18 |"):
        assert text in card
    # Of checkpoints that are passed only the weights are kept, and of no name nothing.
    kept = {one.name for one in (folder / "checkpoints").glob("checkpoint-*")}
    assert kept == {"checkpoint-12", "checkpoint-15", "checkpoint-18"}
    assert not (folder / "checkpoints" / "checkpoint-12" / "optimizer.pt").exists()


@pytest.mark.short
def test_what_was_trained_can_be_asked(house: Home, learned: Any) -> None:
    client, name = house.client, learned.fine_tuned_model
    listed = [one.id for one in client.models.list()]
    checkpoint = f"{name}:ckpt-step-15"
    assert {home.NAME, name, checkpoint} <= set(listed)
    assert client.models.retrieve(name).owned_by == "org-local"
    green: Any = home.asked("green")
    for model in (name, checkpoint):
        said = client.chat.completions.create(model=model, messages=green, temperature=0)
        assert said.choices[0].message.content is not None
        assert said.choices[0].message.content.strip() == "green"
        assert said.choices[0].finish_reason == "stop"
        assert said.usage is not None
        assert said.usage.prompt_tokens == 3
    untrained = client.chat.completions.create(
        model=home.NAME, messages=green, temperature=0, max_tokens=3
    )
    assert untrained.choices[0].message.content != "green"
    going_on = client.completions.create(model=name, prompt="say blue :", temperature=0, n=2)
    assert [one.text.strip() for one in going_on.choices] == ["blue", "blue"]


def test_an_answer_comes_in_pieces(house: Home, learned: Any) -> None:
    create: Any = house.client.chat.completions.create
    said: Any = home.asked("red")
    drawn = [
        create(model=home.NAME, messages=said, seed=3, max_tokens=6).choices[0].message.content
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    pieces = list(
        create(
            model=home.NAME, messages=said, seed=3, max_tokens=6, stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    assert "".join(one.choices[0].delta.content or "" for one in pieces if one.choices) == drawn[0]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-2].choices[0].finish_reason in ("stop", "length")
    assert pieces[-1].usage is not None
    words = (drawn[0] or "").split()
    if len(words) > 1:
        stopped = create(model=home.NAME, messages=said, seed=3, max_tokens=6, stop=words[1])
        assert words[1] not in (stopped.choices[0].message.content or "").split()
        assert stopped.choices[0].finish_reason == "stop"


def test_what_cannot_be_asked_is_said(house: Home) -> None:
    create: Any = house.client.chat.completions.create
    said = home.asked("red")
    with pytest.raises(NotFoundError, match=f"did you mean {home.NAME}"):
        create(model="gpt-4o-mini-2024-07-19", messages=said)
    long = [{"role": "user", "content": "red " * 100}]
    with pytest.raises(BadRequestError, match="the prompt has 101 tokens; the model takes 64"):
        create(model=home.NAME, messages=long)
    with pytest.raises(
        BadRequestError, match="cannot be held by this model: llguidance cannot read"
    ):
        create(
            model=home.NAME,
            messages=said,
            response_format={"type": "json_object"},
        )


@pytest.mark.short
def test_a_job_that_is_paused_and_killed_ends_with_equal_losses(house: Home, learned: Any) -> None:
    job = supervised(house)
    house.wait(job, lambda _: len(house.steps(job)) >= 3)
    paused: Any = house.client.fine_tuning.jobs.pause(job.id)
    assert paused.status == "paused"
    until(lambda: not house.processes())
    reached = len(house.steps(job))
    assert 3 <= reached < 18
    assert house.client.fine_tuning.jobs.resume(job.id).status == "queued"
    house.wait(job, lambda _: len(house.steps(job)) >= min(17, reached + 2))
    for pid in house.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    house.done(job)
    assert shown(house.steps(job)) == shown(house.steps(learned))


def test_a_job_that_is_killed_before_it_saves_its_model_saves_what_it_learned(
    house: Home, learned: Any
) -> None:
    job = supervised(house)
    last_one = house.store / "training" / job.id / "checkpoints" / "checkpoint-18" / "whole.json"
    until(last_one.exists)
    for pid in house.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    done = house.done(job)
    assert shown(house.steps(job)) == shown(house.steps(learned))
    green: Any = home.asked("green")
    said = house.client.chat.completions.create(
        model=done.fine_tuned_model, messages=green, temperature=0
    )
    assert (said.choices[0].message.content or "").strip() == "green"


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_job_whose_server_is_killed_again_and_again_ends_with_equal_losses(
    house: Home, learned: Any, tmp_path: Path, kills: int
) -> None:
    other = Home(tmp_path)
    try:
        job, draw, killed = supervised(other), random.Random(5), 0
        while killed < kills:
            aim = len(other.steps(job)) + draw.choice([0, 1])
            until(
                lambda aim=aim: (
                    other.get(job).finished_at  # type: ignore[misc]
                    or (other.processes() and len(other.steps(job)) >= aim)
                )
            )
            for pid in [*other.processes(), other.server.process.pid][:: draw.choice([1, -1])]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed += 1
            other.restart()
        assert other.done(job).trained_tokens == learned.trained_tokens
        assert shown(other.steps(job)) == shown(house.steps(learned))
        names = [one.name for one in (other.store / "training" / job.id / "checkpoints").iterdir()]
        assert sorted(one for one in names if "-" in one) == sorted(
            f"checkpoint-{step}" for step in (12, 15, 18)
        )
    finally:
        other.server.close()


def test_a_body_that_names_a_model_without_a_folder_is_refused(house: Home) -> None:
    with pytest.raises(BadRequestError, match=r"--train-model gpt-4\.1=FOLDER") as caught:
        house.client.fine_tuning.jobs.create(
            model="gpt-4.1", training_file=house.upload(home.supervised(1))
        )
    assert caught.value.param == "model"


@pytest.mark.short
def test_a_dpo_job_prefers_the_chosen_text(house: Home) -> None:
    numbers = {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 1000, "beta": 0.5}
    job = house.done(house.create("dpo", home.preferred(24), hyperparameters=numbers))
    steps = house.steps(job)
    assert steps[-1]["train_loss"] < steps[0]["train_loss"] - 0.1
    margins = [one["trainer"]["rewards/margins"] for one in steps]
    assert margins[-1] > margins[0] + 0.1
    assert steps[-1]["trainer"]["rewards/accuracies"] == 1.0
    assert job.method.dpo.hyperparameters.beta == 0.5


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param((7,), marks=pytest.mark.short, id="one"),
        pytest.param((7, 8, 9), marks=pytest.mark.slow, id="three"),
    ],
)
def test_a_reinforcement_job_earns_more_than_one_with_shuffled_rewards(
    house: Home, seeds: tuple[int, ...]
) -> None:
    margins = []
    for seed in seeds:
        real = rewarded(house, tiny.GRADER, seed)
        with Shuffling() as shuffling:
            control = rewarded(house, shuffling.grader, seed)
        means, others = (
            [one["train_mean_reward"] for one in house.steps(job)] for job in (real, control)
        )
        assert len(means) == len(others) == 24
        # The control pays what its own answers are worth, but for another answer each.
        assert len(shuffling.true) >= 24 * 48
        assert sorted([*shuffling.given, *shuffling.pool]) == sorted(shuffling.true)
        assert shuffling.given != shuffling.true[: len(shuffling.given)]
        assert last(means) > means[0] + 0.15
        margins.append(last(means) - last(others))
    print("margins", margins)  # noqa: T201
    assert min(margins) > 0.1
    points = list(house.client.fine_tuning.jobs.checkpoints.list(real.id))
    assert len(points) == 3
    rewards = [one.metrics.model_dump()["full_valid_mean_reward"] for one in points]
    every = [one["full_valid_mean_reward"] for one in house.steps(real)]
    known = sorted((one for one in every if one is not None), reverse=True)
    assert sorted(rewards, reverse=True) == known[:3]
    (first, *_) = house.steps(real)
    names = [one["name"] for one in first["scores"]["graders"]]
    assert names == ["share", "near"]


class Shuffling:
    """The grader of `tiny` as an endpoint that shuffles: an answer gets the reward of another one.

    Rewards wait in a pool of two steps' size; each answer puts its own in, and takes one out by lot. So what is paid is
    what was earned, reward for reward, and says nothing of the answer that gets it. While the pool fills, answers get
    a copy of one of its rewards.

    Attributes:
        grader: the JSON for a job.
        true, given: the rewards that answers earned, and those that were taken out for them.
        pool: the rewards that are left.
    """

    POOL = 96

    def __init__(self) -> None:
        self.true: list[float] = []
        self.given: list[float] = []
        self.pool: list[float] = []
        self._draw, self._lock = random.Random(3), threading.Lock()

    def _score(self, row: dict[str, Any]) -> float:
        grade = self._real.grade(item=row["item"], sample=row["sample"]["output_text"])
        assert grade.reward is not None
        with self._lock:
            self.true.append(grade.reward)
            self.pool.append(grade.reward)
            at = self._draw.randrange(len(self.pool))
            if len(self.pool) <= self.POOL:
                return self.pool[at]
            self.given.append(self.pool.pop(at))
            return self.given[-1]

    def __enter__(self) -> Self:
        score = self._score

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps({"score": score(row)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._real = graders.load(tiny.GRADER)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_port}/"
        self.grader = {"type": "endpoint", "name": "shuffled", "url": url}
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._real.close()


def rewarded(house: Home, grader: dict[str, Any], seed: int) -> Any:
    numbers = {"batch_size": 6, "n_epochs": 6, "learning_rate_multiplier": 1000, "eval_interval": 6}
    return house.done(
        house.create(
            "reinforcement", home.prompts(24), home.prompts(6), hyperparameters=numbers,
            inner={"grader": grader}, seed=seed,
        )
    )  # fmt: skip


def last(means: list[float]) -> float:
    return sum(means[-5:]) / 5


def test_a_reinforcement_job_that_is_paused_ends_with_equal_rewards(house: Home) -> None:
    numbers = {"batch_size": 4, "n_epochs": 4, "learning_rate_multiplier": 1000, "eval_interval": 2}
    jobs = []
    for pauses in (False, True):
        job = house.create(
            "reinforcement", home.prompts(24), home.prompts(6), hyperparameters=numbers,
            inner={"grader": tiny.GRADER},
        )  # fmt: skip
        if pauses:
            house.reach(job, 3)
            house.client.fine_tuning.jobs.pause(job.id)
            until(lambda: not house.processes())
            assert 3 <= len(house.steps(job)) < 24
            house.client.fine_tuning.jobs.resume(job.id)
        jobs.append(house.done(job))
    first, second = ([rewards(one) for one in house.steps(job)] for job in jobs)
    assert first == second


def rewards(step: dict[str, Any]) -> list[Any]:
    return [
        step[name] for name in ("step", "train_mean_reward", "full_valid_mean_reward", "train_loss")
    ]


def test_an_answer_that_fails_is_no_zero(house: Home) -> None:
    rows = [json.loads(one) for one in home.prompts(24).splitlines()]
    for at in range(0, 24, 3):
        rows[at]["answer"] = None  # What the python grader cannot read.
    job = house.done(
        house.create(
            "reinforcement", home.lines(rows), home.prompts(6), inner={"grader": tiny.GRADER},
            hyperparameters={"batch_size": 6, "n_epochs": 1, "eval_interval": 4},
        )
    )  # fmt: skip
    failed = 0
    for step in house.steps(job):
        side = step["rollouts"]["train"]
        failed += side["graded"] - side["scored"]
        # TRL's own mean is of those that it learns from.
        assert step["train_mean_reward"] == pytest.approx(step["trainer"]["reward"], abs=1e-6)
        (share, _) = step["errors"]["graders"]
        count = share["train_python_grader_runtime_error_count"]
        assert count == side["graded"] - side["scored"]
    assert failed == 8 * 8


def test_a_job_that_teaches_nothing_stops_and_says_so(house: Home) -> None:
    flat = {"type": "string_check", "name": "never", "operation": "eq", "input": "{{ item.answer }}",
            "reference": "purple"}  # fmt: skip
    job = house.create(
        "reinforcement", home.prompts(24), home.prompts(6), inner={"grader": flat},
        hyperparameters={"batch_size": 1, "eval_interval": 100},
    )  # fmt: skip
    ended = house.wait(job, lambda one: one.finished_at is not None)
    assert ended.status == "failed"
    assert ended.error.code == "no_learning_signal"
    assert "for 10 steps in a row" in ended.error.message


def test_a_model_that_cannot_be_loaded_fails_the_job_in_a_sentence(house: Home) -> None:
    weights = house.base / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(b"no weights")
    try:
        job = house.create("supervised", home.supervised(3))
        ended = house.wait(job, lambda one: one.finished_at is not None)
    finally:
        weights.write_bytes(kept)
    assert ended.status == "failed"
    assert ended.error.code == "model_unusable"
    assert "nothing is fetched, for --train-model names a folder" in ended.error.message


def test_a_job_that_is_cancelled_ends_at_once_and_keeps_its_checkpoints(house: Home) -> None:
    job = supervised(house)
    house.reach(job, 3)
    assert house.client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    until(lambda: not house.processes())
    ended = house.get(job)
    assert (ended.status, ended.fine_tuned_model) == ("cancelled", None)
    folder = house.store / "training" / job.id
    until(lambda: not (folder / "rows").exists())
    step = newest(folder)
    assert step is not None
    assert step >= 2


def test_the_command_is_interrupted_and_goes_on(house: Home, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(home.supervised(24))
    (tmp_path / "body.json").write_text(
        json.dumps(
            {
                "model": home.NAME, "training_file": "rows.jsonl", "seed": 7,
                "hyperparameters": {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 50},
            }
        )
    )  # fmt: skip
    store = ("--data-dir", str(tmp_path / "store"), "--json")
    model = ("--train", "--train-model", f"{home.NAME}={house.base}")
    words = [sys.executable, "-m", "graders", "job"]
    run = subprocess.Popen(
        [*words, "run", "body.json", *model, *store], cwd=tmp_path, stdout=subprocess.PIPE
    )
    jobs = Store(tmp_path / "store").jobs
    name = until(lambda: [one["id"] for one in jobs.list()[0]])[0]
    until(lambda: jobs.get(name)["training"]["step"] >= 3)
    run.send_signal(signal.SIGINT)
    run.communicate()
    assert run.returncode == 130
    reached = jobs.get(name)["training"]["step"]
    assert 3 <= reached < 18
    done = subprocess.run(
        [*words, "resume", name, "--train", *store], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "succeeded"
    # It went on from where it was stopped, not from the checkpoint before.
    events, _ = jobs.events(name, limit=100)
    assert any(f", from step {reached}" in one["message"] for one in events)


def test_with_tokens_of_bytes_just_the_answers_are_learned(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    texts = ["user: assistant:\nParis is the capital of France. Zürich, 東京 and 🙂"] * 4
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet),
    )
    answers = ["Paris is the capital.", " of France, 東京 🙂 Zürich"]
    row = {
        "messages": [*home.asked("a"), home.said(answers[0]), *home.asked("b"), home.said(answers[1])],
        "learned": [1, 3], "tools": None,
    }  # fmt: skip
    vicuna = PLAIN.replace(":\\n'", ": '")
    for template in (PLAIN, vicuna, home.CHAT):
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=made, bos_token="<s>", eos_token="</s>"
        )
        tokenizer.chat_template = template
        found = Chat(tokenizer).learned(row, 1000)
        assert not found.partial
        said = tokenizer.decode([one for one in found.labels if one != -100])
        for answer in answers:
            assert answer in said
        assert "user" not in said
        assert "say" not in said
        assert said.count("</s>") == 2


def test_a_dry_run_samples_from_what_was_trained(house: Home, learned: Any, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(home.prompts(6))
    (tmp_path / "valid.jsonl").write_bytes(home.prompts(3))
    check = {"type": "string_check", "name": "said", "operation": "like",
             "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"}  # fmt: skip
    method = {"type": "reinforcement", "reinforcement": {"grader": check}}
    body = {"model": learned.fine_tuned_model, "training_file": "train.jsonl",
            "validation_file": "valid.jsonl", "method": method, "seed": 1}  # fmt: skip
    (tmp_path / "body.json").write_text(json.dumps(body))
    done = subprocess.run(
        [sys.executable, "-m", "graders", "job", "run", "body.json", "--json", "--rollout-samples", "2",
         "--data-dir", str(tmp_path / "store"), "--rollout-url", f"{house.server.url}/v1"],
        cwd=tmp_path, capture_output=True, check=False, env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    verdict = json.loads(done.stdout)["dry_run"]["verdict"]
    assert verdict["rollouts"]["train"]["scored"] == 12
    assert verdict["rewards"]["train_mean"] > 0.8
