"""MLflow on a real sqlite file."""

from __future__ import annotations

import logging
import math
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dltools.writers import Hub, Record, RunInfo
from dltools.writers.mlflow import Mlflow

CONFIG = {"model": {"name": "unet", "width": 8, "stages": [1, 2]}, "loss": {"dice+x": {"weight": 1.0}}, "empty": {}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose database file is made once."""
    return tmp_path_factory.mktemp("runs")


def client_of(store: Path) -> Any:
    """Return MLflow's own client."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{store / 'mlflow.db'}")


def write(
    store: Path, folder: Path, records: list[Record], config: dict[str, Any] | None = None, **info: Any
) -> tuple[Hub, str]:
    """Write records as one run; return the hub and MLflow's id of the run."""
    folder.mkdir(exist_ok=True)
    hub = Hub({"mlflow": Mlflow(tracking_uri=f"sqlite:///{store / 'mlflow.db'}", experiment="tests")})
    hub.open(RunInfo(folder, "nuclei", config or CONFIG, ["loss=dice"], **info))
    for record in records:
        hub.scalars(record)
    hub.image("val/predictions", 3, np.full((4, 4, 3), (255, 0, 0), np.uint8))
    hub.close(info.get("status", "finished"), {})
    assert hub.set_aside == {}
    return hub, (folder / "mlflow_run_id.txt").read_text().strip()


def history(store: Path, run: str, key: str) -> list[tuple[int, float]]:
    """Return the points of a metric."""
    return [(point.step, point.value) for point in client_of(store).get_metric_history(run, key)]


def test_a_run_is_in_mlflow_as_it_was(store: Path, tmp_path: Path) -> None:
    records = [Record(step, 1, {"train/loss": 1 / step, "val/iou/a+b": 0.5}, {"samples/s": 9.0}) for step in (1, 2)]
    _, run_id = write(store, tmp_path / "a", records)
    run = client_of(store).get_run(run_id)
    assert run.info.run_name == "a"
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "model.name": "unet",
        "model.width": "8",
        "model.stages": "[1, 2]",
        "loss.dice_x.weight": "1.0",
        "empty": "{}",
    }
    assert run.data.tags["dltools.overrides"] == "loss=dice"
    assert history(store, run_id, "train/loss") == [(1, 1.0), (2, 0.5)]
    assert history(store, run_id, "val/iou/a_b") == [(1, 0.5), (2, 0.5)]
    assert history(store, run_id, "perf/samples/s") == [(1, 9.0), (2, 9.0)]


def test_config_and_images_lie_beside_the_database(store: Path, tmp_path: Path) -> None:
    _, run_id = write(store, tmp_path / "a", [])
    artifacts = store / "mlartifacts" / run_id / "artifacts"
    assert "  width: 8\n" in (artifacts / "config.yaml").read_text()
    image = cv2.imread(str(artifacts / "figures" / "val_predictions_3.png"))
    assert image is not None
    assert image[0, 0].tolist() == [0, 0, 255]


def test_long_values_and_many_parameters_fit(store: Path, tmp_path: Path) -> None:
    config = {"text": "x" * 10_000, **{f"p{index}": index for index in range(250)}, "n" * 300: 1}
    _, run_id = write(store, tmp_path / "a", [], config)
    params = client_of(store).get_run(run_id).data.params
    assert len(params) == 252
    assert len(params["text"]) == 6000
    assert params["n" * 250] == "1"


def test_values_that_are_not_finite_do_not_break_it(store: Path, tmp_path: Path) -> None:
    _, run_id = write(store, tmp_path / "a", [Record(1, 1, {"nan": math.nan, "inf": math.inf})])
    assert math.isnan(history(store, run_id, "nan")[0][1])
    assert history(store, run_id, "inf")[0][1] > 1e300


