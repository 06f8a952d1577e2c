"""Tables, arrays and IDX files with everything wrong that can be: each has its kind and its message."""

import gzip

import numpy as np
import pytest

from dltools.data.arrays import Arrays
from dltools.data.doctor import examine
from dltools.data.idx import Idx
from dltools.data.manifest import Manifest

HEAD = "path,mask,split"
TRUST = "expected a path below it. If you trust the file, set data.outside=true."


@pytest.fixture
def listed(tmp_path, save):
    """Return a root with images and masks, and a function that writes rows of a sound table, less some, plus others."""
    rows = {}
    for place, split in enumerate(("train", "train", "val", "test")):
        save(tmp_path / f"{place}.png", place)
        mask = np.zeros((60, 80), np.uint8)
        mask[10:20] = 1
        save(tmp_path / f"m{place}.png", mask)
        rows[place] = f"{place}.png,m{place}.png,{split}"

    def write(**changed):
        every = {**rows, **{int(place.removeprefix("row")): text for place, text in changed.items()}}
        (tmp_path / "manifest.csv").write_text("\n".join([HEAD, *every.values()]) + "\n")
        return Manifest(root=str(tmp_path), mask_classes=["background", "cell"])

    return tmp_path, write


def test_nothing_is_found_in_a_sound_manifest(listed, found):
    assert found(listed[1]()) == []


def test_an_image_or_mask_of_a_manifest_that_is_missing_is_an_error_with_its_line(listed, found):
    root, write = listed
    (root / "0.png").unlink()
    (root / "m1.png").unlink()
    assert found(write()) == [
        (
            "error",
            "missing",
            "train",
            0,
            f"{root}/0.png cannot be read: No such file or directory. So says {root}/manifest.csv:2.",
        ),
        (
            "error",
            "missing",
            "train",
            1,
            f"{root}/m1.png is missing; there must be a mask of that name for {root}/1.png (sample 1). So says "
            f"{root}/manifest.csv:3.",
        ),
    ]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "far/a.png"])
@pytest.mark.parametrize("column", ["path", "mask"])
def test_a_manifest_does_not_lead_out_unless_the_field_allows_it(listed, found, path, column):
    root, write = listed
    (root / "far").symlink_to("/etc")
    data = write(row2=f"{path},m2.png,val" if column == "path" else f"2.png,{path},val")
    rows = [row for row in found(data) if row[1] != "unused_class"]
    assert [row[:4] for row in rows] == [("error", "leads_out", "val", 0)]
    assert rows[0][4].startswith(f"{root}/manifest.csv:4: '{path}' leads out of the data in '{root}'")
    assert TRUST in rows[0][4]


def test_a_mask_of_a_manifest_with_a_wrong_id_or_size_is_an_error(listed, save, found):
    root, write = listed
    save(root / "m0.png", np.full((60, 80), 7, np.uint8))
    save(root / "m2.png", np.ones((30, 80), np.uint8))
    assert found(write()) == [
        (
            "error",
            "size",
            "val",
            0,
            f"{root}/m2.png is 80 x 30 but it is the mask of {root}/2.png (sample 0), which is 80 x 60; they must be "
            f"of one size. So says {root}/manifest.csv:4.",
        ),
        (
            "error",
            "unknown_class",
            "train",
            0,
            f"{root}/m0.png, the mask of {root}/0.png (sample 0), has class id 7; ids must be below 2, the number of "
            f"classes, or 255 to ignore. So says {root}/manifest.csv:2.",
        ),
    ]


def test_a_box_of_a_manifest_that_is_nowhere_in_its_image_is_an_error(tmp_path, save, found):
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2)
    (tmp_path / "manifest.csv").write_text(
        "path,split,label,x1,y1,x2,y2\na.png,train,cat,1,2,30,40\na.png,train,cat,100,2,130,40\n"
        "a.png,train,cat,90,2,93,40\nb.png,val,cat,70,50,90,70\n"
    )
    rows = found(Manifest(root=str(tmp_path), test_fraction=0.0))
    assert rows[:2] == [
        (
            "error",
            "box",
            "train",
            0,
            "box 1, [100, 2, 130, 40], lies outside of the image of 80 x 60 pixels; boxes are x1, y1, x2, y2 (2 of 3 "
            "are so)",
        ),
        (
            "warning",
            "box_partly",
            "val",
            0,
            "box 0, [70, 50, 90, 70], reaches out of the image of 80 x 60 pixels; boxes are x1, y1, x2, y2",
        ),
    ]
    assert rows[2][:4] == ("note", "no_test", "test", None)
    assert rows[2][4].startswith(f"{tmp_path}/manifest.csv has no image of split 'test'; name some in column 'split'")


