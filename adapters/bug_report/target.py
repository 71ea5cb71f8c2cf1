"""The element that a bug report is about: where it is, and which part of the case shows it."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.bug_report.conventions import NoScript, arrays_of, runs_whole, stored
from rnn_lockstep.reference import Case, Cotangents, Verdict
from rnn_lockstep.reference.check.comparison import Element
from rnn_lockstep.reference.oracle.training import cells_of

# The parts of an answer by their names in a comparison, in words, and in the script.
PARTS = {
    "": ("output", "outputs"),
    "outputs": ("output", "outputs"),
    "final_state": ("final state", "h_n"),
    "final_cell_state": ("final cell state", "c_n"),
}


@dataclass(frozen=True)
class Target:
    """An element of an answer or of a gradient, by the names that the script has for them.

    words: what and where it is.  step: what it should be, and how far it may be off.
    array, at: the array that it is in, and the index there; of an answer, outputs, h_n or c_n of one cell;
    of a gradient, inputs, h0, c0 or weights[k].
    layer, direction: the cell's, of an answer; direction is None for both, merged.
    note: how the script's case comes from the whole one.
    """

    words: str
    step: Element
    array: str
    at: tuple[int, ...]
    layer: int = 0
    direction: int | None = None
    note: str = ""


def target_of(framework: str, verdict: Verdict, cotangents: Cotangents | None) -> tuple[Target, Case]:
    """Find the first wrong element, and the case that shows it, which may be one layer of the verdict's.

    Raises NoScript where no script can show it.
    """
    if verdict.wrong is None or verdict.first is None:
        raise NoScript(f"no element is wrong: {verdict.reason or verdict.status}")
    if not np.isfinite(verdict.first.bound):
        raise NoScript("nothing is known of the element")
    if cotangents is not None:
        return gradient_target(framework, verdict.case, verdict.first), verdict.case
    return answer_target(framework, verdict, verdict.first)


def answer_target(framework: str, verdict: Verdict, step: Element) -> tuple[Target, Case]:
    """Find an element of the outputs or of a final state."""
    case, note = verdict.case, ""
    found = re.fullmatch(rf"(layer (\d+))? ?(forward|backward)? ?({'|'.join(PARTS)})", step.name)
    if not found:
        raise NoScript(f"scripts do not show {step.name}")
    layer = int(found[2] or case.layers - 1)
    words, array = PARTS[found[4]]
    if step.name == "outputs" and not case.return_sequences:
        words = "last output"
        if framework != "keras":
            raise NoScript(f"{framework} has no last output; the adapter takes the final state for it")
    counts = case.valid[step.batch].any() if step.time is None else case.valid[step.batch, step.time]
    if framework == "keras" and array == "outputs" and not counts:
        raise NoScript("Keras repeats outputs on padding; the adapter makes them zero")
    if not runs_whole(framework, case):
        case = one_layer(verdict, layer)
        below = ", on what the layer below gave" if layer else ""
        note, layer = f"Layer {layer} of {verdict.case.layers}{below}. ", 0
    place = ", ".join(f"{axis} {i}" for axis, i in step.index.items())
    words = " ".join(filter(None, ("the", found[1], found[3], words, "at", place)))
    direction = None if found[4] == "outputs" else int(found[3] == "backward")
    at = tuple(step.index.values())
    return Target(words, step, array, at, layer, direction, note), case


def one_layer(verdict: Verdict, layer: int) -> Case:
    """Cut a layer out of the verdict's case; its inputs are the outputs that the one below has shown."""
    case = verdict.case
    inputs = case.inputs
    if layer:
        name = rf"layer {layer - 1}( forward| backward| outputs)?"
        below = [each.observed for each in verdict.comparisons if re.fullmatch(name, each.name)]
        if not below or not all(np.isfinite(each[case.valid].astype(np.float64)).all() for each in below):
            raise NoScript(f"the inputs of layer {layer} are not shown, or not finite")
        inputs = np.concatenate(below, axis=-1)
    first, *more = (direction.weights for direction in case.passes[layer])
    cells = slice(2 * layer, 2 * layer + 2) if case.directions == 2 else layer
    h0, c0 = case.initial_state, case.initial_cell_state
    return replace(
        case,
        **first._asdict(),
        inputs=inputs,
        more_weights=tuple(more),
        initial_state=None if h0 is None else h0[cells],
        initial_cell_state=None if c0 is None else c0[cells],
        return_sequences=case.return_sequences or layer < case.layers - 1,
    )


def gradient_target(framework: str, case: Case, step: Element) -> Target:
    """Find an element of a gradient among the arrays as the framework has them."""
    if not case.return_sequences and not case.valid.any(axis=1).all():
        raise NoScript("scripts do not show gradients of a last output where a row has no steps")
    if case.dtype.name == "bfloat16":
        raise NoScript("scripts do not show gradients in bfloat16")
    marked = {name: np.zeros_like(array) for name, array in case.arrays().items()}
    marked[step.name.removeprefix("gradient of ")][tuple(step.index.values())] = 1
    first, *more = cells_of(case, marked)
    others: Any = {name: marked.get(name) for name in ("inputs", "initial_state", "initial_cell_state")}
    of_one = replace(case, **others, **first._asdict(), more_weights=tuple(more))
    array, found = next((name, a) for name, a in arrays_of(framework, of_one).items() if a.any())
    at = tuple(np.argwhere(found)[0].tolist())
    name, names = array, list(stored(framework, case, case.weights))
    if array.startswith("weights"):
        cell, which = divmod(int(array[8:-1]), len(names))
        backward = cell % case.directions or case.reverse
        of_torch = f"_l{cell // case.directions}{'_reverse' if backward else ''}"
        name = names[which] + (of_torch if framework in ("torch", "paddle") else " (backward)" * backward)
    words = f"the gradient of {name} at {list(at)}"
    return Target(words, step, array, at)
