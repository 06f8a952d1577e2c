"""The report: what is in a data set, counted against numpy, as text, as JSON, and of a part."""

import json
from pathlib import Path

import numpy as np
import pytest

from dltools.data.concat import Concat
from dltools.data.digit_scenes import DigitScenes
from dltools.data.digits import Digits
from dltools.data.doctor import Kind, Report, examine
from dltools.data.doctor.findings import KINDS, Finding, kind_of
from dltools.data.doctor.page import as_text
from dltools.data.folder import Folder
from dltools.data.statistics import KeypointCounts, Kinds, Target, plain
from dltools.data.subset import Subset


@pytest.fixture(scope="module")
def scenes():
    return DigitScenes(train_scenes=40, val_scenes=30, test_scenes=30, seed=3)


@pytest.fixture(scope="module")
def report(scenes):
    return examine(scenes)


def test_what_is_in_a_split_is_what_numpy_counts(scenes, report):
    samples = list(scenes.split("train"))
    split = report.splits["train"]
    pixels = np.concatenate([sample["image"].reshape(-1, 3) for sample in samples])
    boxes = np.concatenate([sample["boxes"] for sample in samples])
    labels = np.concatenate([sample["labels"] for sample in samples])
    mask = np.concatenate([sample["mask"].ravel() for sample in samples])
    keypoints = np.concatenate([sample["keypoints"] for sample in samples])
    [kind] = split.kinds
    assert (split.samples, split.examined, split.read) == (40, 40, 40)
    assert (kind.channels, kind.dtype, kind.images) == (3, "uint8", 40)
    np.testing.assert_allclose(kind.pixels.mean, pixels.mean(0))
    np.testing.assert_allclose(kind.pixels.std, pixels.std(0))
    assert split.objects.width.maximum == (boxes[:, 2] - boxes[:, 0]).max()
    np.testing.assert_array_equal(split.classes[Target.labels].counts, np.bincount(labels, minlength=10))
    np.testing.assert_array_equal(split.classes[Target.mask].counts, np.bincount(mask, minlength=11))
    np.testing.assert_array_equal(split.keypoints.present, (keypoints[..., 2] > 0).sum(0))


def test_the_text_tells_what_is_there(report):
    lines = as_text(report).splitlines()
    assert lines[0] == "DigitScenes: 10 classes, 5 keypoints"
    rows = {line.split("  ")[0]: line.split("  ", 1)[1].split() for line in lines if "  " in line}
    assert rows["samples"] == ["40", "30", "30"]
    assert rows["image width x height"] == 3 * ["64", "x", "64"]
    assert rows["channels"] == 3 * ["3", "of", "uint8"]
    counts = report.splits["train"].classes[Target.labels].counts
    assert rows["3"][:3] == ["3", str(counts[3]), f"{counts[3] / counts.sum():.1%}"] or "bottom_right" in rows["3"]
    assert lines[-1] == "Nothing is wrong."
    assert str(report) == as_text(report)


def test_the_report_as_json_is_plain_and_whole(report):
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    train = told["splits"]["train"]
    assert (told["name"], told["errors"], told["warnings"], told["findings"]) == ("DigitScenes", 0, 0, [])
    assert train["samples"] == 40
    assert set(train["classes"]) == {"labels", "mask"}
    assert set(train["classes"]["labels"]["3"]) == {"count", "share", "images"}
    assert set(train["keypoints"]["present"]) == set(DigitScenes().keypoint_names)
    assert sum(each["share"] for each in train["classes"]["mask"].values()) == pytest.approx(1)


def test_a_finding_is_told_with_its_split_index_and_file(tmp_path, save):
    for split in ("train", "val"):
        for place in range(8):
            save(tmp_path / split / "a" / f"{place}.png", place + 20 * (split == "val"))
    for place in range(7):
        (tmp_path / f"train/a/{place}.png").write_bytes(b"")
    report = examine(Folder(root=str(tmp_path)))
    told = report.to_dict()
    assert (told["errors"], told["warnings"]) == (7, 0)
    assert told["findings"][2] == {
        "severity": "error",
        "kind": "undecodable",
        "split": "train",
        "index": 2,
        "file": f"{tmp_path}/train/a/2.png",
        "message": f"{tmp_path}/train/a/2.png cannot be decoded (0 bytes): it begins with nothing. Expected a whole "
        "JPEG, PNG, TIFF, WebP, BMP or GIF.",
    }
    text = as_text(report).splitlines()
    at = text.index("error  files that cannot be decoded (7)")
    assert text[at + 1].startswith(f"  train[0]  {tmp_path}/train/a/0.png cannot be decoded")
    assert text[at + 6] == "  ... and 2 more; --all shows them"
    assert text[-1] == "7 errors."
    assert "samples" in text[2] or "8, 7 unreadable" in "\n".join(text)


