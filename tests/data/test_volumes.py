import gzip
import pickle
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.volumes import Volumes

PHOTOGRAPH = load_sample_image("china.jpg")
# Values as CT has them: rows, columns and colours of a photograph as the three axes.
VOLUME = PHOTOGRAPH[100:124, 200:230].astype(np.int16) * 4 - 500
MASK = np.digitize(VOLUME, np.quantile(VOLUME, [0.3, 0.7])).astype(np.uint8)
NAMES = ["air", "roof", "wall"]
WINDOW = [-160.0, 240.0]


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        nibabel.save(nibabel.Nifti1Image(array, np.diag([0.7, 0.7, 3, 1])), path)


@pytest.fixture(params=[".npy", ".nii", ".nii.gz"])
def ending(request):
    return request.param


@pytest.fixture
def root(tmp_path, ending):
    """Two volumes for each split; the second has fewer slices, whatever the axis, and a mask of another ending."""
    for split in ("train", "val", "test"):
        for name, ends, part in (("a", ending, slice(None)), ("b", ".npy", slice(0, 2))):
            save(VOLUME[part, part, part], tmp_path / split / "images" / f"{name}{ending}")
            save(MASK[part, part, part], tmp_path / split / "masks" / f"{name}{ends}")
    return tmp_path


def data(root, **fields):
    return Volumes(**{"root": str(root), "class_names": NAMES, "window": WINDOW, **fields})


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_of_all_volumes_follow_one_another(root, axis):
    split = data(root, axis=axis).split("val")
    samples = list(split)
    count = VOLUME.shape[axis]
    assert len(split) == len(samples) == count + 2 and [s["index"] for s in samples] == list(range(count + 2))
    shown = np.clip((VOLUME + 160) / 400, 0, 1) * 255
    for at, sample in enumerate(samples[:count]):
        assert np.abs(sample["image"][..., 0] - shown.take(at, axis)).max() <= 0.5 + 1e-3
        assert np.array_equal(sample["mask"], MASK.take(at, axis))
        assert sample["image"].dtype == sample["mask"].dtype == np.uint8
    assert np.array_equal(samples[-1]["mask"], MASK[:2, :2, :2].take(1, axis))
    for beyond in (-1, count + 2):
        with pytest.raises(IndexError):
            split[beyond]


def test_splits_are_pickled_as_paths_and_fingerprints_follow_the_files(root):
    split = data(root).split("train")
    content = pickle.dumps(split)
    assert len(content) < 2000 and np.array_equal(pickle.loads(content)[2]["image"], split[2]["image"])
    before = data(root).fingerprint
    assert data(root).fingerprint == before != data(root, window=[0, 1]).fingerprint
    save(MASK, root / "test" / "masks" / "b.npy")
    assert data(root).fingerprint != before


