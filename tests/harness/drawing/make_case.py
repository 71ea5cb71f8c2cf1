"""The making of a case from choices: its arrays, their strength and its padding."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import ml_dtypes  # noqa: F401  with it NumPy knows bfloat16
import numpy as np

from rnn_lockstep.adapters.backends.array_memory import with_layout
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS, GATES

Shape = tuple[int, int, int, int]  # batch, time, input_size, hidden_size
Variant = Mapping[str, Any]  # a case's options, and how many biases and layers it has
Array = np.ndarray


@dataclass(frozen=True)
class Regime:
    """A strength of the weights, the inputs and the initial state.

    spectral_scale: U's, roughly its spectral radius; None keeps U as drawn.
    size: the scale of inputs, b and initial state.  positive: no negative values.
    power_of_two: scales are powers of two, so that grid values keep few bits and their sums are exact.
    """

    spectral_scale: float | None
    size: float = 1.0
    positive: bool = False
    power_of_two: bool = False


PEEPHOLES = 0.25  # so that they are below 1/2, and errors of the cell state fade in every regime
REGIMES = {
    "critical": Regime(1.0),
    "contractive": Regime(0.4),
    "chaotic": Regime(4.0),
    "saturated": Regime(None, positive=True),  # the seed notebook's weights, uniform in [0, 1)
    "tiny": Regime(0.8, size=1e-15),
    "growing": Regime(1.5, size=8.0),
    "grid": Regime(1.0, power_of_two=True),
    "special": Regime(1.0),
}


def make_case(
    *,
    cell: str,
    shape: Shape,
    dtype: str,
    variant: Variant,
    regime: str,
    layout: str,
    given_state: bool,
    padding: str,
    reverse: bool,
    source: bytes | int,
) -> Case:
    """Make the case that these choices determine.

    source: gives the values, see `values`.
    variant: may also decide shape, given_state, padding and reverse, whatever else was chosen.
    """
    rng = np.random.default_rng(source if isinstance(source, int) else list(source[:8]))
    options = {"biases": 1, "layers": 1, "projection": False, **variant}
    biases, layers = options.pop("biases"), options.pop("layers")
    shape = options.pop("shape", shape)
    several = layers > 1 or options.get("merge_mode") is not None
    given_state, padding = options.pop("given_state", given_state), options.pop("padding", padding)
    reverse = options.pop("reverse", reverse and not several)
    merge_mode, projection = options.get("merge_mode"), options.pop("projection")
    shapes = array_shapes(cell, shape, biases, layers, merge_mode, given_state, projection)
    arithmetic = Arithmetic(np.dtype(dtype))
    arrays = scaled(values(shapes, source, rng), REGIMES[regime], least=arithmetic.smallest_normal**0.5)
    grows = ACTIVATIONS[options.get("activation", "tanh")].most > 1
    if regime == "special":
        add_special_values(arrays, arithmetic, grows, rng)
    if grows:
        squared = 2**layers if options.get("merge_mode") == "mul" else 1  # once in every layer
        limit_growth(arrays, min(arithmetic.largest, 1e38) ** 0.4, steps=shape[1] * layers * squared)
    if padding != "none":  # whatever reads the padding shows it
        valid, how = drawn_padding(padding, *shape[:2], rng)
        arrays["inputs"] = np.where(valid[..., None], arrays["inputs"], np.nan)
        options |= how
    laid_out = {name: with_layout(array.astype(dtype), layout) for name, array in arrays.items()}
    first, *more = cells_of(laid_out)
    whole: dict[str, Any] = {name: array for name, array in laid_out.items() if not name[-1].isdigit()}
    return Case(**whole, **first._asdict(), more_weights=tuple(more), cell=cell, reverse=reverse, **options)


def array_shapes(
    cell: str,
    shape: Shape,
    biases: int,
    layers: int,
    merge_mode: str | None,
    given_state: bool,
    projection: bool,
) -> dict[str, tuple[int, ...]]:
    """The arrays of a case and their shapes; those of cell k have names that end in k."""
    batch, time, input_size, hidden_size = shape
    rows = len(GATES[cell]) * hidden_size
    directions = 1 if merge_mode is None else 2
    output_size = hidden_size - hidden_size // 3 if projection else hidden_size
    features = output_size * (2 if merge_mode == "concat" else 1)
    shapes: dict[str, tuple[int, ...]] = {"inputs": (batch, time, input_size)}
    for k in range(layers * directions):
        shapes[f"W{k}"] = (rows, input_size if k < directions else features)
        shapes[f"U{k}"] = (rows, output_size)
        shapes |= {f"{name}{k}": (rows,) for name in ("b", "recurrent_b")[:biases]}
        shapes |= {f"projection{k}": (output_size, hidden_size)} if projection else {}
        if gates := len(CELLS[cell].peepholes):
            shapes[f"peepholes{k}"] = (gates * hidden_size,)
    if given_state:
        cells = () if layers * directions == 1 else (layers * directions,)
        sizes = zip(CELLS[cell].states, (output_size, hidden_size), strict=False)
        shapes |= {name: (*cells, batch, size) for name, size in sizes}
    return shapes


def cells_of(arrays: Mapping[str, Array]) -> list[Weights]:
    """The weights of each cell, from arrays with names that end in its number."""
    count = sum(name.startswith("U") for name in arrays)
    return [Weights(*(arrays.get(f"{name}{k}") for name in Weights._fields)) for k in range(count)]


def values(
    shapes: dict[str, tuple[int, ...]], source: bytes | int, rng: np.random.Generator
) -> dict[str, Array]:
    """Arrays of these shapes, float64, in [-2, 2): bytes / 64 where there are enough, or else random."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    if isinstance(source, bytes) and sum(sizes) <= len(source):
        flat = np.frombuffer(source, np.int8)[: sum(sizes)] / 64.0
    else:
        flat = rng.uniform(-2, 2, sum(sizes))
    ends = list(accumulate(sizes))
    return {
        name: flat[end - size : end].reshape(shape)
        for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
    }


