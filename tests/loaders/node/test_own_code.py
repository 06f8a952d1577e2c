"""Processes with other code have another service."""

from __future__ import annotations

import os
import subprocess
import sys

from dltools.loaders.node import start
from dltools.loaders.node.own_code import own_code

TELL = "import own; from dltools.loaders.node.own_code import own_code; print(own_code())"


def _hash(folder):
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return subprocess.run([sys.executable, "-c", TELL], capture_output=True, check=True, env=paths).stdout


def test_the_hash_follows_the_sources_and_not_the_data(tmp_path):
    package = tmp_path / "own"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/picture.py"):
        (package / name).touch()
    before = _hash(tmp_path)
    (package / "data.bin").touch()
    assert _hash(tmp_path) == before
    os.utime(package / "inner" / "picture.py", (1, 1))
    assert _hash(tmp_path) != before


def test_a_process_keeps_the_hash_of_the_code_it_runs():
    assert own_code() == own_code()


def test_folders_of_modules_that_a_launcher_names_twice_make_no_other_service(monkeypatch):
    name = start._who_may_share()
    monkeypatch.setattr(sys, "path", [*sys.path, sys.path[0], os.path.relpath(sys.path[-1])])
    assert start._who_may_share() == name
    monkeypatch.setattr(sys, "path", ["/other", *sys.path])
    assert start._who_may_share() != name
