"""Options of model graders, and what a summary says about them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from graders.batch.tally import Tally
from graders.cli.output import say
from graders.grade import Usage
from graders.models import FORMS, JudgeOptions, JudgeStats
from graders.models.local import WARNING
from graders.models.option import DEFAULT_EMBEDDING
from graders.plan import Plan
from graders.report.terminal import number
from graders.wire.endpoint import LOCAL, base_url

__all__ = [
    "judge_notes",
    "judge_options",
    "learned_notes",
    "model_map_option",
    "warn_of_local",
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


def model_map_option(function: Function) -> Function:
    """Add `--model-map`."""
    return click.option(
        "--model-map", multiple=True, metavar="NAME=OTHER", callback=_pairs,
        help="Ask model OTHER where the grader names NAME; may be given several times.",
    )(function)  # fmt: skip


def judge_options(function: Function) -> Function:
    """Add how model graders are asked; the command gets them as one `judge` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        names = (
            "base_url", "key_file", "auth", "model_map", "concurrency", "deadline", "attempts",
            "pay_once", "reply_form", "repeats", "embedding_model", "embedding_url", "cache_file",
            "endpoints",
        )  # fmt: skip
        renamed = {
            name: kwargs.pop(f"judge_{name}" if name != "model_map" else name) for name in names
        }
        flags = {name: kwargs.pop(f"judge_{name}") for name in ("refresh", "offline")}
        cache = kwargs.pop("judge_cache")
        if flags["refresh"] and flags["offline"]:
            raise click.UsageError("--refresh and --offline exclude each other.")
        if cache is False and any(flags.values()):
            raise click.UsageError("--no-cache excludes --refresh and --offline.")
        mode = next((name for name, on in flags.items() if on), None)
        mode = mode or {None: "auto", True: "all", False: "none"}[cache]
        return function(*args, judge=JudgeOptions(cache=mode, **renamed), **kwargs)  # type: ignore[arg-type]

    for option in reversed(
        (
            click.option(
                "--base-url", "judge_base_url", metavar="URL",
                help="Server of the judges, or local.  [default: $OPENAI_BASE_URL, else OpenAI]",
            ),
            click.option(
                "--api-key-file", "judge_key_file", metavar="PATH",
                type=click.Path(path_type=Path),
                help="File with the key.  [default: $OPENAI_API_KEY]",
            ),
            click.option(
                "--auth", "judge_auth", type=click.Choice(["auto", "bearer", "api-key"]),
                default="auto", show_default=True, help="Header the key goes into.",
            ),
            model_map_option,
            click.option(
                "--concurrency", "judge_concurrency", type=click.IntRange(min=1), default=32,
                show_default=True, metavar="N", help="Requests to judges at once.",
            ),
            click.option(
                "--deadline", "judge_deadline", type=click.FloatRange(min=0, min_open=True),
                default=300.0, show_default=True, metavar="SECONDS",
                help="Time for one call of a judge, retries included.",
            ),
            click.option(
                "--attempts", "judge_attempts", type=click.IntRange(min=1), default=8,
                show_default=True, metavar="N", help="Tries at a server that cannot be reached.",
            ),
            click.option(
                "--pay-once", "judge_pay_once", is_flag=True,
                help="Fail a row rather than ask again what a server may bill unanswered.",
            ),
            click.option(
                "--reply-form", "judge_reply_form", type=click.Choice(FORMS), default="auto",
                show_default=True, help="How the shape of a judge's reply is asked for.",
            ),
            click.option(
                "--repeats", "judge_repeats", type=click.IntRange(min=1), default=1,
                show_default=True, metavar="N", help="Times a judge is asked for each row.",
            ),
            click.option(
                "--cache/--no-cache", "judge_cache", default=None,
                help="Keep every reply, or none.  [default: those of temperature 0 or a seed]",
            ),
            click.option(
                "--cache-file", "judge_cache_file", metavar="PATH",
                type=click.Path(dir_okay=False, path_type=Path), help="Where replies are kept.",
            ),
            click.option(
                "--refresh", "judge_refresh", is_flag=True,
                help="Ask again what is in the cache, and keep it.",
            ),
            click.option(
                "--offline", "judge_offline", is_flag=True,
                help="Ask nobody: rows that are not in the cache fail.",
            ),
            click.option(
                "--embedding-model", "judge_embedding_model", metavar="NAME",
                help=f"Model that cosine embeds with.  [default: {DEFAULT_EMBEDDING}]",
            ),
            click.option(
                "--allow-endpoint", "judge_endpoints", multiple=True, metavar="HOST[=VARIABLE,...]",
                callback=_endpoints,
                help="Host that endpoint graders may send rows to, and the variables of the "
                "environment that may go into headers there; may be given several times.",
            ),
            click.option(
                "--embedding-url", "judge_embedding_url", metavar="URL",
                help="Server of the embeddings, or local.  [default: the judges']",
            ),
        )
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def warn_of_local(plan: Plan, judge: JudgeOptions) -> None:
    """Say plainly what the local judge is, where it is used."""
    if plan.needs("chat") and base_url(judge.base_url) == LOCAL:
        say(f"warning: {WARNING}")


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
    return notes


def learned_notes(stats: Sequence[JudgeStats]) -> list[str]:
    """Say what was sent otherwise than the config has it."""
    return [note for one in stats for note in one.notes]


def _tokens(model: str, usage: Usage) -> str:
    return (
        f"{usage.total_tokens:,} of {model} ({usage.prompt_tokens:,} prompt, "
        f"{usage.completion_tokens:,} completion)"
    )
