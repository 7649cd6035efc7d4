"""Jobs as terminal text: their verdict with a small reward curve, lists of them, their events."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.jobs.job import progress_of
from graders.jobs.outcome import SAID
from graders.report.terminal import number
from graders.report.text import clean, columns, hint, shortened

__all__ = ["events_view", "job_view", "jobs_view", "verdict_view"]

_LEVELS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 60
_LISTED: Final = 12
_STYLES: Final = {
    "succeeded": "green", "failed": "red", "cancelled": "yellow", "paused": "yellow",
    "would_run": "green", "would_teach_nothing": "red", "would_be_refused": "red",
    "undecided": "yellow", "error": "red",
    "warning": "yellow", "warn": "yellow", "info": "dim",
}  # fmt: skip

Point = Sequence[Any]


def job_view(job: Mapping[str, Any], results: Sequence[str] = ()) -> RenderableType:
    """Show a job: where it stands and, once it is finished, what would have become of it.

    Args:
        job: the job's object.
        results: where its results stand.
    """
    run = progress_of(job)
    verdict = run["verdict"]
    head = Text.assemble(
        (job["id"], "bold"), "  ", "" if job["dry_run"] is None else "dry run ",
        (job["status"], _STYLES.get(job["status"], "")),
        f"  {clean(job['model'])}",
    )  # fmt: skip
    if run["total_steps"] is not None:
        head.append(f"  step {run['step']:,} of {run['total_steps']:,}")
    parts: list[RenderableType] = [head]
    if verdict is not None:
        parts = [verdict_head(verdict), "", head]
    if job["estimated_finish"] is not None:
        left = max(0, job["estimated_finish"] - int(time.time()))
        parts.append(Text(f"about {_duration(left)} left", "dim"))
    error, reasons = job["error"], () if verdict is None else verdict["reasons"]
    # Where it is among the reasons it is said.
    if error is not None and error["message"] not in [one["message"] for one in reasons]:
        where = f" in {clean(error['param'])}" if error["param"] else ""
        says = f"{clean(error['code'])}{where}: {clean(error['message'])}"
        parts += ["", Text(says, "red")]
    if verdict is not None and job["dry_run"] is not None:
        parts += _rest(verdict)
    if job["fine_tuned_model"] is not None:
        parts += ["", Text(f"model: {clean(job['fine_tuned_model'])}", "bold")]
    if results:
        parts += ["", *(Text(f"results: {clean(one)}") for one in results)]
    parts += [Text(run["note"], "dim")]
    return Group(*parts)


def verdict_view(verdict: Mapping[str, Any]) -> RenderableType:
    """Show a verdict: its end, what led there, and all else it tells."""
    return Group(verdict_head(verdict), *_rest(verdict))


def verdict_head(verdict: Mapping[str, Any]) -> RenderableType:
    """Show the end a verdict comes to, and the reasons."""
    outcome = str(verdict["outcome"])
    said = SAID.get(outcome, f"this job {outcome.replace('_', ' ')}")  # Of an older store.
    target = verdict.get("target", "local")
    where = "" if target == "local" else f" (target {target})"
    reasons = verdict["reasons"]
    return Group(
        Text(f"verdict: {said}{where}", f"bold {_STYLES.get(outcome, '')}".strip()),
        *(_marked(one).append(f": {clean(one['message'])}") for one in reasons[:_LISTED]),
        *_more(reasons),
        *([hint(reasons[0]["code"])] if reasons else []),
    )


def _rest(verdict: Mapping[str, Any]) -> Iterator[RenderableType]:
    if "rollouts" in verdict:
        yield from _measured(verdict)
    if verdict["lint"]:
        yield ""
        yield Text(f"lint ({verdict.get('target', 'openai')})", "bold")
        for one in verdict["lint"][:_LISTED]:
            yield _marked(one).append(f" {clean(one['path'])}: {clean(one['message'])}")
        yield from _more(verdict["lint"])
    for note in verdict.get("notes", ()):
        yield Text(clean(note), "dim")


def _marked(one: Mapping[str, Any]) -> Text:
    severity = one["severity"]
    return Text("  ").append(f"{severity} {one['code']}", _STYLES[severity])


def _measured(verdict: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield ""
    yield _figures(verdict)
    if len(verdict["reward_curve"]) > 1:
        yield ""
        yield from _curve(verdict["reward_curve"])
    if verdict["failures"]:
        yield ""
        yield _failures(verdict["failures"])
    if verdict["judge_tokens"]["whole_job"]:
        yield ""
        yield _tokens(verdict["judge_tokens"])


def _more(entries: Sequence[Any]) -> Iterator[Text]:
    if len(entries) > _LISTED:
        yield Text(f"  {len(entries) - _LISTED:,} more", "dim")


def _figures(verdict: Mapping[str, Any]) -> Table:
    table = columns("", figures=("train", "valid"))
    sides = [verdict["rollouts"][name] for name in ("train", "valid")]
    rows, rewards, signal = verdict["rows"], verdict["rewards"], verdict["signal"]
    table.add_row("rows", f"{rows['training']:,}", f"{rows['validation']:,}")
    table.add_row("samples", *(f"{side['rollouts']:,}" for side in sides))
    table.add_row("with a reward", *(f"{side['scored']:,}" for side in sides))
    failed = any(side["scored"] < side["graded"] for side in sides)
    table.add_row(
        "mean reward, a failed one as 0" if failed else "mean reward",
        Text(number(rewards["train_mean"]), "bold"), number(rewards["valid_mean"]),
    )  # fmt: skip
    if failed:
        scored = [number(rewards[f"{name}_mean_of_scored"]) for name in ("train", "valid")]
        table.add_row("mean of those with a reward", *scored)
    table.add_row("lowest … highest", f"{number(rewards['lowest'])} … {number(rewards['highest'])}")
    table.add_row("spread", number(signal["spread"]))
    share = signal["share_constant"]
    if share is not None:
        alike = f"{signal['constant']:,} of {signal['prompts']:,} ({share:.0%})"
        table.add_row("prompts with one reward for all samples", alike)
    return table


def _curve(points: Sequence[Point]) -> Iterator[RenderableType]:
    """Show mean rewards over the steps: a line of bars for training, one for evaluations."""
    for name, column in (("train", 1), ("valid", 2)):
        known = [point for point in points if point[column] is not None]
        if not known:
            continue
        values = _binned([float(point[column]) for point in known])
        low, high = min(values), max(values)
        bars = "".join(
            _LEVELS[round((value - low) / (high - low) * 7)] if high > low else _LEVELS[3]
            for value in values
        )
        yield Text.assemble(
            f"{name}  ", (bars, "cyan"), f"  {number(low)} … {number(high)}, "
            f"steps {known[0][0]:,} to {known[-1][0]:,}",
        )  # fmt: skip


def _binned(values: Sequence[float]) -> list[float]:
    """Return at most so many values as a line has room for: means of equal stretches."""
    if len(values) <= _WIDTH:
        return list(values)
    edges = [round(index * len(values) / _WIDTH) for index in range(_WIDTH + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in pairwise(edges)]


def _failures(failures: Sequence[Mapping[str, Any]]) -> Table:
    table = columns("failures", "in", figures=("count",))
    table.add_column("first")
    for one in failures[:_LISTED]:
        first = one["first"]
        said = "" if first is None else f"{first['split']} line {first['line']}: {first['message']}"
        table.add_row(
            Text(clean(one["code"]), "red"), clean(one["where"]), f"{one['count']:,}",
            shortened(said, 200) if said else "",
        )  # fmt: skip
    return table


def _tokens(tokens: Mapping[str, Any]) -> Table:
    kinds = ("prompt_tokens", "completion_tokens", "cached_tokens")
    headings = [kind.removesuffix("_tokens") for kind in kinds]
    table = columns("judge tokens of the whole job", figures=[*headings, "asked here"])
    for model, counts in tokens["whole_job"].items():
        whole = [f"{counts[f'train_{kind}'] + counts[f'eval_{kind}']:,}" for kind in kinds]
        here = sum(
            count
            for name, count in tokens["measured"][model].items()
            if not name.endswith("cached_tokens")
        )
        table.add_row(clean(model), *whole, f"{here:,}")
    return table


def jobs_view(jobs: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show a list of jobs; ids are never cut, for they are there to be copied, models are where there is no room."""
    if not jobs:
        return Text("no jobs")
    table = columns("job", "created", "status", "step", "verdict", "model", gap=1)
    table.columns[0].min_width = max(len(one["id"]) for one in jobs)
    table.columns[0].no_wrap = True
    table.columns[1].min_width, table.columns[2].min_width = len("2026-01-01"), len("succeeded")
    table.columns[-1].overflow = "ellipsis"
    for identity, created, status, step, verdict, model in map(_listed, jobs):
        styled = [
            Text(one, _STYLES.get(one.replace(" ", "_"), "")) for one in (status, step, verdict)
        ]
        table.add_row(identity, created, *styled, model)
    rest = [Text(f"there are more: --after {jobs[-1]['id']}", "dim")] if more else []
    return Group(table, *rest)


def _listed(job: Mapping[str, Any]) -> tuple[str, ...]:
    run = progress_of(job)
    total, verdict = run["total_steps"], run["verdict"]
    return (
        job["id"],
        _moment(job["created_at"])[:16],
        job["status"],
        "" if total is None else f"{run['step']:,}/{total:,}",
        "" if verdict is None else verdict["outcome"].replace("_", " "),
        shortened(job["model"], 60).plain,
    )


def events_view(events: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show events, the oldest first, one a line."""
    parts: list[RenderableType] = [Text("there are older ones", "dim")] if more else []
    for one in events:
        line = Text(f"{_moment(one['created_at'])}  ", "dim")
        style = _STYLES[one["level"]] if one["level"] != "info" else ""
        line.append(clean(one["message"]), style)
        parts.append(line)
    return Group(*parts)


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"
