"""Checkpoints that are either whole or not there."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from dltools.cfgutils import DataError
from dltools.handlers.checkpoint import link_checkpoint, load_checkpoint, save_checkpoint


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.pt"
    save_checkpoint(path, {"model": {"w": torch.arange(3)}, "epoch": 2})
    state = load_checkpoint(path)
    assert torch.equal(state["model"]["w"], torch.arange(3)) and state["epoch"] == 2


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint(path, {"epoch": lambda: 2})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_second_name_stays_when_the_first_is_written_anew(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    link_checkpoint(tmp_path / "last.pt", tmp_path / "best.pt")
    save_checkpoint(tmp_path / "last.pt", {"epoch": 2})
    assert load_checkpoint(tmp_path / "best.pt") == {"epoch": 1}


class Evil:
    """What a checkpoint must not run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code ran')",))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps(Evil())])
def test_a_damaged_or_hostile_file_is_refused_by_name_and_no_code_runs(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"last\.pt cannot be read"):
        load_checkpoint(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "nowhere.pt")
