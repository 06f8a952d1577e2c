"""The index of components."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dltools.cfgutils import ConfigError
from dltools.cfgutils.imports import add_imports, imports_of
from dltools.cfgutils.index import Index
from dltools.cfgutils.options import options

OWN = '''
raise RuntimeError("imported")

@component("model", "mine")
class Mine:
    """A model of my own.

    More.
    """

foreign("optim", "theirs", "their.package.Optimizer", "An optimizer of theirs.", lr=1)
'''


def test_a_module_is_read_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    index = Index()
    index.add("own_parts")
    mine, theirs = index.find("model", "mine"), index.find("optim", "theirs")
    assert mine is not None and mine.target == "own_parts.Mine" and mine.doc == "A model of my own."
    assert theirs is not None and theirs.target == "their.package.Optimizer" and theirs.doc == "An optimizer of theirs."
    assert index.groups() == ["model", "optim"] and index.names("model") == ["mine"]


def test_a_package_is_read_with_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_package" / "deep").mkdir(parents=True)
    (tmp_path / "own_package" / "__init__.py").write_text("")
    (tmp_path / "own_package" / "deep" / "parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    index = Index()
    index.add("own_package")
    entry = index.find("model", "mine")
    assert entry is not None and entry.module == "own_package.deep.parts"


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"imports=\[no_such_module\]"):
        add_imports(["no_such_module"])


def test_imports_are_found_on_the_command_line_and_in_a_chosen_preset(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nimports: [from_preset]\n")
    arguments = ["--config-dir", str(tmp_path), "+experiment=mine", "imports=[one, 'two']", "loss=dice"]
    assert imports_of(arguments) == ["from_preset", "one", "two"]


def test_every_option_has_a_description() -> None:
    without = [f"{option.group}={option.name}" for option in options() if not option.doc]
    assert not without


@pytest.mark.parametrize("command", [["-m", "dltools", "list"], ["-m", "dltools.train", "--help"]])
def test_listing_and_help_import_no_torch(command: list[str]) -> None:
    code = f"import runpy, sys; sys.argv = {command[1:]!r}; runpy.run_module({command[1]!r}, run_name='__main__')"
    tail = "; assert not {'torch', 'mlflow', 'albumentations', 'ray'} & set(sys.modules), 'heavy import'"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "dice" in done.stdout and "adamw" in done.stdout
