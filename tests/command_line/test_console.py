"""The command rnn-lockstep in a folder of somebody else's: what it prints, its exit codes."""

import re
import subprocess
import sys

import pytest

from rnn_lockstep.adapters.__main__ import main
from tests.command_line.running import as_a_user, run_pytest
from tests.command_line.test_again import shell
from tests.unit.adapters.files.layers import make_layer, saved

THEIRS = """
from dataclasses import replace
from rnn_lockstep.adapters import Facts
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
import adapters, reference, tests

class Right(NumpyAdapter):
    facts = Facts("right")

class Transposed(Right):
    def run(self, case):
        return super().run(replace(case, U=case.U.T))

def answers(x):
    return x[..., :1]
"""


@pytest.fixture
def theirs(tmp_path):
    """A project with packages and a pytest configuration of its own, and two model files."""
    for name in ("adapters", "reference", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "theirs.py").write_text(THEIRS)
    (tmp_path / "conftest.py").write_text("raise RuntimeError('their conftest.py was loaded')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --their-option\n")
    layer = make_layer("gru")
    saved(tmp_path / "source.npz", [layer])
    saved(tmp_path / "other.npz", [make_layer("gru", biases=(True, False))])
    return tmp_path


def lockstep(folder, *arguments):
    """Run `rnn-lockstep ARGUMENTS` in a folder."""
    command = [sys.executable, "-m", "rnn_lockstep.adapters", *arguments]
    wide = as_a_user(COLUMNS="150")
    return subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True)


def test_a_right_port_is_a_match(theirs, capsys):
    paths = [str(theirs / "source.npz")] * 2
    assert main(["check", *paths, "--layer", "encoder", "--max-examples", "3"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["match", "  source: source.npz, encoder (gru, 3 -> 4, float32)"]
    assert "  sequences: 3 match" in "\n".join(printed)


def test_a_wrong_port_is_told_as_by_pytest(theirs):
    files = ("source.npz", "other.npz")
    run = lockstep(theirs, "check", *files)
    assert run.returncode == 1, run.stderr
    assert run.stdout.startswith("mismatch: ")
    source, target = (str(theirs / name) for name in files)
    by_pytest = run_pytest("tests/port", f"--source={source}", f"--target={target}")
    assert by_pytest.returncode == 1
    assert run.stdout in by_pytest.stdout


PORTS = """
import torch

source = torch.nn.RNN(4, 4, batch_first=True)
ORDER = torch.tensor([2, 0, 3, 1])

class Renumbered(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.RNN(4, 4, batch_first=True)
        weights = {name: array[ORDER] for name, array in source.state_dict().items()}
        weights["weight_hh_l0"] = weights["weight_hh_l0"][:, ORDER]
        self.layer.load_state_dict(weights)

    def forward(self, x):
        return self.layer(x)[0][..., torch.argsort(ORDER)]
"""


def test_other_weights_are_wrong_though_the_answers_are_right(tmp_path):
    (tmp_path / "ports.py").write_text(PORTS)
    run = lockstep(tmp_path, "check", "ports:source", "ports:Renumbered", "--max-examples", "2")
    first, second, *_ = run.stdout.splitlines()
    assert first.startswith("weights: W has your rows 2, 0, 3, 1; ")
    assert (run.returncode, second) == (1, "match")


def test_a_function_of_a_module_is_looked_up_in_the_folder(theirs):
    run = lockstep(theirs, "check", "source.npz", "theirs:answers")
    assert run.returncode == 1
    assert run.stdout.startswith("mismatch: ")
    assert "  target: theirs:answers" in run.stdout.splitlines()


HEAD = """
import torch
from torch import nn

torch.manual_seed(0)
source = nn.GRU(4, 4, batch_first=True)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = source, nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.layer(x)[0])
"""


def test_a_layer_of_a_model_alone_is_only_a_part(tmp_path):
    (tmp_path / "ports.py").write_text(HEAD)
    run = lockstep(tmp_path, "check", "ports:source", "ports:Model", "--max-examples", "2")
    assert run.returncode == 5
    assert run.stdout.startswith("match: layer layer alone; the model around it was not run\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.npz", "{}/source.npz"], "error: none.npz: No such file or directory\n"),
        (["{}/source.npz", "nowhere:build"], "error: nowhere:build: ModuleNotFoundError: No module named"),
        (["{}/source.npz", "{}/source.npz", "--layer", "x"], "error: source.npz has no recurrent layer x"),
        (["{}/source.npz"], "error: the following arguments are required: target\n"),
        (["{}/source.npz", "{}/source.npz", "--max-examples", "0"], "0, needs at least 1\n"),
        (["{}/source.npz", "{}/source.npz", "--layers", "x"], "unrecognized arguments: --layers x\n"),
    ],
)
def test_what_cannot_be_checked_has_a_code_of_its_own(arguments, message, theirs, capsys):
    given = ["check", *(argument.format(theirs) for argument in arguments)]
    try:
        code = main(given)
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    assert (code, printed.out) == (4, "")
    assert message in printed.err
    assert "Traceback" not in printed.err


def test_the_options_of_check_are_those_of_pytest(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    ours = set(re.findall(r"^ +(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    group = run_pytest("--help").stdout.partition("lockstep: check a port:")[2].partition("\n\n")[0]
    theirs = set(re.findall(r"^ +(--[a-z-]+)", group, re.MULTILINE))
    assert theirs - {"--source", "--target"} == ours - {"--max-examples"}
    assert len(theirs) > 4


def test_a_backend_is_tested_where_nothing_of_the_suite_is(theirs):
    options = ("--max-examples", "2", "-k", "step", "-p", "no:cacheprovider")
    run = lockstep(theirs, "test", "--backend", "theirs:Right", *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "warning" not in run.stdout + run.stderr
    assert "theirs:Right: not tested on: float16" in run.stdout
    assert not (theirs / ".lockstep").exists()


@pytest.mark.parametrize("test", ["test_every_step.py::test_every_step", "test_laws.py"])
def test_a_failure_is_run_again_by_the_command_that_it_names(test, theirs):
    run = shell(f"rnn-lockstep test parity/{test} --backend theirs:Transposed -x", theirs)
    assert run.returncode == 1, run.stdout + run.stderr
    [again] = set(re.findall(r"again: (rnn-lockstep test .*)", run.stdout))  # told twice where CI is set
    assert ("--replay=.lockstep/" in again) == (test != "test_laws.py")  # which depends on more than a case
    assert list((theirs / ".lockstep").glob("theirs-Transposed-*.safetensors"))
    repeated = shell(again, theirs)
    assert repeated.returncode == 1
    assert "theirs:Transposed" in repeated.stdout
    assert "1 failed in" in repeated.stdout
    assert f"again: {again}" in repeated.stdout


def test_its_wrong_options_are_one_line(theirs):
    run = lockstep(theirs, "test", "--backend", "nowhere:Backend")
    assert run.returncode == 4
    assert "ERROR: backend nowhere:Backend: there is no module nowhere" in run.stderr
