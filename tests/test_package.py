"""What travels: the files of the wheel, what it asks for, and that it works away from the checkout."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ["albumentations", "mlflow", "ray", "sklearn", "torchmetrics"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from the source archive and so from nothing that the archive forgets."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The Python of a fresh environment: dltools comes from the wheel, and every other library from this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(site, "borrowed.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return python


def test_the_wheel_holds_the_packages_and_the_presets_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    presets = {f"dltools/{name}" for name in _files("conf")}
    assert presets
    assert names == _files("dltools") | _files("hydra_plugins") | presets
    assert "dltools/py.typed" in names
    assert "dltools/conf/train.yaml" in names


def test_the_plugin_joins_the_namespace_of_hydra_and_does_not_own_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "hydra_plugins/dltools_source/__init__.py" in names
    assert "hydra_plugins/__init__.py" not in names


def test_the_wheel_carries_its_license_and_its_command(wheel):
    archive = zipfile.ZipFile(wheel)
    info = next(name.split("/")[0] for name in archive.namelist() if name.endswith("/METADATA"))
    assert b"Apache License" in archive.read(f"{info}/licenses/LICENSE")
    assert b"dltools = dltools.__main__:main" in archive.read(f"{info}/entry_points.txt")


def test_every_library_that_the_code_imports_is_declared(wheel):
    info = importlib.metadata.packages_distributions()
    declared = _requirements(wheel).union(*(_requirements(wheel, extra) for extra in ("coco", "nifti", "parquet")))
    undeclared = {
        f"{file.relative_to(ROOT)} imports {module}"
        for folder in ("dltools", "hydra_plugins")
        for file in (ROOT / folder).rglob("*.py")
        for module in _imports(file)
        if module not in {*sys.stdlib_module_names, "dltools", "hydra_plugins"}
        and not declared & {_normalised(name) for name in info.get(module, [])}
    }
    assert not undeclared
    assert "torchvision" not in declared


def test_importing_the_losses_loads_none_of_the_heavy_libraries():
    code = f"import sys, dltools.losses; print(*(set({HEAVY}) & set(sys.modules)))"
    assert _run(sys.executable, "-c", code).split() == []


def test_importing_the_config_core_does_not_load_torch():
    assert _run(sys.executable, "-c", "import sys, dltools.cfgutils; print('torch' in sys.modules)").strip() == "False"


@pytest.mark.slow
def test_the_installed_wheel_is_what_the_fresh_environment_imports(installed, tmp_path):
    printed = _run(installed, "-c", "import dltools; print(dltools.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(installed.parents[1])


@pytest.mark.slow
def test_the_installed_wheel_tells_its_options_and_lists_its_components(installed, tmp_path):
    assert "task" in _run(installed, "-m", "dltools.train", "--help", cwd=tmp_path)
    listed = _run(installed, "-m", "dltools", "list", "loss", cwd=tmp_path)
    assert "dice" in listed
    assert "focal" in listed
    assert listed == _run(installed.with_name("dltools"), "list", "loss", cwd=tmp_path)


@pytest.mark.slow
def test_the_installed_wheel_trains_from_an_empty_folder(installed, tmp_path):
    _run(installed, "-m", "dltools.train", "task=classification", "policy.epochs=1", "hydra.run.dir=run", cwd=tmp_path)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]


def _run(*command, cwd=None):
    """Run a command and return what it prints; on failure show its errors."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def _files(folder):
    """Return the files of a folder of the checkout, as paths from its root."""
    files = (file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(ROOT).as_posix() for file in files}


def _imports(file):
    """Return the top-level modules that a source file imports, at its head or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def _requirements(wheel, extra=None):
    """Return the distributions that the wheel needs without any extra, or for one."""
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    rows = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist")
    return {_normalised(re.match(r"[\w.-]+", row).group()) for row in rows if _extra(row) == extra}


def _extra(row):
    found = re.search(r"extra == ['\"](\w+)['\"]", row)
    return found and found[1]


def _normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()