def test_a_resumed_run_goes_on_in_the_same_run_without_doubles(store: Path, tmp_path: Path) -> None:
    records = [Record(step, 1, {"train/loss": 1 / step}) for step in range(1, 8)]
    _, first = write(store, tmp_path / "a", records[:5])
    _, second = write(store, tmp_path / "a", records[3:], {"model": {"name": "other"}}, resumed=True, step=3)
    assert second == first
    assert history(store, first, "train/loss") == [(step, 1 / step) for step in range(1, 8)]


def test_what_mlflow_missed_is_sent_when_the_run_is_resumed(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    hub = Hub({})
    hub.open(RunInfo(folder, "nuclei"))
    hub.scalars(Record(1, 1, {"train/loss": 0.5}, {"time": 1.7e9}))
    hub.close("killed", {})
    _, run_id = write(store, folder, [Record(2, 1, {"train/loss": 0.25})], resumed=True, step=1)
    assert history(store, run_id, "train/loss") == [(1, 0.5), (2, 0.25)]
    assert client_of(store).get_metric_history(run_id, "train/loss")[0].timestamp == 1_700_000_000_000


@pytest.mark.parametrize(
    ("status", "expected"),
    [("finished", "FINISHED"), ("stopped", "FINISHED"), ("failed", "FAILED"), ("killed", "KILLED")],
)
def test_the_status_is_set_at_close(store: Path, tmp_path: Path, status: str, expected: str) -> None:
    hub = Hub({"mlflow": Mlflow(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")})
    hub.open(RunInfo(tmp_path, "run"))
    run_id = (tmp_path / "mlflow_run_id.txt").read_text().strip()
    assert client_of(store).get_run(run_id).info.status == "RUNNING"
    hub.close(status, {})
    assert client_of(store).get_run(run_id).info.status == expected


def test_points_wait_and_leave_together(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    calls: list[int] = []
    send = MlflowClient.log_batch

    def counted(self: Any, run: str, metrics: Any = (), **rest: Any) -> None:
        calls.append(len(metrics))
        send(self, run, metrics, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    write(store, tmp_path / "a", [Record(step, 1, {"train/loss": 0.5}) for step in range(1500)], {"a": 1})
    assert calls == [0, 1000, 500]


@pytest.mark.parametrize("kind", ["no server", "no database"])
def test_a_store_that_fails_does_not_stop_training(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database" * 100)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        hub = Hub({"mlflow": Mlflow(tracking_uri=server if kind == "no server" else f"sqlite:///{tmp_path}/mlflow.db")})
        hub.open(RunInfo(tmp_path, "run"))
        hub.scalars(Record(1, 1, {"train/loss": 0.5}))
        hub.close("finished", {})
    assert list(hub.set_aside) == ["mlflow"]
    assert sum("writer.mlflow is set aside" in record.getMessage() for record in caplog.records) == 1


def test_the_migrations_are_silent_and_leave_logging_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        write(tmp_path, tmp_path / "a", [])
        logging.getLogger("dltools.some").info("still here")
    assert [record.getMessage() for record in caplog.records] == ["still here"]


def test_importing_the_writer_does_not_import_mlflow() -> None:
    code = "import sys, dltools.writers.mlflow; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_processes_that_start_together_on_a_new_file_do_not_race(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from dltools.writers import *; from dltools.writers.mlflow import Mlflow\n"
        "folder = Path(sys.argv[1]); folder.mkdir()\n"
        "hub = Hub({'mlflow': Mlflow()}); hub.open(RunInfo(folder, 'digits'))\n"
        "[hub.scalars(Record(step, 1, {'train/loss': 0.5})) for step in range(20)]\n"
        "hub.close('finished', {}); sys.exit(len(hub.set_aside))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / f"run{index}")], cwd=tmp_path)
        for index in range(4)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    client = client_of(tmp_path / "runs")
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["run0", "run1", "run2", "run3"]
    assert all(len(client.get_metric_history(run.info.run_id, "train/loss")) == 20 for run in runs)
