"""A grader for programs that run code: a folder with the grader's JSON and a short script beside it. Pure.

The scripts call `graders.adapters`, or `graders.Reward`, so nothing of the grader is lost; what is said of each is
what its program makes of it.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from typing import Any, Final

from graders.convert.result import Converted

__all__ = ["SCRIPTS", "json_text"]

Failed = float | str
"""What a row without a reward gets: a number, or `raise`."""


def json_text(value: Any) -> str:
    """Return a JSON document as text to read."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _folder(text: str, name: str, *notes: str, **more: str) -> Callable[..., Converted]:
    """Return the writer of a folder with one script, and what goes beside it."""

    def write(grader: Mapping[str, Any], failed: Failed) -> Converted:
        put = {"failed": repr(failed), "name": str(grader.get("name") or "grader")}
        files = {
            "grader.json": json_text(grader),
            name: string.Template(text).substitute(put),
            **{
                other.replace("__", "."): string.Template(one).substitute(put)
                for other, one in more.items()
            },
        }
        graders = [grader, *dict(grader.get("graders") or {}).values()]
        asks = any(one.get("type") == "endpoint" for one in graders if isinstance(one, Mapping))
        return Converted(files=files, notes=[*notes, *([_ENDPOINT] if asks else [])])

    return write


_ENDPOINT: Final = (
    "an endpoint grader sends rows to no host that is not allowed: say allow_endpoint={host: [variables]} "
    "where the script loads the grader"
)


_TRL: Final = '''\
"""Train with the grader beside this file: python train.py"""

from pathlib import Path

from graders.adapters import trl

# Columns of the dataset are the item; a row that fails gets None, which TRL leaves out.
reward = trl.reward(Path(__file__).with_name("grader.json"))


def main() -> None:
    from datasets import load_dataset
    from trl import GRPOConfig, GRPOTrainer

    trainer = GRPOTrainer(
        model="Qwen/Qwen3-0.6B",
        reward_funcs=reward,
        args=GRPOConfig(output_dir="out"),
        train_dataset=load_dataset("json", data_files="train.jsonl", split="train"),
    )
    trainer.train()


if __name__ == "__main__":
    main()
'''

_VERL: Final = '''\
"""The grader beside this file as verl's reward function.

    custom_reward_function.path=reward.py
    custom_reward_function.name=compute_score
"""

from pathlib import Path

from graders.adapters import verl

GRADER = str(Path(__file__).with_name("grader.json"))
# What a row that fails scores, or "raise": verl knows no row without a score.
FAILED = $failed


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **others):
    """Return the score of a row; extra_info, ground_truth and data_source are the item."""
    return verl.compute_score(
        data_source, solution_str, ground_truth, extra_info, source=GRADER, failed=FAILED, **others
    )
'''

_OPENRLHF: Final = '''\
"""The grader beside this file as OpenRLHF's reward: --reward.remote_url reward.py"""

from pathlib import Path

from graders.adapters import openrlhf

# Labels are JSON objects as text, and are the item. What a row that fails gets is FAILED, or "raise".
FAILED = $failed
reward_func = openrlhf.reward(Path(__file__).with_name("grader.json"), failed=FAILED)
'''

_VERIFIERS: Final = '''\
"""A task of verifiers that the grader beside this file rewards."""

from pathlib import Path

import verifiers.v1 as vf

from graders.adapters import verifiers


class GradedTask(vf.Task):
    """What the task's data hold is the item."""

    graded = verifiers.reward(Path(__file__).with_name("grader.json"), weight=1.0)
'''

_INSPECT: Final = '''\
"""The grader beside this file as a task of Inspect AI: inspect eval task.py --model MODEL

dataset.jsonl has a row a line: `input`, what the model is asked; all of the row is the grader's item.
"""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import generate

import graders

HERE = Path(__file__).parent


@scorer(metrics=[mean(), stderr()])
def graded():
    reward = graders.Reward(HERE / "grader.json")

    async def score(state, target):
        answer = state.output.completion
        grade = await reward.agrade(state.metadata, answer)
        if grade.reward is None:  # Not a zero: Inspect leaves it out and counts it.
            return Score.unscored(explanation="; ".join(map(str, grade.failures)), answer=answer)
        parts = {"sub_rewards": dict(grade.sub_rewards)}
        return Score(value=grade.reward, answer=answer, metadata=parts)

    return score


def sample(row):
    return Sample(input=row["input"], target=str(row.get("target", "")), metadata=row)


@task
def graded_task(dataset: str = str(HERE / "dataset.jsonl")):
    return Task(dataset=json_dataset(dataset, sample), solver=generate(), scorer=graded())
'''

