"""A mismatch in words, in one line: which array, when it starts, which rows and units."""

from collections.abc import Sequence

import numpy as np

from rnn_lockstep.reference.check.comparison import Comparison
from rnn_lockstep.reference.oracle.case import Case


def reason(case: Case, comparisons: Sequence[Comparison], rest: Sequence[Comparison] = ()) -> str:
    """Say what is wrong with the last of `comparisons`; those before it are right.

    rest: those after it.
    """
    *right, wrong = comparisons
    if wrong.axes:
        return _wrong_gradient(right, wrong, rest)
    if wrong.copy:
        return _wrong_copy(case, right, wrong)
    if wrong.observed.ndim == 2:
        return _wrong_state(right, wrong)
    parts = [*_steps(wrong), *_nan(wrong), *_on_padding(case, wrong), *_rows_and_units(wrong)]
    parts += _unobserved(right, wrong)
    return (f"{wrong.name}: " if wrong.name else "") + "; ".join(parts)


def _unobserved(right: Sequence[Comparison], wrong: Comparison) -> list[str]:
    """One clause where what leads to an array is not shown, so that the mistake may be earlier."""
    lowest = wrong.name.partition("layer ")[2][:1] in ("", "0")
    if wrong.one_step and (lowest or any(c.one_step for c in right)):
        return []
    return ["what leads to it is not all observed, so the mistake may be earlier"]


def _nan(wrong: Comparison) -> list[str]:
    """One clause where all that is wrong is NaN; none otherwise."""
    only = np.isnan(wrong.observed[wrong.outside]).all()
    return ["only NaN, where there should be numbers"] if only else []


def _on_padding(case: Case, wrong: Comparison) -> list[str]:
    """One clause where nothing but padding is wrong, which must be zero; none otherwise."""
    only = case.padded and not wrong.outside[case.valid].any()
    return ["only on padding, where outputs must be zero"] if only else []


def _steps(wrong: Comparison) -> list[str]:
    """One clause on the first wrong step."""
    steps = np.flatnonzero(wrong.outside.any(axis=(0, 2)))
    if not wrong.one_step:
        return [f"wrong at {len(steps)} of {wrong.outside.shape[1]} steps, step {steps[0]} the first"]
    if wrong.reverse:
        return [f"right after step {steps[-1]}, wrong there (steps run backwards)"]
    return ["wrong from the first step" if steps[0] == 0 else f"right before step {steps[0]}, wrong there"]


def _rows_and_units(wrong: Comparison) -> list[str]:
    """Clauses on the wrong batch rows and on the wrong units; none where all of them are wrong."""
    parts = []
    batch, _, units = wrong.outside.shape
    for axes, name, size in (((1, 2), "batch rows", batch), ((0, 1), "units", units)):
        some = np.flatnonzero(wrong.outside.any(axis=axes))
        if len(some) < size:
            shown = ", ".join(str(i) for i in some[:8]) + (", ..." if len(some) > 8 else "")
            parts.append(f"only {name} {shown} (of {size})")
    return parts


def _wrong_copy(case: Case, right: Sequence[Comparison], wrong: Comparison) -> str:
    """Say what a final state is instead of the last output that counts."""
    outputs = right[-1]  # of the same cell
    state, name = wrong.observed, f"{outputs.name} outputs".strip()
    needed = _needed_state(case, outputs, name)
    for other in right:
        if other.copy and np.array_equal(state, other.expected):
            return f"{wrong.name} is the {other.name}, needs {needed}"
    for t in range(outputs.observed.shape[1]):
        if np.array_equal(state, outputs.observed[:, t]):
            return f"{wrong.name} is {name}[:, {t}], needs {needed}"
    return f"{wrong.name} is not {needed}: {_first_wrong_element(wrong)}"


def _needed_state(case: Case, outputs: Comparison, name: str) -> str:
    """Say what the final state must be. name: that of the cell's outputs, in words."""
    if outputs.reverse and case.time:
        return f"{name}[:, 0], the last step of a reverse layer"
    if case.lengths is not None:
        return "each row's output at its length - 1"
    if case.mask is not None:
        return "each row's last output that counts"
    if not case.time:
        return "the initial state"
    return f"the last of the {name}" if outputs.name else "the last output"


def _wrong_state(right: Sequence[Comparison], wrong: Comparison) -> str:
    """Say how a state or last output that no other array shows is wrong."""
    if "final_cell_state" in wrong.name and np.array_equal(wrong.observed, right[-1].observed):
        return f"{wrong.name} is the final state h, needs the cell state c"
    prefix = wrong.name.removesuffix("final_cell_state").removesuffix("final_state").strip()
    if any(c.one_step and c.name == prefix for c in right):
        return f"{wrong.name} is wrong though every step is right: {_first_wrong_element(wrong)}"
    return "; ".join([f"{wrong.name} is wrong: {_first_wrong_element(wrong)}", *_unobserved(right, wrong)])


def _first_wrong_element(wrong: Comparison) -> str:
    """Say what the first wrong element of a state is, and what it must be."""
    batch, unit = np.argwhere(wrong.outside)[0]
    return (
        f"at batch {batch}, unit {unit} it is {wrong.observed[batch, unit]:.9g}, "
        f"needs {wrong.expected[batch, unit]:.9g}"
    )


def _wrong_gradient(right: Sequence[Comparison], wrong: Comparison, rest: Sequence[Comparison]) -> str:
    """Say how a gradient, or a weight after training, is wrong, and which others are."""
    outside = int(np.count_nonzero(wrong.outside))
    how = f"is wrong in {outside} of {wrong.outside.size} elements"
    if not wrong.observed.any():
        how = "is zero, and should not be"
    elif "time" in wrong.axes:
        how += _steps_of_gradient(wrong)
    others = [each for each in rest if each.outside.any()]
    fine = [*right, *(each for each in rest if not each.outside.any())]
    parts = [f"the {wrong.name} {how}"]
    for those, what in ((others, "wrong too"), (fine, "right")):
        if those:
            names = ", ".join(each.name.removeprefix("gradient of ") for each in those)
            parts.append(f"{what}: {names}")
    return "; ".join(parts)


def _steps_of_gradient(wrong: Comparison) -> str:
    """Say at which steps the gradient of the inputs is wrong; empty where it is at all of them."""
    axis = wrong.axes.index("time")
    others = tuple(k for k in range(wrong.outside.ndim) if k != axis)
    steps = np.asarray(wrong.outside.any(axis=others))
    places = np.flatnonzero(steps)
    if steps.all():
        return ""
    return (
        f", at steps {places[0]} to {places[-1]} of {len(steps)}"
        if len(places) > 1
        else f", at step {places[0]}"
    )
