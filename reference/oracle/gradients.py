"""Backpropagation through time, by hand: the derivatives of L = Σ cotangent · answer.

The steps of a cell are taken back from the last to the first, each by `Cell.step_back`, which hands the
cotangent of the state to the step before. So are the layers. Weights are shared by all steps, and gather
the derivatives of each.
Source: Werbos (1990), "Backpropagation through time: what it does and how to do it", Proc. IEEE 78.

The rounding of a backend's gradients is carried like that of its answer: through the states of the
forward pass, on which every gradient depends, and back (running error analysis: Higham 2002, section 3.3).
Assumed is that a backend differentiates the states that it computed. A sum over batch and time stays one
pending sum, so it may be added up in any order, step by step too (Higham 2002, section 3.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.case import Case, Direction
from rnn_lockstep.reference.oracle.cells import State, Weights, split
from rnn_lockstep.reference.oracle.engine import Convert, Engine, RightRun
from rnn_lockstep.reference.oracle.shown import as_float64, with_error
from rnn_lockstep.reference.oracle.time_limit import need_time
from rnn_lockstep.reference.oracle.validation import Array, as_floats, need_shape


class Cotangents(NamedTuple):
    """The derivatives of L with respect to each array of an answer, or None for zeros.

    In the shapes of a `Trace` and the case's dtype: outputs (batch, time, features), or
    (batch, features) of the last output only; final_state and, of an LSTM, final_cell_state in the
    case's `state_shape`.  What outputs holds on padding does not matter: the answer is zero there.
    """

    outputs: Array | None = None
    final_state: Array | None = None
    final_cell_state: Array | None = None


class ForwardPass(NamedTuple):
    """One direction of a layer after the forward pass, with all that the way back needs.

    inputs (batch, time, D), outputs (batch, time, H) and the final state; before: the state before each
    step, (h,) or (h, c) of (batch, time, H).
    """

    direction: Direction
    inputs: Any
    outputs: Any
    final: State
    before: State


class DirectionGradients(NamedTuple):
    """The derivatives of L with respect to a cell's inputs, weights and initial state."""

    inputs: Any
    weights: Weights
    start: State


def gradients(case: Case, cotangents: Cotangents, arithmetic: Arithmetic | None = None) -> dict[str, Any]:
    """The derivatives of L with respect to every array of the case, by the names of `case.arrays()`.

    inputs (batch, time, D), W, U, b and so on, each in the shape of its array; those of initial_state
    and, for an LSTM, initial_cell_state also where the case omits them, since zeros have one too. On
    padding those of inputs are exactly zero.
    arithmetic: of a backend; each result is `Rounded` then, and what a correct backend returns lies
    within its error. Without it, results are float64 arrays.
    Raises ValueError when the cotangents do not fit the case, or it has a clip.
    """
    with np.errstate(all="ignore"):
        convert = with_error(arithmetic).exact if arithmetic else as_float64
        result = gradients_in(convert, case, cotangents)
        if arithmetic is not None:
            result = {name: array.closed() for name, array in result.items()}
    return result


def gradients_in(convert: Convert, case: Case, cotangents: Cotangents) -> dict[str, Any]:
    """The derivatives of L, as for `gradients`, in the arithmetic that `convert` converts to."""
    outputs, finals = cotangents_of(convert, case, cotangents)
    return backpropagate(convert, case, forward(convert, case), outputs, finals)


def backpropagate(
    convert: Convert, case: Case, layers: list[list[ForwardPass]], outputs: Any, finals: list[State]
) -> dict[str, Any]:
    """The gradients by name, from the forward passes and the cotangents of the outputs and final states."""
    if not case.return_sequences:
        finals = with_last_output(case, layers[-1], outputs, finals)
        outputs = convert(np.zeros((case.batch, case.time, case.features), case.dtype))
    results: list[DirectionGradients] = []
    for k, passes in reversed(list(enumerate(layers))):
        parts = unmerge(case, outputs, [one_pass.outputs for one_pass in passes])
        of_layer = finals[k * case.directions :]
        layer = [back_through_time(case, *each) for each in zip(passes, parts, of_layer, strict=False)]
        outputs = zero_on_padding(case, reduce(add, (result.inputs for result in layer)))
        results = layer + results
    return gradients_by_name(case, outputs, results)