def scaled(arrays: dict[str, Array], regime: Regime, least: float) -> dict[str, Array]:
    """The arrays in a regime. Entries uniform in [-2, 2) have the standard deviation 2/sqrt(3).

    least: the smallest size of a regime, so that not all numbers are zero in the dtype.
    """
    return {
        name: (np.abs(array) if regime.positive else array) * factor(name, array, regime, least)
        for name, array in arrays.items()
    }


def factor(name: str, array: Array, regime: Regime, least: float) -> float:
    """The factor of an array in a regime, by its name."""
    factor = max(regime.size, least)
    if name.startswith(("W", "projection")):
        factor = 0.5 if regime.positive else array.shape[1] ** -0.5
    elif name.startswith("peepholes"):
        factor = PEEPHOLES
    elif name.startswith("U"):
        scale = regime.spectral_scale
        factor = 0.5 if scale is None else scale * (3 / 4 / array.shape[1]) ** 0.5
    return 2.0 ** np.floor(np.log2(factor)) if regime.power_of_two else factor


def limit_growth(arrays: dict[str, Array], most: float, steps: int) -> None:
    """Keep a network whose activation grows from growing by more than `most` in all its steps.

    It may grow a great deal, but not overflow: the order of a sum that overflows decides its result.
    """
    limit = most ** (1 / max(steps, 1))
    for name, U in arrays.items():
        if name.startswith("U"):
            norm = float(np.abs(U).sum(axis=1).max())
            U *= min(1.0, limit / norm) if norm else 1.0


def add_special_values(
    arrays: dict[str, Array], arithmetic: Arithmetic, grows: bool, rng: np.random.Generator
) -> None:
    """Put signed zeros, subnormal and huge values, whole steps of zeros and constants in some places.

    grows: whether the states may be larger than 1, so that huge values are less huge.
    """
    huge = min(arithmetic.largest, 1e38) ** (0.3 if grows else 0.78)
    small = arithmetic.smallest_normal
    values = [0.0, -0.0, arithmetic.smallest_subnormal, -small / 3, small, 9.0, -13.0]
    for array in arrays.values():
        places = rng.random(array.shape) < 0.1
        array[places] = rng.choice(values, int(places.sum()))
    inputs = arrays["inputs"]
    inputs[rng.random(inputs.shape[:2]) < 0.2] = 0.0
    inputs[rng.random(inputs.shape[:2]) < 0.1] = rng.choice([1.0, -1.0, 0.1])
    inputs[rng.random(inputs.shape) < 0.02] = rng.choice([huge, -huge])
    if rng.random() < 0.1:  # alternating constants: every rounding error has the same sign
        arrays["U0"][:] = 0.1 * (-1.0) ** np.arange(arrays["U0"].shape[1])


def drawn_padding(
    padding: str, batch: int, time: int, rng: np.random.Generator
) -> tuple[Array, dict[str, Array]]:
    """Draw the steps that count, bools (batch, time), and the lengths or the mask of a case that says so.

    At least one step of each row counts, unless the kind of padding says empty.
    """
    if padding in ("scattered", "in front", "scattered, one empty"):
        mask = rng.random((batch, time)) < 0.6
        mask[:, rng.integers(time) if time else ()] = True
        if padding == "in front":
            mask = np.sort(mask, axis=1)
        if padding == "scattered, one empty" and batch:
            mask[0] = False
        return mask, {"mask": mask}
    if time == 0 or padding == "empty":
        lengths = np.zeros(batch, int)
    elif padding == "equal":
        lengths = np.full(batch, rng.integers(1, time + 1))
    else:
        lengths = rng.integers(1, max(1, time - (padding == "shorter")) + 1, batch)
    if padding == "one full, one empty" and batch:
        lengths[0], lengths[-1] = time, 0
    return np.arange(time) < lengths[:, None], {"lengths": lengths}
