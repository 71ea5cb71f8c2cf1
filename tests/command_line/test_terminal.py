"""The terminal of a run: header, table, messages, exit codes."""

import re

import pytest

from tests.command_line.running import run_pytest

FEW = ("tests/parity", "--max-examples", "8")
NUMPY = (*FEW, "--backend", "numpy")

BACKENDS = r"""
import numpy as np
from dataclasses import replace
from itertools import count
from rnn_lockstep.adapters import Facts, Refused
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Transposed(NumpyAdapter):
    facts = Facts("transposed")
    def run(self, case):
        return super().run(replace(case, U=case.U.T))

class Refuses(NumpyAdapter):
    facts = Facts("refuses", version="\x1b[2J" * 10**6)
    calls = count()
    def run(self, case):
        raise Refused(f"no recurrent layers today \x1b[2J, {next(self.calls)}")

class Crashes(NumpyAdapter):
    facts = Facts("crashes")
    def run(self, case):
        raise RuntimeError("segment not found")
"""
# Hypothesis gives up after 20 cases that are refused; otherwise after 459.
IMPATIENT = """
from hypothesis.internal.conjecture import engine
engine.INVALID_THRESHOLD_BASE = 20
"""


@pytest.fixture
def their_modules(tmp_path):
    """A folder to import from: a module `theirs`, `hidden`, which hides torch, and `impatient`."""
    (tmp_path / "theirs.py").write_text(BACKENDS)
    (tmp_path / "hidden.py").write_text("import sys\nsys.modules['torch'] = None\n")
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    return tmp_path


@pytest.fixture(scope="module")
def green():
    """A run of all tests, on NumPy, that tells everything."""
    return run_pytest(*NUMPY, "-v")


def rows(output):
    """The closing table's rows of answers in two dtypes by backend, cell and dtype: the six counts."""
    words = [line.split() for line in output.splitlines() if " float" in line]
    return {
        tuple(row[:3]): row[3:9]
        for row in words
        if row[2] in ("float32", "float64") and "".join(row[3:9]).isdigit()
    }


def test_header_and_table_of_a_green_run(green):
    assert green.returncode == 0, green.stdout
    assert "lockstep: backends numpy; 8 examples" in green.stdout
    assert re.search(r"lockstep: numpy \d+\.\d+\.\d+, cpu", green.stdout)
    table = rows(green.stdout)
    assert {backend for backend, _, _ in table} == {"numpy"}
    assert {cell for _, cell, _ in table} == {"simple_rnn", "gru", "lstm", "peephole_lstm"}
    assert len(table) == 8
    last = green.stdout.splitlines()[-2]
    assert re.fullmatch(
        r"lockstep: numpy \S+: [\d,]+ cases match, ([\d,]+ prove nothing, )?none is wrong", last
    )
    for cases, match, mismatch, drift, inconclusive, refused in table.values():
        assert int(cases) == int(match) + int(inconclusive) > 10
        assert mismatch == drift == refused == "0"


def test_two_processes_count_the_same(green):
    one, two = rows(green.stdout), rows(run_pytest(*NUMPY, "-n", "2", "-v").stdout)
    assert one == two
    assert one


def test_parallel_run_prints_facts_and_keeps_a_backend_together(their_modules):
    test, both = "tests/parity/test_every_step.py", ("--backend", "numpy", "--backend", "theirs:Transposed")
    run = run_pytest(test, "--max-examples", "8", *both, "-n", "2", "-v", python_path=their_modules)
    assert run.returncode == 1
    assert {backend for backend, *_ in rows(run.stdout)} == {"numpy", "theirs:Transposed"}
    assert "transposed unknown, cpu" in run.stdout
    workers = re.findall(r"\[(gw\d)\].*\[numpy", run.stdout)
    assert len(workers) > 20
    assert len(set(workers)) == 1


