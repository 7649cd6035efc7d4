"""Options of model graders, and what a summary says about them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from graders.batch.tally import Tally
from graders.cli.help import Flag
from graders.cli.option import Read, flags
from graders.cli.output import say
from graders.grade import Usage
from graders.models import WARNING, CacheMode, JudgeOptions, JudgeStats, Panel
from graders.models.known import cacheable
from graders.option import options_of
from graders.plan import Plan
from graders.report.panel import panel_notes
from graders.report.terminal import number
from graders.wire.endpoint import LOCAL, base_url

__all__ = [
    "judge_notes",
    "judge_options",
    "learned_notes",
    "warn_of_judges",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def _pairs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    found = {}
    for value in values:
        name, equals, other = value.partition("=")
        if not (name and equals and other):
            raise click.BadParameter(
                f"{value!r} is not NAME=OTHER, such as gpt-4o-2024-08-06=my-judge"
            )
        found[name] = other
    return found


def _endpoints(
    _: click.Context, __: click.Parameter, values: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    found = {}
    for value in values:
        host, _equals, variables = value.partition("=")
        if not host or "/" in host:
            raise click.BadParameter(
                f"{value!r} is not HOST or HOST=VARIABLE, such as example.com=GRADER_KEY"
            )
        found[host.lower()] = tuple(name for name in variables.split(",") if name)
    return found


_FLAGS = flags(
    JudgeOptions,
    but={
        "model_map": {"multiple": True, "callback": _pairs},
        "panel": {"type": Read("A,B,...|FILE.json", Panel.read)},
        "allow_endpoint": {"multiple": True, "callback": _endpoints},
    },
)
_CACHE = (
    click.option(
        "--cache/--no-cache", default=None,
        help="Keep every reply, or none.  [default: those of temperature 0 or a seed]", cls=Flag, group="Replies that are kept",
    ),
    click.option("--refresh", is_flag=True, help="Ask again what is in the cache, and keep it.", cls=Flag, group="Replies that are kept"),
    click.option(
        "--offline", is_flag=True, help="Ask nobody: rows that are not in the cache fail.", cls=Flag, group="Replies that are kept"
    ),
)  # fmt: skip


def judge_options(function: Function) -> Function:
    """Add how model graders are asked; the command gets them as one `judge` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, cache: bool | None, refresh: bool, offline: bool, **kwargs: Any) -> Any:
        if refresh and offline:
            raise click.UsageError("--refresh and --offline exclude each other.")
        if cache is False and (refresh or offline):
            raise click.UsageError("--no-cache excludes --refresh and --offline.")
        mode: CacheMode = {None: "auto", True: "all", False: "none"}[cache]  # type: ignore[assignment]
        mode = "refresh" if refresh else "offline" if offline else mode
        known = {one.name: one.field for one in options_of(JudgeOptions) if one.flag}
        said = {field: kwargs.pop(name) for name, field in known.items()}
        return function(*args, judge=JudgeOptions(cache=mode, **said), **kwargs)

    for add in reversed((_FLAGS, *_CACHE)):
        wrapped = add(wrapped)
    return wrapped  # type: ignore[return-value]


def warn_of_judges(plan: Plan, judge: JudgeOptions) -> None:
    """Say plainly what the local judge is, where it is used, where numbers may be others, and where no reply is kept."""
    judges = [] if judge.panel is None else judge.panel.judges
    servers = [one.base_url or judge.base_url for one in judges] or [judge.base_url]
    if plan.needs("chat") and LOCAL in map(base_url, servers):
        say(f"warning: {WARNING}")
    elif judge.cache_file is not None and judge.cache == "auto" and _keeps_none(plan):
        say(
            f"note: no judge's reply is kept in {judge.cache_file}: none has temperature 0 or a seed; --cache keeps all"
        )
    if judge.ask_together and sum(leaf.performer == "chat" for leaf in plan.leaves) > 1:
        say("note: sub-graders of one model and input are asked together; numbers may differ")


def _keeps_none(plan: Plan) -> bool:
    """Whether a plan asks judges, and each may say something else when it is asked again."""
    asked = [leaf.config for leaf in plan.leaves if leaf.performer == "chat"]
    params = [getattr(one, "sampling_params", None) for one in asked]
    return bool(asked) and not any(
        said is not None and cacheable(vars(said), getattr(one, "model", ""))
        for one, said in zip(asked, params, strict=True)
    )


def judge_notes(tally: Tally, stats: Sequence[JudgeStats]) -> list[str]:
    """Say what judges cost, what the cache saved, and how much they agree with themselves."""
    notes = []
    for one in stats:
        line = f"models at {one.server}: {one.answered:,} answered"
        line += f", {one.retries:,} retries" if one.retries else ""
        line += f", {one.lost:,} lost after sending, perhaps billed" if one.lost else ""
        if one.hits or one.misses:
            line += f"; cache: {one.hits:,} hits, {one.misses:,} misses"
        notes.append(line)
        notes += [f"tokens used: {_tokens(model, usage)}" for model, usage in one.used.items()]
        notes += [f"tokens saved: {_tokens(model, usage)}" for model, usage in one.saved.items()]
        notes += one.notes
        notes += [
            f"replies to requests without {name}: {count:,}" for name, count in one.left_out.items()
        ]
    for key, repeats in tally.repeats.items():
        where = f"{key}: " if key else ""
        rate = "–" if repeats.flip_rate is None else f"{100 * repeats.flip_rate:.3g}%"
        notes.append(
            f"repeats: {where}spread within a row {number(repeats.spread)}, verdict flips in "
            f"{repeats.flipped:,} of {repeats.rows:,} rows ({rate}), "
            f"{repeats.failed:,} of {repeats.asked:,} askings failed"
        )
    return [*notes, *panel_notes(tally)]


def learned_notes(stats: Sequence[JudgeStats]) -> list[str]:
    """Say what was sent otherwise than the config has it."""
    return [note for one in stats for note in one.notes]


def _tokens(model: str, usage: Usage) -> str:
    return (
        f"{usage.total_tokens:,} of {model} ({usage.prompt_tokens:,} prompt, "
        f"{usage.completion_tokens:,} completion)"
    )
