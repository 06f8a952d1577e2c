"""What all tests share: the same random numbers, one thread, and the real data that slow tests train on."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("dltools", derandomize=True, deadline=None)
settings.load_profile("dltools")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Leave the user's cache, and the service of the user's node, alone."""
    os.environ["DLTOOLS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["DLTOOLS_RUNTIME"] = str(tmp_path_factory.mktemp("node"))


@pytest.fixture(autouse=True)
def _same_random_numbers():
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def fashion_mnist():
    """The folder with the four IDX files: 70,000 real photographs of clothes.

    Where nobody promised the data, its absence skips the test. `DLTOOLS_FASHION_MNIST` is such a promise.
    """
    promised = os.environ.get("DLTOOLS_FASHION_MNIST")
    folder = Path(promised or "/usr/share/datasets/fashion-mnist")
    if not promised and not folder.is_dir():
        pytest.skip("no Fashion-MNIST: apt-get install dataset-fashion-mnist, or set DLTOOLS_FASHION_MNIST=FOLDER")
    files = sorted(file.name for file in folder.glob("*-ubyte.gz"))
    assert len(files) == 4, f"DLTOOLS_FASHION_MNIST={folder} should hold the four *-ubyte.gz files, and holds {files}"
    return folder


@pytest.fixture
def train(tmp_path):
    """A function that runs the words of a command line in this process and returns the run folder."""

    def run(*overrides, name="run"):
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf, open_dict

        from dltools.cfgutils.search_path import compose
        from dltools.policies.folder import RunFolder
        from dltools.policies.launch import launch

        folder = RunFolder(tmp_path / name)
        config = compose(["writer=csv", *overrides])
        with open_dict(config):
            config.hydra.runtime.output_dir = str(folder.path)
            HydraConfig.instance().set_config(config)
            del config["hydra"]
        OmegaConf.set_struct(config, True)
        launch(config)
        return folder

    return run


@pytest.fixture(scope="session")
def idx_folder(tmp_path_factory):
    """A folder with four small IDX files: real scanned digits of scikit-learn in the format of MNIST."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("idx")
    digits = load_digits()
    images = np.kron(digits.images, np.ones((1, 3, 3))).clip(0, 15.9).astype(np.uint8) * 16
    parts = {"train": slice(0, 200), "t10k": slice(200, 240)}
    for name, part in parts.items():
        pixels, labels = images[part], digits.target[part].astype(np.uint8)
        header = np.array([2051, *pixels.shape], ">i4").tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(
            np.array([2049, len(labels)], ">i4").tobytes() + labels.tobytes()
        )
    return folder


@pytest.fixture
def mask_folder(tmp_path):
    """A folder of images and masks: crops of a photograph, labelled by their brightness."""
    import cv2
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("flower.jpg")
    folder = tmp_path / "masks"
    for number, split in enumerate(("train", "val", "test")):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for position in range(4):
            crop = photograph[64 * number : 64 * number + 64, 64 * position : 64 * position + 64]
            cv2.imwrite(str(folder / split / "images" / f"{position}.png"), crop[..., ::-1])
            cv2.imwrite(str(folder / split / "masks" / f"{position}.png"), (crop.mean(2) > 100).astype(np.uint8))
    return folder
