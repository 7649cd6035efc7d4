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


def _named(form: str, example: str) -> Callable[..., dict[str, str]]:
    def read(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for value in values:
            name, equals, what = value.partition("=")
            if not (name and equals and what):
                raise click.BadParameter(f"{value!r} is not {form}, such as {example}")
            if name in found:
                raise click.BadParameter(f"{name} is named twice: one model stands for a name")
            found[name] = what
        return found

    return read


def train_options(function: Function) -> Function:
    """Add how jobs are trained, as one `training` argument: None without `--train`."""

    @functools.wraps(function)
    def wrapped(*args: Any, train: bool, training: TrainingOptions, **kwargs: Any) -> Any:
        if training.models and not train:
            raise OptionError("--train-model names what is trained: say --train too")
        if training.urls and not train:
            raise OptionError("--model-url says who answers for trained models: say --train too")
        if train:
            check_libraries()
        return function(*args, training=training if train else None, **kwargs)

    many = {
        "train_model": {
            "multiple": True, "callback": _named("NAME=MODEL", "gpt-4o-mini=./my-model"),
        },
        "model_url": {
            "multiple": True,
            "callback": _named("NAME=URL", "ft:gpt-4o-mini:local::a1B2c3D4=http://127.0.0.1:8001/v1"),
        },
    }  # fmt: skip
    return click.option(
        "--train",
        is_flag=True,
        help="Train the models of jobs; without it, jobs are dry runs.",
        cls=Flag,
        group="Training",
    )(flags_of("training", TrainingOptions, but=many)(wrapped))  # type: ignore[return-value]
