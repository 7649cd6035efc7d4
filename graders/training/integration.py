"""Where a job's curves go besides: Weights & Biases, trackio, TensorBoard, where they can."""

from __future__ import annotations

import netrc
import os
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from graders.errors import shown
from graders.training.session import Session

__all__ = ["finish", "reporting"]

_HOSTS: Final = ("api.wandb.ai", "api.forge.coreweave.com")
"""Under which its login stands, in older and newer versions."""

_OFFLINE: Final = ("offline", "dryrun")
_PATIENCE: Final = 60.0
"""Seconds that the last of the curves may take on its way."""


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


def finish() -> None:
    """Have sent what is on its way; a service that cannot be reached holds the job up for a minute at most."""
    library = sys.modules.get("wandb")
    if library is not None and getattr(library, "run", None) is not None:
        ending = threading.Thread(target=library.finish, daemon=True)
        ending.start()
        ending.join(_PATIENCE)


def _where(kind: str, settings: dict[str, Any], session: Session) -> str:
    """Return where curves go, and the folder where that is one of this machine."""
    project, folder = settings.get("project"), session.folder / kind
    if kind == "wandb":
        offline = os.environ.get("WANDB_MODE") in _OFFLINE
        return f"{project}" + f", in {folder} until wandb sync sends them" * offline
    if kind == "tensorboard":
        return str(folder)
    remote = os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL")
    return f"{project}, in {remote or os.environ['TRACKIO_DIR']}"


def _lacks(kind: str) -> str:
    if find_spec(kind) is None and not (kind == "tensorboard" and find_spec("tensorboardX")):
        return f"{kind} is not installed (pip install {kind})"
    mode = os.environ.get("WANDB_MODE")
    if kind != "wandb" or mode in _OFFLINE:
        return ""
    if mode == "disabled":
        return "WANDB_MODE is disabled"
    return "" if os.environ.get("WANDB_API_KEY") or _has_login() else "no key (WANDB_API_KEY)"


def _has_login() -> bool:
    own = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    try:
        known = netrc.netrc()
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known.authenticators(one) is not None for one in ([own] if own else _HOSTS))


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
