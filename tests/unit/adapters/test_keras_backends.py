"""Keras on each of its backends: one in a process, and the name that is asked for decides which.

Importing it takes seconds, so a process is asked several things.
"""

import os
import re
import subprocess
import sys

import pytest

from rnn_lockstep.adapters.backends.registry import BUILT_IN
from tests.command_line.running import ROOT, run_pytest

TAGS = ("jax", "torch")
IMPORTED = "import sys; print(*(m for m in ('torch', 'tensorflow', 'keras', 'jax') if m in sys.modules))"
CHECK = """
from rnn_lockstep.adapters import lockstep_check
layer = load('keras:{tag}').keras.layers.LSTM(4, return_sequences=True, return_state=True)
layer.build((None, None, 3))
print(lockstep_check(layer, layer, examples=5))
"""


def loaded(*statements: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run statements after `load` is imported, in a process of its own."""
    code = "\n".join(["from rnn_lockstep.adapters import load", *statements])
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_name_decides_and_not_the_environment():
    run = loaded("print(load('keras').facts.version)", KERAS_BACKEND="jax")
    assert " (tensorflow " in run.stdout, run.stderr


@pytest.mark.parametrize(("tag", "other"), [TAGS, TAGS[::-1]])
def test_the_name_decides_on_what_a_process_has_keras(tag, other):
    """It imports that backend only, asks live layers on it, and needs another process for another."""
    load = f"load('keras:{tag}')"
    statements = (f"print({load}.facts.version)", IMPORTED, CHECK.format(tag=tag), f"load('keras:{other}')")
    run = loaded(*statements, KERAS_BACKEND=other)
    version, imported, verdict, *_ = [*run.stdout.splitlines(), "", "", ""]
    assert f" ({tag} " in version, run.stderr
    assert {*imported.split()} == {"keras", "jax", tag}  # torch's part of Keras imports JAX
    assert verdict == "match", run.stdout
    assert run.stderr.strip().endswith(
        f"backend keras:{other} cannot be made: RuntimeError: Keras is on {tag} in this process, and is "
        f"needed on {other}: two configurations of Keras on different backends need a process each"
    )


@pytest.mark.parametrize("tag", TAGS)
def test_the_contract_is_kept_and_every_cell_is_right_but_for_what_is_known(tag):
    """Of the contract, run the tests that ask nothing in float64, in which Keras is known to be wrong."""
    contract = "layout or strides or refusal or reused or refused"
    known = f"--known-failures=tests/known_failures/keras-{tag}.toml"
    run = run_pytest(
        *("tests/unit/adapters/test_contract.py", "tests/parity", "--backend", f"keras:{tag}", known, "-rp"),
        *("--max-examples", "10"),
        *("-k", f"{contract} or test_variants or test_known_failure or test_the_notebook"),
    )
    assert run.returncode == 0, run.stdout
    assert len(re.findall(r"^PASSED tests/unit/adapters/test_contract.py::", run.stdout, re.MULTILINE)) == 12
    assert re.search(rf"^keras:{tag}: .*fails as is known in", run.stdout, re.MULTILINE)
    assert " xfailed" in run.stdout


@pytest.mark.parametrize("tag", TAGS)
def test_its_other_routes_are_right_but_for_what_is_known(tag):
    names = [name for name in BUILT_IN if name.startswith(f"keras:{tag}-")]
    backends = [f"--backend={name}" for name in names]
    tests = "test_known_failure or test_variants or test_padded_batch or test_reverse"
    run = run_pytest("tests/parity", *backends, "--max-examples", "3", "-k", tests)
    assert run.returncode == 0, run.stdout
    for name in names:
        verdict = rf"^lockstep: .*{name} .* is wrong as is known"
        assert re.search(verdict, run.stdout, re.MULTILINE), run.stdout


RAISING = """
from pathlib import Path
from rnn_lockstep.adapters.saved_cases.saved_case import load as saved
case = saved(Path('tests/known_failures/cases/keras-jax-simple_rnn-tanh-float64.safetensors')).case
adapter = load('keras:jax-predict')
for _ in range(2):
    try:
        adapter.run(case)
    except TypeError as error:
        print(' '.join(str(error).split()))
"""


def test_a_model_that_raised_is_made_anew():
    """On JAX it has no weights any more, and would raise another error the second time."""
    first, second = loaded(RAISING).stdout.splitlines()
    assert first == second
    assert "carry input and carry output must have equal types" in first
