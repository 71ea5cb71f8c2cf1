"""Weights beside weights, without running anything: what is identical, and what else became of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adapters.model import RecurrentLayer, in_dtype
from reference import Case, Weights
from reference.arithmetic import Arithmetic
from reference.mistakes import possible
from reference.mistakes.mistake import Mistake
from reference.recovery import Effective, described
from reference.validation import Array

ROUNDINGS = 4  # unit roundoffs that equal numbers may be apart: two casts, the sum of two biases
SIZES = ("cell", "input_size", "hidden_size", "layers", "directions")


@dataclass(frozen=True)
class Difference:
    """What became of one array.

    cell: which of a layer's it is of; empty where there is only one.
    name: W, U, or b for all that is added.
    how: in which way it is the same; empty where it is not.
    says: what it is in place of the source's.
    """

    cell: str
    name: str
    how: str
    says: str = ""

    def __str__(self) -> str:
        if self.how:
            return f"{self.name} {self.how}"
        named = self.says.startswith((f"{self.name} ", f"{self.name}'", f"{self.name}["))
        return self.says if named else f"{self.name}: {self.says}"


@dataclass(frozen=True)
class WeightsDiff:
    """A target's layer beside its source's.

    options: those that are not the same, in words.  arrays: what became of each.
    cause: what makes all of the difference, or all that is different; empty where nothing is.
    """

    options: tuple[str, ...]
    arrays: tuple[Difference, ...]
    cause: str

    def of_cell(self, cell: str) -> Iterator[str]:
        """What became of a cell's arrays, told once where it is the same."""
        mine = [each for each in self.arrays if each.cell == cell]
        for says in dict.fromkeys(each.says or each.name for each in mine):
            same = [each for each in mine if says in (each.says, each.name)]
            yield str(same[0]) if len(same) == 1 else f"{', '.join(each.name for each in same)}: {says}"

    def lines(self) -> Iterator[str]:
        """A line for the cells of which the same can be said, then one for each option."""
        said: dict[str, list[str]] = {}
        for cell in dict.fromkeys(each.cell for each in self.arrays):
            said.setdefault(", ".join(self.of_cell(cell)), []).append(cell)
        for what, cells in said.items():
            yield f"{', '.join(cells)}: {what}" if any(cells) else what
        yield from self.options


def weights_diff(source: RecurrentLayer, target: RecurrentLayer) -> WeightsDiff:
    """What became of the source's options and weights in the target."""
    if sizes := different(source, target, SIZES):
        return WeightsDiff(tuple(sizes), (), "; ".join(sizes))
    options = different(source, target, source.same_options(target))
    arrays = tuple(compared(in_dtype(source, target.dtype), target))
    wrong = [f"{each.cell}: {each}" if each.cell else str(each) for each in arrays if each.says]
    if wrong and (whole := of_everything(in_dtype(source, target.dtype), target)):
        wrong = [whole]
    return WeightsDiff(tuple(options), arrays, "; ".join([*wrong, *options]))


def different(source: RecurrentLayer, target: RecurrentLayer, names: Sequence[str]) -> list[str]:
    """The options or sizes of these names that are not the same."""
    pairs = ((name, getattr(source, name), getattr(target, name)) for name in names)
    return [f"{name} is {theirs}, and {mine} in the source" for name, mine, theirs in pairs if mine != theirs]


def compared(source: RecurrentLayer, target: RecurrentLayer) -> Iterator[Difference]:
    """Every array of every cell."""
    case = empty(source)
    changes = [(mistake.says, cells) for mistake, cells in changed(case)]
    names = [direction.name for layer in case.passes for direction in layer]
    for k, (cell, mine, theirs) in enumerate(zip(names, source.cells, target.cells, strict=True)):
        for name, found in in_effect(target, theirs).items():
            if near(source, mine, name, found).all():
                yield Difference(cell, name, alike(source, mine, theirs, name, found))
            else:
                makes = (says for says, cells in changes if near(source, cells[k], name, found).all())
                yield Difference(cell, name, "", next(makes, "") or related(source, mine, name, found))


