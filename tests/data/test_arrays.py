import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.array_files import ArrayFile
from dltools.data.arrays import Arrays

DIGITS = load_digits()
COUNTS = {"train": 60, "val": 20, "test": 30}
PARTS = {"train": slice(0, 60), "val": slice(60, 80), "test": slice(80, 110)}
SCANS = (DIGITS.images[:110] * 15).astype(np.uint8)
LABELS = DIGITS.target[:110]
CROPS = np.stack([load_sample_image("flower.jpg")[at : at + 8, 200:212] for at in range(110)])
MASKS = (CROPS[..., 0] > np.median(CROPS[..., 0])).astype(np.uint8)
UNSURE = CROPS[..., 1] > np.quantile(CROPS[..., 1], 0.9)


def folders(root, save=np.save):
    for name, part in PARTS.items():
        (root / name).mkdir()
        save(root / name / "images.npy", SCANS[part])
        save(root / name / "labels.npy", LABELS[part])
    return {}


def medmnist(root, save=np.savez):
    held = {f"{name}_images": CROPS[part] for name, part in PARTS.items()}
    held |= {f"{name}_labels": LABELS[part, None].astype(np.uint8) for name, part in PARTS.items()}
    save(root / "mnist.npz", **held)
    return {"images": "mnist.npz:{split}_images", "labels": "mnist.npz:{split}_labels"}


def packed(root):
    return medmnist(root, np.savez_compressed)


def one_file(root):
    order = np.random.default_rng(0).permutation(110)
    words = np.concatenate([[name] * count for name, count in COUNTS.items()])
    for name, array in (("images", CROPS), ("labels", LABELS), ("splits", words)):
        np.save(root / f"{name}.npy", array[order])
    return {"images": "images.npy", "labels": "labels.npy", "splits": "splits.npy"}


