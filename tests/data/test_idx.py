import gzip
import pickle

import numpy as np
import pytest

from dltools.cfgutils import DataError
from dltools.data.idx import Idx

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (60, 4, 5), np.uint8)
TEST = RNG.integers(0, 256, (7, 4, 5), np.uint8)
TRAIN_LABELS = np.arange(60, dtype=np.uint8) % 3
TEST_LABELS = np.arange(7, dtype=np.uint8) % 3


def idx_bytes(array):
    """The format by hand: two zeros, the type, the number of dimensions, big-endian sizes, then the bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


CONTENTS = {
    "train-images-idx3-ubyte": TRAIN,
    "train-labels-idx1-ubyte": TRAIN_LABELS,
    "t10k-images-idx3-ubyte": TEST,
    "t10k-labels-idx1-ubyte": TEST_LABELS,
}


@pytest.fixture(params=["plain", "gz"])
def folder(request, tmp_path):
    for name, array in CONTENTS.items():
        if request.param == "gz":
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
        else:
            (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


@pytest.fixture
def plain(tmp_path):
    for name, array in CONTENTS.items():
        (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


def test_test_split_is_the_files_of_t10k(folder):
    split = Idx(root=str(folder)).split("test")
    assert np.array_equal([sample["image"][..., 0] for sample in split], TEST)
    assert [sample["label"] for sample in split] == TEST_LABELS.tolist()


def test_train_and_val_share_the_training_files_without_overlap(folder):
    provider = Idx(root=str(folder), val_fraction=0.2)
    train, val = provider.split("train"), provider.split("val")
    assert (len(train), len(val)) == (48, 12)
    images = [sample["image"][..., 0].tobytes() for split in (train, val) for sample in split]
    assert sorted(images) == sorted(image.tobytes() for image in TRAIN)
    assert np.bincount([sample["label"] for sample in val]).tolist() == [4, 4, 4]


def test_labels_stay_with_their_images(folder):
    label_of = dict(zip((image.tobytes() for image in TRAIN), TRAIN_LABELS.tolist(), strict=True))
    assert all(
        label_of[sample["image"].tobytes()] == sample["label"] for sample in Idx(root=str(folder)).split("train")
    )


def test_names_are_given_found_or_numbers(plain):
    assert Idx(root=str(plain)).class_names == ["0", "1", "2"]
    (plain / "class_names.txt").write_text("T-shirt/top\nAnkle boot\nBag\n")
    assert Idx(root=str(plain)).class_names == ["T-shirt/top", "Ankle boot", "Bag"]
    assert Idx(root=str(plain), class_names=["a", "b", "c"]).class_names == ["a", "b", "c"]


def test_pickled_splits_carry_paths_and_not_the_data(folder):
    split = Idx(root=str(folder)).split("test")
    expected = split[0]["image"]
    content = pickle.dumps(split)
    assert TEST.tobytes() not in content and np.array_equal(pickle.loads(content)[0]["image"], expected)


def test_fingerprint_changes_with_the_fields_and_not_with_the_place(plain, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("moved") / "data"
    before = Idx(root=str(plain)).fingerprint
    assert Idx(root=str(plain), seed=1).fingerprint != before
    plain.rename(elsewhere)
    assert Idx(root=str(elsewhere)).fingerprint == before


def test_missing_file_is_named_with_the_nearest_one(plain):
    (plain / "t10k-images-idx3-ubyte").rename(plain / "t10k-images.idx3-ubyte")
    with pytest.raises(DataError, match=r"data.root.*t10k-images-idx3-ubyte.*Did you mean 't10k-images.idx3-ubyte'"):
        Idx(root=str(plain)).split("test")


def test_missing_folder_is_named_with_the_nearest_one(plain):
    (plain / "fashion").mkdir()
    with pytest.raises(DataError, match=r"data.root.*fashon.*Did you mean 'fashion'"):
        Idx(root=str(plain / "fashon"))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-images-idx3-ubyte", lambda content: b"\x89PNG" + content[4:], "must begin with the bytes 00 00 08 03"),
        ("train-images-idx3-ubyte", lambda content: content[:-1], "must have 1216 bytes.*it has 1215"),
        ("train-images-idx3-ubyte", lambda content: b"", "must begin with .* it begins with nothing"),
        ("train-images-idx3-ubyte", lambda content: content[:9], "must have"),
        ("train-labels-idx1-ubyte", lambda content: idx_bytes(TRAIN_LABELS[:-1]), "60 images .* 59 labels"),
    ],
)
def test_unusable_files_are_named_with_what_would_be_right(plain, name, change, message):
    (plain / name).write_bytes(change((plain / name).read_bytes()))
    with pytest.raises(DataError, match=message if "labels" in name else f"{name}.*{message}"):
        Idx(root=str(plain), class_names=["a", "b", "c"]).split("train")


def test_damaged_gz_is_named(plain):
    name = plain / "train-images-idx3-ubyte"
    (plain / f"{name.name}.gz").write_bytes(gzip.compress(idx_bytes(TRAIN))[:-20])
    name.unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be unpacked"):
        Idx(root=str(plain)).split("train")


def test_label_without_a_name_is_refused(plain):
    with pytest.raises(DataError, match=r"label 2 of item 2 must be below 2"):
        Idx(root=str(plain), class_names=["a", "b"]).split("test")
