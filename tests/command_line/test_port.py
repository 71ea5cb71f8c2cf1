"""The check of a port on the command line: `pytest tests/port` prints a verdict, and exits accordingly."""

from typing import Any

import pytest
import torch

from tests.command_line.running import run_pytest

THEIRS = """
import torch
from torch import nn

torch.manual_seed(0)
source = nn.GRU(4, 4, batch_first=True)

def loaded(**options):
    port = nn.GRU(4, 4, **options)
    port.load_state_dict(source.state_dict())
    return port

def right():
    return loaded()

def summed():
    port = loaded(batch_first=True)
    with torch.no_grad():
        port.bias_ih_l0 += port.bias_hh_l0
        port.bias_hh_l0.zero_()
    return port

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = loaded(batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.relu(self.layer(x)[0]))

class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = loaded(batch_first=True)

    def forward(self, x):
        return torch.relu(self.layer(x)[0])

class Plain(Ends):
    def forward(self, x):
        return self.layer(x)[0]

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = loaded()

    def forward(self, x):
        return self.layer(x)[0]

def answers(x):
    return source(x)[0]

def cannot(x):
    return 1 / 0

def breaks():
    raise RuntimeError("weights not found")
"""
CAUSE = "recurrent_b is added to b: that of the candidate n belongs inside r∘(U·h + recurrent_b)"


@pytest.fixture
def theirs(tmp_path):
    """A folder with a module `theirs`, and a file of its source's weights."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    names: dict[str, Any] = {}
    exec(THEIRS, names)
    torch.save(names["source"].state_dict(), tmp_path / "source.pt")
    return tmp_path


def run(theirs, *options):
    return run_pytest("tests/port", *options, python_path=theirs)


def test_a_right_port_passes_and_is_told_about(theirs):
    done = run(theirs, "--source", str(theirs / "source.pt"), "--target", "theirs:right")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert "  source: source.pt, gru (gru, 4 -> 4, float32)" in done.stdout
    assert "  weights: W identical; U identical; b identical" in done.stdout
    assert "  sequences: 24 match; up to 5 rows and " in done.stdout


def test_a_wrong_port_fails_with_the_cause_first(theirs):
    done = run(theirs, "--source", "theirs:source", "--target", "theirs:summed")
    assert done.returncode == 1
    failures = done.stdout.partition("= FAILURES =")[2].splitlines()
    assert failures[2] == f"weights: {CAUSE}"
    assert f"mismatch: {CAUSE}" in failures
    assert "Traceback" not in done.stdout


def test_a_port_whose_weights_are_right_fails_by_what_it_does(theirs):
    done = run(theirs, "--source", "theirs:source", "--target", "theirs:Whole")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "mismatch: batch and time are mixed up" in done.stdout


def test_a_function_is_judged_by_its_answers_alone(theirs):
    done = run(theirs, "--source", "theirs:source", "--target", "theirs:answers", "--max-examples", "5")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert "weights: not compared: the target's cannot be read" in done.stdout
    assert "sequences: 5 match" in done.stdout
    assert "note: it takes no initial state" in done.stdout


def test_a_layer_of_a_model_alone_is_only_a_part(theirs):
    done = run(theirs, "--source", "theirs:source", "--target", "theirs:Model", "--max-examples", "4")
    assert done.returncode == 5, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    assert "\nmatch: layer layer alone; the model around it was not run\n" in done.stdout
    assert (
        "  note: Model.forward, does not fit: for inputs (2, 3, 4) its outputs are (2, 3, 2)" in done.stdout
    )


def test_what_cannot_be_asked_is_unusable(theirs):
    done = run(theirs, "--source", "theirs:source", "--target", "theirs:cannot")
    assert done.returncode == 4, done.stdout
    assert "theirs:cannot: cannot, called with" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "checking a port needs --source FILE and --target FILE"),
        (("--source", "none.pt", "--target", "theirs:right"), "none.pt: No such file or directory"),
        (("--source", "x" * 300 + ".pt", "--target", "theirs:right"), "...: File name too long"),
        (("--source", "theirs:source", "--target", "theirs:breaks"), "RuntimeError: weights not found"),
        (("--source", "theirs:source", "--target", "theirs:right", "--layer", "x"), "no recurrent layer x"),
    ],
)
def test_what_is_missing_is_told_in_one_line(options, message, theirs):
    done = run(theirs, *options)
    assert done.returncode == 4
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


WHOLE = ("--source", "theirs:Ends", "--inputs", "x:float (batch,time,4)", "--max-examples", "3")


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("theirs:Ends", 0, "match\n  source: theirs:Ends, the whole model"),
        ("theirs:Plain", 1, "after layer: the source applies relu, the port does not"),
        ("theirs:right", 4, "inputs are for two whole models"),
    ],
)
def test_whole_models_are_compared_where_both_are_that(theirs, target, code, says):
    done = run(theirs, *WHOLE, "--target", target)
    assert done.returncode == code, done.stdout
    assert says in done.stdout + done.stderr
