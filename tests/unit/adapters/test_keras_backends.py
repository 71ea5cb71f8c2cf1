"""Keras on each of its backends: one in a process, and the name that is asked for decides which."""

import os
import subprocess
import sys

import pytest

from tests.command_line.running import ROOT, run_pytest

TAGS = ("jax", "torch")


def loaded(*statements: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run statements after `load` is imported, in a process of its own."""
    code = "; ".join(["from rnn_lockstep.adapters import UnknownBackend, load", *statements])
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "framework", "variable"),
    [("keras", "tensorflow", "jax"), ("keras:jax", "jax", "torch"), ("keras:torch", "torch", "jax")],
)
def test_the_name_decides_and_not_the_environment(name, framework, variable):
    run = loaded(f"print(load({name!r}).facts.version)", KERAS_BACKEND=variable)
    assert f" ({framework} " in run.stdout, run.stderr


def test_two_backends_of_keras_need_two_processes():
    run = loaded("load('keras:jax')", "load('keras:jax')", "load('keras:torch')")
    assert run.stderr.strip().endswith(
        "backend keras:torch cannot be made: RuntimeError: Keras is on jax in this process, and is needed on "
        "torch: two configurations of Keras on different backends need a process each"
    )


@pytest.mark.parametrize("tag", TAGS)
def test_a_live_layer_is_asked_on_its_own_backend(tag):
    check = "from rnn_lockstep.adapters import lockstep_check"
    layer = f"layer = load('keras:{tag}').keras.layers.LSTM(4, return_sequences=True, return_state=True)"
    run = loaded(check, layer, "layer.build((None, None, 3))", "print(lockstep_check(layer, layer))")
    assert run.stdout.startswith("match\n"), run.stdout + run.stderr


@pytest.mark.parametrize("tag", TAGS)
def test_the_contract_is_kept(tag):
    """Run the tests of it that ask nothing in float64, in which Keras is known to be wrong."""
    chosen = "own_framework or layout or strides or refusal or reused or refused"
    run = run_pytest("tests/unit/adapters/test_contract.py", "--backend", f"keras:{tag}", "-k", chosen)
    assert "11 passed" in run.stdout, run.stdout


@pytest.mark.parametrize("tag", TAGS)
def test_every_cell_is_right_but_for_what_is_known(tag):
    known = f"--known-failures=tests/known_failures/keras-{tag}.toml"
    run = run_pytest(
        *("tests/parity", "--backend", f"keras:{tag}", known, "--max-examples", "10"),
        *("-k", "test_variants or test_known_failure or test_the_notebook"),
    )
    assert run.returncode == 0, run.stdout
    assert f"keras:{tag} fails as is known" in run.stdout
    assert " xfailed" in run.stdout