_PYDANTIC: Final = '''\
"""The grader beside this file as an evaluator of pydantic-evals.

    dataset = Dataset.from_file("dataset.yaml", custom_evaluator_types=[Graded])
    report = dataset.evaluate_sync(task)
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic_evals.evaluators import Evaluator, EvaluatorContext

import graders


@cache
def reward_of(source: str) -> graders.Reward:
    return graders.Reward(Path(__file__).with_name(source))


@dataclass
class Graded(Evaluator):
    """A case's metadata are the grader's item, with its `inputs` and `expected_output`."""

    source: str = "grader.json"

    async def evaluate(self, ctx: EvaluatorContext) -> dict[str, float]:
        more = {"inputs": ctx.inputs, "expected_output": ctx.expected_output}
        grade = await reward_of(self.source).agrade({**more, **(ctx.metadata or {})}, ctx.output)
        if grade.reward is None:  # Not a zero: the report has it among the failures.
            raise graders.FailedError("; ".join(map(str, grade.failures)), grade=grade)
        return {"reward": grade.reward, **grade.sub_rewards}
'''

_DATASET: Final = """\
# A case is {name, inputs, metadata}: what the grader calls `item.answer` is `metadata: {answer: ...}`.
name: grader
cases: []
evaluators:
  - Graded: grader.json
"""

_LAMBDA: Final = '''\
"""The grader beside this file as the reward function of Bedrock and SageMaker: lambda_function.lambda_handler"""

from pathlib import Path

import graders

# What a row that fails scores, or "raise", which fails the call: there is no row without a score.
FAILED = $failed
REWARD = graders.Reward(Path(__file__).with_name("grader.json"), failed=FAILED)


def lambda_handler(event, context):
    """Return a score for each row, in order; a row's fields and its metadata are the item."""
    rows = event if isinstance(event, list) else [event]
    pairs = [{"item": item_of(row), "sample": row.get("messages")} for row in rows]
    return [scored(row, grade) for row, grade in zip(rows, REWARD.pairs(pairs))]


def item_of(row):
    return {**(row.get("metadata") or {}), **row}


def scored(row, grade):
    metrics = [
        {"name": name, "value": value, "type": "Reward"}
        for name, value in grade.sub_rewards.items()
        if value is not None
    ]
    failed = {"name": "failed", "value": float(grade.reward is None), "type": "Metric"}
    return {
        "id": row.get("id"),
        "aggregate_reward_score": REWARD.settled(grade),
        "metrics_list": [*metrics, failed],
    }
'''

_DEPLOY: Final = """\
# $name on AWS Lambda

    pip install -r requirements.txt --target .
    zip -r function.zip .

The handler is `lambda_function.lambda_handler`. Give it Python 3.11 or newer, 1 GB of memory and a timeout of minutes,
for Lambda's own is 3 seconds. A row that fails scores `FAILED` (lambda_function.py); `raise` fails the whole call.
"""

SCRIPTS: Final[Mapping[str, Callable[[Mapping[str, Any], Failed], Converted]]] = {
    "trl": _folder(_TRL, "train.py"),
    "verl": _folder(
        _VERL, "reward.py",
        "with no file of your own: custom_reward_function.path=pkg://graders.adapters.verl",
    ),
    "openrlhf": _folder(_OPENRLHF, "reward.py"),
    "verifiers": _folder(_VERIFIERS, "task.py"),
    "inspect": _folder(_INSPECT, "task.py"),
    "pydantic-evals": _folder(_PYDANTIC, "evaluators.py", dataset__yaml=_DATASET),
    "bedrock": _folder(
        _LAMBDA, "lambda_function.py",
        "graders of type python need a kernel that can confine them: try `graders doctor` in the function",
        requirements__txt="local-graders\n", README__md=_DEPLOY,
    ),
}  # fmt: skip
"""The programs for which a folder is written."""
