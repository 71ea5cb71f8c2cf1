"""The README's commands are CI's, its recipe runs as printed, its figures are this tree's."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.models.files.table import FORMATS
from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.tests.harness.profiles import DEFAULT_EXAMPLES
from tests.command_line.running import ROOT, as_a_user
from tests.faults.catalogue import FAULTS
from tests.faults.correct import CORRECT
from tests.unit.adapters.test_contract import make_case

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def block(language: str, having: str) -> str:
    """Find the one block that has a text."""
    [found] = [text for text in blocks(language) if having in text]
    return found


def test_ci_calls_the_readmes_own_test_command():
    first, second, *_ = blocks("sh")
    assert first.strip() == "pip install -e '.[verified]' && pytest tests/parity"
    assert second.strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_recipe_runs_as_printed(tmp_path: Path):
    """Run the recipe by the command it prints, from another folder that can be imported from."""
    recipe = block("python", "class MyBackend")
    assert len(recipe.splitlines()) <= 30
    (tmp_path / "my_backend.py").write_text(recipe)
    program, *arguments = shlex.split(block("sh", "my_backend:MyBackend"))
    assert program == "pytest"
    command = [sys.executable, "-m", program, *arguments]
    wide = as_a_user(COLUMNS="150", PYTHONPATH=str(tmp_path))
    run = subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "my_backend:MyBackend simple_rnn float32" in re.sub(" +", " ", run.stdout)


def test_the_facts_it_lists_are_all_there_are():
    assert eval(block("python", "merge_modes="), {"Facts": Facts}) == Facts("mine", **EVERYTHING)


def test_a_saved_case_is_read_as_printed(tmp_path: Path):
    case = make_case()
    saved_case.save(tmp_path / "it.safetensors", saved_case.SavedCase(case))
    read = {"path": tmp_path / "it.safetensors"}
    exec(block("python", "safe_open"), read)
    assert read["about"]["cell"] == "simple_rnn"
    assert (read["W"] == case.W).all()


def test_figures():
    assert f"{len(FAULTS)} deliberate bugs" in README
    assert f"default {DEFAULT_EXAMPLES};" in README
    numbers = {5: "five", 6: "six", 7: "seven", 8: "eight"}
    assert f"add up in {numbers[len(CORRECT)]} other ways" in README


def test_the_options_it_lists_for_a_port_are_all_there_are():
    section = README.partition("## Check a port")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`(--[a-z-]+)", section)) - {"--force", "--max-examples"}
    assert listed == {"--source", "--target", "--layer", "--source-layer", "--target-layer", "--set"}
    assert {suffix for suffix in FORMATS if f"`{suffix}`" in section} == FORMATS.keys() - {".hdf5"}
