import numpy as np
import pytest
import yaml

from dltools.data.statistics import ClassCounts, Duplicates, Histogram, Moments, Objects, Sizes, StatisticsFile, plain

RNG = np.random.default_rng(0)


@pytest.fixture
def results():
    image = RNG.integers(0, 255, (9, 7, 3), np.uint8)
    accumulators = {
        "moments": Moments(),
        "levels": Histogram(),
        "sizes": Sizes(),
        "same": Duplicates(split="train"),
        "objects": Objects(),
        "classes": ClassCounts(of="label", num_classes=2),
    }
    for index in range(2):
        for each in accumulators.values():
            each.add({"image": image, "label": 0, "index": index, "boxes": np.zeros((0, 4))})
    return {name: each.result() for name, each in accumulators.items()}


@pytest.fixture
def file(tmp_path):
    return StatisticsFile(tmp_path / "stats.yaml", fingerprint="f")


def test_facts_come_back_as_plain_numbers(file, results):
    file.write(results)
    assert [path.name for path in file.path.parent.iterdir()] == ["stats.yaml"]
    loaded = file.read()
    np.testing.assert_equal(loaded, plain(results))
    assert loaded["moments"]["mean"] == results["moments"].mean.tolist()
    assert loaded["same"]["groups"] == [[["train", 0], ["train", 1]]]
    assert "!!" not in file.path.read_text()


def test_facts_of_other_data_are_stale_and_not_returned(file, caplog):
    file.write({"a": 1})
    assert StatisticsFile(file.path, fingerprint="g").read() == {}
    assert "stats.yaml is stale: the data have changed since; counted anew." in caplog.text
    assert file.read() == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ""),
        ("a: [", "cannot be read and is made anew"),
        ("just text", "holds no statistics and is made anew"),
        ("fingerprint: f\nfacts: 3", "holds no statistics and is made anew"),
        ("!!python/object/apply:os.system [exit]", "cannot be read and is made anew"),
    ],
)
def test_what_is_no_such_file_has_no_facts(file, content, message, caplog):
    if content is not None:
        file.path.write_text(content)
    assert file.read() == {}
    assert message in caplog.text


def test_a_failed_write_leaves_the_file_as_it_was(file):
    file.write({"a": 1})
    with pytest.raises(yaml.YAMLError):
        file.write({"a": object()})
    assert file.read() == {"a": 1}


def test_a_lock_makes_its_folder(tmp_path):
    file = StatisticsFile(tmp_path / "deep" / "stats.yaml", fingerprint="f")
    with file.locked():
        file.write({"a": 1})
    assert file.read() == {"a": 1}
