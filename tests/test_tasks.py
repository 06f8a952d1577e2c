"""The defaults of the four tasks, trained for real: what they reach on samples that training never saw."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("task", "metric", "least"),
    [
        ("classification", "test/accuracy", 0.97),
        ("segmentation", "test/iou", 0.60),
        ("detection", "test/map_50", 0.50),
        ("keypoints", "test/pck", 0.85),
    ],
)
def test_the_default_of_a_task_learns_it(task, metric, least, tmp_path):
    assert _summary(tmp_path, f"task={task}")["test"][metric] >= least


def test_five_epochs_of_fashion_mnist_are_enough_for_nine_in_ten(fashion_mnist, tmp_path):
    words = ["task=classification", "data=idx", f"data.root={fashion_mnist}", "policy.epochs=5"]
    assert _summary(tmp_path, *words)["test"]["test/accuracy"] >= 0.90


def test_the_demo_ends_with_what_a_newcomer_looks_for(tmp_path):
    done = _train(tmp_path, "experiment=demo")
    told = done.stderr + done.stdout
    assert all(word in told for word in ("Run folder: ", "Objective: ", "Picture: ", "Next: "))
    picture = told.partition("Picture:")[2].split()[0]
    assert (tmp_path / picture).stat().st_size > 10_000


def test_a_sweep_runs_all_jobs_and_ray_gives_the_same_objectives(tmp_path):
    words = ["-m", "task=segmentation", "loss=dice,dice+focal", "optim.lr=1e-3,3e-4", "debug=fdr", "writer=csv"]
    objectives = {}
    for launcher in ("basic", "ray"):
        _train(tmp_path, *words, f"hydra/launcher={launcher}", f"hydra.sweep.dir=by_{launcher}")
        summaries = [
            json.loads((tmp_path / f"by_{launcher}" / str(job) / "summary.json").read_text()) for job in range(4)
        ]
        assert [summary["status"] for summary in summaries] == ["finished"] * 4
        objectives[launcher] = [summary["objective"]["value"] for summary in summaries]
    assert objectives["ray"] == objectives["basic"]


def _summary(folder, *words):
    _train(folder, *words, "hydra.run.dir=run")
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["status"] == "finished"
    return summary


def _train(folder, *words):
    command = [sys.executable, "-m", "dltools.train", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done
