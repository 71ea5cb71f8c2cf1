"""Every fault of the catalogue fails the parity suite, run as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_lockstep.tests.harness.saving import NAME
from rnn_lockstep.tests.harness.session import FAULTS as COUNTED
from tests.faults.catalogue import FAULTS

FAMILIES = sorted({fault.family for fault in FAULTS.values()})
ROOT = Path(__file__).parents[2]
# Where a family is most likely to fail is tried first, to save time; the rest of the suite comes after.
FIRST = {
    "directions": "test_stacks",
    "stacks": "test_stacks",
    "padding": "test_lengths",
    "reverse": "test_reverse",
    "half types": "test_half_types",
    "gradients": "test_gradients",
    "training": "test_training",
}
# A fault counts as killed when the suite says it is wrong, not when the fault itself crashes. A fault
# that depends on the call fails one time and not the next, which Hypothesis reports as FlakyFailure.
VERDICTS = ("AssertionError: ", "FlakyFailure: ")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_fault_is_caught(
    family: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    names = [name for name, fault in FAULTS.items() if fault.family == family]
    backends = [f"tests.faults.catalogue:{name}" for name in names]
    failures = first_failures(backends, tmp_path / "failures.json", FIRST.get(family, ""))
    killed = {
        backend.partition(":")[2]
        for backend, why in failures.items()
        if why.partition(": ")[2].startswith(VERDICTS)
    }
    request.node.stash[COUNTED] = (family, len(killed), len(names))
    for name, value in (("family", family), ("killed", len(killed)), ("planted", len(names))):
        record_property(name, value)
    assert killed == set(names), f"not caught: {sorted(set(names) - killed)}; failures: {failures}"


def first_failures(backends: list[str], results: Path, first: str) -> dict[str, str]:
    """Run the parity suite with its default number of examples; each failed backend's first failure."""
    options = [option for backend in backends for option in ("--backend", backend)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/parity",
        "-q",
        "--hypothesis-profile=ci",
        *options,
    ]
    run = subprocess.run(
        [*command, "-p", "tests.faults.first_failure", "-p", "no:cacheprovider", "-p", f"no:{NAME}"],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": "", "LOCKSTEP_FAILURES": str(results), "LOCKSTEP_FIRST": first},
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    failures: dict[str, str] = json.loads(results.read_text())
    return failures
