"""Weights beside weights, without running anything: those that are identical, and what became of others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer, in_dtype
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.diagnosis.mistakes import COMMON, MISTAKES, possible
from rnn_lockstep.reference.diagnosis.mistakes.gates import KNOWN_ORDERS
from rnn_lockstep.reference.diagnosis.recover_weights import ArrayInEffect, difference
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.validation import Array

ROUNDINGS = 4  # unit roundoffs that equal numbers may be apart: two casts, the sum of two biases
UNRELATED = "not the source's"
TURNED = [
    MISTAKES[name]
    for name in ("all_gates_in_the_other_order", "u_in_the_other_order", "w_transposed", "u_transposed")
]
OTHER_SIDE = MISTAKES["gru_reset_form_flipped"].description
# Where the reset gate is before U, a GRU's two biases act as their sum only.
SUMS_ONLY = "of the biases only the sum was compared, as the reset gate is on different sides of U"
SIZES = ("cell", "input_size", "hidden_size", "projection_size", "layers", "directions")


@dataclass(frozen=True)
class Difference:
    """The fate of one array of the source's in the target.

    cell: the direction and layer that it is of; empty where there is only one.
    name: W, U, b for all that is added, or projection.
    same: the way in which it is the same; empty where it is not.
    instead: what it is in place of the source's; empty where it is the same.
    far: the largest difference.
    """

    cell: str
    name: str
    same: str
    instead: str = ""
    far: float = 0.0


@dataclass(frozen=True)
class WeightsDiff:
    """The comparison of a target's layer with its source's.

    options: those that are not the same, in words, and what they keep from being compared.
    arrays: the fate of each.
    cause: the mistake that makes all of the difference, or a list of differences; empty where there is none.
    """

    options: tuple[str, ...]
    arrays: tuple[Difference, ...]
    cause: str

    def lines(self) -> Iterator[str]:
        """A line for the cells of which the same can be said, then one for each option."""
        yield from lines_on(self.arrays)
        yield from self.options


def lines_on(arrays: Sequence[Difference]) -> Iterator[str]:
    """A line for the cells of which the same can be said."""
    cells: dict[str, list[str]] = {}
    for cell in dict.fromkeys(each.cell for each in arrays):
        cells.setdefault("; ".join(lines_on_cell([a for a in arrays if a.cell == cell])), []).append(cell)
    for what, names in cells.items():
        yield f"{', '.join(names)}: {what}" if any(names) else what


def lines_on_cell(arrays: Sequence[Difference]) -> Iterator[str]:
    """The fates of a cell's arrays, told once where they are the same."""
    groups: dict[str, list[Difference]] = {}
    for each in arrays:
        groups.setdefault(each.instead or f"{each.name} {each.same}", []).append(each)
    for says, group in groups.items():
        names = ", ".join(each.name for each in group)
        if not group[0].instead:
            yield says
        elif says == UNRELATED:
            yield f"{names} {says} (the largest difference is {max(each.far for each in group):.3g})"
        else:
            named = says.startswith((f"{names} ", f"{names}'", f"{names}["))
            yield says if named else f"{names}: {says}"


def weights_diff(source: RecurrentLayer, target: RecurrentLayer) -> WeightsDiff:
    """The fates of the source's options and weights in the target, in the coarser dtype of the two."""
    if sizes := different(source, target, SIZES):
        return WeightsDiff(tuple(sizes), (), "; ".join(sizes))
    options = different(source, target, source.same_options(target))
    dtype = source.dtype if is_finer(target, source) else target.dtype
    arrays, whole = compared(*on_one_side(in_dtype(source, dtype), in_dtype(target, dtype)))
    wrong = [whole] if whole else list(lines_on([each for each in arrays if each.instead]))
    sums = [SUMS_ONLY] if source.reset_after != target.reset_after else []
    return WeightsDiff((*options, *sums), tuple(arrays), "; ".join([*wrong, *options]))


