"""The wheel, installed where there is no clone: it has all of its packages and files, and they work."""

import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.command_line.running import ROOT, as_a_user
from tests.unit.adapters.files.layers import make_layer, saved

SHIPPED = ("reference", "adapters", "tests/harness", "tests/known_failures", "tests/parity", "tests/port")
UNWANTED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*")
THEIRS = """
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from adapters import OURS

class Backend(NumpyAdapter):
    facts = Facts("theirs")
"""
IMPORTS = """
from adapters import OURS
from rnn_lockstep import adapters
from rnn_lockstep.adapters import lockstep_check
print(adapters.__file__)
assert lockstep_check("model.npz", "model.npz", examples=2)
"""


def files():
    """The files of the folders that are shipped, seen from the top of the tree."""
    found = (path for folder in SHIPPED for path in (ROOT / folder).rglob("*"))
    return {path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts}


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {path.parent for path in files() if path.name == "__init__.py"} | {Path("tests")}
    assert sorted(listed) == sorted(".".join(("rnn_lockstep", *folder.parts)) for folder in packages)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, made of a copy of the tree, so that the tree is left as it is."""
    copy, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, copy, ignore=UNWANTED, dirs_exist_ok=True)
    has_setuptools = int(version("setuptools").partition(".")[0]) >= 77  # as in pyproject.toml
    isolated = ("--no-build-isolation",) if has_setuptools else ()
    pip("wheel", "--no-deps", *isolated, "--wheel-dir", built, copy)
    [found] = built.iterdir()
    return found


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory):
    """Another project's folder and, in it, an environment with the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("project")
    venv.create(folder / ".venv", symlinks=True)
    pip("--python", folder / ".venv" / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    [packages] = (folder / ".venv").glob("lib/*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(others))
    (folder / "adapters").mkdir()
    (folder / "adapters" / "__init__.py").write_text("OURS = True\n")
    (folder / "theirs.py").write_text(THEIRS)
    saved(folder / "model.npz", [make_layer("lstm")])
    return folder


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    run = subprocess.run(command, env=as_a_user(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def in_project(project, program, *arguments):
    command = [project / ".venv" / "bin" / program, *arguments]
    return subprocess.run(command, cwd=project, env=as_a_user(), capture_output=True, text=True)


def test_the_wheel_has_every_file(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist() if ".dist-info/" not in name]
    left_out = {path for path in files() if path.suffix == ".md" or "alone" in path.parts}  # run in a clone
    shipped = {path.relative_to("rnn_lockstep") for path in names}
    assert shipped == files() - left_out | {Path("tests/__init__.py")}


def test_a_folder_called_adapters_is_no_hindrance(project):
    run = in_project(project, "python", "-c", IMPORTS)
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.splitlines()[0]).is_relative_to(project / ".venv")


def test_a_backend_is_tested_without_a_clone(project):
    options = ("--max-examples", "2", "-k", "notebook or long", "--lockstep-report", "report.md")
    run = in_project(project, "rnn-lockstep", "test", "--backend", "theirs:Backend", *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
    assert str(ROOT) not in run.stdout
    assert "no mismatch" in (project / "report.md").read_text()


def test_a_file_is_shown_and_checked_without_a_clone(project):
    shown = in_project(project, "rnn-lockstep", "show", "model.npz")
    assert shown.returncode == 0, shown.stderr
    assert "encoder" in shown.stdout
    checked = in_project(project, "rnn-lockstep", "check", "model.npz", "model.npz", "--max-examples", "2")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("match\n")
