"""Faults of layers that run backwards."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from tests.faults.catalogue.lengths import filled
from tests.faults.faulty import fault, run_cell


@fault("reverse")
def reverse_ignored(case: Case) -> Trace:
    return run_cell(replace(case, reverse=False))


@fault("reverse")
def reverse_outputs_not_flipped_back(case: Case) -> Trace:
    trace = run_cell(case)
    return Trace(trace.outputs[:, ::-1] if case.reverse else trace.outputs, trace.final_state)


@fault("reverse")
def reverse_final_state_of_the_last_column(case: Case) -> Trace:
    """`outputs[:, -1]` taken for the final state, as of a forward layer."""
    trace = run_cell(case)
    mistaken = case.reverse and case.lengths is None and case.time
    return Trace(trace.outputs, trace.outputs[:, -1].copy() if mistaken else trace.final_state)


@fault("reverse")
def reverse_eats_the_padding(case: Case) -> Trace:
    """The padding, which comes first, changes the state that the rows begin with."""
    if not case.reverse or case.lengths is None:
        return run_cell(case)
    trace = run_cell(replace(filled(case), lengths=None))
    return Trace(np.where(case.valid[..., None], trace.outputs, 0).astype(case.dtype), trace.final_state)


@fault("reverse")
def reverse_initial_state_ignored(case: Case) -> Trace:
    return run_cell(replace(case, initial_state=None) if case.reverse else case)


@fault("reverse", cell="lstm")
def reverse_lstm_cell_state_ignored(case: Case) -> Trace:
    given = case.reverse and case.initial_cell_state is not None
    return run_cell(replace(case, initial_cell_state=0 * case.c0) if given else case)