def test_volumes_that_cannot_be_read_are_named(root, ending):
    file = root / "train" / "images" / f"a{ending}"
    content = file.read_bytes()
    for harmed in (b"", b"nonsense", content[: len(content) // 2], gzip.compress(b"nonsense")):
        file.write_bytes(harmed)
        with pytest.raises(DataError, match=rf"images/a{ending} cannot be read: "):
            list(data(root).split("train"))


@pytest.fixture
def arrays(tmp_path):
    for split in ("train", "val", "test"):
        save(VOLUME, tmp_path / split / "images" / "a.npy")
        save(MASK, tmp_path / split / "masks" / "a.npy")
    return tmp_path


WRONG = {
    "no mask": (
        lambda f: (f / "masks/a.npy").unlink(),
        r"masks/a is missing, with any of .nii.gz, .nii, .npy; there must",
    ),
    "no volume": (lambda f: (f / "images/a.npy").unlink(), r"train/images holds no volume; expected files that end in"),
    "flat": (lambda f: save(VOLUME[0], f / "images/a.npy"), r"a.npy is int16 \(30, 3\); a volume has three axes"),
    "complex": (
        lambda f: save(VOLUME * 1j, f / "images/a.npy"),
        r"a.npy is complex128 .*; a volume has .* real numbers",
    ),
    "objects": (lambda f: save(np.array([{}], object), f / "images/a.npy"), r"a.npy cannot be read: .*Python objects"),
    "mask of another shape": (
        lambda f: save(MASK[..., :2], f / "masks/a.npy"),
        r"masks/a.npy is \(24, 30, 2\) but its image .*images/a.npy is \(24, 30, 3\)",
    ),
    "id of no class": (
        lambda f: save(MASK + 1, f / "masks/a.npy"),
        r"masks/a.npy, slice 0 \(sample 0\), has class id 3; ids must be whole numbers below 3",
    ),
    "broken id": (lambda f: save(MASK / 2, f / "masks/a.npy"), r"slice 0 \(sample 0\), has class id 0.5; ids must be"),
}


@pytest.mark.parametrize(("harm", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_volumes_are_named_with_what_would_be_right(arrays, harm, message):
    harm(arrays / "train")
    with pytest.raises(DataError, match=message):
        data(arrays).split("train")[0]


def test_ids_may_be_floats_and_255_ignores_and_what_is_no_number_is_low(arrays):
    save(np.where(MASK == 2, 255.0, MASK), arrays / "train/masks/a.npy")
    save(np.where(MASK == 2, np.nan, np.inf), arrays / "train/images/a.npy")
    sample = data(arrays).split("train")[0]
    assert np.array_equal(sample["mask"], np.where(MASK == 2, 255, MASK)[..., 0])
    assert np.array_equal(sample["image"][..., 0], np.where(MASK == 2, 0, 255)[..., 0])


def test_scaled_nifti_files_are_read_in_the_numbers_that_they_mean(arrays):
    image = nibabel.Nifti1Image(VOLUME.astype(np.float32), np.eye(4))
    image.header.set_data_dtype(np.int16)  # nibabel then writes a slope and an intercept
    (arrays / "train/images/a.npy").unlink()
    nibabel.save(image, arrays / "train/images/a.nii.gz")
    for one, other in zip(data(arrays).split("train"), data(arrays).split("val"), strict=True):
        assert np.abs(one["image"].astype(int) - other["image"]).max() <= 1


def test_slices_with_too_many_pixels_are_refused_by_the_header(arrays):
    assert len(data(arrays, max_pixels=24 * 30).split("train")) == 3
    with pytest.raises(DataError, match=r"images/a.npy has slices of 720 pixels; data.max_pixels is 719"):
        data(arrays, max_pixels=719).split("train")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_names": ["one"]}, "class_names must have 2 to 255 names"),
        ({"window": []}, r"window must be the values that become black and white, the lower first, got \[\]"),
        ({"window": [3.0, 3.0]}, "window must be the values"),
        ({"window": [float("nan"), 3.0]}, "window must be the values"),
        ({"axis": 3}, "axis must be at most 2"),
        ({"bits": 12}, "bits must be 8 or 16, got 12"),
    ],
)
def test_fields_that_cannot_be_are_refused(fields, message):
    with pytest.raises(FieldError, match=message):
        data(".", **fields)


def test_missing_split_is_named(arrays):
    (arrays / "val").rename(arrays / "valid")
    with pytest.raises(DataError, match=r"there is no '.*val'; .* Did you mean 'valid'"):
        data(arrays).split("val")


def test_nibabel_is_imported_only_for_nifti(arrays):
    code = (
        "import sys; from dltools.data.volumes import Volumes; "
        f"Volumes(root={str(arrays)!r}, class_names=['a', 'b', 'c'], window=[0, 1]).split('train')[0]; "
        "print(not {'nibabel', 'torch', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_the_window_has_65536_values_with_16_bits(root):
    sample = data(root, bits=16).split("val")[1]
    shown = np.clip((VOLUME[..., 1] + 160) / 400, 0, 1) * 65535
    assert sample["image"].dtype == np.uint16 and np.abs(sample["image"][..., 0] - shown).max() <= 0.51


def test_the_volume_of_each_slice_is_known(root):
    split = data(root).split("train")
    assert split.column("volume") == ["a"] * VOLUME.shape[2] + ["b"] * 2 and split.column("label") is None
