"""Draws docs/images/train-*.svg: what each trainer says of a reward, from a run of the trainer itself.

    .venv-trainers/trl/bin/python tools/training_picture.py trl

and so for verl, openrlhf and verifiers, each with the environment that `make test-trainers` makes for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "trainers"), str(ROOT / "tools")]

import conftest  # noqa: E402, F401  (some trainers have a package called tests)
from picture import FORMAT  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402


def trl(console: Console, folder: Path) -> None:
    """Train a tiny model; show TRL's history, and the last of its completions."""
    import pandas as pd

    from graders.adapters import trl as adapter
    from tests.trainers import tiny

    reward = adapter.reward(tiny.GRADER)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = tiny.train(reward, folder, chat=True, steps=40, lacking=6, log_completions=True)
    heads = [
        "reward", "reward_std", "graders/colour/failed", "graders/colour/reward/share",
        "graders/colour/reward/near",
    ]  # fmt: skip
    table = Table("step", *heads, title="trainer.state.log_history")
    for one in trainer.state.log_history[:-1]:
        if one["step"] % 8 == 0 or one["step"] == 1:
            table.add_row(str(one["step"]), *(f"{one[head]:.3f}" for head in heads))
    console.print(table)
    paths = sorted((folder / "completions").glob("*.parquet"))
    path, frame = next(
        (path, frame)
        for path in reversed(paths)
        if (frame := pd.read_parquet(path)).colour.isna().any()
    )
    heads = [
        "prompt",
        "completion",
        "colour",
        "colour_share",
        "colour_near",
        "colour_failure",
        "advantage",
    ]
    table = Table(*heads, title=path.name)
    lacking = frame[frame.colour.isna()].head(2)
    for _, row in pd.concat([frame[frame.colour.notna()].head(3), lacking]).iterrows():
        table.add_row(*(_cell(row[head]) for head in heads))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) < 40 else f"{value[:39]}…"
    if isinstance(value, float):
        return "None" if math.isnan(value) else f"{value:.3f}"
    return "None" if value is None else str(value[0]["content"])


def verl(console: Console, folder: Path) -> None:
    """Let verl's own manager score a batch, and its validation and console logger tell of it."""
    import test_verl
    from verl.trainer.ppo.metric_utils import process_validation_metrics
    from verl.trainer.ppo.reward import load_reward_manager
    from verl.utils.logger.aggregate_logger import LocalLogger

    manager = load_reward_manager(test_verl.config(folder, test_verl.BOTH), test_verl.Letters())
    found = test_verl.scored(manager, test_verl.batch(test_verl.ANSWERS, test_verl.INFOS))
    infos: dict[str, list[Any]] = {}
    for one in found:
        for key, value in one["reward_extra_info"].items():
            infos.setdefault(key, []).append(value)
    console.print("reward_extra_info of three rows:", style="bold")
    for one in found[:3]:
        console.print(one["reward_extra_info"])
    told = process_validation_metrics(["d"] * 24, [str(at // 3) for at in range(24)], infos)
    metrics = {
        f"val-aux/{source}/{name}/{kind}": float(value)
        for source, names in told.items()
        for name, kinds in names.items()
        for kind, value in kinds.items()
        if kind == "mean@3"
    }
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        LocalLogger(print_to_console=True).log(metrics, step=1)
    console.print("\nverl's console:", style="bold")
    console.print(said.getvalue().strip())


def openrlhf(console: Console, folder: Path) -> None:
    """Let OpenRLHF's executor ask for rewards by a file."""
    import json

    import test_openrlhf

    (folder / "grader.json").write_text(json.dumps(test_openrlhf.BOTH))
    place = folder / "reward.py"
    place.write_text(test_openrlhf.FILE.format(source=str(folder / "grader.json"), failed=-1.0))
    found = test_openrlhf.answers(str(place))
    table = Table(
        "label", "reward", "scores", "extra_logs", title="SingleTurnAgentExecutor.execute"
    )
    for one in found[:3]:
        cells = (one["label"], one["reward"], one["scores"], one["extra_logs"])
        table.add_row(*map(str, cells))
    console.print(table)


def verifiers(console: Console, _: Path) -> None:
    """Score traces of verifiers; one has no reward."""
    import test_verifiers as given

    lacking = {**given.EXACT, "reference": "{{ item.capital }}"}

    class Lacking(given.vf.Task[given.Data]):  # type: ignore[name-defined,misc]
        correct = given.verifiers.reward(lacking)

    table = Table("task", "rewards", "reward", "metrics", "raised", title="verifiers.v1.Trace")
    for kind, answer in ((given.Capitals, "a"), (given.Capitals, "b"), (Lacking, "a")):
        data, raised = given.Data(answer=answer), ""
        trace = given.trace(data, given.AssistantMessage(content="a"))
        try:
            asyncio.run(kind(data, kind.config_type()()).score(trace))
        except given.TaskError as error:
            raised = str(error)
        rewards = {key: one and one.value for key, one in trace.rewards.items()}
        metrics = {key: round(one, 3) for key, one in trace.metrics.items()}
        table.add_row(kind.__name__, str(rewards), f"{trace.reward:.3f}", str(metrics), raised)
    console.print(table)


def main() -> int:
    """Draw the picture of the trainer that is named."""
    name = sys.argv[1]
    console = Console(
        record=True, width=118, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    with tempfile.TemporaryDirectory() as folder:
        globals()[name](console, Path(folder))
    path = ROOT / "docs" / "images" / f"train-{name}.svg"
    path.write_text(console.export_svg(title=name, code_format=FORMAT, unique_id="graders"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
