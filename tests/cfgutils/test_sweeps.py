"""The choices of a sweep, looked up beforehand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dltools.cfgutils.explain import explain
from dltools.cfgutils.search_path import prepare_hydra
from dltools.cfgutils.sweeps import refuse_unknown_choices


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with a preset of the user's own."""
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("# Mine.\ndefaults: [dice]\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["loss=dice,dcie"], "loss=dcie: 'dcie' is no loss. Did you mean 'dice'"),
        (["loss=dice,dice+fcal"], "loss=dice+fcal: 'fcal' is no loss. Did you mean 'focal'"),
        (["loss=dice,dice+dice"], "'dice' is named twice"),
        (["loss=choice(dice,focl)"], "'focl' is no loss"),
        (["+loss@aux=dice,focl"], "'focl' is no loss"),
        (["task=detection,segmentatoin"], "task=segmentatoin"),
        (["hydra/job_logging=rnu,run"], "hydra/job_logging=rnu"),
        (["--config-dir", "{folder}", "loss=mine,dice+mien"], "'mien' is no loss"),
        (["loss=mine,dice"], "loss=mine"),
    ],
)
def test_an_unknown_choice_of_a_sweep_is_refused(arguments: list[str], words: str, folder: str) -> None:
    prepare_hydra()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any exception is explained
        refuse_unknown_choices(["-m", *(argument.format(folder=folder) for argument in arguments)])
    assert words in explain(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["loss=dice,0.3dice+focal", "model=unet,resnet", "optim.lr=1e-3,1e-4", "seed=1,2,3"],
        ["loss=glob(d*)", "seed=range(1,4)", "optim.lr=interval(1e-4,1e-2)"],
        ["objective=val/iou,0.5*val/iou+val/dice"],
        ["experiment=scenes_boxes,scenes_focal", "loss=dice,giou"],
        ["--config-dir={folder}", "loss=mine,0.5dice,dice+mine"],
        ["hydra.searchpath=[{folder}]", "loss=mine,dice"],
        ["--config-dir={folder}", "hydra.searchpath=[/elsewhere]", "loss=theirs,mine"],
        ["--config-name=theirs", "loss=theirs,dice"],
        ["+loss@aux=dice,focal", "aux.dice.smooth=1,2"],
        ["group_of_an_experiment=one,two"],
        ["loss=dice,(", "model=a,b"],
        ["loss=dice", "imports=[a,b]"],
    ],
)
def test_what_hydra_may_accept_or_will_itself_refuse_passes(arguments: list[str], folder: str) -> None:
    prepare_hydra()
    refuse_unknown_choices(["-m", *(argument.format(folder=folder) for argument in arguments)])


@pytest.mark.parametrize(
    "arguments", [["loss=dcie"], ["loss=dice+fcal"], ["model=unett"], ["-m", "model=unet", "loss=dice,dcie"]]
)
def test_a_wrong_name_is_refused_before_anything_heavy_is_imported(arguments: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; from dltools.train import main; sys.argv = {['dltools-train', *arguments]!r}\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules, 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Error: "), done.stderr
    assert "Did you mean" in done.stderr and "heavy import" not in done.stderr
    assert not list(tmp_path.iterdir())