def cotangents_of(convert: Convert, case: Case, cotangents: Cotangents) -> tuple[Any, list[State]]:
    """The cotangents of the outputs and of each cell's final state."""
    outputs, *finals = (convert(array) for array in given_or_zeros(case, cotangents))
    return outputs, list(zip(*map(case.by_cell, finals), strict=True))


def given_or_zeros(case: Case, cotangents: Cotangents) -> list[Array]:
    """The cotangents of outputs, final_state and, of an LSTM, final_cell_state; zeros for None.

    Those of outputs on padding are zero. Raises ValueError when they do not fit the case, or it has a clip.
    """
    if case.clip is not None:
        raise ValueError("clip goes without gradients: activations do not tell where a sum was clipped")
    steps = (case.time,) if case.return_sequences else ()
    shapes = [(case.batch, *steps, case.features), *case.state_shapes]
    if len(case.start) == 1 and cotangents.final_cell_state is not None:
        raise ValueError("final_cell_state is for an LSTM, and no other cell has one")
    arrays = []
    for (name, array), shape in zip(cotangents._asdict().items(), shapes, strict=False):
        if array is None:
            array = np.zeros(shape, case.dtype)
        as_floats(name, array, (case.dtype.name,), finite=False)
        need_shape(name, array, shape, "that of the answer")
        arrays.append(array)
    counts = case.valid[..., None] if case.return_sequences else case.valid.any(axis=1, keepdims=True)
    return [np.where(counts, arrays[0], 0), *arrays[1:]]


def zero_on_padding(case: Case, array: Any) -> Any:
    """An array (batch, time, ...) with zeros on padding, exactly."""
    return np.where(case.valid[..., None], array, 0) if case.padded else array


def forward(
    convert: Convert, case: Case, weights: Sequence[Weights] | None = None
) -> list[list[ForwardPass]]:
    """The forward passes of a case, by layer and direction, with the state before each step.

    weights: every cell's, in this arithmetic already; the case's when omitted.
    """
    engine, found = Engine(convert), list[ForwardPass]()
    inputs = np.where(case.valid[..., None], case.inputs, 0).astype(case.dtype)  # no NaN of the padding

    def run_direction(run: RightRun, direction: Direction, inputs: Any) -> tuple[Any, State]:
        """Run a direction and note the state before each step."""
        direction = engine.converted(direction)
        before = tuple(
            np.empty_like(part, shape=(case.batch, case.time, part.shape[-1])) for part in direction.start
        )

        def step(t: int, x_t: Any, state: State, weights: Weights) -> State:
            for kept, part in zip(before, state, strict=True):
                kept[:, t] = part
            return case.step(x_t, state, weights)

        outputs, final = run(direction, inputs, step)
        found.append(ForwardPass(direction, inputs, outputs, final, before))
        return outputs, final

    for _ in engine.layers(replace(case, inputs=inputs), run_direction=run_direction, weights=weights):
        pass
    return [found[k : k + case.directions] for k in range(0, len(found), case.directions)]


def step_order(case: Case, reverse: bool) -> range:
    """The steps in the order in which a cell takes them."""
    return range(case.time)[::-1] if reverse else range(case.time)


def with_last_output(case: Case, passes: list[ForwardPass], output: Any, finals: list[State]) -> list[State]:
    """The final states' cotangents, with that of the last output, (batch, features), added to them."""
    parts = unmerge(case, output, [one_pass.final[0] for one_pass in passes])
    below, last = finals[: -len(passes)], finals[-len(passes) :]
    return below + [(h + part, *c) for (h, *c), part in zip(last, parts, strict=True)]


# The cotangents of the forward and the backward outputs from that of the merged ones, and both outputs.
UNMERGE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "concat": lambda g, forward, backward: split(g, 2),
    "sum": lambda g, forward, backward: [g, g],
    "mul": lambda g, forward, backward: [g * backward, g * forward],
    "ave": lambda g, forward, backward: [g / 2, g / 2],
}


def unmerge(case: Case, cotangent: Any, outputs: list[Any]) -> list[Any]:
    """The cotangent of each direction's outputs from that of the layer's."""
    return UNMERGE[case.merge_mode](cotangent, *outputs) if case.merge_mode else [cotangent]


