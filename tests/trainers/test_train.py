"""Jobs that train, through the official SDK and a real server: paused, killed, resumed, and what they learn."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("openai")

from openai import BadRequestError, OpenAI

from tests.server.process import Serving
from tests.trainers import home
from tests.waiting import children_of, command_of, until

pytestmark = pytest.mark.trainers


class Home:
    """A server that trains a tiny model, and the official client of it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.base = home.model_folder(folder / "model")
        self.store = folder / "store"
        self.server = Serving(
            self.store,
            ("--train", "--train-model", f"{home.NAME}={self.base}", "--train-answer-tokens", "4",
             "--processes", "1", *options),
        )  # fmt: skip
        self.client = OpenAI(base_url=f"{self.server.url}/v1", api_key="-", max_retries=0)

    def upload(self, content: bytes, name: str = "rows.jsonl") -> str:
        return self.client.files.create(file=(name, content), purpose="fine-tune").id

    def create(
        self, kind: str, training: bytes, validation: bytes | None = None, **more: Any
    ) -> Any:
        inner = {"hyperparameters": more.pop("hyperparameters", {}), **more.pop("inner", {})}
        method: Any = {"type": kind, kind: inner}
        return self.client.fine_tuning.jobs.create(
            model=home.NAME, training_file=self.upload(training), seed=7, method=method,
            validation_file=self.upload(validation, "valid.jsonl") if validation else None,
            **more,
        )  # fmt: skip

    def get(self, job: Any) -> Any:
        return self.client.fine_tuning.jobs.retrieve(job.id)

    def wait(self, job: Any, wanted: Callable[[Any], bool]) -> Any:
        def found() -> Any:
            now = self.get(job)
            return now if wanted(now) or now.status == "failed" else None

        return until(found)

    def done(self, job: Any) -> Any:
        now = self.wait(job, lambda one: one.finished_at is not None)
        assert now.status == "succeeded", now.error
        return now

    def steps(self, job: Any) -> list[dict[str, Any]]:
        """The data of its steps, in order."""
        events = list(self.client.fine_tuning.jobs.list_events(job.id, limit=100))
        found: list[Any] = [one.data for one in events if one.type == "metrics"]
        return found[::-1]

    def processes(self) -> list[int]:
        """The processes that train."""
        found, looked = [], [self.server.process.pid]
        while looked:
            for pid in children_of(looked.pop()):
                looked.append(pid)
                if b"graders.training.worker" in command_of(pid):
                    found.append(pid)
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("train"))
    yield made
    made.server.close()


@pytest.fixture(scope="module")
def learned(house: Home) -> Any:
    """A supervised job that nobody disturbed."""
    return house.done(supervised(house))


def supervised(house: Home, **more: Any) -> Any:
    numbers = {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 50}
    return house.create(
        "supervised", home.supervised(24), home.supervised(6), hyperparameters=numbers, **more
    )


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


def shown(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What steps say besides how long they took."""
    return [{name: value for name, value in one.items() if name != "trainer"} for one in steps]


def test_a_body_that_names_a_model_without_a_folder_is_refused(house: Home) -> None:
    with pytest.raises(BadRequestError, match=r"--train-model gpt-4\.1=FOLDER") as caught:
        house.client.fine_tuning.jobs.create(
            model="gpt-4.1", training_file=house.upload(home.supervised(1))
        )
    assert caught.value.param == "model"
