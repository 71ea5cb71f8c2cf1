"""Mistakes with the clip of the sums before the activation: which of them are clipped, and what else is."""

from typing import Any

from rnn_lockstep.reference.diagnosis.mistakes.mistake import CELLS, GATED, LSTMS, Mistake, with_options
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS, Activation, clip, clipped
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Options, State, Weights


class GatesAlone(Options):
    """Options whose candidate is not clipped."""

    @property
    def candidate(self) -> Activation:
        return ACTIVATIONS[self.activation]


class CandidateAlone(Options):
    """Options whose gates are not clipped."""

    @property
    def gate(self) -> Activation:
        return ACTIVATIONS[self.recurrent_activation]


class OutputToo(Options):
    """Options whose cell state is clipped as well, on its way to the output."""

    @property
    def output(self) -> Activation:
        return clipped(self.activation, self.clip)


def with_other(options: type[Options]) -> Any:
    """Make a step with options of this kind."""

    def step(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
        return case.record.step(x_t, state, weights, options(*case.options))

    return step


def states_clipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose sums are not clipped, but h."""
    if case.clip is None:
        return case.step(x_t, state, weights)
    h, *more = case.record.step(x_t, state, weights, case.options._replace(clip=None))
    return clip(h, case.clip), *more


def cell_states_clipped(case: Case, t: int, x_t: Any, state: State, weights: Weights) -> State:
    """Take a step whose sums are not clipped, but c."""
    if case.clip is None:
        return case.step(x_t, state, weights)
    options = case.options._replace(clip=None)
    gates = case.record.activated(x_t, state[0], weights, options)
    assert case.record.next_cell_state is not None  # an LSTM has one
    c = clip(case.record.next_cell_state(gates, state[1], weights, options), case.clip)
    return case.record.output(gates, state[0], c, weights, options), c


CLIPS: dict[str, Mistake] = {
    "clip_ignored": Mistake(
        "the sums before the activation are not clipped", cells=CELLS, change_case=with_options(clip=None)
    ),
    "clip_of_the_cell_state": Mistake(
        "the cell state is clipped (TensorFlow's cell_clip) in place of the sums before the activation",
        cells=LSTMS,
        step=cell_states_clipped,
    ),
    "clip_of_the_output_too": Mistake(
        "the cell state is clipped too, on its way to the output", cells=LSTMS, step=with_other(OutputToo)
    ),
    "clip_of_the_states": Mistake(
        "the states h are clipped in place of the sums before the activation",
        cells=CELLS,
        step=states_clipped,
    ),
    "clip_of_the_gates_alone": Mistake(
        "the sum of the candidate is not clipped, those of the gates are",
        cells=GATED,
        step=with_other(GatesAlone),
    ),
    "clip_of_the_candidate_alone": Mistake(
        "the sums of the gates are not clipped, that of the candidate is",
        cells=GATED,
        step=with_other(CandidateAlone),
    ),
}
