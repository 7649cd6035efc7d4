"""Where a job's curves go besides: Weights & Biases, trackio, TensorBoard, where they can."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from graders.adapters import wandb
from graders.errors import shown
from graders.training.session import Session

__all__ = ["reporting"]


def reporting(session: Session) -> dict[str, Any]:
    """Return what trainers are told of the body's integrations; an event says which cannot be had.

    What cannot be reached holds no job up: a curve elsewhere is not worth the training.
    """
    found: dict[str, Any] = {"report_to": [], "run_name": session.plan["name"]}
    for one in session.plan["integrations"]:
        kind = one["type"]
        settings = one.get(kind) or {}
        lacks = _lacks(kind) or _begin(kind, settings, session)
        if lacks:
            session.note(f"The {kind} integration gets nothing: {lacks}")
            continue
        found["report_to"].append(kind)
        if kind == "trackio":
            found["project"] = settings["project"]
        session.note(f"Losses and rewards go to {kind}: {_where(kind, settings, session)}", "info")
    return found


def _where(kind: str, settings: dict[str, Any], session: Session) -> str:
    """Return where curves go, and the folder where that is one of this machine."""
    project, folder = settings.get("project"), session.folder / kind
    if kind == "wandb":
        return f"{project}" + f", in {folder} until wandb sync sends them" * wandb.is_offline()
    if kind == "tensorboard":
        return str(folder)
    remote = os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL")
    return f"{project}, in {remote or os.environ['TRACKIO_DIR']}"


def _lacks(kind: str) -> str:
    if kind == "wandb":
        return wandb.lacks()
    if find_spec(kind) is None and not (kind == "tensorboard" and find_spec("tensorboardX")):
        return f"{kind} is not installed (pip install {kind})"
    return ""


def _begin(kind: str, settings: dict[str, Any], session: Session) -> str:
    """Begin where the trainer's callbacks look for it; return why that cannot be done, "" where it can."""
    folder = str(session.folder / kind)
    if kind == "tensorboard":
        os.environ["TENSORBOARD_LOGGING_DIR"] = folder
        return ""
    try:
        if kind == "trackio":
            os.environ.setdefault("TRACKIO_DIR", folder)
            import_module(kind).init(
                project=settings["project"], name=session.plan["name"], resume="allow", embed=False
            )
        else:
            import_module(kind).init(
                project=settings["project"], entity=settings.get("entity"),
                name=settings.get("name") or session.plan["name"], tags=settings.get("tags"),
                id=session.plan["job"], resume="allow", dir=str(session.folder),
            )  # fmt: skip
    except Exception as error:  # noqa: BLE001  (whatever that library raises)
        return f"{type(error).__name__}: {shown(str(error), 200)}"
    return ""
