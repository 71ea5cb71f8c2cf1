"""Faults with padding: sequences of different lengths, and masks."""

from dataclasses import replace

import numpy as np

from adapters import Case, Trace
from tests.faults.faulty import Array, fault, run_cell


def filled(case: Case) -> Case:
    """The case with zeros in its padding, which would show itself otherwise."""
    return replace(case, inputs=np.where(case.valid[..., None], case.inputs, 0).astype(case.dtype))


def without_lengths(case: Case) -> Trace:
    return run_cell(case if case.lengths is None else replace(filled(case), lengths=None))


@fault("lengths")
def lengths_ignored(case: Case) -> Trace:
    return without_lengths(case)


@fault("lengths")
def lengths_outputs_alive_after_the_end(case: Case) -> Trace:
    return Trace(without_lengths(case).outputs, run_cell(case).final_state)


@fault("lengths")
def lengths_final_state_of_the_last_column(case: Case) -> Trace:
    return Trace(run_cell(case).outputs, without_lengths(case).final_state)


@fault("lengths")
def lengths_outputs_repeated_after_the_end(case: Case) -> Trace:
    """What Keras does with a mask, not normalised."""
    trace = run_cell(case)
    outputs = trace.outputs.copy()
    for t in range(1, case.time):
        outputs[:, t] = np.where(case.valid[:, t, None], outputs[:, t], outputs[:, t - 1])
    return Trace(outputs, trace.final_state)


@fault("lengths")
def lengths_one_too_short(case: Case) -> Trace:
    if case.lengths is None:
        return run_cell(case)
    return run_cell(replace(case, lengths=np.maximum(case.lengths - 1, 0)))


@fault("lengths")
def lengths_of_the_row_before(case: Case) -> Trace:
    return run_cell(case if case.lengths is None else replace(filled(case), lengths=np.roll(case.lengths, 1)))


@fault("lengths")
def lengths_sorted_and_not_put_back(case: Case) -> Trace:
    if case.lengths is None:
        return run_cell(case)
    order = np.argsort(-case.lengths, kind="stable")
    trace = run_cell(
        replace(case, inputs=case.inputs[order], lengths=case.lengths[order], initial_state=case.h0[order])
    )
    return Trace(trace.outputs[np.argsort(order)], trace.final_state)


@fault("lengths")
def lengths_final_state_zero_for_an_empty_row(case: Case) -> Trace:
    trace = run_cell(case)
    empty = ~case.valid.any(axis=1, keepdims=True) & (case.time > 0)
    return Trace(trace.outputs, np.where(empty, 0, trace.final_state).astype(case.dtype))


@fault("lengths")
def lengths_padding_multiplied_by_zero(case: Case) -> Trace:
    """NaN times zero is NaN: the padding leaks."""
    trace = run_cell(case)
    leak = 0 * case.inputs.sum(axis=-1, keepdims=True)  # 0 on steps that count, NaN on padding
    return Trace(trace.outputs + leak, trace.final_state)


@fault("lengths", cell="lstm")
def lengths_cell_state_runs_on(case: Case) -> Trace:
    trace = run_cell(case)
    return Trace(trace.outputs, trace.final_state, without_lengths(case).final_cell_state)


@fault("lengths", cell="gru")
def lengths_padding_eaten_as_zeros(case: Case) -> Trace:
    """The state goes on through the padding, though the outputs there are hidden."""
    on, right = without_lengths(case), run_cell(case)
    return Trace(right.outputs, on.final_state)


@fault("masks")
def masks_counted_as_lengths(case: Case) -> Trace:
    """As many steps as the mask has, but the first ones."""
    if case.mask is None:
        return run_cell(case)
    return run_cell(replace(filled(case), lengths=case.mask.sum(axis=1), mask=None))


@fault("masks")
def masks_end_at_the_last_step_that_counts(case: Case) -> Trace:
    """The padding before it is eaten."""
    if case.mask is None:
        return run_cell(case)
    until = np.maximum.accumulate(case.mask[:, ::-1], axis=1)[:, ::-1]
    return run_cell(replace(filled(case), mask=until))


@fault("masks")
def masks_reset_the_state(case: Case) -> Trace:
    """On padding the state becomes zero instead of staying as it is."""
    if case.mask is None:
        return run_cell(case)
    times = iter(range(case.time))

    def step(x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        counts = case.mask[:, next(times), None]
        return tuple(np.where(counts, s, 0).astype(case.dtype) for s in case.step(x, state))

    return run_cell(replace(filled(case), mask=None), step)


@fault("masks")
def masks_inverted(case: Case) -> Trace:
    return run_cell(case if case.mask is None else replace(filled(case), mask=~case.mask))


@fault("masks")
def masks_one_step_late(case: Case) -> Trace:
    if case.mask is None:
        return run_cell(case)
    return run_cell(replace(filled(case), mask=np.roll(case.mask, 1, axis=1)))


@fault("masks")
def masks_outputs_alive_on_padding(case: Case) -> Trace:
    trace = run_cell(case)
    if case.mask is None:
        return trace
    return replace(trace, outputs=run_cell(replace(filled(case), mask=None)).outputs)


@fault("masks", cell="lstm")
def masks_cell_state_runs_on(case: Case) -> Trace:
    trace = run_cell(case)
    if case.mask is None:
        return trace
    return replace(trace, final_cell_state=run_cell(replace(filled(case), mask=None)).final_cell_state)
