"""Where a job's curves go besides: Weights & Biases, trackio, TensorBoard, where they can."""

from __future__ import annotations

import netrc
import os
from importlib.util import find_spec
from typing import Any, Final

from graders.training.session import Session

__all__ = ["reporting"]

_HOST: Final = "api.wandb.ai"


def reporting(session: Session) -> dict[str, Any]:
    """Return what trainers are told of the body's integrations; an event says which cannot be had."""
    chosen: list[str] = []
    for one in session.plan["integrations"]:
        kind = one["type"]
        settings = one.get(kind) or {}
        lacks = _lacks(kind)
        if lacks:
            session.note(f"The {kind} integration gets nothing: {lacks}")
            continue
        chosen.append(kind)
        _tell(kind, settings, session)
        where = settings.get("project") or session.folder / kind
        session.note(f"Losses and rewards go to {kind}: {where}", "info")
    return {"report_to": chosen, "run_name": session.plan["name"]}


def _lacks(kind: str) -> str:
    if find_spec(kind) is None and not (kind == "tensorboard" and find_spec("tensorboardX")):
        return f"{kind} is not installed (pip install {kind})"
    if kind == "wandb" and not os.environ.get("WANDB_API_KEY") and not _has_login():
        if os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun"):
            return ""
        return "there is no key (WANDB_API_KEY)"
    return ""


def _has_login() -> bool:
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _tell(kind: str, settings: dict[str, Any], session: Session) -> None:
    """Say in the environment, where those libraries look, what the body says."""
    environment = os.environ
    if kind == "wandb":
        environment["WANDB_PROJECT"] = settings["project"]
        environment["WANDB_DIR"] = str(session.folder)
        environment["WANDB_LOG_MODEL"] = "false"
        for key, name in (("entity", "WANDB_ENTITY"), ("name", "WANDB_NAME")):
            if settings.get(key):
                environment[name] = settings[key]
        if settings.get("tags"):
            environment["WANDB_TAGS"] = ",".join(settings["tags"])
    elif kind == "trackio":
        environment["TRACKIO_PROJECT"] = settings["project"]
        environment.setdefault("TRACKIO_DIR", str(session.folder / "trackio"))
    else:
        environment["TENSORBOARD_LOGGING_DIR"] = str(session.folder / "tensorboard")
