"""The guides: commands are CI's, recipes run as printed, figures and the files named are this tree's."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.models.files.table import FORMATS
from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.tests.harness.profiles import DEFAULT_EXAMPLES
from tests.command_line.running import ROOT, as_a_user
from tests.faults.catalogue import FAULTS
from tests.faults.correct import CORRECT
from tests.unit.adapters.test_contract import make_case

FOLDERS = ("reference", "adapters", "tests", ".github")
GUIDES = [ROOT / "README.md", *(path for top in FOLDERS for path in (ROOT / top).rglob("*.md"))]
NAMED = r"`([\w./]+\.(?:py|jinja|json|toml|yml))`"  # a file's path, or the end of one
THEIRS = {"mine.py", "my_backend.py", "manifest.json", ".index.json"}
every_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(folder: str) -> str:
    """Read the guide of a folder, of which "" is the top one."""
    return (ROOT / folder / "README.md").read_text()


def blocks(language: str, guide: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)


def block(language: str, guide: str, having: str) -> str:
    """Find the one block that has a text."""
    [found] = [text for text in blocks(language, guide) if having in text]
    return found


def test_ci_calls_the_readmes_own_test_command():
    first, second, *_ = blocks("sh", text_of(""))
    assert first.strip() == "pip install -e '.[verified]' && pytest -n 2 tests/parity"
    assert second.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_recipe_runs_as_printed(tmp_path: Path):
    """Run the recipe by the command it prints, from another folder that can be imported from."""
    guide = text_of("adapters/backends")
    recipe = block("python", guide, "class MyBackend")
    assert len(recipe.splitlines()) <= 30
    (tmp_path / "my_backend.py").write_text(recipe)
    program, *arguments = shlex.split(block("sh", guide, "my_backend:MyBackend"))
    assert program == "pytest"
    command = [sys.executable, "-m", program, *arguments]
    wide = as_a_user(COLUMNS="150", PYTHONPATH=str(tmp_path))
    run = subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "my_backend:MyBackend simple_rnn" in re.sub(" +", " ", run.stdout)


def test_the_facts_it_lists_are_all_there_are():
    printed = block("python", text_of("adapters/backends"), "merge_modes=")
    assert eval(printed, {"Facts": Facts}) == Facts("mine", **EVERYTHING)


def test_a_saved_case_is_read_as_printed(tmp_path: Path):
    case = make_case()
    saved_case.save(tmp_path / "it.safetensors", saved_case.SavedCase(case))
    read = {"path": tmp_path / "it.safetensors"}
    exec(block("python", text_of("adapters/saved_cases"), "safe_open"), read)
    assert read["about"]["cell"] == "simple_rnn"
    assert (read["W"] == case.W).all()


def test_figures():
    faults = text_of("tests/faults")
    assert f"{len(FAULTS)} deliberate bugs" in faults
    assert f"default {DEFAULT_EXAMPLES};" in text_of("tests")
    numbers = {5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
    assert f"add up in {numbers[len(CORRECT)]} other ways" in faults


def test_the_options_it_lists_for_a_port_are_all_there_are():
    section = text_of("").partition("## Check a port")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(--[a-z-]+)", section)) - {"--force", "--max-examples"}
    of_whole_models = {"--inputs", "--batch", "--time"}
    of_layers = {"--source", "--target", "--layer", "--source-layer", "--target-layer", "--set"}
    assert listed == of_layers | of_whole_models | {"--lockstep-report"}
    assert {suffix for suffix in FORMATS if f"`{suffix}`" in section} == FORMATS.keys() - {".hdf5"}


@every_guide
def test_its_links_lead_somewhere(guide: Path):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", guide.read_text()):
        assert link.startswith("https://") or (guide.parent / link).exists(), link


@every_guide
def test_the_files_it_names_are_there(guide: Path):
    """Find each by the end of its path; placeholders are in capitals: `NAME_adapter.py`."""
    files = [*ROOT.iterdir(), *(path for top in FOLDERS for path in (ROOT / top).rglob("*"))]
    for name in re.findall(NAMED, guide.read_text()):
        found = any(str(path).endswith(f"/{name.removeprefix('../')}") for path in files)
        assert found or name in THEIRS or re.search("[A-Z]{4}", name), name
