import cv2
import numpy as np
import pytest
from PIL import Image

from dltools.cfgutils import DataError, FieldError
from dltools.data.folder import Folder
from dltools.data.folder_masks import FolderMasks

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (6, 8, 3), np.uint8)
MASK = RNG.integers(0, 3, (6, 8), np.uint8)
NAMES = ["background", "cell", "wall"]


@pytest.fixture
def masks(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / split / "images").mkdir(parents=True)
        (tmp_path / split / "masks").mkdir()
        for stem in ("b", "a"):
            Image.fromarray(PICTURE).save(tmp_path / split / "images" / f"{stem}.png")
            Image.fromarray(MASK).save(tmp_path / split / "masks" / f"{stem}.png")
    return tmp_path


@pytest.fixture
def classes(tmp_path):
    for split in ("train", "val", "test"):
        for name in ("dog", "cat"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(PICTURE).save(tmp_path / split / name / "1.png")
    return tmp_path


def test_masks_come_with_their_images(masks):
    split = FolderMasks(root=str(masks), class_names=NAMES).split("val")
    assert len(split) == 2 and split.paths[0].stem == "a"
    sample = split[1]
    assert np.array_equal(sample["image"], PICTURE) and np.array_equal(sample["mask"], MASK) and sample["index"] == 1


def test_ignored_pixels_are_no_class(masks):
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(masks / "test/masks/a.png")
    assert FolderMasks(root=str(masks), class_names=NAMES).split("test")[0]["mask"].min() == 255


def test_mask_names_are_the_class_names(masks):
    provider = FolderMasks(root=str(masks), class_names=NAMES, channels="grey")
    assert provider.mask_names == NAMES and provider.num_mask_classes == 3 and provider.in_channels == 1


BROKEN = {
    "undecodable image": (lambda f: (f / "train/images/a.png").write_bytes(b"nonsense"), "a.png cannot be decoded"),
    "empty image": (lambda f: (f / "train/images/a.png").write_bytes(b""), r"a.png cannot be decoded \(0 bytes\)"),
    "undecodable mask": (lambda f: (f / "train/masks/a.png").write_bytes(b"nonsense"), "masks/a.png cannot be decoded"),
    "missing mask": (
        lambda f: (f / "train/masks/a.png").unlink(),
        r"masks/a.png is missing; there must be a mask of that name for .*images/a.png \(sample 0\)",
    ),
    "coloured mask": (lambda f: Image.fromarray(PICTURE).save(f / "train/masks/a.png"), "a.png is of mode RGB"),
    "mask of another size": (
        lambda f: Image.fromarray(MASK[:4]).save(f / "train/masks/a.png"),
        r"masks/a.png is 8 x 4 but it is the mask of .*a.png \(sample 0\), which is 8 x 6",
    ),
    "id out of range": (
        lambda f: Image.fromarray(MASK + 5).save(f / "train/masks/a.png"),
        r"masks/a.png, the mask of .*a.png \(sample 0\), has class id 7; ids must be below 3",
    ),
}


@pytest.mark.parametrize(("harm", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_unusable_files_are_named_when_they_are_asked_for(masks, harm, message):
    harm(masks)
    split = FolderMasks(root=str(masks), class_names=NAMES).split("train")
    with pytest.raises(DataError, match=message):
        split[0]
    assert split[1]["index"] == 1


def test_folder_without_images_is_named(masks):
    for image in (masks / "val/images").iterdir():
        image.rename(image.with_suffix(".txt"))
    with pytest.raises(DataError, match=r"data.root: .*val/images holds no image; expected .*\.png"):
        FolderMasks(root=str(masks), class_names=NAMES).split("val")


@pytest.mark.parametrize("provider", [Folder, lambda root: FolderMasks(root=root, class_names=NAMES)])
def test_missing_split_is_named_with_the_nearest_folder(masks, provider):
    (masks / "test").rename(masks / "tests")
    with pytest.raises(DataError, match=r"data.root: there is no '.*/test'; expected .* Did you mean 'tests'"):
        provider(root=str(masks)).split("test")


def test_too_few_names_are_refused():
    with pytest.raises(FieldError, match="class_names"):
        FolderMasks(root=".", class_names=["one"])


def test_folders_of_the_training_split_are_the_classes(classes):
    provider = Folder(root=str(classes))
    assert provider.class_names == ["cat", "dog"]
    assert [(sample["label"], sample["index"]) for sample in provider.split("test")] == [(0, 0), (1, 1)]
    assert np.array_equal(provider.split("val")[0]["image"], PICTURE)


def test_folder_that_is_no_class_is_named_with_the_nearest(classes):
    (classes / "val/dog").rename(classes / "val/dogs")
    with pytest.raises(DataError, match=r"val/dogs is no class .* cat, dog.* Did you mean 'dog'"):
        Folder(root=str(classes)).split("val")


def test_fingerprint_follows_the_files(classes):
    before = Folder(root=str(classes)).fingerprint
    assert Folder(root=str(classes)).fingerprint == before
    cv2.imwrite(str(classes / "train/cat/2.png"), PICTURE)
    assert Folder(root=str(classes)).fingerprint != before
