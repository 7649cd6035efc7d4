"""Where a job's curves go besides: Weights & Biases, trackio, TensorBoard, where they can."""

from __future__ import annotations

import netrc
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from graders.errors import shown
from graders.training.session import Session

__all__ = ["reporting"]

_HOST: Final = "api.wandb.ai"
_WITHOUT_KEY: Final = ("offline", "disabled", "dryrun")


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
        where = settings.get("project") or session.folder / kind
        session.note(f"Losses and rewards go to {kind}: {where}", "info")
    return found


def _lacks(kind: str) -> str:
    if find_spec(kind) is None and not (kind == "tensorboard" and find_spec("tensorboardX")):
        return f"{kind} is not installed (pip install {kind})"
    if kind == "wandb" and os.environ.get("WANDB_MODE") not in _WITHOUT_KEY:
        return "" if os.environ.get("WANDB_API_KEY") or _has_login() else "no key (WANDB_API_KEY)"
    return ""


def _has_login() -> bool:
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _begin(kind: str, settings: dict[str, Any], session: Session) -> str:
    """Begin where the trainer's callbacks look for it; return why that cannot be done, "" where it can."""
    if kind == "tensorboard":
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(session.folder / kind)
    elif kind == "trackio":
        os.environ.setdefault("TRACKIO_DIR", str(session.folder / kind))
    else:
        try:
            import_module(kind).init(
                project=settings["project"], entity=settings.get("entity"),
                name=settings.get("name") or session.plan["name"], tags=settings.get("tags"),
                id=session.plan["job"], resume="allow", dir=str(session.folder),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  (whatever that library raises)
            return f"{type(error).__name__}: {shown(str(error), 200)}"
    return ""
