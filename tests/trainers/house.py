"""A server that trains, as a user of the official client sees it; jobs for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import OpenAI

from tests.server.process import Serving
from tests.trainers import home
from tests.waiting import children_of, command_of, until


class Home:
    """A server that trains a tiny model, and the official client of it."""

    model = staticmethod(home.model_folder)

    def __init__(
        self,
        folder: Path,
        *options: str,
        store: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.base = self.model(folder / "model")
        self.store = store or folder / "store"
        self.environment = environment or {}
        self.options = (
            "--train", "--train-model", f"{home.NAME}={self.base}", "--train-answer-tokens", "4",
            "--processes", "1", *options,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        self.server = Serving(self.store, self.options, self.environment)
        self.client = OpenAI(base_url=f"{self.server.url}/v1", api_key="-", max_retries=0)

    def restart(self) -> None:
        self.server.close()
        self.start()

    def upload(self, content: bytes, name: str = "rows.jsonl") -> str:
        return self.client.files.create(file=(name, content), purpose="fine-tune").id

    def create(
        self, kind: str, training: bytes, validation: bytes | None = None, **more: Any
    ) -> Any:
        inner = {"hyperparameters": more.pop("hyperparameters", {}), **more.pop("inner", {})}
        method: Any = {"type": kind, kind: inner}
        return self.client.fine_tuning.jobs.create(
            model=home.NAME, training_file=self.upload(training), method=method,
            seed=more.pop("seed", 7),
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

    def reach(self, job: Any, step: int) -> None:
        """Wait until a job has trained so many steps."""
        self.wait(job, lambda _: len(self.steps(job)) >= step)

    def ended(self, job: Any) -> Any:
        """Wait until a job is finished, and return it."""
        return self.wait(job, lambda one: one.finished_at is not None)

    def said(self, job: Any) -> list[str]:
        """What its events say, in order."""
        events = list(self.client.fine_tuning.jobs.list_events(job.id, limit=100))
        return [one.message for one in events[::-1]]

    def answer(self, model: str, word: str = "green") -> str:
        """What a model says where it is asked to say a word."""
        asked: Any = home.asked(word)
        said = self.client.chat.completions.create(model=model, messages=asked, temperature=0)
        return (said.choices[0].message.content or "").strip()

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


def supervised(house: Home, **more: Any) -> Any:
    numbers = {"n_epochs": 6, "batch_size": 8, "learning_rate_multiplier": 50}
    return house.create(
        "supervised", home.supervised(24), home.supervised(6), hyperparameters=numbers, **more
    )


def shown(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What steps say besides how long they took."""
    return [{name: value for name, value in one.items() if name != "trainer"} for one in steps]