def empty(layer: RecurrentLayer) -> Case:
    """A case of the layer, without steps."""
    return layer.case(np.zeros((1, 0, layer.input_size), layer.dtype))


def changed(case: Case) -> Iterator[tuple[Mistake, tuple[Weights, ...]]]:
    """The mistakes that load other weights of the same shapes into a layer, and what they load."""
    given = (case.weights, *case.more_weights)
    for mistake in possible(case):
        try:
            with np.errstate(all="ignore"):
                other = mistake.change(case)
        except (ValueError, IndexError):  # there is none with this layer, or without steps
            continue
        cells = (other.weights, *other.more_weights)
        if len(cells) == len(given) and any(a is not b for a, b in zip(cells, given, strict=True)):
            yield mistake, cells


def of_everything(source: RecurrentLayer, target: RecurrentLayer) -> str:
    """The one mistake that makes all of the target's weights, in words; empty where there is none."""
    wanted = [(k, *item) for k, w in enumerate(target.cells) for item in in_effect(target, w).items()]
    for mistake, cells in changed(empty(source)):
        if all(near(source, cells[k], name, found).all() for k, name, found in wanted):
            return mistake.says
    return ""


def in_effect(layer: RecurrentLayer, weights: Weights) -> dict[str, Array]:
    """What matters of a cell's weights, float64: of its biases the sum, and what is not only summed."""
    W, U = (np.asarray(w, np.float64) for w in weights[:2])
    b, recurrent_b = (np.zeros(len(W)) if w is None else np.asarray(w, np.float64) for w in weights[2:])
    total = b + recurrent_b
    if layer.cell == "gru" and layer.reset_after:  # recurrent_b of n is inside the reset product
        n = 2 * layer.hidden_size
        total = np.concatenate([total[:n], b[n:], recurrent_b[n:]])
    return {"W": W, "U": U, "b": total}


def near(layer: RecurrentLayer, weights: Weights, name: str, found: Array) -> Array:
    """Where an array of a cell's is what was found, but for rounding."""
    mine = in_effect(layer, weights)[name]
    if mine.shape != found.shape:
        return np.zeros(1, bool)
    close: Array = np.abs(mine - found) <= doubt(layer, weights, name)
    return close


def doubt(layer: RecurrentLayer, weights: Weights, name: str) -> Array:
    """How far off equal numbers may be."""
    sizes = Weights(*(None if w is None else np.abs(w) for w in weights))
    arithmetic = Arithmetic(layer.dtype)
    least: Array = np.maximum(in_effect(layer, sizes)[name], arithmetic.smallest_normal)
    return least * ROUNDINGS * arithmetic.unit


def alike(layer: RecurrentLayer, mine: Weights, theirs: Weights, name: str, found: Array) -> str:
    """In which way an array is the same."""
    given = in_effect(layer, mine)[name].astype(layer.dtype)
    exact = np.array_equal(given, found.astype(layer.dtype))
    how = "identical" if exact else f"the same up to the rounding of {layer.dtype}"
    counts = [sum(bias is not None and bool(np.any(bias)) for bias in w[2:]) for w in (mine, theirs)]
    if name != "b" or counts[0] == counts[1]:
        return how
    one, two = ("the source's", "the target's") if counts[0] < counts[1] else ("it", "the source's")
    return f"{how} ({one} is the sum of {two} two, rounded once)"


def related(layer: RecurrentLayer, mine: Weights, name: str, found: Array) -> str:
    """What an array is in place of another, and how far from it."""
    given = in_effect(layer, mine)[name]
    says = described(Effective(name, given, found, doubt(layer, mine, name)))
    return f"{says}; the largest difference is {np.max(np.abs(given - found)):.3g}"