def test_a_wrong_backend_is_told_where_it_goes_wrong(their_modules):
    run = run_pytest("tests/parity", "--backend", "theirs:Transposed", "-x", python_path=their_modules)
    assert run.returncode == 1
    assert "theirs:Transposed: wrong outputs: U is transposed\n" in run.stdout
    assert "right before step 1, wrong there" in run.stdout
    assert "theirs:Transposed, in 1 tests: U is transposed" in run.stdout
    assert re.search(
        r"first wrong step: batch \d+, time 1, unit \d+: observed \S+, expected \S+, off by", run.stdout
    )
    assert "<Case tanh float32 batch=1 time=2 input_size=3 hidden_size=3" in run.stdout  # the minimal one
    assert "array(" not in run.stdout
    assert (
        "theirs:Transposed: not tested on: float16, bfloat16, gru, lstm, peephole_lstm, 0 biases, 2 biases, "
        in run.stdout
    )
    assert "lockstep: theirs:Transposed unknown is wrong, in 1 tests\n" in run.stdout


def test_nothing_compared_is_a_failure(their_modules):
    run = run_pytest(*FEW, "-p", "impatient", "--backend", "theirs:Refuses", python_path=their_modules)
    assert run.returncode == 1
    assert " passed" not in run.stdout
    [told] = [line for line in run.stdout.splitlines() if line.startswith("theirs:Refuses: refused")]
    assert re.match(r"theirs:Refuses: refused [\d,]+ \(no recurrent layers today \?\[2J, \d+\), not", told)
    assert "none is wrong" not in run.stdout
    assert "\x1b[2J" not in run.stdout + run.stderr
    assert len(run.stdout) < 100_000


def test_a_crash_is_a_failure_with_its_own_words(their_modules):
    run = run_pytest(*FEW, "--backend", "theirs:Crashes", "-x", python_path=their_modules)
    assert run.returncode == 1
    assert "RuntimeError: segment not found" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "pytorch"), "unknown backend 'pytorch'; known: numpy, torch, keras, jax"),
        (("--backend", "numpy", "--backend", "jax:fast"), "backend jax has no tag 'fast'; it has: nojit"),
        (("--backend", "nowhere:Adapter"), "backend nowhere:Adapter: there is no module nowhere"),
        (("--backend", "theirs:np"), "backend theirs:np: the module theirs has no class np"),
        (("--max-examples", "0"), "--max-examples is 0, needs at least 1"),
        (("--max-examples", "many"), "invalid int value: 'many'"),
        (("--backends", "numpy"), "unrecognized arguments: --backends"),
    ],
)
def test_bad_options_are_usage_errors_in_one_line(arguments, message, their_modules):
    run = run_pytest("tests/parity", *arguments, python_path=their_modules)
    assert run.returncode == 4
    assert message in run.stderr
    assert "Traceback" not in run.stderr + run.stdout


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_a_framework_that_does_not_import_costs_its_own_tests(parallel, tmp_path):
    """One of them fails, the others are skipped; those of other backends are run."""
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch.so: cannot open shared object file')")
    both = ("tests/parity/test_notebook.py", "--backend", "torch", "--backend", "numpy")
    run = run_pytest(*both, *parallel, python_path=tmp_path)
    assert run.returncode == 1
    reason = "backend torch cannot be made: ImportError: libtorch.so: cannot open shared object file"
    assert f"lockstep: {reason}; 2 tests of it were not run\n" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert "2 passed, 1 skipped" in run.stdout
    assert "1 error" in run.stdout


def test_a_framework_that_is_not_installed_costs_its_own_tests(their_modules):
    run = run_pytest(*FEW, "-p", "hidden", "--backend", "torch", python_path=their_modules)
    assert run.returncode == 1
    assert "lockstep: backend torch needs torch, which is not installed: pip install" in run.stdout


def test_what_is_not_installed_and_not_asked_for_is_listed(their_modules):
    run = run_pytest(
        "tests/parity/test_notebook.py", "-k", "numpy", "-p", "hidden", python_path=their_modules
    )
    assert run.returncode == 0
    assert "lockstep: not installed, not tested: torch" in run.stdout
    assert "torch is not installed and was not tested" in run.stdout


def test_a_test_file_without_backends_loads_none():
    run = run_pytest("tests/unit/reference/test_notebook.py")
    assert run.returncode == 0
    assert "lockstep: every step" not in run.stdout
