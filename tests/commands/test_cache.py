"""`python -m dltools cache`: what it shows, and what it removes."""

import json
import os
import sys
import time

import numpy as np
import pytest

from dltools.__main__ import main
from dltools.loaders.samples import SampleStore, samples_folder


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("DLTOOLS_CACHE", str(tmp_path))


@pytest.fixture
def cache(monkeypatch, capsys):
    """Run the command; return its exit code, what it prints, and its errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dltools", "cache", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        return exit_.value.code, printed.out, printed.err

    return run


def keep(name, count, size=4, days=0.0):
    """Keep some samples as a process that has ended since did."""
    store = SampleStore(samples_folder() / name, size, "a", "1GiB", about=f"Folder /data/{name}")
    for index in range(count):
        assert store.put(index, {"image": np.zeros((100, 100, 3), np.uint8)})
    then = time.time() - 86400 * days
    os.utime(samples_folder() / name / "about.json", (then, then))
    return store


def names(cache):
    return [entry["name"] for entry in json.loads(cache("ls", "--json")[1])]


def test_it_shows_what_is_kept(cache):
    keep("cats", 4, days=3)
    keep("dogs", 1)
    code, printed, errors = cache("ls")
    assert (code, errors) == (0, "")
    head, cats, dogs, total = printed.splitlines()
    assert head.split() == ["name", "samples", "size", "used", "data"]
    assert cats.split()[:2] == ["cats", "4"] and cats.endswith("3 d ago  Folder /data/cats")
    assert dogs.startswith("dogs  1 of 4   ") and dogs.endswith(" s ago  Folder /data/dogs")
    assert total.endswith(f" KiB in {samples_folder()}")


def test_it_shows_the_same_to_scripts(cache):
    keep("cats", 4, days=3)
    code, printed, _ = cache("ls", "--json")
    (entry,) = json.loads(printed)
    assert code == 0
    assert time.time() - entry.pop("used") == pytest.approx(3 * 86400, abs=60)
    assert time.time() - entry.pop("created") < 60
    assert 120_000 < entry.pop("bytes") < 140_000
    assert entry == {"name": "cats", "data": "Folder /data/cats", "samples": 4, "of": 4, "complete": True}


def test_nothing_kept_is_told_with_how_to_change_that(cache):
    assert cache("ls")[:2] == (0, f"No samples are kept in {samples_folder()}; loader.cache=true keeps them.\n")
    assert cache("ls", "--json")[1] == "[]\n"
    assert cache("rm", "--all")[1] == "Removed 0 of 0 caches, 0 B.\n"


def test_some_are_removed_by_name(cache):
    for name in ("cats", "dogs", "owls"):
        keep(name, 1)
    code, printed, _ = cache("rm", "dogs", "cats")
    assert code == 0 and printed.startswith("Removed 2 of 3 caches, ")
    assert names(cache) == ["owls"]


def test_a_name_that_is_none_removes_nothing(cache):
    keep("cats", 1)
    keep("dogs", 1)
    code, printed, _ = cache("rm", "dogs", "cast")
    assert printed == ""
    assert code == "Error: There is no cache 'cast'. Did you mean 'cats'? `dltools cache ls` shows them."
    assert cache("rm", "../samples")[0].startswith("Error: There is no cache '../samples'.")
    assert names(cache) == ["cats", "dogs"]


@pytest.mark.parametrize(("age", "left"), [("31d", ["cats", "dogs"]), ("48h", ["dogs"]), ("0min", [])])
def test_those_that_nobody_used_for_long_are_removed(cache, age, left):
    keep("cats", 1, days=30)
    keep("dogs", 1, days=0.4)
    cache("rm", "--older-than", age)
    assert names(cache) == left


def test_a_run_that_uses_one_may_go_on(cache):
    store = keep("cats", 2)
    (samples_folder() / ".removed-by-a-process-that-was-killed").mkdir()
    assert store.get(0) is not None
    cache("rm", "--all")
    assert store.get(1)["image"].shape == (100, 100, 3)
    assert not store.put(2, {"image": np.zeros(3)})
    assert [path.name for path in samples_folder().iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rm"], "one of the arguments NAME --all --older-than is required"),
        (["rm", "cats", "--all"], "not allowed with argument"),
        (["rm", "--older-than", "30"], "must be an age such as 30d, 12h or 45min, got '30'"),
        (["show"], "invalid choice: 'show'"),
        ([], "the following arguments are required: ls|rm"),
    ],
)
def test_wrong_words_are_told(cache, words, told):
    code, _, errors = cache(*words)
    assert code == 2 and told in errors