@pytest.fixture
def arrays(tmp_path, photo):
    """Return a sound set of arrays and a function that saves one of them."""

    def write(name, array):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, array)

    for number, split in enumerate(("train", "val", "test")):
        write(f"{split}/images.npy", np.stack([photo(10 * number + place) for place in range(4)]))
        write(f"{split}/labels.npy", np.arange(4) % 2)
        masks = np.zeros((4, 60, 80), np.uint8)
        masks[:, :9] = 1
        masks[:, 9:12] = 2
        write(f"{split}/masks.npy", masks)
    return tmp_path, write


def test_nothing_is_found_in_sound_arrays(arrays, found):
    assert found(Arrays(root=str(arrays[0]), class_names=["cat", "dog"])) == []


@pytest.mark.parametrize("wrong", [2, -1])
def test_a_label_that_is_no_class_is_an_error_of_the_split(arrays, found, wrong):
    root, write = arrays
    write("val/labels.npy", np.array([0, 1, wrong, 0]))
    message = f"{root}/val/labels.npy: label {wrong} of item 2 must be in 0 to 1, the places in data.class_names."
    assert found(Arrays(root=str(root), class_names=["cat", "dog"])) == [
        ("error", "unknown_class", "val", None, message)
    ]


def test_an_id_in_a_mask_that_is_no_class_is_an_error_of_the_sample(arrays, found):
    root, write = arrays
    masks = np.zeros((4, 60, 80), np.int16)
    masks[0, 0, 0], masks[1, 0, 0], masks[2:, :5] = -3, 9, 2
    write("test/masks.npy", masks)
    message = "{}/test/masks.npy: the mask of item {} has class id {}; ids must be in 0 to 2, or 255 to ignore."
    assert found(Arrays(root=str(root), class_names=["cat", "dog"])) == [
        ("error", "unknown_class", "test", 0, message.format(root, 0, -3)),
        ("error", "unknown_class", "test", 1, message.format(root, 1, 9)),
    ]


def test_masks_of_another_size_than_the_images_are_an_error_of_the_split(arrays, found):
    root, write = arrays
    write("train/masks.npy", np.zeros((4, 60, 70), np.uint8))
    rows = found(Arrays(root=str(root), class_names=["cat", "dog"]))
    message = (
        f"{root}/train/masks.npy is uint8 (4, 60, 70); masks must be whole numbers (4, 60, 80), as "
        f"{root}/train/images.npy has images."
    )
    assert rows[0] == ("error", "form", "train", None, message)


def test_arrays_that_are_cut_short_are_an_error_of_the_split(arrays, found):
    root, _ = arrays
    path = root / "val/images.npy"
    path.write_bytes(path.read_bytes()[:2000])
    [(severity, kind, *place, message)] = found(Arrays(root=str(root), class_names=["cat", "dog"]))
    assert (severity, kind, *place) == ("error", "undecodable", "val", None)
    assert message.startswith(f"{path} cannot be read: ")


def test_samples_of_arrays_and_idx_are_named_by_their_place_in_the_file(arrays, tmp_path, photo):
    root, write = arrays
    write("train/images.npy", np.stack([photo(0), photo(1), photo(0), photo(2)]))
    [finding] = examine(Arrays(root=str(root), class_names=["cat", "dog"])).findings
    assert finding.file == f"{root}/train/images.npy, item 2"
    assert finding.message == f"its image has the pixels of train[0] ({root}/train/images.npy, item 0)"


def test_an_idx_file_that_is_cut_short_is_an_error(tmp_path, found, photo):
    for part, count in (("train", 40), ("t10k", 6)):
        images = np.stack([photo(place + (50 if part == "t10k" else 0))[:9, :9, 0] for place in range(count)])
        head = b"".join(size.to_bytes(4, "big") for size in images.shape)
        content = gzip.compress(b"\0\0\x08\x03" + head + images.tobytes())
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(content)
        labels = b"\0\0\x08\x01" + count.to_bytes(4, "big") + bytes(place % 2 for place in range(count))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    data = Idx(root=str(tmp_path), val_fraction=0.2)
    assert found(data) == []
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:60])
    [(severity, kind, *place, message)] = found(Idx(root=str(tmp_path), val_fraction=0.2))
    assert (severity, kind, *place) == ("error", "undecodable", "test", None)
    assert message.startswith(f"{path} cannot be unpacked (Compressed file ended before")
