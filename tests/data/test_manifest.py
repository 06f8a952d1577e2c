import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from dltools.cfgutils import DataError, FieldError
from dltools.data.folds import Folds
from dltools.data.manifest import Manifest

DIGITS = load_digits()
PHOTOGRAPH = load_sample_image("flower.jpg")


def write_parquet(path, header, rows):
    import pyarrow as pa
    from pyarrow import parquet

    columns = list(zip(*rows, strict=True)) if rows else [[]] * len(header)
    values = [[None if cell == "" else cell for cell in column] for column in columns]
    parquet.write_table(pa.table(values, names=header), path)


def write_csv(path, header, rows):
    lines = [",".join(map(str, row)) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


WRITERS = {"manifest.csv": write_csv, "manifest.parquet": write_parquet}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "files").mkdir()
    for number in range(60):
        Image.fromarray(DIGITS.images[number].astype(np.uint8) * 15).save(tmp_path / f"files/{number}.png")
    return tmp_path


def digit_rows(names=None):
    return [
        [f"files/{number}.png", names[label] if names else int(label), ("train", "train", "val", "test")[number % 4]]
        for number, label in enumerate(DIGITS.target[:60])
    ]


@pytest.mark.parametrize("table", WRITERS)
@pytest.mark.parametrize("named", [True, False])
def test_labels_are_names_or_ids_and_splits_are_a_column(root, table, named):
    names = [f"digit {number}" for number in range(10)]
    WRITERS[table](root / table, ["path", "label", "split"], digit_rows(names if named else None))
    data = Manifest(root=str(root), table=table, channels="grey")
    assert data.class_names == (names if named else list("0123456789")) and data.in_channels == 1
    val = data.split("val")
    assert len(val) == 15 and len(data.split("train")) == 30
    for place, sample in enumerate(val):
        number = 4 * place + 2
        assert np.array_equal(sample["image"][..., 0], DIGITS.images[number] * 15)
        assert sample["label"] == DIGITS.target[number] and sample["index"] == place


def test_ids_count_in_the_names_given(root):
    write_csv(root / "manifest.csv", ["path", "label"], [["files/0.png", "b"], ["files/1.png", "0"]])
    data = Manifest(root=str(root), class_names=["a", "b"], val_fraction=0)
    assert [sample["label"] for sample in data.split("train")] == [1, 0]


def test_labels_that_only_look_like_numbers_are_names(root):
    rows = [["files/0.png", "007"], ["files/1.png", "010"], ["files/2.png", "9" * 5000]]
    write_csv(root / "manifest.csv", ["path", "label"], rows)
    data = Manifest(root=str(root), val_fraction=0, test_fraction=0)
    assert data.class_names == [label for _, label in rows]
    assert [sample["label"] for sample in data.split("train")] == [0, 1, 2]


def test_without_a_column_the_splits_are_cut_by_class(root):
    write_csv(root / "manifest.csv", ["path", "label"], [row[:2] for row in digit_rows()])
    data = Manifest(root=str(root), val_fraction=0.2, test_fraction=0.3)
    splits = {name: data.split(name) for name in ("train", "val", "test")}
    paths = [item.path for split in splits.values() for item in split.items]
    assert sorted(paths) == sorted(f"files/{number}.png" for number in range(60))
    labels = np.bincount(DIGITS.target[:60])
    for name, share in (("train", 0.5), ("val", 0.2), ("test", 0.3)):
        assert np.abs(np.bincount(np.ravel(splits[name].numbers)) - share * labels).max() <= 1
    again = Manifest(root=str(root), val_fraction=0.2, test_fraction=0.3)
    assert again.split("val").items == splits["val"].items
    assert Manifest(root=str(root), val_fraction=0.2, seed=1).split("val").items != splits["val"].items


def test_only_the_split_that_is_not_named_is_cut_from_train(root):
    rows = [[*row[:2], "test" if row[2] == "test" else "train"] for row in digit_rows()]
    write_csv(root / "manifest.csv", ["path", "label", "split"], rows)
    data = Manifest(root=str(root), val_fraction=0.2, test_fraction=0.5)
    assert len(data.split("test")) == 15 and len(data.split("train")) + len(data.split("val")) == 45


@pytest.fixture
def scenes(root):
    """Two photographs with masks; one has two boxes and one has none."""
    for name, corner in (("a", 0), ("b", 100)):
        crop = PHOTOGRAPH[corner : corner + 48, 200:264]
        Image.fromarray(crop).save(root / f"{name}.png")
        Image.fromarray((crop[..., 0] > 100).astype(np.uint8)).save(root / f"{name}_mask.png")
    return root


