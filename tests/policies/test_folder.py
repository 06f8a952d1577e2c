"""The folder of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dltools.cfgutils import ConfigError
from dltools.policies.folder import RunFolder

CONFIG = {"seed": 0, "loss": {"dice": {"weight": 1.0}}, "resume": None}


@pytest.fixture
def used(tmp_path: Path) -> RunFolder:
    """Return a folder that holds a run with a checkpoint."""
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG, ["seed=0"], None)
    folder.last.parent.mkdir()
    folder.last.write_bytes(b"checkpoint")
    return folder


def test_a_claimed_folder_holds_the_config_and_what_was_typed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "new" / "run")
    folder.claim(CONFIG, ["seed=0", "loss=dice"], None)
    assert (folder.path / "overrides.txt").read_text() == "seed=0\nloss=dice\n"
    assert "weight: 1.0" in (folder.path / "config.yaml").read_text()


def test_a_run_of_another_config_is_not_overwritten_and_the_difference_is_told(used: RunFolder) -> None:
    with pytest.raises(ConfigError, match=r"another config: loss\.dice\.weight: 1\.0 -> 0\.5"):
        used.claim({**CONFIG, "loss": {"dice": {"weight": 0.5}}}, [], "auto")
    assert used.last.read_bytes() == b"checkpoint"


def test_the_same_run_is_continued_only_when_asked(used: RunFolder) -> None:
    with pytest.raises(ConfigError, match="resume=auto"):
        used.claim(CONFIG, [], None)
    used.claim({**CONFIG, "resume": "auto"}, [], "auto")


def test_a_run_that_left_no_checkpoint_may_be_started_again(used: RunFolder) -> None:
    used.last.unlink()
    used.claim({**CONFIG, "seed": 1}, [], None)


def test_a_summary_is_read_as_it_was_written(used: RunFolder) -> None:
    used.write_summary({"status": "finished", "test": {"test/iou": 0.5, "test/map_large": float("nan")}})
    assert used.read_summary() == {"status": "finished", "test": {"test/iou": 0.5, "test/map_large": None}}
    assert json.loads((used.path / "summary.json").read_text()) == used.read_summary()
    assert not [file for file in used.path.iterdir() if file.name.startswith(".")]
