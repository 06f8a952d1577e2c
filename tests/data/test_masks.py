import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.folder_masks import FolderMasks, MasksSplit
from dltools.data.masks import PaletteMasks

PHOTOGRAPH = load_sample_image("flower.jpg")[100:148, 300:364]
NAMES = ["leaf", "petal", "heart"]
IDS = np.digitize(PHOTOGRAPH[..., 0], np.quantile(PHOTOGRAPH[..., 0], [0.3, 0.7])).astype(np.uint8)
PALETTE = [[0, 0, 0], [128, 0, 0], [128, 64, 0]]
BORDER = [224, 224, 192]
FORMS = {
    "index": {},
    "palette": {"palette": PALETTE, "ignored_colour": BORDER},
    "per_class": {},
}


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def root(tmp_path):
    for split in ("train", "val", "test"):
        save(PHOTOGRAPH, tmp_path / split / "images" / "1.jpg")
    return tmp_path


@pytest.fixture
def provider(root):
    """A function that writes the masks in a form and returns the data set."""

    def make(form):
        for split in ("train", "val", "test"):
            folder = root / split / "masks"
            if form == "index":
                save(IDS, folder / "1.png")
            elif form == "palette":
                save(np.array(PALETTE, np.uint8)[IDS], folder / "1.png")
            else:
                save((IDS >= 1).astype(np.uint8) * 255, folder / "petal" / "1.png")
                save(IDS == 2, folder / "heart" / "1.png")
        return FolderMasks(root=str(root), class_names=NAMES, masks=form, **FORMS[form])

    return make


@pytest.mark.parametrize("form", FORMS)
def test_masks_of_all_forms_are_read_as_ids_and_the_later_class_wins(provider, form):
    data = provider(form)
    sample = data.split("val")[0]
    assert np.array_equal(sample["mask"], IDS) and sample["mask"].dtype == np.uint8
    assert set(np.unique(IDS)) == {0, 1, 2} and sample["image"].shape == PHOTOGRAPH.shape
    assert data.mask_names == NAMES


@pytest.mark.parametrize("form", FORMS)
def test_splits_can_be_pickled_and_fingerprints_follow_every_file(provider, root, form):
    data = provider(form)
    before, content = data.fingerprint, pickle.dumps(data.split("test"))
    assert np.array_equal(pickle.loads(content)[0]["mask"], IDS) and len(content) < 2000
    assert data.fingerprint == before
    for file in sorted((root / "val" / "masks").rglob("*.png")):
        file.write_bytes(file.read_bytes() + b" ")
        assert data.fingerprint != before
        before = data.fingerprint


def test_forms_have_fingerprints_of_their_own(provider):
    assert len({provider(form).fingerprint for form in ("index", "palette")}) == 2


@given(
    ids=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    palette=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=4, max_size=4, unique=True),
)
def test_any_palette_gives_back_its_ids(tmp_path_factory, ids, palette):
    path = tmp_path_factory.getbasetemp() / "any.png"
    save(np.array([palette], np.uint8)[:, ids], path)
    reader = PaletteMasks(list("abc"), 100, [list(colour) for colour in palette[:3]], list(palette[3]))
    assert reader.read(path, (1, len(ids)), "it")[0].tolist() == [255 if place == 3 else place for place in ids]


def test_colour_of_no_class_is_named_with_its_place_and_the_nearest_class(provider, root):
    data = provider("palette")
    colours = np.array(PALETTE, np.uint8)[IDS]
    colours[5, 7] = colours[6, 8] = [127, 60, 3]
    save(colours, root / "train/masks/1.png")
    with pytest.raises(
        DataError,
        match=r"masks/1.png, the mask of .*images/1.jpg \(sample 0\), has colour \[127, 60, 3\] at x=7, y=5 "
        r"\(2 such pixels of no class\); the nearest in data.palette is \[128, 64, 0\], 'heart'",
    ):
        data.split("train")[0]