HEADER = ["path", "x1", "y1", "x2", "y2", "label", "mask"]
BOXES = [
    ["a.png", 1.5, 2, 30, 40.25, "petal", "a_mask.png"],
    ["b.png", "", "", "", "", "", "b_mask.png"],
    ["a.png", 5, 6, 7, 8, "leaf", "a_mask.png"],
]


@pytest.mark.parametrize("table", WRITERS)
def test_rows_of_one_image_are_its_boxes_and_an_empty_one_tells_of_none(scenes, table):
    WRITERS[table](scenes / table, HEADER, BOXES)
    data = Manifest(root=str(scenes), table=table, val_fraction=0.4, test_fraction=0)
    split = Manifest(root=str(scenes), table=table, val_fraction=0, test_fraction=0).split("train")
    first, second = split
    assert first["boxes"].tolist() == [[1.5, 2, 30, 40.25], [5, 6, 7, 8]] and first["labels"].tolist() == [1, 0]
    assert second["boxes"].shape == (0, 4) and second["labels"].shape == (0,)
    assert (first["boxes"].dtype, first["labels"].dtype) == (np.float32, np.int64)
    assert np.array_equal(second["mask"], PHOTOGRAPH[100:148, 200:264, 0] > 100)
    assert [split.num_objects(index) for index in (0, 1)] == [2, 0]
    assert data.class_names == ["leaf", "petal"] and data.mask_names == ["background", "leaf", "petal"]
    assert len(data.split("train")) == len(data.split("val")) == 1


def test_masks_alone_have_names_of_their_own(scenes):
    write_csv(scenes / "manifest.csv", ["path", "mask"], [["a.png", "a_mask.png"]])
    fields = {"root": str(scenes), "val_fraction": 0, "distance_maps": True}
    data = Manifest(**fields, mask_classes=["dark", "bright"])
    assert data.mask_names == data.class_names == ["dark", "bright"]
    assert data.split("train")[0].keys() == {"image", "mask", "index"}
    assert Manifest(**fields, class_names=["bright"]).mask_names == ["background", "bright"]
    with pytest.raises(FieldError, match=r"class_names must not be empty: the training rows of .* have no label"):
        Manifest(**fields)


def test_every_column_is_known_without_reading_the_images(scenes):
    rows = [
        ["a.png", "leaf", "007", "1", "0.5"],
        ["b.png", "petal", "7", "", "2"],
        ["c.png", "leaf", "007", "3", "1e-3"],
    ]
    write_csv(scenes / "manifest.csv", ["path", "label", "patient", "age", "weight"], rows)
    split = Manifest(root=str(scenes), val_fraction=0, test_fraction=0).split("train")
    assert split.column("label") == [0, 1, 0] and split.column("patient") == ["007", "7", "007"]
    assert split.column("weight") == [0.5, 2, 0.001] and split.column("age") == ["1", "", "3"]
    assert split.column("mask") is split.column("boxes") is split.column("nothing") is None
    folds = Folds(source=Manifest(root=str(scenes), val_fraction=0), groups="patient", folds=2, stratify=False)
    assert sorted(item.path for item in _items(folds.split("val"))) in (["a.png", "c.png"], ["b.png"])


def _items(chosen):
    return [chosen.split.items[place] for place in chosen.places]


def test_rows_of_an_image_agree_in_a_column_that_is_asked_for(scenes):
    rows = [[*row, patient] for row, patient in zip(BOXES, ("x", "y", "x"), strict=True)]
    write_csv(scenes / "manifest.csv", [*HEADER, "patient"], rows)
    split = Manifest(root=str(scenes), val_fraction=0, test_fraction=0).split("train")
    assert split.column("patient") == ["x", "y"] and split.column("mask") is split.column("label") is None
    for key in ("boxes", "labels"):
        assert all(map(np.array_equal, split.column(key), [sample[key] for sample in split]))
    rows[2][-1] = "z"
    write_csv(scenes / "manifest.csv", [*HEADER, "patient"], rows)
    with pytest.raises(DataError, match=r"csv:4: a\.png has patient 'z' here, but 'x' before; the rows .* agree"):
        split.column("patient")


def test_columns_delimiter_and_marks_of_spreadsheets_are_understood(scenes):
    text = '\ufefffile; kind ;left;top;right;bottom\r\n"a.png"; petal ;1;2;3;4\r\n\r\nb.png;;;;;\r\n'
    (scenes / "list.txt").write_text(text, encoding="utf-8", newline="")
    data = Manifest(
        root=str(scenes),
        table="list.txt",
        delimiter=";",
        path_column="file",
        label_column="kind",
        box_columns=["left", "top", "right", "bottom"],
        val_fraction=0,
    )
    assert data.class_names == ["petal"]
    assert [sample["boxes"].tolist() for sample in data.split("train")] == [[[1, 2, 3, 4]], []]