LAYOUTS = [folders, medmnist, packed, one_file]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_come_with_their_labels_and_splits(tmp_path, layout):
    data = Arrays(root=str(tmp_path), **layout(tmp_path))
    source = SCANS[..., None] if layout is folders else CROPS
    assert data.class_names == list("0123456789") and data.in_channels == source.shape[3]
    for name, part in PARTS.items():
        split = data.split(name)
        expected = sorted((image.tobytes(), label) for image, label in zip(source[part], LABELS[part], strict=True))
        samples = list(split)
        assert [sample["index"] for sample in samples] == list(range(COUNTS[name]))
        assert sorted((sample["image"].tobytes(), sample["label"]) for sample in samples) == expected
        assert {sample["image"].shape for sample in samples} == {source.shape[1:]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pickled_splits_carry_paths_and_callers_own_their_samples(tmp_path, layout):
    split = Arrays(root=str(tmp_path), **layout(tmp_path)).split("test")
    expected = split[3]["image"].copy()
    split[3]["image"][:] = 0
    content = pickle.dumps(split)
    assert len(content) < 2500 and np.array_equal(pickle.loads(content)[3]["image"], expected)


@pytest.mark.parametrize("layout", [folders, medmnist, one_file])
def test_what_lies_unpacked_is_mapped_and_not_loaded(tmp_path, layout):
    split = Arrays(root=str(tmp_path), **layout(tmp_path)).split("train")
    assert isinstance(split.held.images.array, np.memmap) and not split.held.images.array.flags.writeable


def test_arrays_in_column_order_are_mapped_right(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.zeros(3), two=np.asfortranarray(CROPS))
    assert np.array_equal(ArrayFile(tmp_path / "a.npz", "two").array, CROPS)


def test_splits_that_are_not_there_are_cut_from_train(tmp_path):
    folders(tmp_path)
    (tmp_path / "val" / "images.npy").unlink()
    data = Arrays(root=str(tmp_path), val_fraction=0.25, test_fraction=0.25)
    train, val = data.split("train"), data.split("val")
    assert len(data.split("test")) == 30 and len(train) + len(val) == 60 and abs(len(val) - 15) <= 5
    seen = sorted(sample["image"].tobytes() for split in (train, val) for sample in split)
    assert seen == sorted(image.tobytes() for image in SCANS[:60, ..., None])


def test_one_file_without_words_is_cut_into_three(tmp_path):
    np.save(tmp_path / "x.npy", SCANS)
    np.save(tmp_path / "y.npy", LABELS)
    data = Arrays(root=str(tmp_path), images="x.npy", labels="y.npy")
    places = [data.split(name).places for name in ("train", "val", "test")]
    assert sorted(np.concatenate(places)) == list(range(110)) and all(len(part) >= 8 for part in places)


def test_masks_are_ids_and_may_be_alone(tmp_path):
    np.savez(tmp_path / "a.npz", x=CROPS.astype(np.uint16) * 257, y=np.where(UNSURE, 255, MASKS))
    fields = {"root": str(tmp_path), "images": "a.npz:x", "masks": "a.npz:y"}
    data = Arrays(**fields, mask_classes=["dark", "bright"], val_fraction=0.5, distance_maps=True)
    assert data.mask_names == data.class_names == ["dark", "bright"]
    assert Arrays(**fields, class_names=["bright"]).mask_names == ["background", "bright"]
    split = data.split("val")
    for place, sample in zip(split.places, split, strict=True):
        assert np.array_equal(sample["image"], CROPS[place]) and "label" not in sample
        assert np.array_equal(sample["mask"], np.where(UNSURE[place], 255, MASKS[place]))
        assert sample["mask"].dtype == np.uint8
    with pytest.raises(FieldError, match="class_names must not be empty: there are no labels"):
        Arrays(**fields)


def test_arrays_of_16_bits_may_stay_as_they_are(tmp_path):
    wide = CROPS.astype(np.uint16) * 250 + 3
    clear = np.concatenate([wide, wide[..., :1]], axis=-1)
    np.savez(tmp_path / "a.npz", wide=wide, narrow=CROPS, clear=clear, y=LABELS)
    fields = {"root": str(tmp_path), "labels": "a.npz:y", "val_fraction": 0, "test_fraction": 0}
    for name, expected in (("wide", wide), ("narrow", CROPS * np.uint16(257)), ("clear", clear)):
        data = Arrays(**fields, images=f"a.npz:{name}", bits=16)
        image = data.split("train")[7]["image"]
        assert image.dtype == np.uint16 and np.array_equal(image, expected[7]) and data.in_channels == len(image[0, 0])
    assert np.array_equal(Arrays(**fields, images="a.npz:wide").split("train")[7]["image"], wide[7] >> 8)
    with pytest.raises(FieldError, match="bits must be 8 or 16, got 10"):
        Arrays(**fields, images="a.npz:wide", bits=10)


def test_fingerprint_follows_files_and_fields_and_not_the_place(tmp_path):
    (tmp_path / "old").mkdir()
    folders(tmp_path / "old")
    before = Arrays(root=str(tmp_path / "old")).fingerprint
    (tmp_path / "old").rename(tmp_path / "new")
    assert Arrays(root=str(tmp_path / "new")).fingerprint == before
    assert Arrays(root=str(tmp_path / "new"), seed=1).fingerprint != before
    np.save(tmp_path / "new/test/labels.npy", LABELS[:31])
    assert Arrays(root=str(tmp_path / "new")).fingerprint != before


def harm_header(path):
    path.write_bytes(path.read_bytes().replace(b"(60,", b"(((("))


def cut(path, count):
    path.write_bytes(path.read_bytes()[:-count])


OBJECTS = np.array([{}] * 60, object)
WRONG = {
    "no images": (lambda f: (f / "images.npy").unlink(), r"there is no '.*images.npy'; expected the file images.npy"),
    "objects": (lambda f: np.save(f / "images.npy", OBJECTS), r"images.npy cannot be read: .*Python objects"),
    "cut short": (lambda f: cut(f / "images.npy", 9), r"images.npy cannot be read: .*expected an array of numbers"),
    "damaged header": (lambda f: harm_header(f / "images.npy"), r"images.npy cannot be read: .*expected an array of"),
    "nonsense": (lambda f: (f / "images.npy").write_bytes(b"nonsense"), r"images.npy cannot be read: the magic string"),
    "empty": (lambda f: (f / "images.npy").write_bytes(b""), r"images.npy cannot be read"),
    "floats": (lambda f: np.save(f / "images.npy", SCANS / 255), r"images.npy is float64 .*; images must be uint8 or"),
    "channels first": (
        lambda f: np.save(f / "images.npy", CROPS[:60].transpose(0, 3, 1, 2)),
        r"images.npy is uint8 \(60, 3, 8, 12\); images must be .* channels last",
    ),
    "rows": (
        lambda f: np.save(f / "images.npy", SCANS.reshape(110, -1)),
        r"images.npy is uint8 \(110, 64\); images must",
    ),
    "few labels": (
        lambda f: np.save(f / "labels.npy", LABELS[:59]),
        r"labels.npy is int64 \(59,\); labels must be whole numbers \(60,\), as .*images.npy has images",
    ),
    "float labels": (lambda f: np.save(f / "labels.npy", LABELS[:60] / 1), r"labels.npy is float64 \(60,\)"),
    "label without a name": (
        lambda f: np.save(f / "labels.npy", LABELS[:60] + 3),
        r"labels.npy: label 10 of item 7 must be in 0 to 9, the places in data.class_names",
    ),
    "negative label": (lambda f: np.save(f / "labels.npy", LABELS[:60] - 1), r"label -1 of item 0 must be in 0 to 9"),
    "masks of another size": (
        lambda f: np.save(f / "masks.npy", MASKS[:60]),
        r"masks must be whole numbers \(60, 8, 8\)",
    ),
}


@pytest.mark.parametrize(("harm", "message"), WRONG.values(), ids=WRONG.keys())
def test_unusable_arrays_are_named_with_what_would_be_right(tmp_path, harm, message):
    folders(tmp_path)
    harm(tmp_path / "train")
    with pytest.raises(DataError, match=message):
        Arrays(root=str(tmp_path), class_names=list("0123456789")).split("train")


def test_mask_with_an_id_of_no_class_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", x=CROPS, y=MASKS.astype(np.int16) * -7)
    data = Arrays(root=str(tmp_path), images="a.npz:x", masks="a.npz:y", mask_classes=["dark", "bright"])
    with pytest.raises(
        DataError, match=r"a.npz:y: the mask of item \d+ has class id -7; ids must be in 0 to 1, or 255"
    ):
        list(data.split("train"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_refused_for_what_they_hold(tmp_path, save):
    save(tmp_path / "a.npz", images=SCANS, labels=LABELS, wild=np.array([{}] * 110, object))
    fields = {"root": str(tmp_path), "class_names": list("0123456789"), "labels": "a.npz:labels"}
    for key, message in (
        ("image", r"a.npz has no array 'image'; it holds images, labels, wild. Did you mean 'images'"),
        ("wild", r"a.npz:wild cannot be read: .*[oO]bject"),
    ):
        with pytest.raises(DataError, match=message):
            Arrays(**fields, images=f"a.npz:{key}").split("train")
    cut(tmp_path / "a.npz", 40)
    with pytest.raises(DataError, match=r"a.npz:images cannot be read: File is not a zip file"):
        Arrays(**fields, images="a.npz:images").split("train")


def test_labels_too_large_to_count_classes_are_refused(tmp_path):
    folders(tmp_path)
    np.save(tmp_path / "train/labels.npy", LABELS[:60] * 10**9)
    with pytest.raises(DataError, match=r"labels.npy: label 9000000000 would make as many classes; expected ids"):
        Arrays(root=str(tmp_path))
    np.save(tmp_path / "train/labels.npy", LABELS[:60] / 2)
    with pytest.raises(DataError, match=r"labels.npy is float64 \(60,\); labels must be whole numbers that count"):
        Arrays(root=str(tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.array(["train", "tset", "val"]), r"splits.npy: 'tset' of item 1 must be one of train, val, test"),
        (np.array([0, 1, 2]), r"splits.npy is int64 \(3,\); it must be \(3,\) words"),
        (np.array(["train"]), r"splits.npy is <U5 \(1,\); it must be \(3,\) words"),
    ],
)
def test_words_that_are_no_splits_are_named(tmp_path, words, message):
    for name, array in (("images", SCANS[:3]), ("labels", LABELS[:3]), ("splits", words)):
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(DataError, match=message):
        Arrays(root=str(tmp_path), images="images.npy", labels="labels.npy", splits="splits.npy").split("train")


def test_missing_targets_and_empty_splits_are_named(tmp_path):
    folders(tmp_path)
    (tmp_path / "val/images.npy").unlink()
    with pytest.raises(DataError, match=r"no image of split 'val'; raise data.val_fraction"):
        Arrays(root=str(tmp_path), val_fraction=0).split("val")
    (tmp_path / "train/labels.npy").unlink()
    with pytest.raises(
        DataError, match=r"there is neither '.*labels.npy' nor '.*masks.npy'. Name labels, masks or both"
    ):
        Arrays(root=str(tmp_path))
    with pytest.raises(DataError, match=r"there is no '.*train/label.npy'"):
        Arrays(root=str(tmp_path), labels="{split}/label.npy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": "splits.npy"}, r"splits must be empty where data.images has \{split\}"),
        ({"mask_classes": ["a", "b"]}, "mask_classes has no use: there are no masks"),
        ({"distance_maps": True}, "distance_maps has no use: there are no masks"),
        (
            {"val_fraction": 0.6, "test_fraction": 0.6},
            "val_fraction and test_fraction must be below 1 together, got 1.2",
        ),
    ],
)
def test_fields_that_cannot_be_are_refused(tmp_path, fields, message):
    folders(tmp_path)
    with pytest.raises(FieldError, match=message):
        Arrays(root=str(tmp_path), **fields)


def test_reading_arrays_imports_nothing_heavy():
    code = "import sys, dltools.data.arrays; print(not {'pandas', 'pyarrow', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
