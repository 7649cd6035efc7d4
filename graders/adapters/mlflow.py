"""Runs in MLflow: `graders.adapters.mlflow.log("results.jsonl")`, or `graders score ... --track mlflow` (extra `mlflow`).

Source: MLflow 3.18. A run goes to the experiment that MLFLOW_EXPERIMENT_NAME names, else `graders`; which server or
database, MLFLOW_TRACKING_URI says where nobody else does.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graders.adapters.tracking import Record, State, record_of

if TYPE_CHECKING:
    from graders.api import Grader
    from graders.config import Source

__all__ = ["MlflowTracker", "log"]

_STATES: Final = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_AT_ONCE: Final = 100
"""Settings of one request; MLflow refuses more."""
_TABLE: Final = "rows.json"


def log(
    results: str | os.PathLike[str],
    grader: Source | Grader | None = None,
    *,
    uri: str | None = None,
    experiment: str | None = None,
    run: str | None = None,
) -> str:
    """Log a file of results, and return the run's number.

    Settings, figures with intervals, the grader's JSON, the manifest, the results themselves, and the first
    10,000 rows as a table.

    Args:
        results: the file that `graders score` wrote.
        grader: the grader, as for `graders.load`, or one that is loaded.
        uri: of the tracking server or database; None for what MLflow is set to.
        experiment: its name; None for that of MLFLOW_EXPERIMENT_NAME, else `graders`.
        run: the number of a run to log into, which stays open; None for the run that is active in this
            process, else a new one.

    Raises:
        UnavailableError: MLflow is not installed.
        RowsError, OptionError, ConfigError: as `graders.adapters.tracking.record_of`.
    """
    import mlflow  # noqa: PLC0415  (the program that this is for)

    record = record_of(Path(results), grader)
    active = mlflow.active_run() if run is None and uri is None else None
    known = active.info.run_id if active is not None else run
    tracker = MlflowTracker(uri, experiment)
    found = tracker.begin(record.name, record.settings, known)
    tracker.tell(record)
    if known is None:
        tracker.end("finished")
    return found


class MlflowTracker:
    """One run in MLflow; a `Tracker`.

    Args:
        uri: of the tracking server or database; None for what MLflow is set to.
        experiment: its name; None for that of the environment, else `graders`.
    """

    def __init__(self, uri: str | None = None, experiment: str | None = None) -> None:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "graders"
        self._run = ""

    def begin(self, name: str, settings: Mapping[str, str], known: str | None) -> str:
        """Begin a run, or go on with a known one; return its number."""
        from mlflow.entities import Param  # noqa: PLC0415

        if known is not None:
            self._run = known
            told = self._client.get_run(known).data.params
            self._client.update_run(known, status="RUNNING")
        else:
            made = self._client.create_run(self._number(), run_name=name, tags={"graders": "score"})
            self._run, told = made.info.run_id, {}
        left = [Param(key, one) for key, one in settings.items() if key not in told]
        for some in _batches(left):
            self._client.log_batch(self._run, params=some)
        return self._run

    def _number(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        number: str = (
            found.experiment_id if found else self._client.create_experiment(self._experiment)
        )
        return number

    def step(self, rows: int, figures: Mapping[str, float]) -> None:
        """Tell figures of so many rows."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now = time.time_ns() // 1_000_000
        for some in _batches([Metric(key, one, now, rows) for key, one in figures.items()]):
            self._client.log_batch(self._run, metrics=some)

    def tell(self, record: Record) -> None:
        """Tell all of a record; the table only once, for MLflow would add to it."""
        self.step(record.count, record.figures)
        with tempfile.TemporaryDirectory(prefix="graders-") as folder:
            for name, text in record.files.items():
                (Path(folder) / name).write_bytes(text)
                self._client.log_artifact(self._run, str(Path(folder) / name))
        if record.results is not None:
            self._client.log_artifact(self._run, str(record.results))
        if _TABLE not in {one.path for one in self._client.list_artifacts(self._run)}:
            told = {
                name: [row[at] for row in record.rows] for at, name in enumerate(record.columns)
            }
            self._client.log_table(self._run, told, _TABLE)

    def end(self, state: State) -> None:
        """End the run."""
        self._client.set_terminated(self._run, _STATES[state])

    def finish(self, record: Record | None, state: State) -> str:
        """Tell the rest and end the run; return where it can be looked at."""
        if record is not None:
            self.tell(record)
        self.end(state)
        return f"run {self._run} of experiment {self._experiment}, {self._client.tracking_uri}"


def _batches(values: list[Any]) -> Any:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
