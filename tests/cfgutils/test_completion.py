"""Tab completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from dltools.cfgutils.completion import SCRIPT, completing

NAMES = {"loss": "ce dice diou focal imbalanced", "writer": "console csv", "model": "resnet unet"}
"""What Hydra prints for the groups of these tests."""


def _complete(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the completions of a line, with a Hydra that knows a few names and nothing of expressions."""
    monkeypatch.setenv("COMP_LINE", f"python -m dltools.train {words}")
    with completing():
        program, *_, word = os.environ["COMP_LINE"].split(" ")
        assert program == "dltools-train"
        group, _, start = word.partition("=")
        print(*[f"{group}={name}" for name in NAMES.get(group, "").split() if name.startswith(start)])
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("loss=di", ["loss=dice", "loss=diou"]),
        ("loss=dice+fo", ["loss=dice+focal"]),
        ("loss=dice+", ["loss=dice+ce", "loss=dice+diou", "loss=dice+focal", "loss=dice+imbalanced"]),
        ("loss=0.7*dice+0.3*fo", ["loss=0.7*dice+0.3*focal"]),
        ("loss=0.7dice+.3fo", ["loss=0.7dice+.3focal"]),
        ("loss=1e+2*fo", ["loss=1e+2*focal"]),
        ("loss=2im", []),
        ("loss=dice,dice+fo", ["loss=dice,dice+focal"]),
        ("loss=dice,di", ["loss=dice,dice", "loss=dice,diou"]),
        ("-m loss=dice,ce model=unet,re", ["model=unet,resnet"]),
        ("+loss@aux=dice+fo", ["+loss@aux=dice+focal"]),
        ("writer=csv+co", ["writer=csv+console"]),
        ("writer=2co", []),
        ("model=unet+re", []),
    ],
)
def test_the_last_name_of_an_expression_or_a_sweep_is_completed(
    words: str, completions: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _complete(words, monkeypatch, capsys) == completions


@pytest.mark.parametrize(
    "words", ["optim.lr=1,", "imports=[a,b", "data.root=/da", "loss='dice+fo", "loss", "", "--cfg"]
)
def test_other_words_are_left_to_hydra(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", f"python3 -m dltools.train {words}")
    with completing():
        assert os.environ["COMP_LINE"] == f"dltools-train {words}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("word", "completions"),
    [
        ("loss=0.7*dice+0.3*distr", "loss=0.7*dice+0.3*distribution_focal\n"),
        ("model=unet,res", "model=unet,resnet\n"),
        ("writer=csv+jso", "writer=csv+jsonl\n"),
        ("experiment=scenes_f", "experiment=scenes_focal\n"),
    ],
)
def test_bash_offers_the_whole_word(word: str, completions: str) -> None:
    line = [sys.executable, "-m", "dltools.train", word]
    script = f"""{SCRIPT}
        COMP_WORDS=({" ".join(map(repr, line))}) COMP_CWORD=3 COMP_LINE="{" ".join(line)}"
        COMP_POINT=${{#COMP_LINE}}
        shopt -s failglob
        _dltools_complete; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == completions, done.stderr


def test_completing_an_expression_imports_no_torch() -> None:
    code = (
        "import os, sys; from dltools.train import main; os.environ['COMP_LINE'] = 'dltools-train loss=dice+foc'\n"
        "sys.argv = ['dltools-train', '-sc', 'query=bash']; main(); assert 'torch' not in sys.modules, 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "loss=dice+focal" in done.stdout, done.stderr
