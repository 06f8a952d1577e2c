import numpy as np
import pytest
import yaml

from dltools.cfgutils import DataError
from dltools.data.statistics import (
    ClassCounts,
    Duplicates,
    Histogram,
    Moments,
    Objects,
    Sizes,
    load,
    plain,
    request_hash,
    save,
)
from dltools.data.statistics.store import FILE_NAME

RNG = np.random.default_rng(0)
WANTED = {
    "train": {
        "moments": Moments(),
        "levels": Histogram(),
        "sizes": Sizes(),
        "same": Duplicates(split="train"),
        "objects": Objects(),
        "classes": ClassCounts(of="label", num_classes=2),
    }
}


@pytest.fixture
def results():
    image = RNG.integers(0, 255, (9, 7, 3), np.uint8)
    accumulators = {name: each.empty() for name, each in WANTED["train"].items()}
    for index in range(2):
        for each in accumulators.values():
            each.add({"image": image, "label": 0, "index": index, "boxes": np.zeros((0, 4))})
    return {"train": {name: each.result() for name, each in accumulators.items()}}


def test_results_come_back_as_plain_numbers(tmp_path, results):
    asked = request_hash(WANTED)
    save(tmp_path / "run" / FILE_NAME, results, fingerprint="f", asked=asked)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [FILE_NAME]
    loaded = load(tmp_path / "run" / FILE_NAME, fingerprint="f", asked=asked)
    np.testing.assert_equal(loaded, plain(results))
    assert loaded["train"]["moments"]["mean"] == results["train"]["moments"].mean.tolist()
    assert loaded["train"]["same"]["groups"] == [[["train", 0], ["train", 1]]]
    assert "!!" not in (tmp_path / "run" / FILE_NAME).read_text()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fingerprint": "g", "asked": "a"}, r"is stale: the data have changed .*fingerprint f there, g now"),
        ({"fingerprint": "f", "asked": "b"}, r"is stale: other statistics are asked for .*asked a there, b now"),
    ],
)
def test_stale_results_are_refused(tmp_path, keys, message):
    save(tmp_path / FILE_NAME, {}, fingerprint="f", asked="a")
    with pytest.raises(DataError, match=message):
        load(tmp_path / FILE_NAME, **keys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing; collect the statistics"),
        ("a: [", "cannot be read"),
        ("just text", "must have fingerprint, asked and results"),
        ("!!python/object/apply:os.system [exit]", "cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / FILE_NAME, fingerprint="f", asked="a")


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path):
    save(tmp_path / FILE_NAME, {"a": 1}, fingerprint="f", asked="a")
    with pytest.raises(yaml.YAMLError):
        save(tmp_path / FILE_NAME, {"a": object()}, fingerprint="g", asked="a")
    assert load(tmp_path / FILE_NAME, fingerprint="f", asked="a") == {"a": 1}


def test_the_hash_follows_kinds_settings_names_and_splits():
    hashes = [
        request_hash({split: {name: kind}})
        for split, name, kind in [
            ("train", "a", ClassCounts(of="mask", num_classes=2)),
            ("train", "a", ClassCounts(of="mask", num_classes=3)),
            ("train", "a", ClassCounts(of="label", num_classes=2)),
            ("train", "b", ClassCounts(of="mask", num_classes=2)),
            ("val", "a", ClassCounts(of="mask", num_classes=2)),
            ("train", "a", Sizes()),
        ]
    ]
    assert len(set(hashes)) == len(hashes)
    counted = Sizes()
    counted.add({"image": np.zeros((2, 2, 3), np.uint8)})
    assert request_hash({"train": {"a": counted}}) == hashes[-1]
