"""Paths of annotation files: below the root they are joined, and what leads out is refused with its place."""

from pathlib import Path

import pytest

from dltools.cfgutils import DataError
from dltools.data.paths import inside


@pytest.mark.parametrize("path", ["a.png", "sub/a.png", "./a.png", "sub\\a.png", "..a/b..png"])
def test_a_path_below_the_root_is_joined_to_it(tmp_path: Path, path: str) -> None:
    assert inside(tmp_path, path, "x.json") == Path(tmp_path, path.replace("\\", "/"))


@pytest.mark.parametrize("path", ["../a.png", "sub/../../a.png", "..\\a.png", "/etc/passwd", "C:\\a.png", "\\a.png"])
def test_what_leads_out_is_refused_unless_allowed(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match=r"x\.json line 3: .* leads out of the data .* data\.outside=true"):
        inside(tmp_path, path, "x.json line 3")
    assert inside(tmp_path, path, "x.json", outside=True) == Path(tmp_path, path.replace("\\", "/"))


def test_a_link_may_lead_to_another_place_below_the_root_but_not_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "near").symlink_to(root / "real")
    (root / "far").symlink_to(tmp_path)
    assert inside(root, "near/a.png", "x.json") == root / "near/a.png"
    with pytest.raises(DataError, match="by a link to"):
        inside(root, "far/a.png", "x.json")
    assert inside(root, "far/a.png", "x.json", outside=True) == root / "far/a.png"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    assert inside(tmp_path / "root", "a.png", "x.json") == tmp_path / "root/a.png"


@pytest.mark.parametrize("path", ["", " ", "a\0b.png"])
@pytest.mark.parametrize("outside", [False, True])
def test_what_is_no_path_is_refused(tmp_path: Path, path: str, outside: bool) -> None:
    with pytest.raises(DataError, match=r"x\.json: .* is no path"):
        inside(tmp_path, path, "x.json", outside)
