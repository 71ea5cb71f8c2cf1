"""Mistakes that a known failure may name: all that the diagnosis knows, and those of single frameworks."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from rnn_lockstep.reference import Case, Cotangents, Trace
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from rnn_lockstep.reference.diagnosis.mistakes.gradients import GRADIENTS, GradientMistake
from rnn_lockstep.reference.diagnosis.mistakes.gru import recurrent_bias_summed
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, without_padding
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.cells import CELLS as RECORDS
from rnn_lockstep.reference.oracle.cells import Cell, State, StepCotangents, split

Result = tuple[Any, State]


def hidden_on_padding(case: Case, trace: Trace) -> Trace:
    """Show zeros on padding, as the adapter of Keras does: of one direction, and in rows without steps."""
    if case.return_sequences and case.merge_mode:
        return trace
    counts: Any = case.valid[..., None] if case.return_sequences else case.valid.any(axis=1, keepdims=True)
    return replace(trace, outputs=np.where(counts, trace.outputs, 0))


def repeating(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    """Repeat the output before on padding, in the order in which a direction runs."""
    outputs, final = run(direction, inputs)
    order = range(case.time)[::-1] if direction.reverse else range(case.time)
    columns: dict[int, Any] = {}
    last = 0 * outputs[:, :1]
    for t in order:
        counts: Any = case.valid[:, t, None, None]
        last = columns[t] = np.where(counts, outputs[:, t : t + 1], last)
    return np.concatenate([columns[t] for t in range(case.time)], axis=1) if case.time else outputs, final


def masked_unreversed(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    """Put zeros where the mask of the inputs says, in the order in which a direction runs."""
    outputs, final = repeating(case, run, direction, inputs)
    counts: Any = (case.valid[:, ::-1] if direction.reverse else case.valid)[..., None]
    return np.where(counts, outputs, 0), final


def zero_where_the_end_is_padding(case: Case, trace: Trace) -> Trace:
    """Show zeros for the last output of rows whose last step does not count."""
    if case.return_sequences or not case.padded:
        return trace
    counts: Any = case.valid[:, 0 if case.reverse else -1, None]
    return replace(trace, outputs=np.where(counts, trace.outputs, 0))


def steps_for_none(case: Case) -> Case:
    """Give rows without steps all steps of their padding."""
    if case.lengths is None:
        return case
    return replace(case, lengths=np.where(case.lengths == 0, case.time, case.lengths))


def outputs_only_where_they_count(case: Case, trace: Trace) -> Trace:
    """Show zeros on padding."""
    if not case.return_sequences:
        return trace
    counts: Any = case.valid[..., None]
    return replace(trace, outputs=np.where(counts, trace.outputs, 0))


def states_after_the_first_step(case: Case, run: Any, direction: Direction, inputs: Any) -> Result:
    """Show the states of a layer in reverse after the step that it runs first."""
    outputs, final = run(direction, inputs)
    if not direction.reverse or not case.time:
        return outputs, final
    last = replace(without_padding(case), inputs=case.inputs[:, -1:])
    _, final = run(direction, inputs[:, -1:], None, last)
    return outputs, final


class GatesSwappedOnTheWayBack(Case):
    """A case of an LSTM whose steps hand f's derivatives back for g's, and g's for f's."""

    @property
    def record(self) -> Cell:
        """The record of the case's cell, with such a step back."""

        def step_back(*given: Any) -> StepCotangents:
            right = RECORDS[self.cell].step_back(*given)
            i, f, g, o = split(right.input_sum, 4)
            sums = np.concatenate([i, g, f, o], axis=-1)
            before = (sums @ given[2].U, *right.state[1:])
            return right._replace(state=before, input_sum=sums, recurrent_sum=sums)

        return replace(RECORDS[self.cell], step_back=step_back)


def swapped_on_the_way_back(case: Case, cotangents: Cotangents, run: Any) -> Any:
    """Propagate back through steps that take f and g for each other."""
    own = {each.name: getattr(case, each.name) for each in fields(case) if each.init}
    return run(GatesSwappedOnTheWayBack(**own), cotangents)


OWN: Mapping[str, Mistake] = {
    "keras_mask_ignored": Mistake(
        "the mask of Masking is ignored", change_case=without_padding, change_trace=hidden_on_padding
    ),
    "keras_outputs_repeated": Mistake(
        "each direction repeats its outputs on padding", run_direction=repeating
    ),
    "keras_mask_not_reversed": Mistake(
        "the backward direction has the mask of the inputs for its outputs", run_direction=masked_unreversed
    ),
    "keras_last_output_zero": Mistake(
        "the last output is zero where the last step is padding", change_trace=zero_where_the_end_is_padding
    ),
    "flax_row_without_steps_runs": Mistake(
        "the final state of a row without steps is that after its padding",
        change_case=steps_for_none,
        change_trace=outputs_only_where_they_count,
    ),
    "mnn_reset_after_the_product": Mistake(
        "the reset gate is applied after the product with U, to all but recurrent_b",
        recurrent_bias_summed,
        cells=("gru",),
        change_case=lambda case: replace(case, reset_after=True),
    ),
    "opencv_final_states_after_the_first_step": Mistake(
        "the final states of a layer in reverse are those after the step that it runs first",
        run_direction=states_after_the_first_step,
    ),
}
OWN_GRADIENTS: Mapping[str, GradientMistake] = {
    "tensorflow_gates_swapped_on_the_way_back": GradientMistake(
        "the gates f and g are taken for each other on the way back", swapped_on_the_way_back, cells=("lstm",)
    ),
}
NAMED: Mapping[str, Mistake] = {**MISTAKES, **OWN}
NAMED_OF_GRADIENTS: Mapping[str, GradientMistake] = {**GRADIENTS, **OWN_GRADIENTS}