def test_border_is_ignored(provider, root):
    save(np.full_like(PHOTOGRAPH, BORDER), root / "train/masks/1.png")
    assert provider("palette").split("val")[0]["mask"].max() == 2
    save(np.full_like(PHOTOGRAPH, BORDER), root / "train/masks/1.png")
    data = FolderMasks(root=str(root), class_names=NAMES, masks="palette", **FORMS["palette"])
    assert set(data.split("train")[0]["mask"].ravel()) == {255}


@pytest.mark.parametrize("form", FORMS)
def test_masks_of_another_size_and_masks_that_are_not_there_are_named(provider, root, form):
    data = provider(form)
    file = sorted((root / "train" / "masks").rglob("*.png"))[0]
    with Image.open(file) as mask:
        small = mask.crop((0, 0, 60, 48))
    small.save(file)
    with pytest.raises(DataError, match=rf"{file.name} is 60 x 48 but it is the mask of .*1.jpg .*, which is 64 x 48"):
        data.split("train")[0]
    file.unlink()
    with pytest.raises(DataError, match=rf"{file} is missing; there must be a mask of that name for .*images/1.jpg"):
        data.split("train")[0]


def test_mask_of_one_class_has_two_values(provider, root):
    data = provider("per_class")
    save(IDS * 4, root / "train/masks/heart/1.png")
    with pytest.raises(DataError, match=r"heart/1.png, a mask of .* has values 0, 4 and 8; .* 0 and one other value"):
        data.split("train")[0]


def test_class_that_is_nowhere_is_an_empty_mask(provider, root):
    data = provider("per_class")
    save(np.zeros_like(IDS), root / "train/masks/petal/1.png")
    assert set(data.split("train")[0]["mask"].ravel()) == {0, 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"masks": "palette"}, "palette must have one colour for each of the 3 data.class_names, .* got 0"),
        ({"masks": "palette", "palette": PALETTE[:2]}, "palette must have one colour for each .* got 2"),
        ({"masks": "palette", "palette": [*PALETTE[:2], [1, 2]]}, r"palette must be red, green and blue .* \[1, 2\]"),
        ({"masks": "palette", "palette": [*PALETTE[:2], [1, 2, 256]]}, "palette must be red, green and blue of 0 to"),
        ({"masks": "palette", "palette": [*PALETTE[:2], PALETTE[0]]}, r"palette must have each colour once.*\[0, 0, 0"),
        ({"masks": "palette", "palette": PALETTE, "ignored_colour": [1]}, "ignored_colour must be red, green and blue"),
        ({"palette": PALETTE}, "palette must be empty unless data.masks=palette; data.masks is index"),
        ({"masks": "per_class", "ignored_colour": BORDER}, "ignored_colour must be empty .* data.masks is per_class"),
        ({"masks": "palete"}, "masks must be one of index, palette, per_class.* Did you mean 'palette'"),
        ({"class_names": ["a", "b", "a"]}, "class_names must have each name once"),
        ({"max_pixels": 0}, "max_pixels must be at least 1"),
    ],
)
def test_fields_that_cannot_be_are_refused(fields, message):
    with pytest.raises(FieldError, match=message):
        FolderMasks(**{"root": ".", "class_names": NAMES, **fields})


def test_limit_of_pixels_holds_for_images_and_masks(provider, root):
    provider("index")
    data = FolderMasks(root=str(root), class_names=NAMES, max_pixels=64 * 48)
    split = data.split("train")
    assert isinstance(split, MasksSplit) and split[0]["mask"].shape == (48, 64)
    save(np.zeros((49, 64), np.uint8), root / "train/masks/1.png")
    with pytest.raises(DataError, match=r"masks/1.png has 64 x 49 pixels; at most 3,072"):
        split[0]
    save(np.zeros((49, 64), np.uint8), root / "train/images/1.jpg")
    with pytest.raises(DataError, match=r"images/1.jpg has 64 x 49 pixels; at most 3,072"):
        split[0]


def test_palette_is_written_in_yaml():
    from omegaconf import OmegaConf

    config = OmegaConf.merge(
        OmegaConf.structured(FolderMasks.Config), OmegaConf.create(f"masks: palette\npalette: {PALETTE}")
    )
    assert config.palette == PALETTE and config.masks is FolderMasks.Config.masks.__class__.palette
