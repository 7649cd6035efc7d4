"""The options of training, which several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from graders.cli.help import Flag
from graders.cli.option import flags_of
from graders.errors import OptionError
from graders.training.option import TrainingOptions, check_libraries

__all__ = ["train_options"]

Function = TypeVar("Function", bound=Callable[..., Any])


def _named(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        name, equals, model = value.partition("=")
        if not (name and equals and model):
            raise click.BadParameter(f"{value!r} is not NAME=MODEL, such as gpt-4o-mini=./my-model")
        if name in found:
            raise click.BadParameter(f"{name} is named twice: one model stands for a name")
        found[name] = model
    return found


def train_options(function: Function) -> Function:
    """Add how jobs are trained, as one `training` argument: None without `--train`."""

    @functools.wraps(function)
    def wrapped(*args: Any, train: bool, training: TrainingOptions, **kwargs: Any) -> Any:
        if training.models and not train:
            raise OptionError("--train-model names what is trained: say --train too")
        if train:
            check_libraries()
        return function(*args, training=training if train else None, **kwargs)

    many = {"train_model": {"multiple": True, "callback": _named}}
    return click.option(
        "--train",
        is_flag=True,
        help="Train the models of jobs; without it, jobs are dry runs.",
        cls=Flag,
        group="Training",
    )(flags_of("training", TrainingOptions, but=many)(wrapped))  # type: ignore[return-value]
