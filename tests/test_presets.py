"""Every preset composes and runs through every phase; every command of the README does what it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dltools.cfgutils.options import presets_folder
from dltools.cfgutils.presets import preset_choices
from dltools.cfgutils.search_path import compose

ROOT = Path(__file__).parents[1]
FDR = ["debug=fdr", "loader.batch_size=4", "data.train_scenes=8", "data.val_scenes=4", "data.test_scenes=4"]
NEEDS = {
    "model=own": ["model._target_=dltools.models.unet.UNet"],
    "experiment=fashion_mnist": None,
    "hydra/job_logging=run": None,
    "metric=report": ["objective=val/f1"],
    "metric=outlines": ["objective=val/nsd"],
}
"""What a preset needs to run; None marks one that is run elsewhere."""


CHOICES = preset_choices(presets_folder())


@pytest.mark.parametrize("words", CHOICES, ids=" ".join)
def test_every_preset_composes(words):
    assert compose(words) is not None


@pytest.mark.parametrize("words", [words for words in CHOICES if NEEDS.get(words[-1], []) is not None], ids=" ".join)
def test_every_preset_runs_a_few_batches_through_every_phase(words, train):
    preset, config = words[-1], compose(words)
    small = FDR if "train_scenes" in config.data else FDR[:2]
    if preset.startswith("debug="):
        small = small[1:]
        small += ["policy.epochs=2", "policy.val_every=1"] if preset == "debug=overfit" else []
    folder = train(*words, *small, *NEEDS.get(preset, []))
    assert folder.read_summary()["status"] == "finished"
    assert folder.weights.is_file()


def test_the_experiment_on_idx_files_runs(train, idx_folder):
    folder = train("experiment=fashion_mnist", f"data.root={idx_folder}", "debug=fdr", "loader.batch_size=8")
    assert folder.read_summary()["test"]


def _readme_commands():
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def _marked(command):
    slow = "hydra/launcher=ray" in command or " -m task" in command or "hparams_search" in command
    return pytest.param(command, marks=pytest.mark.slow) if slow else command


@pytest.mark.parametrize("command", [_marked(command) for command in _readme_commands()])
def test_every_command_of_the_readme_works(command, tmp_path, idx_folder, mask_folder):
    words = shlex.split(command)
    assert words[0] == "python"
    (tmp_path / "my_net.py").write_text(_readme_code())
    words = [word.replace("/usr/share/datasets/fashion-mnist", str(idx_folder)) for word in words]
    words = [word.replace("data.root=my_data", f"data.root={mask_folder}") for word in words]
    if words[2] == "dltools.train" and not {"--help", "--cfg"} & set(words):
        words += ["debug=fdr", "loader.batch_size=2"]
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    summaries = [json.loads(file.read_text()) for file in tmp_path.glob("runs/**/summary.json")]
    assert all(summary["status"] == "finished" for summary in summaries)
    assert bool(summaries) == ("debug=fdr" in words)


def _readme_code():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
