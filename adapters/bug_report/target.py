"""The element that a bug report is about: where it is, and which part of the case shows it."""

import re
from dataclasses import dataclass, replace

import numpy as np

from rnn_lockstep.adapters.bug_report.conventions import CONCATENATED, NoScript, named, need_one_layer, stored
from rnn_lockstep.reference import Case, Cotangents, Verdict, Weights
from rnn_lockstep.reference.check.comparison import Step
from rnn_lockstep.reference.oracle.validation import Array

STATES = {"final_state": "h_n", "final_cell_state": "c_n"}
PARTS = {"": "output", "final_state": "final state", "final_cell_state": "final cell state"}


@dataclass(frozen=True)
class Target:
    """An element of an answer or of a gradient, by the names that the script has for them.

    words: what and where it is.  bound: how far it may be off.  expected: what it should be.
    array: outputs, h_n or c_n of one cell; for a gradient, inputs, h0, c0 or weights[k].
    at: the index in the array.
    layer, direction: the cell's; direction is None for both, merged.
    last: it is in the last output alone.
    shown: the layer's outputs are compared step by step, each from the layer's own output before.
    note: how the script's case comes from the whole one.
    """

    words: str
    bound: float
    expected: float
    array: str
    at: tuple[int, ...]
    gradient: bool = False
    layer: int = 0
    direction: int | None = 0
    last: bool = False
    shown: bool = False
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


def answer_target(framework: str, verdict: Verdict, step: Step) -> tuple[Target, Case]:
    """Find an element of the outputs or of a final state."""
    case = verdict.case
    found = re.fullmatch(r"(layer (\d+))? ?(forward|backward)? ?(outputs|final_state|final_cell_state)?", step.name)
    if not found:
        raise NoScript(f"scripts do not show {step.name}")
    layer = int(found[2] or case.layers - 1)
    part = (found[4] or "").removesuffix("outputs")
    last = step.name == "outputs" and not case.return_sequences
    need_shown(framework, case, step, part, last)
    shown = case.return_sequences and case.merge_mode in CONCATENATED and layer == case.layers - 1
    of_all = case.layers
    if of_all > 1 and not (framework == "torch" and case.merge_mode in CONCATENATED):
        case = one_layer(verdict, layer)
    whose = "last output" if last else PARTS[part]
    target = Target(
        " ".join(filter(None, ("the", found[1], found[3], whose, "at", where(step)))),
        step.bound,
        step.expected,
        STATES.get(part, "outputs"),
        tuple(step.index.values()),
        layer=layer if case.layers > 1 else 0,
        direction=None if found[4] == "outputs" else int(found[3] == "backward"),
        last=last,
        shown=shown,
    )
    if case is not verdict.case:
        below = ", on what the layer below gave. " if layer else ". "
        target = replace(target, note=f"Layer {layer} of {of_all}{below}")
    return target, case


def where(step: Step) -> str:
    """Say the index in words."""
    return ", ".join(f"{axis} {i}" for axis, i in step.index.items())


def need_shown(framework: str, case: Case, step: Step, part: str, last: bool) -> None:
    """Raise NoScript for what the adapter makes, not the framework."""
    if last and framework != "keras":
        raise NoScript(f"{framework} has no last output; the adapter takes the final state for it")
    counts = case.valid[step.batch].any() if step.time is None else case.valid[step.batch, step.time]
    if framework == "keras" and not part and not counts:
        raise NoScript("Keras repeats outputs on padding; the adapter makes them zero")


def one_layer(verdict: Verdict, layer: int) -> Case:
    """Cut a layer out of the verdict's case; its inputs are the outputs that the one below has shown."""
    case = verdict.case
    inputs = case.inputs
    if layer:
        observed = {comparison.name: comparison.observed for comparison in verdict.comparisons}
        below = [direction.name for direction in case.passes[layer - 1]]
        names = below if case.merge_mode in CONCATENATED else [f"layer {layer - 1} outputs"]
        if any(name not in observed for name in names):
            raise NoScript(f"the inputs of layer {layer} are not shown")
        inputs = np.concatenate([observed[name] for name in names], axis=-1)
        if not np.isfinite(inputs[case.valid].astype(np.float64)).all():
            raise NoScript(f"the inputs of layer {layer} are not finite")
    first, *more = (direction.weights for direction in case.passes[layer])

    def own(state: Array | None) -> Array | None:
        if state is None:
            return None
        return state[2 * layer : 2 * layer + 2] if case.directions == 2 else state[layer]

    return replace(
        case,
        **first._asdict(),
        inputs=inputs,
        more_weights=tuple(more),
        initial_state=own(case.initial_state),
        initial_cell_state=own(case.initial_cell_state),
        return_sequences=case.return_sequences or layer < case.layers - 1,
    )


def gradient_target(framework: str, case: Case, step: Step) -> Target:
    """Find an element of a gradient among the arrays as the framework has them."""
    need_one_layer(framework, case)
    if not case.return_sequences and not case.valid.any(axis=1).all():
        raise NoScript("scripts do not show gradients of a last output where a row has no steps")
    if case.dtype.name == "bfloat16":
        raise NoScript("scripts do not show gradients in bfloat16")
    name = step.name.removeprefix("gradient of ")
    at = tuple(step.index.values())
    words = f"the {step.name} at {where(step)}"
    if name == "inputs":
        return Target(words, step.bound, step.expected, name, at, gradient=True)
    if name in ("initial_state", "initial_cell_state"):
        array = "h0" if name == "initial_state" else "c0"
        at = at if len(at) == 3 else (0, *at)
        return Target(words, step.bound, step.expected, array, at, gradient=True)
    several, _, field = name.rpartition(".")
    cell = int(several.removeprefix("more_weights[").removesuffix("]")) + 1 if several else 0
    weights = (case.weights, *case.more_weights)[cell]._asdict()
    marked = {name: None if w is None else np.zeros(w.shape) for name, w in weights.items()}
    marked[field][at] = 1.0  # type: ignore[index]  # it is there, since it has a gradient
    arrays = stored(framework, case, Weights(**marked))
    which = next(k for k, array in enumerate(arrays) if array.any())
    at = tuple(int(i) for i in np.argwhere(arrays[which])[0])
    words = f"the gradient of {named(framework, case, cell)[which]} at {list(at)}"
    array = f"weights[{cell * len(arrays) + which}]"
    return Target(words, step.bound, step.expected, array, at, gradient=True)
