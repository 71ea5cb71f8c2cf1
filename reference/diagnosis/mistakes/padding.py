"""Mistakes with padding: sequences of different lengths, masks, and layers that run backwards."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.reference.diagnosis.mistakes.mistake import (
    Mistake,
    with_states,
    without_padding,
    zeros_in_padding,
)
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import State, Weights
from rnn_lockstep.reference.oracle.trace import Trace

# Lengths.


def with_lengths(change: Any) -> Any:
    return lambda case: (
        case if case.lengths is None else replace(zeros_in_padding(case), lengths=change(case, case.lengths))
    )


def repeated(case: Case, trace: Trace) -> Trace:
    if not case.return_sequences:
        return trace
    columns: list[Any] = [trace.outputs[:, :1]]
    for t in range(1, case.time):
        counts = case.valid[:, t, None, None]
        columns.append(np.where(counts, trace.outputs[:, t : t + 1], columns[-1]))
    return replace(trace, outputs=np.concatenate(columns, axis=1) if case.time else trace.outputs)


def zeros_on_padding(case: Case, trace: Trace) -> Trace:
    if not case.return_sequences:
        return trace
    counts: Any = case.valid[..., None]
    return replace(trace, outputs=np.where(counts, trace.outputs, 0))


def nan_on_padding(case: Case, trace: Trace) -> Trace:
    if not case.return_sequences:
        return trace
    counts: Any = case.valid[..., None]
    leak: Any = 0 * case.inputs.sum(axis=-1, keepdims=True)
    return replace(trace, outputs=np.where(counts, trace.outputs, leak))


def sorted_by_length(case: Case) -> Case:
    if case.lengths is None:
        return case
    order = np.argsort(-case.lengths, kind="stable")
    ordered = replace(case, inputs=case.inputs[order], lengths=case.lengths[order])
    return with_states(ordered, *(state[..., order, :] for state in case.start))


def put_back_by_the_permutation(case: Case, trace: Trace) -> Trace:
    if case.lengths is None or case.more_weights:
        return trace
    order = np.argsort(-case.lengths, kind="stable")
    arrays: list[Any] = [trace.outputs, *trace.states]
    return Trace(*(array[order][order] for array in arrays))


def rows_not_put_back(case: Case, trace: Trace) -> Trace:
    if case.lengths is None:
        return trace
    order = np.argsort(-case.lengths, kind="stable")
    ends = trace.final_state, trace.final_cell_state
    final, cell = (None if state is None else state[..., order, :] for state in ends)
    return replace(trace, outputs=trace.outputs[order], final_state=final, final_cell_state=cell)


def outputs_not_put_back(case: Case, trace: Trace) -> Trace:
    return replace(trace, outputs=rows_not_put_back(case, trace).outputs)


def beyond_zeros(change: Any) -> Any:
    return lambda case, trace: zeros_on_padding(case, change(case, trace))


def outputs_put_back(case: Case, trace: Trace) -> Trace:
    if case.lengths is None:
        return trace
    back = np.argsort(np.argsort(-case.lengths, kind="stable"))
    return replace(trace, outputs=trace.outputs[back])


NOT_PUT_BACK = "the rows are in the order of their lengths: sorted by length, and not put back"
OUTPUTS_NOT_PUT_BACK = (
    "the rows are sorted by length, and the outputs not put back in order, but the final states"
)
ZEROS_BEYOND = " (with zeros beyond each row's own length)"
LENGTHS: dict[str, Mistake] = {
    "lengths_ignored": Mistake(
        "the padding is not known as such: every step counts", change_case=without_padding
    ),
    "outputs_alive_on_padding": Mistake(
        "outputs go on through the padding; they must be zero there",
        change_case=without_padding,
        final_states_of=lambda case: case,
    ),
    "final_state_runs_on": Mistake(
        "the final state is that after the padding; it must be that of the last step that counts",
        final_states_of=without_padding,
    ),
    "outputs_repeated_on_padding": Mistake(
        "outputs are repeated on padding (what Keras does with a mask); they must be zero there",
        change_trace=repeated,
    ),
    "padding_leaks": Mistake(
        "the outputs on padding are NaN, as where what is in the padding is multiplied by zero",
        change_trace=nan_on_padding,
    ),
    "lengths_one_too_short": Mistake(
        "the lengths are one too short", change_case=with_lengths(lambda case, n: np.maximum(n - 1, 0))
    ),
    "lengths_one_too_long": Mistake(
        "the lengths are one too long", change_case=with_lengths(lambda case, n: np.minimum(n + 1, case.time))
    ),
    "lengths_in_int8": Mistake(
        "the lengths are taken in int8: those over 127 are negative, and the rows have no steps",
        change_case=with_lengths(lambda case, n: np.maximum(n.astype(np.int8).astype(int), 0)),
    ),
    "lengths_in_uint8": Mistake(
        "the lengths are taken in uint8: those over 255 begin again at 0",
        change_case=with_lengths(lambda case, n: n.astype(np.uint8).astype(int)),
    ),
    "lengths_of_the_row_before": Mistake(
        "each row has the length of the row before", change_case=with_lengths(lambda case, n: np.roll(n, 1))
    ),
    "lengths_padding_in_front": Mistake(
        "the padding is taken to be in front",
        change_case=lambda case: (
            case
            if case.lengths is None
            else replace(
                zeros_in_padding(case),
                lengths=None,
                mask=np.arange(case.time) >= case.time - case.lengths[:, None],
            )
        ),
    ),
    "lengths_rows_not_put_back": Mistake(NOT_PUT_BACK, change_trace=rows_not_put_back),
    "lengths_outputs_not_put_back": Mistake(OUTPUTS_NOT_PUT_BACK, change_trace=outputs_not_put_back),
    # As they are where only the steps that count are looked at.
    "lengths_rows_not_put_back_zeros_beyond": Mistake(
        f"{NOT_PUT_BACK}{ZEROS_BEYOND}", change_trace=beyond_zeros(rows_not_put_back)
    ),
    "lengths_outputs_not_put_back_zeros_beyond": Mistake(
        f"{OUTPUTS_NOT_PUT_BACK}{ZEROS_BEYOND}", change_trace=beyond_zeros(outputs_not_put_back)
    ),
    "lengths_states_not_put_back": Mistake(
        "the rows are sorted by length, and the final states not put back in order",
        change_case=sorted_by_length,
        change_trace=outputs_put_back,
    ),
    "lengths_rows_put_back_by_the_permutation": Mistake(
        "the rows are sorted by length, and put back by the permutation where its inverse is needed",
        change_trace=put_back_by_the_permutation,
    ),
}

# Masks.


def with_mask(change: Any) -> Any:
    return lambda case: case if case.mask is None else replace(zeros_in_padding(case), **change(case.mask))


def until_last(mask: Any) -> Any:
    return np.maximum.accumulate(mask[:, ::-1], axis=1)[:, ::-1]


def reset_on_padding(case: Case, run: Any, direction: Any, inputs: Any) -> Any:
    if case.mask is None:
        return run(direction, inputs)

    def step(t: int, x_t: Any, state: State, weights: Weights) -> State:
        counts: Any = case.mask[:, t, None]  # type: ignore[index]
        return tuple(np.where(counts, new, 0) for new in case.step(x_t, state, weights))

    return run(direction, inputs, step, without_padding(case))


MASKS: dict[str, Mistake] = {
    "masks_counted_as_lengths": Mistake(
        "the mask is counted, and as many of the first steps taken",
        change_case=with_mask(lambda mask: {"lengths": mask.sum(axis=1), "mask": None}),
    ),
    "masks_end_at_the_last_step_that_counts": Mistake(
        "only padding after the last step that counts is skipped; that before it is eaten",
        change_case=with_mask(lambda mask: {"mask": until_last(mask)}),
    ),
    "masks_inverted": Mistake("the mask is inverted", change_case=with_mask(lambda mask: {"mask": ~mask})),
    "masks_one_step_late": Mistake(
        "the mask is one step late", change_case=with_mask(lambda mask: {"mask": np.roll(mask, 1, axis=1)})
    ),
    "masks_reset_the_state": Mistake(
        "padding resets the state to zero", change_case=zeros_in_padding, run_direction=reset_on_padding
    ),
}

# Layers that run backwards.


def forwards(case: Case) -> Case:
    return replace(case, reverse=False)


def flipped(case: Case, trace: Trace) -> Trace:
    return replace(trace, outputs=trace.outputs[:, ::-1]) if case.reverse and case.return_sequences else trace


def in_reverse(case: Case) -> Case:
    """Run a layer of one direction from the last step to the first."""
    return replace(case, reverse=True) if case.merge_mode is None else case


REVERSE: dict[str, Mistake] = {
    "reverse_ignored": Mistake("the layer runs forwards; it must run in reverse", change_case=forwards),
    "reverse_unasked": Mistake("the layer runs in reverse; it must run forwards", change_case=in_reverse),
    "reverse_outputs_not_flipped_back": Mistake(
        "the outputs are in the order in which the reverse layer made them; "
        "they must be in that of the inputs",
        change_trace=flipped,
    ),
    "reverse_eats_the_padding": Mistake(
        "the reverse layer begins with the padding, and eats it",
        change_case=lambda case: without_padding(case) if case.reverse else case,
        change_trace=zeros_on_padding,
    ),
}