def test_splits_can_be_pickled_and_the_fingerprint_follows_the_files(scenes):
    write_csv(scenes / "manifest.csv", HEADER, BOXES)
    data = Manifest(root=str(scenes), val_fraction=0)
    split = pickle.loads(pickle.dumps(data.split("train")))
    assert np.array_equal(split[0]["image"], PHOTOGRAPH[:48, 200:264])
    seen = {data.fingerprint, Manifest(root=str(scenes), val_fraction=0).fingerprint}
    assert len(seen) == 1
    for name in ("a.png", "b_mask.png", "manifest.csv"):
        with (scenes / name).open("ab") as file:
            file.write(b"\n")
        seen.add(Manifest(root=str(scenes), val_fraction=0).fingerprint)
    assert len(seen) == 4


LABELLED = ["path", "label", "split"]
WRONG = {
    "no path column": (
        ["file", "label"],
        [],
        {},
        r"csv:1: there must be one column 'path', data.path_column; .* file, l",
    ),
    "chosen column": (LABELLED, [], {"label_column": "lable"}, r"one column 'lable', .* Did you mean 'label'"),
    "half of the boxes": (["path", "label", "x1", "x2"], [], {}, r"one column 'y1', data.box_columns"),
    "boxes without labels": (HEADER[:5], [], {}, r"csv:1: boxes need a column of labels"),
    "column twice": (["path", "label", "label"], [], {}, r"one column 'label'"),
    "no target": (["path", "lable"], [], {}, r"csv:1: there is no column of labels, masks or boxes; .* path, lable"),
    "no rows": (LABELLED, [], {}, r"csv has no rows"),
    "few cells": (LABELLED, [["a.png", "b"]], {}, r"csv:2: 2 cells, but the header has 3"),
    "unknown split": (LABELLED, [["a.png", "b", "valid"]], {}, r"csv:2: split 'valid' must be .* Did you mean 'val'"),
    "no path": (LABELLED, [["a.png", "b", "train"], ["", "b", "train"]], {}, r"csv:3: the path is empty"),
    "no label": (LABELLED, [["a.png", "", "train"]], {}, r"csv:2: the label is empty"),
    "image twice": (LABELLED, [["a.png", "b", "val"]] * 2, {}, r"csv:3: a.png stands in .*csv:2 already"),
    "two splits": (
        LABELLED,
        [["a.png", "b", "val"], ["a.png", "b", "test"]],
        {},
        r"csv:3: a.png has .*'test' here, but",
    ),
    "unknown name": (
        LABELLED,
        [["a.png", "petl", "train"]],
        {"class_names": ["leaf", "petal"]},
        r"csv:2: label 'petl' is no class; classes are leaf, petal, or 0 to 1. Did you mean 'petal'",
    ),
    "id too large": (LABELLED, [["a.png", 2, "train"]], {"class_names": ["leaf", "petal"]}, r"csv:2: label '2' is no"),
    "id of no class": (LABELLED, [["a.png", 10**12, "train"]], {}, r"csv:2: label 1000000000000 would make as many"),
    "name only in val": (
        LABELLED,
        [["a.png", "x", "train"], ["b.png", "y", "val"]],
        {},
        r"csv:3: label 'y' is no class",
    ),
    "half a box": (
        HEADER[:6],
        [["a.png", 1, 2, "", 4, "b"]],
        {},
        r"csv:2: box 1, 2, , 4 of 'b'; expected left < right",
    ),
    "box turned over": (HEADER[:6], [["a.png", 5, 2, 3, 4, "b"]], {}, r"csv:2: box 5, 2, 3, 4 of 'b'"),
    "box of nothing": (HEADER[:6], [["a.png", "nan", 2, 3, 4, "b"]], {}, r"csv:2: box nan"),
    "endless box": (HEADER[:6], [["a.png", "-inf", 2, 3, 4, "b"]], {}, r"csv:2: box -inf"),
    "box without label": (HEADER[:6], [["a.png", 1, 2, 3, 4, ""]], {}, r"csv:2: box 1, 2, 3, 4 of ''"),
}


