"""A whole model asked the same twice: whether it answers the same, but for rounding."""

from collections.abc import Sequence

import numpy as np

from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.again import FORGETS, KEEPS, NEITHER
from rnn_lockstep.adapters.port.whole.allowance import Beside, allowance, apart
from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Run, WholeModel
from rnn_lockstep.reference.oracle.validation import Array


def rounding(narrow: Run, wide: Run | None = None) -> list[float]:
    """How far rounding may take two answers apart, for each output, as `allowance` says.

    narrow, wide: the source's answers in float32 and in float64. Without the latter only ulps are allowed,
    which is plenty for what is computed in float64 itself.
    """
    exact = narrow if wide is None else wide
    pairs = zip(narrow.outputs, exact.outputs, strict=True)
    return [allowance([Beside("", one, one, other)]) for one, other in pairs]


def source_asked_twice(source: WholeModel, wide: WholeModel | None, example: Example, first: Run) -> str:
    """How the source's second answer differs from its first, and why; empty where it does not.

    first: its answer.  wide: the source in float64, None where it cannot be. That is then asked, as the
    difference of the two cannot be told from rounding before it is known to answer the same.
    """
    if wide is None:
        return second_answer(source, example, first, rounding(first))
    try:
        first = wide.run(example)
    except Exception as error:  # the model's, whatever it is; it has answered before
        return raised(error)
    return second_answer(wide, example, first, rounding(first))


def target_asked_twice(target: WholeModel, example: Example, allowed: Sequence[float]) -> str:
    """How the target's second answer differs from its first; empty where it does not, or there is none."""
    try:
        first = target.run(example)
    except Exception:  # told where all are asked
        return ""
    return second_answer(target, example, first, allowed)


def second_answer(model: WholeModel, example: Example, first: Run, allowed: Sequence[float]) -> str:
    """How a second answer differs from the first, and why; empty where it does not.

    allowed: how far each output may be off; of more outputs than these, no more are compared.
    """
    try:
        again, third = model.run(example), model.run(example)
    except Exception as error:  # the model's, whatever it is
        return raised(error)
    if same_answer(first, again, allowed) and same_answer(again, third, allowed):
        return ""
    begun = [run.calls[0].initial if run.calls else () for run in (first, again)]
    if any(state.any() for state in begun[1]) and not same_states(*begun):
        return f"{first.calls[0].layer} begins with a state that is kept from the call before"
    return "dropout is left on, or something else is random or kept between calls"


def carried_on(
    source: WholeModel,
    wide: WholeModel | None,
    target: WholeModel,
    example: Example,
    allowed: Sequence[float],
) -> tuple[str, str]:
    """What is wrong with a second call that no reset is before, and what is to be known of it.

    wide: the source in float64.  allowed: how far each output of a first call may be off.
    """
    try:
        first, second = source.run(example), source.again(example)
        its_first, its_second = target.run(example), target.again(example)
        exact = None
        if wide is not None:
            wide.run(example)
            exact = wide.again(example)
    except Exception as error:  # a model's, whatever it is
        return "", f"without a reset in between they were not asked: {with_type(error)}"
    forgets, its_forgets = same_answer(first, second, allowed), same_answer(its_first, its_second, allowed)
    if forgets:
        return "", "" if its_forgets else f"{KEEPS}; the source begins every call at zeros"
    if its_forgets:
        return FORGETS, ""
    return "" if same_answer(second, its_second, rounding(second, exact)) else NEITHER, ""


def raised(error: Exception) -> str:
    """The words on a model that answers once only."""
    return f"the second time it raised {with_type(error)}"


def same_states(one: tuple[Array, ...], other: tuple[Array, ...]) -> bool:
    """Tell whether two initial states are the same."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def same_answer(one: Run, other: Run, allowed: Sequence[float]) -> bool:
    """Tell whether two answers are the same but for rounding."""
    if [a.shape for a in one.outputs] != [b.shape for b in other.outputs]:
        return False
    pairs = zip(one.outputs, other.outputs, allowed, strict=False)
    return all(float(apart(*in_float64(a, b)).max(initial=0)) <= most for a, b, most in pairs)


def in_float64(*arrays: Array) -> list[Array]:
    """Arrays of whatever numbers, in float64."""
    return [array.astype(np.float64) for array in arrays]