def back_through_time(case: Case, one_pass: ForwardPass, outputs: Any, final: State) -> DirectionGradients:
    """Go back through time with one cell, from the cotangents of its outputs and of its final state.

    On padding a step leaves the state as it is, and so its cotangent.
    """
    _, weights, start, reverse = one_pass.direction
    sums = len(case.record.gates) * case.hidden_size
    sizes = {"input_sums": sums, "recurrent_sums": sums}
    if weights.projection is not None:
        sizes |= {"projections": case.output_size, "projected": case.hidden_size}
    if weights.peepholes is not None:
        sizes["peepholes"] = weights.peepholes.shape[0]
    kept = {
        name: np.empty_like(start[0], shape=(case.batch, case.time, size)) for name, size in sizes.items()
    }
    state = final
    for t in reversed(step_order(case, reverse)):
        need_time()
        state = (state[0] + outputs[:, t], *state[1:])
        before = tuple(part[:, t] for part in one_pass.before)
        step = case.record.step_back(one_pass.inputs[:, t], before, weights, state, case.options)
        found = {
            "input_sums": step.input_sum,
            "recurrent_sums": step.recurrent_sum,
            "projections": state[0],
            "projected": step.projected,
            "peepholes": step.peepholes,
        }
        for name, array in kept.items():
            array[:, t] = found[name]
        if case.padded:
            counts = case.valid[:, t, None]
            state = tuple(np.where(counts, new, old) for new, old in zip(step.state, state, strict=True))
        else:
            state = step.state
    kept = {name: zero_on_padding(case, array) for name, array in kept.items()}
    of_inputs = kept["input_sums"] @ weights.W
    return DirectionGradients(of_inputs, weight_gradients(case, one_pass, **kept), state)


def weight_gradients(
    case: Case,
    one_pass: ForwardPass,
    input_sums: Any,
    recurrent_sums: Any,
    projections: Any = None,
    projected: Any = None,
    peepholes: Any = None,
) -> Weights:
    """The gradients of a cell's weights: dW = Σ dz·xᵀ, dU = Σ dz·hᵀ, db = Σ dz, over batch and time.

    input_sums, recurrent_sums: (batch, time, gates·H), the cotangents dz of both sums.
    projected: (batch, time, H), the arrays that a projection multiplies.
    projections: (batch, time, P), the cotangents of what it makes of them.
    peepholes: (batch, time, 3·H), those of the peepholes, by row and step.
    """
    weights = one_pass.direction.weights
    operands = [one_pass.before[0]] * len(case.record.gates)
    if case.record.operands is not None:
        operands = list(case.record.operands(one_pass.inputs, one_pass.before[0], weights, case.options))
    rows = split(recurrent_sums, len(operands))
    ones = np.ones(case.batch * case.time, case.dtype)  # sums are products with them, and stay pending
    return Weights(
        flat(input_sums).T @ flat(one_pass.inputs),
        np.concatenate([flat(z).T @ flat(h) for z, h in zip(rows, operands, strict=True)], axis=0),
        None if weights.b is None else ones @ flat(input_sums),
        None if weights.recurrent_b is None else ones @ flat(recurrent_sums),
        None if weights.projection is None else flat(projections).T @ flat(projected),
        None if weights.peepholes is None else ones @ flat(peepholes),
    )


def flat(array: Any) -> Any:
    """Join the first two axes of an array (batch, time, n) to (batch·time, n)."""
    return array.reshape(-1, array.shape[-1])


def gradients_by_name(case: Case, inputs: Any, results: list[DirectionGradients]) -> dict[str, Any]:
    """The gradients by the names of `case.arrays()`, from those of the inputs and of each cell."""
    states = zip(*(of_cell.start for of_cell in results), strict=True)
    shapes = zip(states, case.state_shapes, strict=True)
    whole = [np.concatenate(parts, axis=0).reshape(*shape) for parts, shape in shapes]
    return arrays_by_name(inputs, [of_cell.weights for of_cell in results], whole)


def arrays_by_name(inputs: Any, cells: Sequence[Weights], states: Sequence[Any]) -> dict[str, Any]:
    """Arrays by the names of `Case.arrays()`, without those that are None. cells: every cell's, in order."""
    names = {"inputs": inputs, **cells[0]._asdict()}
    names |= dict(zip(("initial_state", "initial_cell_state"), states, strict=False))
    for k, weights in enumerate(cells[1:]):
        names |= {f"more_weights[{k}].{name}": array for name, array in weights._asdict().items()}
    return {name: array for name, array in names.items() if array is not None}
