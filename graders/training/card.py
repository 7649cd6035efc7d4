"""The model card: what a model was trained from, on and by, so that it can be told, and done again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders import jsontext
from graders.version import __version__

__all__ = ["card"]

_MOST: Final = 50
_CURVE: Final = (
    "loss",
    "mean_token_accuracy",
    "reward",
    "eval_loss",
    "eval_mean_token_accuracy",
    "eval_reward",
)


def card(
    plan: Mapping[str, Any], told: Mapping[str, Any], logs: Sequence[Mapping[str, Any]]
) -> str:
    """Return a model card in Markdown, with the metadata that the Hugging Face hub reads.

    Args:
        plan: the job's plan.
        told: the device, and the versions of libraries.
        logs: what the trainer logged.
    """
    kind = plan["kind"]
    method = (plan["body"].get("method") or {}).get(kind) or {}
    base = f"base_model: {jsontext.encode(plan['base']).decode()}\n" if plan["hub"] else ""
    what = "every weight" if plan["full"] else "an adapter (LoRA), merged"
    made = f"Trained by graders {__version__} with a {kind} job ({plan['job']})"
    parts = [
        f"---\nlibrary_name: transformers\n{base}tags:\n- graders\n- {kind}\n---",
        f"# {plan['name']}",
        f"{made} from `{plan['base']}`, which stood for `{plan['model']}`: {what}.",
        "## Data", _data(plan),
        "## Body", _json(plan["body"]),
    ]  # fmt: skip
    if "grader" in method:
        parts += ["## Grader", _json(method["grader"])]
    numbers = {
        name: value
        for name, value in plan["schedule"].items()
        if not isinstance(value, list | dict)
    }
    parts += [
        "## Numbers", _json({**numbers, "seed": plan["seed"], **plan["settings"]}),
        "## Versions", _json({**told["versions"], "graders": __version__, "device": told["device"]}),
        "## Curve", _curve(logs),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _json(value: Any) -> str:
    text = jsontext.encode(value, indent=True).decode()
    # What a body says may hold a fence of its own.
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}json\n{text}\n{fence}"


def _data(plan: Mapping[str, Any]) -> str:
    lines = ["| file | rows | sha256 |", "|---|---|---|"]
    for use, file in plan["files"].items():
        if file is not None:
            name = file["filename"].replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {use}: {name} | {plan['rows'][use]} | `{file['sha256']}` |")
    return "\n".join(lines)


def _curve(logs: Sequence[Mapping[str, Any]]) -> str:
    steps: dict[int, dict[str, Any]] = {}
    for one in logs:
        found = {name: one[name] for name in _CURVE if isinstance(one.get(name), int | float)}
        if found:
            steps.setdefault(one["step"], {}).update(found)
    named = [name for name in _CURVE if any(name in one for one in steps.values())]
    if not named:
        return "No step was logged."
    chosen = sorted(steps)
    if len(chosen) > _MOST:
        chosen = sorted(
            {chosen[round(at * (len(chosen) - 1) / (_MOST - 1))] for at in range(_MOST)}
        )
    lines = [f"| step | {' | '.join(named)} |", "|---" * (len(named) + 1) + "|"]
    for step in chosen:
        values = [f"{steps[step][name]:.4f}" if name in steps[step] else "" for name in named]
        lines.append(f"| {step} | {' | '.join(values)} |")
    return "\n".join(lines)
