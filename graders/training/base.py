"""Which model on this machine stands for the one that a body names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graders.errors import nearest, quoted
from graders.wire.error import ApiError

__all__ = ["Base", "base_of", "hub_name", "model_name"]

_HUB: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Base:
    """A model to train.

    Attributes:
        path: its folder, or its name on the hub.
        hub: whether it is a name on the hub, which may be fetched.
    """

    path: str
    hub: bool


def hub_name(text: str) -> bool:
    """Return whether a text can be the name of a model on the hub."""
    return _HUB.fullmatch(text) is not None


def base_of(
    name: str,
    models: Mapping[str, str],
    trained: Mapping[str, Path],
    adapters: Collection[str] = (),
) -> Base:
    """Return what stands for a body's model.

    Args:
        name: as the body names it.
        models: by such a name a folder, or a name on the hub.
        trained: the folders of models that were trained here, by their names.
        adapters: the names of checkpoints that are adapters alone.

    Raises:
        ApiError: nothing does, or the folder holds no model (400).
    """
    given = models.get(name)
    if given is None and name in trained:
        return _folder(name, trained[name])
    if given is None and name in adapters:
        raise ApiError(
            400,
            f"model: {quoted(name)} is a checkpoint, an adapter alone; name {name.partition(':ckpt-')[0]}, with which "
            "its job ended, or train with --train-full, whose checkpoints are models",
            param="model", code="model_not_found",
        )  # fmt: skip
    if given is None:
        near = nearest(name, [*models, *trained])
        hint = f"; did you mean {near}?" if near else ""
        raise ApiError(
            400,
            f"model: no model of this machine stands for {quoted(name)}{hint}; name one by --train-model "
            f"{name}=FOLDER, or by its name on the Hugging Face hub, from which it is fetched then",
            param="model", code="model_not_found",
        )  # fmt: skip
    path = Path(given).expanduser()
    if path.is_dir():
        return _folder(name, path)
    if hub_name(given) and not given.startswith((".", "/", "~")):
        return Base(given, hub=True)
    raise ApiError(
        400, f"model: {quoted(given)}, which stands for {name}, is no folder, and no name on the hub",
        param="model", code="model_not_found",
    )  # fmt: skip


def _folder(name: str, path: Path) -> Base:
    if not (path / "config.json").is_file():
        raise ApiError(
            400,
            f"model: the folder {path}, which stands for {name}, holds no model of the Hugging Face "
            "layout: there is no config.json",
            param="model", code="model_not_found",
        )  # fmt: skip
    return Base(str(path.absolute()), hub=False)


def model_name(model: str, suffix: str | None, job: str) -> str:
    """Return the name of what a job trains, as the hosted service builds it."""
    base, end = (
        "".join(one if one.isascii() and (one.isalnum() or one in "._:-") else "-" for one in text)
        for text in (model.removeprefix("ft:"), suffix or "")
    )
    return f"ft:{base[:300]}:local:{end}:{job.removeprefix('ftjob-')[:8]}"
