"""Backends under another interpreter, as a user names them: `--backend NAME@PYTHON`."""

import json
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.command_line.running import ROOT, run_pytest
from tests.unit.adapters.workers.places import ADAPTERS, PACKAGES, environment

OLD = "../old/bin/python"
STEPS = (str(ROOT / "tests/parity/test_every_step.py"), "--max-examples=3")
NOTEBOOK = (str(ROOT / "tests/parity/test_notebook.py"), "--max-examples=3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to start from, with `mine.py` in it and an environment `old` beside it."""
    top = tmp_path_factory.mktemp("elsewhere")
    environment(top / "old")
    environment(top / "bare", ())
    (top / "here").mkdir()
    (top / "here" / "mine.py").write_text(ADAPTERS)
    return top / "here"


def run(folder, *arguments):
    """Run pytest in a folder, where it saves failing cases too."""
    return run_pytest(*arguments, root=folder, folder=folder, in_process=False)


def test_version_and_place_stand_in_the_table_and_in_reports(folder):
    names = ("numpy", f"numpy@{OLD}", f"mine:Port@{OLD}")
    report = folder / "report.json"
    done = run(folder, *STEPS, *(f"--backend={name}" for name in names), f"--lockstep-report={report}")
    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    for name in names:
        first = next(k for k, words in enumerate(lines) if words[:2] == [name, "simple_rnn"])
        assert lines[first + 1] == [version("numpy")]
    python = sys.version.split()[0]
    assert f"lockstep: numpy@{OLD} {version('numpy')}, cpu, Python {python}\n" in done.stdout
    backends = {backend["name"]: backend["facts"] for backend in json.loads(report.read_text())["backends"]}
    assert backends[f"mine:Port@{OLD}"] == f"numpy@{OLD} {version('numpy')}, cpu, Python {python}"


def test_the_table_of_long_names_keeps_to_its_width(folder):
    name = f"numpy@../here/../here/../here/../here/../here/../here/{OLD}"
    done = run(folder, *STEPS, f"--backend={name}")
    assert done.returncode == 0, done.stdout
    assert max(len(line) for line in done.stdout.partition("every step against")[2].splitlines()[1:12]) <= 150


def test_a_place_that_is_none_costs_its_own_tests_only(folder):
    wrong = {
        "numpy@nowhere/python": "nowhere/python is no program that can be run",
        "numpy@true": "no usable Python there: it ended without a word",
        "keras@../bare/bin/python": "its Python has no numpy, scipy, ml_dtypes, keras, tensorflow: ",
        "mine:Nobody@../old/bin/python": "the module mine has no class Nobody",
    }
    done = run(folder, *NOTEBOOK, *(f"--backend={name}" for name in ("numpy", *wrong)))
    assert done.returncode == 1
    assert f"2 passed, {len(wrong)} skipped, {len(wrong)} errors" in done.stdout, done.stdout
    for name, reason in wrong.items():
        assert re.search(rf"lockstep: backend {name}.*{reason}.*; 2 tests of it were not run", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_failure_elsewhere_is_saved_replayed_and_known(folder):
    name, test = f"mine:Wrong@{OLD}", f"{STEPS[0]}::test_every_step"
    known = folder / "known.toml"
    done = run(folder, test, "--max-examples=20", f"--backend={name}", f"--write-known-failures={known}")
    assert f"{name}: wrong outputs: U is transposed" in done.stdout, done.stdout
    again = re.search(rf"again: pytest (.* --replay=\S+) --backend {name}", done.stdout)
    assert again, done.stdout
    for backend, result in ((name, "1 failed"), (f"numpy@{OLD}", "1 passed")):
        assert result in run(folder, *again[1].split(), f"--backend={backend}").stdout
    known.write_text(re.sub("condition = .*", 'test = "*"', known.read_text()))
    done = run(folder, test, "--max-examples=20", f"--backend={name}", f"--known-failures={known}")
    assert f"{name}: fails as is known in " in done.stdout
    assert "1 passed, 1 xfailed" in done.stdout


def test_tests_of_a_backend_elsewhere_stay_together_in_parallel(folder):
    names = [f"numpy@{OLD}", "numpy"]
    done = run(folder, *STEPS, *(f"--backend={name}" for name in names), "-n", "2", "-v")
    assert done.returncode == 0, done.stdout
    workers = [re.findall(rf"\[(gw\d)\].*\[{re.escape(name)}-", done.stdout) for name in names]
    assert all(len(each) > 3 for each in workers)
    assert len(set(workers[0])) == 1  # NumPy's own are quick anywhere, and go to whichever process is free


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["numpy@"], "backend numpy@: needs NAME@/path/to/python"),
        (["numpy@ssh:host"], "backend numpy@ssh:host: needs NAME@ssh:[USER@]HOST:/path/to/python"),
        (["numpy@socket:host"], "backend numpy@socket:host: needs NAME@socket:HOST:PORT"),
        (["nampy@/usr/bin/python3"], "unknown backend 'nampy'"),
        (
            ["numpy@python3", "--in-process"],
            "--in-process does not go with numpy@python3, which runs elsewhere",
        ),
    ],
)
def test_a_name_that_is_none_is_a_usage_error_in_one_line(arguments, message):
    done = run_pytest(*NOTEBOOK, "--backend", *arguments, in_process=False)
    assert done.returncode == 4, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_environment_has_what_is_needed_and_no_more(folder):
    """Or the other tests here would show nothing."""
    asking = "import importlib.util as u, sys; print([p for p in sys.argv[1:] if u.find_spec(p)])"
    asked = [folder / OLD, "-c", asking, *PACKAGES, "rnn_lockstep", "execnet", "pytest"]
    assert subprocess.run(asked, capture_output=True, text=True).stdout.strip() == str(list(PACKAGES))