def is_finer(one: RecurrentLayer, other: RecurrentLayer) -> bool:
    """Tell whether a layer's weights are of a dtype with more digits than another's."""
    return bool(Arithmetic(one.dtype).unit < Arithmetic(other.dtype).unit)


def judging(
    source: RecurrentLayer, target: RecurrentLayer | None, diff: WeightsDiff | None
) -> RecurrentLayer:
    """The source's layer with the weights by which a target's answers are judged, of the same sizes.

    They are the target's own where these are the source's in a finer dtype: a rounding of the source's
    dtype, as in a bias divided into two, is no mistake there and yet more than the answers may be off.
    """
    if target is None or diff is None or diff.cause or not is_finer(target, source):
        return source
    return replace(source, cells=target.cells)


def different(source: RecurrentLayer, target: RecurrentLayer, names: Sequence[str]) -> list[str]:
    """The options or sizes of these names that are not the same, in words."""
    pairs = ((name, getattr(source, name), getattr(target, name)) for name in names)
    return [
        OTHER_SIDE if name == "reset_after" else f"{name} is {theirs}, and {mine} in the source"
        for name, mine, theirs in pairs
        if mine != theirs
    ]


def on_one_side(source: RecurrentLayer, target: RecurrentLayer) -> tuple[RecurrentLayer, RecurrentLayer]:
    """Both layers, which have the reset gate before U where only one of them has: so `in_effect` is alike."""
    if source.reset_after == target.reset_after:
        return source, target
    return replace(source, reset_after=False), replace(target, reset_after=False)


def compared(source: RecurrentLayer, target: RecurrentLayer) -> tuple[list[Difference], str]:
    """The fate of every array of every cell, and the mistake that makes all of the difference, in words."""
    case = source.case(np.zeros((1, 0, source.input_size), source.dtype))
    names = [direction.name for layer in case.passes for direction in layer]
    found = {(k, n): a for k, w in enumerate(target.cells) for n, a in in_effect(target, w).items()}
    least = {key: doubt(target, target.cells[key[0]], key[1]) for key in found}  # of its own sum of biases

    def is_near(cells: Sequence[Weights], key: tuple[int, str]) -> bool:
        return near(source, cells, *key, found[key], least[key])

    wrong = [key for key in found if not is_near(source.cells, key)]
    fits: dict[tuple[int, str], list[str]] = {key: [] for key in wrong}
    whole: list[str] = []
    for says, cells in changed(case) if wrong else ():
        for key in (fitting := [key for key in wrong if is_near(cells, key)]):
            fits[key].append(says)
        right = (is_near(cells, key) for key in found if key not in wrong)
        if fitting == wrong and all(right):
            whole.append(says)
    differences = []
    for (k, name), array in found.items():
        mine = source.cells[k]
        if (k, name) not in fits:
            same = alike(source, mine, target.cells[k], name, array)
            differences.append(Difference(names[k], name, same))
            continue
        far = float(np.max(np.abs(in_effect(source, mine)[name] - array)))
        instead = likeliest(fits[k, name]) or related(source, mine, name, array)
        differences.append(Difference(names[k], name, "", instead, far))
    return differences, likeliest(whole)


def changed(case: Case) -> Iterator[tuple[str, tuple[Weights, ...]]]:
    """The mistakes that load other weights into a layer, in words, and the weights of each cell then.

    Last, two at once: gates in an order that some framework has, and matrices turned wrongly.
    """
    count = len(GATES[case.cell])
    orders = [order for order in KNOWN_ORDERS if len(order) == count]
    known = [MISTAKES[f"{case.cell}_gates_in_order_{order}"] for order in orders]
    singles = ((mistake,) for mistake in possible(case) if not mistake.step)  # which is no matter of weights
    given = (case.weights, *case.more_weights)
    for mistakes in (*singles, *((order, turned) for turned in TURNED for order in known)):
        try:
            with np.errstate(all="ignore"):
                other = reduce(lambda case, mistake: mistake.mistaken_case(case), mistakes, case)
        except (ValueError, IndexError):  # there is none with this layer, or without steps
            continue
        cells = (other.weights, *other.more_weights)
        if len(cells) == len(given) and any(a is not b for a, b in zip(cells, given, strict=True)):
            yield ", and ".join(mistake.description for mistake in mistakes), cells


