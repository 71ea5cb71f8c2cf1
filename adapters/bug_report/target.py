"""The element that a bug report is about: where it is, and which part of the case shows it."""

from dataclasses import dataclass, replace

import numpy as np

from rnn_lockstep.adapters.bug_report.conventions import stored_weights
from rnn_lockstep.reference import Case, Cotangents, Verdict, Weights
from rnn_lockstep.reference.check.comparison import Element
from rnn_lockstep.reference.check.gradients import axes_of
from rnn_lockstep.reference.oracle.validation import Array

PARTS = {"": "output", "final_state": "final state", "final_cell_state": "final cell state"}
LAST = "last output"
CONCATENATED = (None, "concat")  # merge modes that show the outputs of each direction


class NoScript(Exception):
    """No script shows the discrepancy; the message says why, in one line."""


@dataclass(frozen=True)
class Target:
    """An element of an answer, or of a gradient where there is an `array`.

    words: what and where it is.  bound: how far it may be off.  expected: what it should be.
    row, time, unit: where; time None in a final state or last output.
    part: of `PARTS`, or `LAST`.  layer, direction: whose it is; direction None for both, merged.
    shown: the layer's outputs are compared step by step, each from the layer's own output before.
    array, at: of a gradient, the array in the script and the index in it.  which: of a cell's weights.
    note: how the script's case comes from the whole one.
    """

    words: str
    bound: float
    expected: float
    row: int = 0
    time: int | None = None
    unit: int = 0
    part: str = ""
    layer: int = 0
    direction: int | None = 0
    shown: bool = False
    array: str = ""
    at: tuple[int, ...] = ()
    which: int = 0
    note: str = ""


def target_of(framework: str, verdict: Verdict, cotangents: Cotangents | None) -> tuple[Target, Case]:
    """The first wrong element, and the case that shows it, which may be one layer of the verdict's.

    Raises NoScript where no script can show it.
    """
    case, wrong, step = verdict.case, verdict.wrong, verdict.first
    if wrong is None or step is None:
        raise NoScript(f"no element is wrong: {verdict.reason or verdict.status}")
    if not np.isfinite(step.bound):
        raise NoScript("nothing is known of the element")
    if cotangents is not None:
        return gradient_target(framework, case, step), case
    return answer_target(framework, verdict, step)


def where(step: Element) -> str:
    return ", ".join(f"{axis} {i}" for axis, i in step.index.items())


def answer_target(framework: str, verdict: Verdict, step: Element) -> tuple[Target, Case]:
    """Of an element of the outputs or of a final state."""
    case = verdict.case
    layer, direction, part = place(case, step)
    need_shown(framework, case, step, part)
    count, note, name = case.layers, "", step.name.removesuffix("outputs").removesuffix(part).strip()
    if count > 1 and not (framework == "torch" and case.merge_mode in CONCATENATED):
        case = one_layer(verdict, layer)
        note = f"Layer {layer} of {count}" + (", on what the layer below gave. " if layer else ". ")
        layer = 0
    shown = case.return_sequences and case.merge_mode in CONCATENATED and layer == case.layers - 1
    if framework == "jax" and direction is not None and case.directions == 2:
        case, direction = one_direction(case, direction), 0
    words = " ".join(filter(None, ("the", name, PARTS.get(part, part), "at", where(step))))
    target = Target(
        words,
        step.bound,
        step.expected,
        row=step.batch,
        time=step.time,
        unit=step.unit,
        part=part,
        layer=layer,
        direction=direction,
        shown=shown,
        note=note,
    )
    return target, case


def place(case: Case, step: Element) -> tuple[int, int | None, str]:
    """The layer, direction and part of an answer."""
    if step.name == "outputs" and not case.return_sequences:
        return case.layers - 1, None, LAST
    for k, layer in enumerate(case.passes):
        if step.name == (f"layer {k} outputs" if case.layers > 1 else "outputs"):
            return k, None, ""
        for d, direction in enumerate(layer):
            for part in PARTS:
                if step.name == f"{direction.name} {part}".strip():
                    return k, d, part
    raise NoScript(f"scripts do not show {step.name}")


def need_shown(framework: str, case: Case, step: Element, part: str) -> None:
    """Raise NoScript for what the adapter makes, not the framework."""
    if part == LAST and framework != "keras":
        raise NoScript(f"{framework} has no last output; the adapter takes the final state for it")
    counts = case.valid[step.batch].any() if step.time is None else case.valid[step.batch, step.time]
    if framework == "keras" and part in ("", LAST) and not counts:
        raise NoScript("Keras repeats outputs on padding; the adapter makes them zero")


def one_layer(verdict: Verdict, layer: int) -> Case:
    """A layer alone; its inputs are the outputs that the one below has shown."""
    case = verdict.case
    observed = {comparison.name: comparison.observed for comparison in verdict.comparisons}
    inputs = case.inputs
    if layer:
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


def one_direction(case: Case, direction: int) -> Case:
    """One of the two directions of a layer alone."""
    ((forward, backward),) = case.passes
    chosen = backward if direction else forward
    start = chosen.start if case.initial_state is not None else ()
    return replace(
        case,
        **chosen.weights._asdict(),
        **dict(zip(("initial_state", "initial_cell_state"), start, strict=False)),
        more_weights=(),
        merge_mode=None,
        reverse=chosen.reverse,
        return_sequences=True,
    )


def gradient_target(framework: str, case: Case, step: Element) -> Target:
    """Of an element of a gradient: where it is among the arrays as the framework has them."""
    if case.layers > 1 and not (framework == "torch" and case.merge_mode in CONCATENATED):
        raise NoScript(f"several layers are not one in {framework}, and a script runs one")
    if not case.return_sequences and not case.valid.any(axis=1).all():
        raise NoScript("scripts do not show gradients of a last output where a row has no steps")
    if case.dtype.name == "bfloat16":
        raise NoScript("scripts do not show gradients in bfloat16")
    name = step.name.removeprefix("gradient of ")
    at = tuple(step.index[axis] for axis in axes_of(case, name))
    target = Target(f"the {step.name} at {where(step)}", step.bound, step.expected)
    if name == "inputs":
        return replace(target, array=name, at=at)
    if name in ("initial_state", "initial_cell_state"):
        at = (0, *at) if framework == "torch" and len(at) == 2 else at
        return replace(target, array="h0" if name == "initial_state" else "c0", at=at)
    several, _, field = name.rpartition(".")
    cell = int(several.removeprefix("more_weights[").removesuffix("]")) + 1 if several else 0
    which, at = in_framework(framework, case, cell, field, at)
    array = f"weights[{cell}][{which}]" if case.more_weights else f"weights[{which}]"
    layer, direction = divmod(cell, case.directions)
    return replace(target, array=array, at=at, which=which, layer=layer, direction=direction)


def in_framework(
    framework: str, case: Case, cell: int, field: str, index: tuple[int, ...]
) -> tuple[int, tuple[int, ...]]:
    """Which of the framework's arrays of a cell has the element of `field` at `index`, and where."""
    weights = (case.weights, *case.more_weights)[cell]
    marked = {name: None if w is None else np.zeros(w.shape) for name, w in weights._asdict().items()}
    marked[field][index] = 1.0  # type: ignore[index]  # it is there, since it has a gradient
    arrays = stored_weights(framework, case, Weights(**marked))
    which = next(k for k, array in enumerate(arrays) if array.any())
    return which, tuple(int(i) for i in np.argwhere(arrays[which])[0])
