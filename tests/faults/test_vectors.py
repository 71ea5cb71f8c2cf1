"""The conformance vectors kill every fault that a single answer can show to be outside its bound."""

import pytest

from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.conformance_vectors import vectors
from tests.faults.catalogue import FAULTS
from tests.vectors.killing import fails_of, first_wrong
from tests.vectors.onnx_nodes import node_cases, read

# Faults in wide layers that are smaller than the proven bound: a vector allows for any order of summation.
# The suite sees these by what rounding does in many answers together (`test_drift`), which no vector can.
WITHIN_THE_BOUND = {
    "u_too_large_by_a_millionth",
    "w_too_large_by_a_millionth",
    "bias_too_large_by_a_millionth",
    "bias_of_a_gate_too_large_by_a_millionth",
    "wide_sums_in_float16",
    "wide_tanh_off_by_2e_6",
}


@pytest.mark.parametrize("cell", CELLS)
def test_vectors_kill_all_faults_outside_the_bound(cell):
    ours = [vector for vector in vectors() if vector.case.cell == cell]
    alive = {f.name for f in FAULTS.values() if cell in f.cells and not first_wrong(f(), ours)}
    assert alive == {name for name in WITHIN_THE_BOUND if cell in FAULTS[name].cells}


def test_node_tests_of_onnx_kill_what_they_can_express_and_pass_what_is_right_there():
    """So that they are not made out to be worse than they are."""
    nodes = [read(name) for name in node_cases()]
    assert fails_of(FAULTS["w_dropped"](), nodes)
    assert fails_of(FAULTS["reverse_ignored"](), nodes)
    assert not fails_of(FAULTS["lengths_ignored"](), nodes)  # their sequences all have one length