def likeliest(fits: Sequence[str]) -> str:
    """The first of the mistakes that fit, or two common ones; empty where none does."""
    common = [says for says in fits if says.partition(" in the ")[0] in COMMON]
    return "; or ".join(common[:2]) if len(common) > 1 else "".join(fits[:1])


def in_effect(layer: RecurrentLayer, weights: Weights) -> dict[str, Array]:
    """The weights of a cell in effect, float64: W, U, and as b its biases, added up where the cell does.

    Last, the projection, where there is one.
    """
    found = {name: np.asarray(w, np.float64) for name, w in weights._asdict().items() if w is not None}
    b, recurrent_b = (found.pop(name, np.zeros(len(weights.W))) for name in ("b", "recurrent_b"))
    total = b + recurrent_b
    if layer.cell == "gru" and layer.reset_after:  # recurrent_b of n is inside the reset product
        n = 2 * layer.hidden_size
        total = np.concatenate([total[:n], b[n:], recurrent_b[n:]])
    return {"W": found.pop("W"), "U": found.pop("U"), "b": total, **found}


def near(
    layer: RecurrentLayer, cells: Sequence[Weights], cell: int, name: str, found: Array, least: Array
) -> bool:
    """Tell whether an array of one of the cells is the found one, but for rounding.

    least: how far off it may be in any case.
    """
    weights = cells[cell]
    if name != "b":  # a few rows tell most of what is not
        rows = slice(None, None, max(1, len(found) // 8))
        mine = getattr(weights, name)[rows]
        if mine.shape != found[rows].shape or not np.allclose(mine, found[rows], 1e-1, 1e-30):
            return False
    mine = in_effect(layer, weights)[name]
    if mine.shape != found.shape:
        return False
    return bool((np.abs(mine - found) <= np.maximum(doubt(layer, weights, name), least)).all())


def doubt(layer: RecurrentLayer, weights: Weights, name: str) -> Array:
    """The differences that equal numbers may have."""
    sizes = Weights(*(None if w is None else np.abs(w) for w in weights))
    arithmetic = Arithmetic(layer.dtype)
    least: Array = np.maximum(in_effect(layer, sizes)[name], arithmetic.smallest_normal)
    return least * ROUNDINGS * arithmetic.unit


def alike(layer: RecurrentLayer, mine: Weights, theirs: Weights, name: str, found: Array) -> str:
    """The way in which an array is the same, in words."""
    given = in_effect(layer, mine)[name].astype(layer.dtype)
    exact = np.array_equal(given, found.astype(layer.dtype))
    how = "identical" if exact else f"the same up to the rounding of {layer.dtype}"
    counts = [sum(bias is not None and bool(np.any(bias)) for bias in w.biases) for w in (mine, theirs)]
    if name != "b" or counts[0] == counts[1]:
        return how
    one, two = ("the source's", "the target's") if counts[0] < counts[1] else ("it", "the source's")
    return f"{how} ({one} is the sum of {two} two, rounded once)"


def related(layer: RecurrentLayer, mine: Weights, name: str, found: Array) -> str:
    """The relation of an array to the one in whose place it is, in words."""
    each = ArrayInEffect(name, in_effect(layer, mine)[name], found, doubt(layer, mine, name))
    says = difference(each)
    vague = "is wrong in" in says or "another array" in says
    return UNRELATED if vague and np.count_nonzero(each.near(each.given)) < found.size / 2 else says
