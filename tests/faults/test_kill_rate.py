"""Every fault of the catalogue fails the parity suite, run as a user runs it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_lockstep.reference.diagnosis.mistakes import FAMILIES as KNOWN
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from rnn_lockstep.reference.diagnosis.mistakes.gradients import GRADIENTS
from rnn_lockstep.tests.harness.saving import NAME
from rnn_lockstep.tests.harness.session import FAULTS as COUNTED
from tests.command_line.running import ROOT, as_a_user
from tests.faults.catalogue import FAULTS, VARIANTS, WRITTEN

FAMILIES = sorted({fault.family for fault in FAULTS.values()})
STARTS = 2  # of pytest for a module: each has to import everything, and takes as long as twenty faults
# The test that a fault, or a family of faults, is most likely to fail is tried first, to save time. The rest
# of the suite comes after.
FIRST = {
    "directions": "test_layers_and_directions",
    "stacks": "test_layers_and_directions",
    "padding": "test_lengths",
    "reverse": "test_reverse",
    "half types": "test_half_types",
    "subnormal numbers": "test_half_types",
    "gradients": "test_gradients",
    "training": "test_training",
    "drift": "test_drift",
    "size": "test_sizes_on_boundaries",
    "strided_input_read_as_contiguous": "test_every_step",
    "w_transposed": "test_empty_and_single",
    "w_and_u_swapped": "test_empty_and_single",
    "input_added_to_the_new_state": "test_empty_and_single",
    "input_added_to_the_outputs": "test_empty_and_single",
    "wide_stacks_in_tf32": "test_drift_of_what_is_not_shown",
    "wide_merged_outputs_too_large": "test_drift_of_what_is_not_shown",
    "gradients_of_biases_of_the_first_layer": "test_gradients_over_many_steps",
    "gradients_projection_missing": "test_gradients_of_stacks",
    "gradients_truncated_after_16_steps": "test_gradients_over_many_steps",
    "gradients_of_stacks_truncated_after_16_steps": "test_gradients_over_many_steps",
    "stacks_second_layer_reset_every_16_steps": "test_sizes_on_boundaries",
    "lstm_cell_states_clipped_at_16_over_64_steps": "test_long_sequences",
    "gradients_stop_below_the_last_layer": "test_gradients_of_stacks",
    "gradients_of_the_backward_direction_missing": "test_gradients_of_stacks",
    "gradients_of_a_reverse_layer_not_flipped": "test_gradients_of_stacks",
    "clip": "test_variants",
    "clip_of_the_first_case_kept": "test_variants",
    "lstm_input_forget_ignored": "test_variants",
    "lstm_input_forget_of_the_forget_gate": "test_variants",
    "projection": "test_variants",
    "tanh_for_the_activation": "test_variants",
    "lstm_tanh_for_the_candidate": "test_variants",
    "lstm_tanh_for_the_output": "test_variants",
    "sigmoid_for_hard_sigmoid": "test_variants",
    "hard_sigmoid_of_keras_2_for_keras_3": "test_stack_is_its_cells",
    "final_state_is_zero_without_steps": "test_lengths",
    "final_state_of_the_last_column": "test_lengths",
    "reverse_final_state_of_the_last_column": "test_reverse",
    "state_reset_at_step_200": "test_long_sequences",
    "lengths_in_int8": "test_long_sequences",
    "lengths_in_uint8": "test_long_sequences",
    "answers_share_one_buffer": "test_other_weights_in_the_same_layer",
    "state_written_into_the_argument": "test_other_weights_in_the_same_layer",
    "last_output_is_the_initial_state_of_an_empty_row": "test_last_output",
    **{name: "test_padding_anywhere" for name in FAULTS if "mask" in name},
    "lengths_ignored_masks_known": "test_half_types",
}


def first_of(name: str) -> str:
    """The test that is tried first on a fault, a part of its name; empty for the suite's own first."""
    return FIRST.get(name, FIRST.get(FAULTS[name].family, ""))


def killed(backend: str, failure: str) -> bool:
    """Tell whether the suite says that a backend is wrong, and neither it nor the suite has crashed.

    failure: the test and the first line of its error. A fault that depends on the call fails one time and
    not the next, which Hypothesis reports as FlakyFailure.
    """
    return failure.partition(": ")[2].startswith((f"AssertionError: {backend}", "FlakyFailure: "))


def test_no_two_faults_have_the_same_name() -> None:
    """Find every mistake of every family and every fault of the catalogue under its own name."""
    assert len(MISTAKES) == sum(map(len, KNOWN.values()))
    assert len(FAULTS) == len(MISTAKES) + len(GRADIENTS) + len(VARIANTS) + len(WRITTEN)


@pytest.mark.parametrize("start", range(STARTS))
@pytest.mark.parametrize("module", ["catalogue", "compiling"])
def test_every_fault_is_caught(
    module: str,
    start: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    """Catch the faults of some of the families, all in one start of pytest."""
    families = FAMILIES[start::STARTS]
    names = [name for name, fault in FAULTS.items() if fault.family in families]
    first = {f"tests.faults.{module}:{name}": first_of(name) for name in names}
    failures = first_failures(first, tmp_path / "failures.json", "--in-process")
    caught = {backend.partition(":")[2] for backend, why in failures.items() if killed(backend, why)}
    request.node.stash[COUNTED] = []
    for family in families:
        planted = {name for name in names if FAULTS[name].family == family}
        request.node.stash[COUNTED].append((f"{module}: {family}", len(caught & planted), len(planted)))
        record_property(family, f"{len(caught & planted)} of {len(planted)} killed")
    missed = {name: failures.get(f"tests.faults.{module}:{name}", "all passed") for name in names}
    missed = {name: why for name, why in missed.items() if name not in caught}
    assert not missed, f"not caught: {missed}"


def test_faults_are_caught_in_processes_of_their_own(tmp_path: Path) -> None:
    """Catch one fault of each family, and all that keep something or write into their arguments."""
    by_family = {fault.family: name for name, fault in FAULTS.items()}
    names = {*by_family.values(), *(name for name, fault in FAULTS.items() if fault.family == "memory")}
    first = {f"tests.faults.catalogue:{name}": first_of(name) for name in sorted(names)}
    failures = first_failures(first, tmp_path / "failures.json")
    caught = {backend.partition(":")[2] for backend, why in failures.items() if killed(backend, why)}
    assert caught == names, f"not caught: {sorted(names - caught)}; failures: {failures}"


def first_failures(first: dict[str, str], results: Path, *options: str) -> dict[str, str]:
    """Run the parity suite with its default number of examples; return each failed backend's first failure.

    first: which test of a backend comes first, a part of its name.
    """
    command = [sys.executable, "-m", "pytest", "tests/parity", "-q", "--tb=line", "--hypothesis-profile=ci"]
    command += [*options, *(option for backend in first for option in ("--backend", backend))]
    command += ["-p", "tests.faults.first_failure", "-p", "no:cacheprovider", "-p", f"no:{NAME}"]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=as_a_user(LOCKSTEP_FAILURES=str(results), LOCKSTEP_FIRST=json.dumps(first)),
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    failures: dict[str, str] = json.loads(results.read_text())
    return failures