def test_brackets_in_names_are_shown_as_they_are():
    finding = Finding(kind=Kind.form, message="[red]not[/red] [/x]", split="train", index=1, file="a[bold].png")
    assert "train[1]  a[bold].png: [red]not[/red] [/x]" in as_text(Report(name="[x]", about=None, findings=[finding]))


def test_a_limit_reads_samples_spread_evenly_and_says_so(tmp_path, save):
    for place in range(20):
        save(tmp_path / "train" / ("a" if place < 19 else "b") / f"{place:02}.png", place)
    (tmp_path / "train/a/18.png").write_bytes(b"")
    (tmp_path / "train/b/19.png").unlink()
    report = examine(Folder(root=str(tmp_path)), limit=3)
    train = report.splits["train"]
    assert (train.samples, train.examined, train.read) == (19, 3, 2)
    assert [(finding.kind, finding.index) for finding in report.errors] == [("missing", None), ("undecodable", 18)]
    assert not report.warnings  # that nobody has class b may be due to the limit
    assert "19, 3 looked at, 1 unreadable" in str(report)
    assert "Nothing is wrong with what was looked at." in str(examine(Digits(), limit=5))


def test_only_some_of_many_classes_are_shown_unless_all_are_wanted(tmp_path, save):
    for place in range(30):
        for more in range(2 if place == 29 else 1):
            save(tmp_path / f"train/c{place:02}/{more}.png", 2 * place + more)
    report = examine(Folder(root=str(tmp_path)))
    shown = [line for line in str(report).splitlines() if "%" in line]
    assert len(shown) == 20 and shown[0].split()[:3] == ["29", "c29", "2"]
    assert "10 more; --all shows them" in str(report)


def test_composed_data_sets_name_the_files_of_their_sources(tmp_path, save):
    for split in ("train", "val", "test"):
        for place in range(4):
            save(tmp_path / split / "a" / f"{place}.png", place + 10 * ("train", "val", "test").index(split))
    (tmp_path / "val/a/2.png").write_bytes(b"")
    (tmp_path / "train/a/3.png").write_bytes(b"")
    source = Folder(root=str(tmp_path))
    for data in (Subset(source=source, n=4), Concat(sources={"one": source})):
        files = [finding.file for finding in examine(data).findings]
        assert files == [f"{tmp_path}/train/a/3.png", f"{tmp_path}/val/a/2.png"]


def test_every_kind_has_a_severity_and_words():
    assert set(KINDS) == set(Kind)
    assert len({kind.words for kind in Kind}) == len(Kind)


def test_the_kind_of_an_error_is_that_of_its_first_known_cause():
    error = ValueError("outer")
    error.__cause__ = FileNotFoundError("inner")
    assert kind_of(error) is Kind.missing
    assert kind_of(ValueError()) is Kind.failed
    assert kind_of(PermissionError()) is Kind.undecodable


def test_keypoints_and_kinds_counted_apart_and_merged_equal_the_whole(scenes, photo):
    samples = [*scenes.split("val"), {"image": photo(1)[..., :1].astype(np.float32), "index": 77}]
    for whole in (KeypointCounts(num_keypoints=5), Kinds()):
        parts = [whole.empty() for _ in range(3)]
        for place, sample in enumerate(samples):
            if "keypoints" in sample or isinstance(whole, Kinds):
                whole.add(sample)
                parts[place % 3].add(sample)
        parts[2].merge(parts[0])
        parts[1].merge(parts[2])
        one, other = whole.result(), parts[1].result()
        assert plain(one) == plain(other)


def test_the_example_of_a_missing_root_is_a_report_too():
    report = examine(Folder(root=str(Path("/nowhere/at/all"))))
    assert len(report.errors) == 1 and "1 error." in str(report)
