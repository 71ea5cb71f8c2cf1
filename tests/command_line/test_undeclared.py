"""A backend is tested on what it declares and nothing else; every other test is skipped, with the reason."""

from collections import defaultdict
from itertools import product
from xml.etree import ElementTree

import pytest

from rnn_lockstep.adapters import Facts
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.tests.harness.drawing.strategies import is_stacked, possible_variants
from tests.command_line.running import run_pytest

THEIRS = """
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

class Strict(NumpyAdapter):
    def run(self, case):
        assert not self.facts.undeclared(case), f"asked for {self.facts.undeclared(case)}: {case}"
        return super().run(case)

    def gradients(self, case, cotangents):
        assert self.facts.gradients and not self.facts.undeclared(case), f"asked for gradients: {case}"
        return super().gradients(case, cotangents)

def declaring(**facts):
    return type("Theirs", (Strict,), {"facts": Facts("theirs", **facts)})

Plain = declaring()
OnlyLSTM = declaring(cells=("lstm",), biases=(2,))
OnlyFloat32 = declaring(**EVERYTHING | {"dtypes": ("float32",)})
OnlyHalf = declaring(**EVERYTHING | {"dtypes": ("bfloat16",)})
OnlyConcat = declaring(merge_modes=("concat",))
TwoBiases = declaring(**EVERYTHING | {"biases": (2,)})
NoGradients = declaring(**EVERYTHING | {"gradients": False})
OnlyMasks = declaring(masks=True)
OnlyBefore = declaring(reset_after=(False,), cells=("gru",), layers=2)
TwoLayers = declaring(layers=2, compiles=True, gradients=True, cells=("gru",))
"""
NOTEBOOK = ("test_the_notebook[float32]", "test_the_notebook[float64]")
EXACT_GRADIENTS = (
    "test_gradients",
    "test_gradients_over_many_steps",
    "test_training",
)
GRADIENTS = (*EXACT_GRADIENTS, "test_gradients_in_float32", "test_gradients_of_stacks")
STACKS = ("test_layers_and_directions", "test_empty_and_single_stacks", "test_stack_is_its_cells")
CARRIED = "test_drift_of_what_is_not_shown"
LENGTHS = ("test_padded_batch", "test_padding_does_not_matter")
REVERSE = ("test_reverse", "test_reverse_is_the_flipped_sequence_flipped_back")
SEVERAL = "stacks, bidirectional layers or last outputs"
HIDDEN = "stacks, summed directions or last outputs"
DRIFT = {
    f"{test}[{dtype}]": dtype
    for test, dtype in (
        *product(("test_drift", "test_drift_of_wide_layers"), ("float32", "float16")),
        ("test_drift", "bfloat16"),
    )
}
HALF_DRIFT = {test: dtype for test, dtype in DRIFT.items() if dtype != "float32"}
PLAIN = {
    **HALF_DRIFT,
    **dict.fromkeys(STACKS, SEVERAL),
    CARRIED: HIDDEN,
    "test_last_output": "last outputs",
    **dict.fromkeys(GRADIENTS, "gradients"),
    **dict.fromkeys(LENGTHS, "lengths"),
    **dict.fromkeys(REVERSE, "reverse"),
    "test_padding_anywhere": "masks",
    "test_half_types": "float16 or bfloat16",
}
SKIPPED = {  # by backend: its tests that are skipped, and what they need that it does not declare
    "Plain": PLAIN,
    "OnlyLSTM": {**PLAIN, **dict.fromkeys(NOTEBOOK, "simple_rnn")},
    "OnlyFloat32": {
        **HALF_DRIFT,
        **dict.fromkeys((*EXACT_GRADIENTS, NOTEBOOK[1]), "float64"),
        "test_half_types": "float16 or bfloat16",
    },
    "OnlyHalf": {
        **{test: dtype for test, dtype in DRIFT.items() if dtype != "bfloat16"},
        **dict.fromkeys((*STACKS, "test_last_output", "test_gradients_of_stacks"), "float32 or float64"),
        **dict.fromkeys((*EXACT_GRADIENTS, NOTEBOOK[1]), "float64"),
        **dict.fromkeys(("test_gradients_in_float32", CARRIED, NOTEBOOK[0]), "float32"),
    },
    "OnlyConcat": {test: need for test, need in PLAIN.items() if need != SEVERAL}
    | {"test_stack_is_its_cells": "reverse"},
    "TwoBiases": dict.fromkeys(NOTEBOOK, "layers with one bias"),
    "NoGradients": dict.fromkeys(GRADIENTS, "gradients"),
    "OnlyMasks": {test: need for test, need in PLAIN.items() if need != "masks"},
    "OnlyBefore": {
        **{test: need for test, need in PLAIN.items() if need not in (SEVERAL, HIDDEN)},
        "test_stack_is_its_cells": "reverse",
        **dict.fromkeys(NOTEBOOK, "simple_rnn"),
    },
    "TwoLayers": {
        **{test: need for test, need in PLAIN.items() if need not in ("gradients", SEVERAL, HIDDEN)},
        "test_stack_is_its_cells": "reverse",
        **dict.fromkeys(NOTEBOOK, "simple_rnn"),
    },
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The tests of each backend: the reason for which one was skipped, empty for one that passed."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "theirs.py").write_text(THEIRS)
    backends = [f"--backend=theirs:{name}" for name in SKIPPED]
    junit = folder / "junit.xml"
    run = run_pytest("tests/parity", "--max-examples=3", *backends, f"--junitxml={junit}", python_path=folder)
    assert run.returncode == 0, run.stdout
    found = defaultdict(dict)
    for case in ElementTree.parse(junit).iter("testcase"):
        test, _, parameters = case.get("name").partition("[theirs:")
        backend, _, parameter = parameters.rstrip("]").partition("-")
        skip = case.find("skipped")
        dtype = parameter.rpartition("-")[2]
        name = f"{test}[{dtype}]" if dtype in DTYPES else test
        found[backend][name] = "" if skip is None else skip.get("message")
    return found


@pytest.mark.parametrize("name", SKIPPED)
def test_tests_of_what_is_not_declared_are_skipped(name, outcomes):
    skipped = {test: reason for test, reason in outcomes[name].items() if reason}
    reasons = {test: f"theirs:{name} declares no {need}" for test, need in SKIPPED[name].items()}
    assert skipped == reasons


def test_a_backend_that_compared_nothing_fails_the_run(tmp_path):
    (tmp_path / "theirs.py").write_text(THEIRS)
    run = run_pytest(
        "tests/parity/test_notebook.py",
        *("--backend=theirs:OnlyLSTM", "--backend=theirs:Plain", "-rs"),
        f"--lockstep-report={tmp_path / 'report.md'}",
        python_path=tmp_path,
    )
    assert run.returncode == 1
    assert "2 passed, 2 skipped" in run.stdout
    assert "theirs:OnlyLSTM declares no simple_rnn" in run.stdout
    assert "theirs:OnlyLSTM: no case was compared, so this shows nothing" in run.stdout
    assert "no mismatch, but the run did not pass" in (tmp_path / "report.md").read_text()


def test_a_backend_that_refuses_all_is_told_so(tmp_path):
    (tmp_path / "theirs.py").write_text(
        f"""{THEIRS}
from rnn_lockstep.adapters import Refused

class Refusing(NumpyAdapter):
    def run(self, case):
        raise Refused("not on Thursdays")
"""
    )
    test = "tests/parity/test_every_step.py::test_every_step"
    run = run_pytest(test, "--backend=theirs:Refusing", "-k", "gru", "--max-examples=2", python_path=tmp_path)
    assert run.returncode == 1
    assert "theirs:Refusing refused every case of this test: not on Thursdays" in run.stdout
    assert "tests of what its facts do not declare are skipped" in run.stdout
    assert "Unsatisfiable" not in run.stdout


def test_a_package_is_tested_on_the_cells_it_declares(tmp_path):
    """Backends that a package registers under a name declare their cells, as all that are not built in."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    registered = tmp_path / "theirs-1.dist-info"
    registered.mkdir()
    (registered / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (registered / "entry_points.txt").write_text("[lockstep.adapters]\ntheirs = theirs:OnlyLSTM\n")
    test = "tests/parity/test_every_step.py::test_every_step"
    run = run_pytest(test, "--backend=theirs", "--max-examples=2", "-v", python_path=tmp_path)
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout
    assert "test_every_step[theirs-lstm] PASSED" in run.stdout


STACKED = {
    "layers": (1, 3),
    "merge_modes": ((), ("mul",)),
    "last_output": (False, True),
    "biases": ((0,), (1,), (1, 2)),
    "dtypes": (("float32",), ("float64",)),
    "lengths": (False, True),
    "compiles": (False, True),
}


@pytest.mark.parametrize("cell", ["simple_rnn", "gru"])
@pytest.mark.parametrize("kind", ["stacked", "differentiated"])
def test_what_is_declared_of_stacks_is_drawn(cell, kind):
    """Stacks are drawn however little of them is declared; cases of single layers are no stand-in."""
    for values in product(*STACKED.values()):
        facts = Facts("theirs", **dict(zip(STACKED, values, strict=True)))
        if facts.layers > 1 or facts.merge_modes or facts.last_output:
            assert any(map(is_stacked, possible_variants(cell, kind, facts))), facts
