"""`python -m dltools doctor`: the same words as for training, a report or JSON, and an exit code for scripts."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dltools.__main__ import main

PHOTO = load_sample_image("flower.jpg")


@pytest.fixture
def photos(tmp_path):
    """Return a sound folder of photographs; `[x]` in its name is nothing that a terminal should take for a style."""
    root = tmp_path / "my [bold] photos"
    for number, split in enumerate(("train", "val", "test")):
        for place, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            column = 100 * number + 40 * place
            Image.fromarray(np.ascontiguousarray(PHOTO[:40, column : column + 50])).save(folder / "0.png")
    return root


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run the command; return its exit code, what it prints, and its errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dltools", "doctor", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        return exit_.value.code, printed.out, printed.err

    return run


def words(root):
    return "task=classification", "data=folder", f"data.root='{root}'"


def test_a_sound_data_set_ends_with_0(doctor, photos):
    code, printed, errors = doctor(*words(photos))
    assert (code, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == f"Folder in {photos}: 2 classes"
    assert lines[3].split() == ["samples", "2", "2", "2"]
    assert lines[-1] == "Nothing is wrong."


def test_warnings_end_with_0_and_errors_with_1(doctor, photos):
    (photos / "train/dog/1.png").write_bytes((photos / "train/dog/0.png").read_bytes())
    code, printed, _ = doctor(*words(photos))
    assert (code, printed.splitlines()[-1]) == (0, "1 warning.")
    (photos / "val/cat/1.png").write_bytes(b"no image")
    code, printed, _ = doctor(*words(photos))
    assert (code, printed.splitlines()[-1]) == (1, "1 error, 1 warning.")
    assert f"  val[1]  {photos}/val/cat/1.png cannot be decoded (8 bytes)" in printed


def test_json_is_one_object_and_nothing_else(doctor, photos):
    (photos / "val/cat/1.png").write_bytes(b"no image")
    code, printed, errors = doctor(*words(photos), "--json")
    told = json.loads(printed)
    assert (code, errors, told["errors"]) == (1, "", 1)
    assert told["findings"][0]["file"] == f"{photos}/val/cat/1.png"
    assert told["splits"]["train"]["classes"]["label"]["dog"] == {"count": 1, "share": 0.5, "images": 1}


def test_all_findings_are_shown_when_asked_for(doctor, photos):
    for place in range(1, 9):
        (photos / f"val/cat/{place}.png").write_bytes(b"no image")
    assert "... and 3 more; --all shows them" in doctor(*words(photos))[1]
    _, printed, _ = doctor(*words(photos), "--all")
    assert "more" not in printed and printed.count("cannot be decoded (8 bytes)") == 8


def test_a_limit_and_workers_are_taken(doctor, photos):
    assert "2, 1 looked at" in doctor(*words(photos), "--limit", "1", "--workers", "2")[1]


def test_words_may_stand_before_between_and_behind_options(doctor, photos):
    task, data, root = words(photos)
    told = [doctor(*line) for line in ((task, data, root, "--json"), (task, "--json", data, "--limit", "2", root))]
    assert told[0] == told[1] and told[0][0] == 0
    code, _, errors = doctor(task, "--json", data, "--lmiit", "2")
    assert code == 2 and "unrecognized arguments: data=folder --lmiit 2" in errors


@pytest.mark.parametrize(("option", "value"), [("--limit", "0"), ("--workers", "-1"), ("--limit", "few")])
def test_numbers_below_one_are_refused(doctor, option, value):
    code, _, errors = doctor(f"{option}={value}")
    assert code == 2
    assert f"argument {option}: must be a whole number above 0, got {value!r}" in errors


def test_a_data_set_that_cannot_be_made_is_a_report_with_one_error(doctor, tmp_path):
    code, printed, _ = doctor("data=idx", f"data.root={tmp_path}/nowhere", "--json")
    [finding] = json.loads(printed)["findings"]
    assert (code, finding["kind"]) == (1, "missing")
    assert finding["message"].startswith(f"data.root: there is no '{tmp_path}/nowhere'; expected the file train-images")
    assert "while building" not in finding["message"]


def test_an_option_that_is_wrong_is_an_error_of_the_config(doctor, tmp_path):
    code, printed, _ = doctor("data=folder_masks", f"data.root={tmp_path}", "data.class_names=[one]")
    assert str(code).startswith("Error: data.class_names must have 2 to 255 names, got 1")
    assert printed == ""


def test_a_mere_folder_is_told_how_a_data_set_is_named(doctor):
    code, _, _ = doctor("photos")
    assert code == "Error: 'photos' is no KEY=VALUE; a data set is named as data=folder data.root=photos"


def test_a_wrong_name_is_answered_without_torch():
    code = (
        "import sys; sys.argv = ['dltools', 'doctor', 'data=foldr']\n"
        "from dltools.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, {'torch', 'cv2', 'numpy', 'rich.console'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("Error: data=foldr: 'foldr' is no data. Did you mean 'folder' or ")
    assert told.strip().endswith("set()")


def test_on_a_terminal_a_bar_is_shown_beside_the_report(doctor, photos, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    code, printed, _ = doctor(*words(photos), "--json")
    assert code == 0 and json.loads(printed)["errors"] == 0
    assert "train" in terminal.getvalue() and "2/2" in terminal.getvalue()