@pytest.mark.parametrize(("header", "rows", "fields", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_tables_are_refused_with_the_line(root, header, rows, fields, message):
    write_csv(root / "manifest.csv", header, rows)
    with pytest.raises(DataError, match=message):
        Manifest(root=str(root), **fields)


def test_rows_of_parquet_are_counted(root):
    write_parquet(root / "m.parquet", LABELLED, [["a.png", "b", "train"], ["b.png", "b", "tset"]])
    with pytest.raises(DataError, match=r"m.parquet, row 2: split 'tset' .* Did you mean 'test'"):
        Manifest(root=str(root), table="m.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"", r"m.csv:1: there must be one column 'path', .* the header is empty"),
        ("m.csv", b"path,label\na.png,\xff\n", r"m.csv:\d: .*Expected a CSV file in UTF-8"),
        ("m.csv", b'path,label\na.png,"b\n', r"m.csv:\d: .*Expected a CSV file in UTF-8"),
        ("m.parquet", b"path,label\n", r"m.parquet cannot be read: .* Expected a whole Parquet file"),
    ],
)
def test_files_that_are_no_tables_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Manifest(root=str(tmp_path), table=name)


def test_table_that_is_not_there_is_named_with_the_nearest(root):
    write_csv(root / "manifest.csv", LABELLED, digit_rows())
    with pytest.raises(DataError, match=r"there is no .*manifst.csv'; .* Did you mean 'manifest.csv'"):
        Manifest(root=str(root), table="manifst.csv")


def test_files_that_cannot_be_read_are_named_with_the_line(scenes):
    rows = [["gone.png", "a_mask.png"], ["a.png", "gone.png"], ["a.png", "b.png"], ["b.png", "files/0.png"]]
    for row, message in zip(
        rows,
        [
            r"gone.png cannot be read: No such file .* So says .*csv:2",
            r"gone.png is missing; there must be a mask .* So says .*csv:2",
            r"b.png is of mode RGB; .* So says .*csv:2",
            r"0.png is 8 x 8 but it is the mask of .*b.png \(sample 0\), which is 64 x 48.* So says .*csv:2",
        ],
        strict=True,
    ):
        write_csv(scenes / "manifest.csv", ["path", "mask"], [row])
        data = Manifest(root=str(scenes), mask_classes=["dark", "bright"], val_fraction=0)
        with pytest.raises(DataError, match=message):
            data.split("train")[0]
    write_csv(scenes / "manifest.csv", ["path", "mask"], rows[:1])
    with pytest.raises(DataError, match=r"csv:2: there is no file .*gone.png"):
        _ = Manifest(root=str(scenes), mask_classes=["dark", "bright"]).fingerprint


@pytest.mark.parametrize("path", ["../secret.png", "{secret}", "link.png"])
@pytest.mark.parametrize("column", [0, 1])
def test_paths_that_lead_out_of_the_root_are_refused_unless_allowed(root, tmp_path_factory, path, column):
    secret = root.parent / "secret.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(secret)
    (root / "link.png").symlink_to(secret)
    row = ["files/0.png", "files/0.png"]
    row[column] = path.format(secret=secret)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "files/0.png")
    write_csv(root / "manifest.csv", ["path", "mask"], [row])
    fields = {"root": str(root), "mask_classes": ["dark", "bright"], "val_fraction": 0}
    for refused in (lambda: Manifest(**fields).split("train")[0], lambda: Manifest(**fields).fingerprint):
        with pytest.raises(DataError, match=r"csv:2: .* leads out of the data .* set data.outside=true"):
            refused()
    assert Manifest(**fields, outside=True).split("train")[0]["mask"].shape == (8, 8)


def test_split_without_images_says_what_to_do(root):
    write_csv(root / "manifest.csv", LABELLED, [["files/0.png", 0, "train"]])
    with pytest.raises(DataError, match=r"no image of split 'val'; name some in column 'split', or raise data.val_fra"):
        Manifest(root=str(root)).split("val")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"delimiter": ""}, "delimiter must be one character"),
        ({"delimiter": '"'}, "delimiter must be one character"),
        ({"box_columns": ["x", "y"]}, r"box_columns must be left, top, right and bottom, got \['x', 'y'\]"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "val_fraction and test_fraction must be below 1 together, got 1"),
        ({"mask_classes": ["a", "b"]}, "mask_classes has no use: .* has no column of masks"),
        ({"distance_maps": True}, "distance_maps has no use: .* has no column of masks"),
    ],
)
def test_fields_that_cannot_be_are_refused(root, fields, message):
    write_csv(root / "manifest.csv", LABELLED, digit_rows())
    with pytest.raises(FieldError, match=message):
        Manifest(root=str(root), **fields)


def test_csv_is_read_without_pyarrow_and_pandas():
    code = "import sys, dltools.data.manifest; print(not {'pyarrow', 'pandas', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
