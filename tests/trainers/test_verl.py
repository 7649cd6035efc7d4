"""verl's own reward managers call a grader that its configuration names, with no code of ours between."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl")

import numpy as np
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from verl import DataProto
from verl.experimental.reward_loop.reward_loop import RewardLoopWorker, migrate_legacy_reward_impl
from verl.trainer.ppo.metric_utils import process_validation_metrics
from verl.trainer.ppo.reward import load_reward_manager

from tests.adapters.conftest import BOTH, PYTHON

pytestmark = pytest.mark.trainers


class Letters:
    """What stands for a tokenizer: a token is a character."""

    def decode(self, tokens: Any, *, skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, tokens.tolist()))


def config(
    path: Path, grader: Any, *more: str, name: str = "compute_score", where: str = "reward."
) -> Any:
    """Return verl's configuration, as its command line makes it."""
    (path / "grader.json").write_text(json.dumps(grader))
    words = f"{where}custom_reward_function"
    with initialize_config_module("verl.trainer.config", version_base=None):
        found = compose(
            "ppo_trainer",
            [
                f"{words}.path=pkg://graders.adapters.verl", f"{words}.name={name}",
                f"+{words}.reward_kwargs.source={path / 'grader.json'}",
                f"+{words}.reward_kwargs.failed=0.0", *more,
            ],
        )  # fmt: skip
    return migrate_legacy_reward_impl(found)


def batch(answers: list[str], infos: list[dict[str, Any]]) -> DataProto:
    """Return a batch as the rollout hands it on."""
    width = max(map(len, answers)) + 1
    tokens = torch.zeros(len(answers), width, dtype=torch.long)
    mask = torch.zeros(len(answers), width + 2, dtype=torch.long)
    mask[:, :2] = 1
    for at, answer in enumerate(answers):
        tokens[at, : len(answer)] = torch.tensor([ord(one) for one in answer])
        mask[at, 2 : 2 + len(answer)] = 1
    columns: dict[str, list[Any]] = {
        "data_source": ["d"] * len(answers), "reward_model": [{"ground_truth": "a"}] * len(answers),
        "extra_info": infos,
    }  # fmt: skip
    held: dict[str, Any] = {}
    for key, values in columns.items():
        held[key] = np.empty(len(values), dtype=object)
        held[key][:] = values
    tensors = {"responses": tokens, "attention_mask": mask, "prompts": torch.ones(len(answers), 2)}
    return DataProto.from_dict(tensors=tensors, non_tensors=held)


def scored(manager: Any, data: DataProto) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return list(
            await asyncio.gather(
                *(manager.run_single(data[at : at + 1]) for at in range(len(data)))
            )
        )

    found: list[dict[str, Any]] = manager.loop.run_until_complete(run())
    return found


ANSWERS = ["a", "b", "a"] * 8
INFOS: list[dict[str, Any]] = [{"answer": "a", "index": at} for at in range(24)]
for _at in range(2, 24, 3):
    INFOS[_at] = {"index": _at}


def check(found: list[dict[str, Any]]) -> None:
    assert [one["reward_score"] for one in found] == [1.0, 0.0, 0.0] * 8
    assert [one["reward_extra_info"]["failed"] for one in found] == [0.0, 0.0, 1.0] * 8
    assert "item has no answer" in found[2]["reward_extra_info"]["failure"]
    assert math.isnan(found[2]["reward_extra_info"]["reward_exact"])
    keys = found[0]["reward_extra_info"].keys()
    assert all(one["reward_extra_info"].keys() == keys for one in found)


@pytest.mark.parametrize("manager", ["naive", "dapo"])
@pytest.mark.parametrize("name", ["compute_score", "acompute_score"])
@pytest.mark.parametrize("where", ["reward.", ""], ids=["new", "legacy"])
def test_managers_in_this_process(tmp_path: Path, manager: str, name: str, where: str) -> None:
    chosen = f"reward.reward_manager.name={manager}"
    asked = config(tmp_path, BOTH, chosen, name=name, where=where)
    check(scored(load_reward_manager(asked, Letters()), batch(ANSWERS, INFOS)))


def test_what_is_beside_the_score_goes_through_verl_s_validation(tmp_path: Path) -> None:
    found = scored(load_reward_manager(config(tmp_path, BOTH), Letters()), batch(ANSWERS, INFOS))
    infos: dict[str, list[Any]] = {}
    for one in found:
        for key, value in one["reward_extra_info"].items():
            infos.setdefault(key, []).append(value)
    told = process_validation_metrics(["d"] * 24, [str(at // 3) for at in range(24)], infos)["d"]
    assert told["failed"]["mean@3"] == pytest.approx(1 / 3)
    assert "failure" not in told


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.parametrize("grader", [BOTH, PYTHON], ids=["texts", "python"])
def test_the_remote_manager_s_actors(tmp_path: Path, cluster: Any, grader: Any) -> None:
    more = ["reward.reward_manager.name=remote", "reward.num_workers=1"]
    manager = load_reward_manager(config(tmp_path, grader, *more), Letters())
    infos = [{**one, "number": 0.5} if "answer" in one else one for one in INFOS]
    found = scored(manager, batch(ANSWERS, infos))
    if grader is BOTH:
        check(found)
    else:
        assert [one["reward_score"] for one in found] == [0.5, 0.5, 0.0] * 8
        assert found[2]["reward_extra_info"]["failed"] == 1.0


def test_the_reward_loop_s_worker_is_an_actor(tmp_path: Path, cluster: Any) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"<unk>": 0, "a": 97, "b": 98}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<unk>"
    ).save_pretrained(tmp_path / "model")
    asked = config(tmp_path, BOTH, f"actor_rollout_ref.model.path={tmp_path / 'model'}")
    OmegaConf.resolve(asked.reward)
    worker = cluster.remote(RewardLoopWorker).options(num_cpus=0).remote(asked)
    check(cluster.get(worker.compute_score_batch.remote(batch(ANSWERS, INFOS))))
