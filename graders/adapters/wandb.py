"""Runs in Weights & Biases: `graders.adapters.wandb.log("results.jsonl")`, or `graders score ... --track wandb` (extra `wandb`).

Source: wandb 0.31. A run goes to the project that WANDB_PROJECT names, else `graders`; WANDB_MODE, WANDB_API_KEY and the other
variables mean what they always do. Training jobs ask here, too, whether it can be had.
"""

from __future__ import annotations

import netrc
import os
import re
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from graders.adapters.tracking import Record, State, record_of

if TYPE_CHECKING:
    from graders.api import Grader
    from graders.config import Source

__all__ = ["WandbTracker", "finish", "is_offline", "lacks", "log"]

_HOSTS: Final = ("api.wandb.ai", "api.forge.coreweave.com")
"""Under which its login stands, in older and newer versions."""
_OFFLINE: Final = ("offline", "dryrun")
_PATIENCE: Final = 60.0
"""Seconds that the last of what is told may take on its way."""
_UNNAMEABLE: Final = re.compile(r"[^A-Za-z0-9_.\-]+")
_CODES: Final = {"finished": 0, "failed": 1, "stopped": 255}


def is_offline() -> bool:
    """Whether what is told stays on this machine until `wandb sync` sends it."""
    return os.environ.get("WANDB_MODE") in _OFFLINE


def lacks() -> str:
    """Return why nothing can be told to it; "" where it can."""
    if find_spec("wandb") is None:
        return "wandb is not installed (pip install wandb)"
    if is_offline():
        return ""
    if os.environ.get("WANDB_MODE") == "disabled":
        return "WANDB_MODE is disabled"
    return "" if os.environ.get("WANDB_API_KEY") or _has_login() else "no key (WANDB_API_KEY)"


def _has_login() -> bool:
    own = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    try:
        known = netrc.netrc()
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known.authenticators(one) is not None for one in ([own] if own else _HOSTS))


def finish(code: int = 0) -> None:
    """Have sent what is on its way; a service that cannot be reached holds nobody up for more than a minute."""
    library = sys.modules.get("wandb")
    if library is not None and getattr(library, "run", None) is not None:
        ending = threading.Thread(target=library.finish, args=(code,), daemon=True)
        ending.start()
        ending.join(_PATIENCE)


def log(
    results: str | os.PathLike[str],
    grader: Source | Grader | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
    run: str | None = None,
) -> str:
    """Log a file of results, and return the run's id.

    Settings, figures with intervals, an artifact of the grader's JSON, the manifest and the results, and the
    first 10,000 rows as a table.

    Args:
        results: the file that `graders score` wrote.
        grader: the grader, as for `graders.load`, or one that is loaded.
        project: its project; None for that of WANDB_PROJECT, else `graders`.
        entity: whose project; None for the default.
        run: the id of a run to go on with; None for the one that is active in this process, which stays
            open, else a new one.

    Raises:
        RowsError, OptionError, ConfigError: as `graders.adapters.tracking.record_of`.
    """
    import wandb  # noqa: PLC0415  (the program that this is for)

    record = record_of(Path(results), grader)
    active = wandb.run if run is None else None
    tracker = WandbTracker(project, entity, active=active)
    found = tracker.begin(record.name, record.settings, run)
    tracker.tell(record)
    if active is None:
        finish()
    return found


class WandbTracker:
    """One run in Weights & Biases; a `Tracker`.

    Args:
        project: its project; None for that of the environment, else `graders`.
        entity: whose project; None for the default.
        active: a run that is under way; None to begin one.
    """

    def __init__(
        self, project: str | None = None, entity: str | None = None, *, active: Any = None
    ) -> None:
        import wandb  # noqa: PLC0415

        self._wandb: Any = wandb
        self._project = project or os.environ.get("WANDB_PROJECT") or "graders"
        self._entity = entity
        self._run: Any = active

    def begin(self, name: str, settings: Mapping[str, str], known: str | None) -> str:
        """Begin a run, or go on with a known one; return its id."""
        if self._run is None:
            self._run = self._wandb.init(
                project=self._project, entity=self._entity, name=name, id=known, job_type="graders",
                resume=None if known is None else "allow", settings=self._wandb.Settings(silent=True),
            )  # fmt: skip
        self._run.config.update(dict(settings), allow_val_change=True)
        self._run.define_metric("rows")
        self._run.define_metric("*", step_metric="rows")
        return str(self._run.id)

    def step(self, rows: int, figures: Mapping[str, float]) -> None:
        """Tell figures of so many rows."""
        self._run.log({**figures, "rows": rows})

    def tell(self, record: Record) -> None:
        """Tell all of a record."""
        self.step(record.count, record.figures)
        self._run.summary.update(dict(record.figures))
        table = self._wandb.Table(
            columns=[*record.columns], data=[[*one] for one in record.rows], allow_mixed_types=True
        )
        self._run.log({"table": table})
        name = _UNNAMEABLE.sub("-", f"graders-{record.name}")[:120]
        artifact = self._wandb.Artifact(name, type="graders-results")
        with tempfile.TemporaryDirectory(prefix="graders-") as folder:
            for file, text in record.files.items():
                (Path(folder) / file).write_bytes(text)
                artifact.add_file(str(Path(folder) / file))
            if record.results is not None:
                artifact.add_file(str(record.results))
            self._run.log_artifact(artifact)

    def finish(self, record: Record | None, state: State) -> str:
        """Tell the rest and end the run; return where it can be looked at."""
        if record is not None:
            self.tell(record)
        where = self._run.url or f"{Path(self._run.dir).parent}, until wandb sync sends it"
        told = f"run {self._run.id} of project {self._project}, {where}"
        finish(_CODES[state])
        return told
