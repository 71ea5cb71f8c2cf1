"""The small readers of the page on vectors read them as it says, and call a wrong layer wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_lockstep.adapters.saved_cases.manifest import load_all
from rnn_lockstep.adapters.saved_cases.saved_case import FURTHER, OPTIONS
from rnn_lockstep.tests.harness.conformance_vectors import write_vectors
from tests.vectors import read

HERE = Path(__file__).parent
COMMANDS = {"python": [sys.executable, str(HERE / "read.py")], "node": ["node", str(HERE / "read.mjs")]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All vectors."""
    path = tmp_path_factory.mktemp("vectors")
    write_vectors(path)
    return path


def run(language, folder):
    """What a reader prints, and its exit status."""
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{language} is not installed here")
    done = subprocess.run([*COMMANDS[language], str(folder)], capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


@pytest.mark.parametrize(("language", "least"), [("python", 25), ("node", 12)])
def test_a_reader_compares_the_vectors_that_its_layer_can_do(language, least, folder):
    printed, status = run(language, folder)
    count, rest = printed.split(" vectors compared, ")
    assert (int(count) >= least, rest, status) == (True, "0 wrong\n", 0)


@pytest.mark.parametrize("language", COMMANDS)
def test_a_reader_tells_a_wrong_answer_and_a_run_of_nothing(language, folder, tmp_path):
    manifest = json.loads((folder / "manifest.json").read_text())
    for case in manifest["cases"]:  # of a layer that it takes for one with tanh
        case["features"] = [feature for feature in case["features"] if feature != "relu"]
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "manifest.json").write_text(json.dumps(manifest))
    printed, status = run(language, other)
    assert status == 1
    assert ": outputs" in printed
    (other / "manifest.json").write_text(json.dumps({**manifest, "cases": []}))
    assert run(language, other) == ("0 vectors compared, 0 wrong\n", 1)


def test_an_answer_of_nan_is_wrong(folder, monkeypatch):
    right = read.simple_rnn
    nan = lambda **arrays: {n: np.nan * a for n, a in right(**arrays).items()}  # noqa: E731
    monkeypatch.setattr(read, "simple_rnn", nan)
    count, wrong = read.check(folder)
    assert len(wrong) >= count  # all but those of no rows


def test_the_page_shows_the_reader_as_it_is():
    page = (HERE.parents[1] / "adapters" / "saved_cases" / "VECTORS.md").read_text()
    assert f"```python\n{(HERE / 'read.py').read_text()}```" in page


def test_the_page_explains_every_option_and_array(folder):
    page = (HERE.parents[1] / "adapters" / "saved_cases" / "VECTORS.md").read_text()
    vectors = load_all(folder).values()
    assert [name for name in (*OPTIONS, *FURTHER) if f"`{name}`" not in page] == []
    names = {name for vector in vectors for name in vector.given() if "[" not in name}
    words = {name: (f"`{name}`", f"`.{name.rpartition('.')[2]}`") for name in names}
    assert [name for name, ways in words.items() if not any(way in page for way in ways)] == []
    assert f"writes {len(vectors)} of them" in page
