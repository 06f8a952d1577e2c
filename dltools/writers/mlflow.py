"""MLflow, by default in one sqlite file beside the run folders."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from omegaconf import OmegaConf

from dltools.cfgutils import NonNegativeFloat, component
from dltools.writers.base import Record, RunInfo, Writer
from dltools.writers.figures import figure_path, save_png
from dltools.writers.jsonl import FILE as JOURNAL
from dltools.writers.jsonl import read_journal

MAX_PARAMS = 100
MAX_METRICS = 1000
MAX_NAME = 250
MAX_VALUE = 6000
MAX_TAG = 8000
"""Limits of MLflow: entities of one call, and characters of a name, a parameter's value and a tag."""
SQLITE = "sqlite:///"
STATUS = {"failed": "FAILED", "killed": "KILLED"}
MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Environment of MLflow: by default a server that is down would hold up the training for minutes at each call."""


@component("writer", "mlflow")
class Mlflow(Writer):
    """MLflow: parameters, metrics, images and the config, in a sqlite file or on a server.

    Look at it with `mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`. The id of the MLflow run is kept in the
    run folder (mlflow_run_id.txt), and a resumed run goes on in it: what the journal has and MLflow has not is sent
    then, and since MLflow cannot take points back, those that it has are not sent again. Values go out every few
    seconds in one call; names lose the characters that MLflow refuses; infinity is stored as the largest number.
    """

    tracking_uri: str | None = None
    """Where runs are kept, such as http://host:5000; None is sqlite:///runs/mlflow.db below the working directory."""
    experiment: str | None = None
    """Experiment that the run belongs to, made when it is missing; None takes the name of the run."""
    send_every: NonNegativeFloat = 5.0
    """Seconds between two sendings of metrics; 0 sends each record at once."""

    def open(self, run: RunInfo) -> None:
        """Make or reopen the run.

        Raises:
            mlflow.exceptions.MlflowException: the server does not answer, or refuses.
        """
        _set_manners()
        from mlflow import MlflowClient

        self._run = run
        self._pending: list[Any] = []
        self._sent = time.monotonic()
        uri = self.tracking_uri or f"{SQLITE}{Path('runs/mlflow.db').resolve()}"
        with _one_process_at_a_time(uri):
            self._client = MlflowClient(uri)
            experiment = self._experiment_id(uri)
        self._id = self._earlier_id() or self._new_run(experiment)
        self._known: dict[str, int] = {}
        if run.resumed:
            self._catch_up()

    def scalars(self, record: Record) -> None:
        """Queue the numbers of a record, and send what has waited long enough."""
        from mlflow.entities import Metric

        perf = {f"perf/{name}": value for name, value in record.perf.items() if name != "time"}
        moment = int(record.perf.get("time", time.time()) * 1000)
        for name, value in {**record.metrics, **perf}.items():
            key = _legal(name)
            if record.step > self._known.get(key, -1):
                self._pending.append(Metric(key, float(value), moment, record.step))
        if time.monotonic() - self._sent >= self.send_every:
            self._send()

    def image(self, name: str, step: int, image: NDArray[np.uint8]) -> None:
        """Store the PNG file of the run folder as an artifact."""
        path = figure_path(self._run.folder, name, step)
        if not path.exists():
            save_png(path, image)
        self._client.log_artifact(self._id, str(path), "figures")

    def close(self, status: str, summary: dict[str, Any]) -> None:
        """Send what is left and set the status."""
        try:
            self._send()
        finally:
            self._client.set_terminated(self._id, STATUS.get(status, "FINISHED"))

    def _send(self) -> None:
        for start in range(0, len(self._pending), MAX_METRICS):
            self._client.log_batch(self._id, metrics=self._pending[start : start + MAX_METRICS])
        self._pending.clear()
        self._sent = time.monotonic()

    def _experiment_id(self, uri: str) -> str:
        name = self.experiment or self._run.name
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        artifacts = (_file_of(uri).parent / "mlartifacts").as_uri() if uri.startswith(SQLITE) else None
        return str(self._client.create_experiment(name, artifact_location=artifacts))

    def _earlier_id(self) -> str | None:
        """Return the id of the run that is resumed, set to running again; None where there is none."""
        if not (self._run.resumed and self._id_file.exists()):
            return None
        run_id = self._id_file.read_text(encoding="utf-8").strip()
        self._client.update_run(run_id, status="RUNNING")
        return run_id

    def _new_run(self, experiment: str) -> str:
        from mlflow.entities import Param

        tags = {"dltools.folder": str(self._run.folder), "dltools.overrides": " ".join(self._run.overrides)}
        run = self._client.create_run(
            experiment, run_name=self._run.folder.name, tags={name: text[:MAX_TAG] for name, text in tags.items()}
        )
        run_id = str(run.info.run_id)
        self._id_file.write_text(f"{run_id}\n", encoding="utf-8")
        params = [Param(_legal(name), str(value)[:MAX_VALUE]) for name, value in _flat(self._run.config)]
        for start in range(0, len(params), MAX_PARAMS):
            self._client.log_batch(run_id, params=params[start : start + MAX_PARAMS])
        self._client.log_text(run_id, OmegaConf.to_yaml(OmegaConf.create(self._run.config)), "config.yaml")
        return run_id

    def _catch_up(self) -> None:
        """Learn the last step that MLflow has of each metric, and queue what the journal has beyond it."""
        for key in self._client.get_run(self._id).data.metrics:
            self._known[key] = max(point.step for point in self._client.get_metric_history(self._id, key))
        for record in read_journal(self._run.folder / JOURNAL):
            self.scalars(record)

    @property
    def _id_file(self) -> Path:
        return self._run.folder / "mlflow_run_id.txt"


@contextmanager
def _one_process_at_a_time(uri: str) -> Iterator[None]:
    """Let one process after the other make the tables of a sqlite file: MLflow's migrations do not bear company."""
    if not uri.startswith(SQLITE):
        yield
        return
    file = _file_of(uri)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        yield


def _file_of(uri: str) -> Path:
    return Path(uri.removeprefix(SQLITE)).resolve()


def _set_manners() -> None:
    """Hush the migrations, and unless the user said otherwise, send no reports to MLflow's makers and give up early."""
    for name, value in MANNERS.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _legal(name: str) -> str:
    """Return a name that MLflow accepts: no characters but words, space and /.-: and no part that looks like a path."""
    parts = re.sub(r"[^/\w.\- :]", "_", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))[:MAX_NAME] or "_"


def _flat(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with dotted names; lists are leaves."""
    if isinstance(config, dict) and config:
        for name, value in config.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else str(name))
    elif prefix:
        yield prefix, config
