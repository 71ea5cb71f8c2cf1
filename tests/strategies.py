"""Cases for Hypothesis: small shapes that trace few graphs, values that leave faults nowhere to hide.

The lattice is small because compiled backends trace every shape anew. Values come from drawn bytes, on
a grid exact in every dtype, or from a drawn seed, with full mantissas: drawing them one by one takes
ten times as long. Both are independent and non-zero, so that no transposition or swap goes unseen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from reference import Case
from reference.cells import GATES

Shape = tuple[int, int, int, int]  # batch, time, input_size, hidden_size

# Shapes by purpose: those of the simple RNN, then those of the cells with gates, which have more
# variants to trace. From small to large, so that Hypothesis shrinks towards the first. Few pairs of
# input_size and hidden_size: less, as many and more inputs than units, sizes that fill a processor's
# registers and sizes that do not.
SHAPES: dict[str, tuple[Sequence[Shape], Sequence[Shape]]] = {
    "usual": (
        (
            (1, 2, 3, 3),
            (3, 4, 3, 3),
            (3, 3, 1, 1),
            (2, 3, 5, 4),
            (1, 33, 3, 3),
            (3, 6, 8, 17),
            (5, 1, 8, 17),
            (2, 66, 5, 4),
            (2, 4, 32, 64),
            (1, 100, 32, 64),  # the seed notebook's
        ),
        ((1, 2, 3, 3), (2, 3, 5, 4), (3, 6, 8, 17)),
    ),
    "small": (((2, 3, 5, 4),), ((2, 3, 5, 4),)),
    "several steps": (((3, 4, 3, 3), (3, 6, 8, 17)), ((3, 6, 8, 17),)),
    "ragged": (((3, 6, 8, 17),), ((3, 4, 3, 3),)),
    "empty and single": (
        ((1, 1, 3, 3), (2, 0, 3, 3), (1, 0, 5, 4), (1, 3, 5, 1), (0, 3, 3, 3)),
        ((1, 1, 3, 3), (2, 0, 3, 3), (1, 0, 5, 4), (0, 3, 3, 3)),
    ),
    "long": (
        ((2, 257, 3, 3), (1, 1025, 3, 3), (2, 520, 8, 17)),
        ((2, 66, 5, 4), (2, 257, 3, 3)),
    ),
    "wide": (
        ((129, 3, 5, 4), (3, 4, 70, 31), (2, 3, 20, 130), (2, 2, 260, 257)),
        ((33, 3, 5, 4), (2, 3, 20, 130)),
    ),
}

Variant = Mapping[str, Any]  # a case's options, and how many biases it has
VARIANTS: dict[str, Sequence[Variant]] = {  # the usual ones
    "simple_rnn": ({"activation": "tanh"}, {"activation": "relu"}),
    "gru": ({"biases": 2},),
    "lstm": ({"biases": 2},),
}
HARD = [{"biases": 2, "recurrent_activation": name} for name in ("hard_sigmoid", "hard_sigmoid_keras2")]
ALL_VARIANTS: dict[str, Sequence[Variant]] = {
    "simple_rnn": [{"biases": n, "activation": a} for n in (1, 2, 0) for a in ("tanh", "relu")],
    "gru": [*({"biases": n, "reset_after": after} for n in (1, 2, 0) for after in (True, False)), *HARD],
    "lstm": [*({"biases": n} for n in (1, 2, 0)), *HARD],
}


@dataclass(frozen=True)
class Regime:
    """How strong the weights are.

    spectral_scale: U's, roughly its spectral radius; None keeps U as drawn.
    size: the scale of inputs, b and initial state.  positive: no negative values.
    power_of_two: scales are powers of two, so that grid values keep few bits and their sums are exact.
    """

    spectral_scale: float | None
    size: float = 1.0
    positive: bool = False
    power_of_two: bool = False


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
LAYOUTS = ("contiguous", "strided", "fortran")
PADDINGS = ("none", "ragged", "none", "equal", "one full, one empty", "shorter")
GRID_VALUES = 300  # drawn bytes for smaller cases; Hypothesis's own limit is 8 KB a case


def fewer(divisor: int) -> settings:
    """Hypothesis settings with the run's number of examples divided by `divisor`."""
    return settings(max_examples=max(1, settings.default.max_examples // divisor))


@cache
def cases(
    cell: str = "simple_rnn",
    shapes: str = "usual",
    regimes: Sequence[str] = tuple(REGIMES),
    all_variants: bool = False,
    padded: bool = False,
    backwards: bool = False,
    biases: Sequence[int] = (0, 1, 2),
    dtypes: Sequence[str] = ("float32", "float64"),
) -> st.SearchStrategy[Case]:
    """Cases of a cell in the given shapes, regimes and dtypes; any initial state and memory layout.

    To trace less, a cell with gates comes in unusual shapes only in float64, the sharper dtype.
    padded: most cases have lengths, and padding full of NaN.  backwards: most layers run in reverse.
    """
    gated = cell != "simple_rnn"
    variants = (ALL_VARIANTS if all_variants else VARIANTS)[cell]
    if gated and shapes != "usual":
        dtypes = dtypes[-1:]
    variants = [v for v in variants if v.get("biases", 1) in biases] or [{"biases": biases[0]}]
    return st.builds(
        make_case,
        cell=st.just(cell),
        shape=st.sampled_from(SHAPES[shapes][gated]),
        dtype=st.sampled_from(dtypes),
        variant=st.sampled_from(variants),
        regime=st.sampled_from(regimes),
        layout=st.sampled_from(LAYOUTS),
        given_state=st.booleans(),
        reverse=st.sampled_from((True, False, True)) if backwards else st.just(False),
        padding=st.sampled_from(PADDINGS if padded else PADDINGS[:1]),
        source=st.binary(min_size=GRID_VALUES, max_size=GRID_VALUES) | st.integers(0, 2**32 - 1),
    )


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
    """The case that these choices determine. `source` gives the values."""
    rng = np.random.default_rng(source if isinstance(source, int) else list(source[:8]))
    options = {"biases": 1, **variant}
    biases, activation = options.pop("biases"), options.get("activation", "tanh")
    arrays = scaled(values(array_shapes(cell, shape, biases, given_state), source, rng), REGIMES[regime])
    if regime == "special":
        add_special_values(arrays, np.dtype(dtype), activation, rng)
    if activation == "relu":
        arrays["U"] *= growth_limit(arrays["U"], time=shape[1])
    lengths = None if padding == "none" else drawn_lengths(padding, *shape[:2], rng)
    if lengths is not None:  # whatever reads the padding shows it
        arrays["inputs"] = np.where(
            (np.arange(shape[1]) < lengths[:, None])[..., None], arrays["inputs"], np.nan
        )
    laid_out = {name: with_layout(array.astype(dtype), layout) for name, array in arrays.items()}
    return Case(**{"b": None, **laid_out}, cell=cell, lengths=lengths, reverse=reverse, **options)


def array_shapes(cell: str, shape: Shape, biases: int, given_state: bool) -> dict[str, tuple[int, ...]]:
    """The arrays of a case and their shapes."""
    batch, time, input_size, hidden_size = shape
    rows = len(GATES[cell]) * hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "inputs": (batch, time, input_size),
        "W": (rows, input_size),
        "U": (rows, hidden_size),
    }
    shapes.update({name: (rows,) for name in ("b", "recurrent_b")[:biases]})
    if given_state:
        shapes["initial_state"] = (batch, hidden_size)
        if cell == "lstm":
            shapes["initial_cell_state"] = (batch, hidden_size)
    return shapes


def values(
    shapes: dict[str, tuple[int, ...]], source: bytes | int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
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


def scaled(arrays: dict[str, np.ndarray], regime: Regime) -> dict[str, np.ndarray]:
    """The arrays in a regime. Entries uniform in [-2, 2) have the standard deviation 2/sqrt(3)."""
    input_size, hidden_size = arrays["W"].shape[1], arrays["U"].shape[1]
    factors = dict.fromkeys(arrays, regime.size)
    factors["W"] = 0.5 if regime.positive else input_size**-0.5
    factors["U"] = 0.5
    if regime.spectral_scale is not None:
        factors["U"] = regime.spectral_scale * (3 / 4 / hidden_size) ** 0.5
    if regime.power_of_two:
        factors = {name: 2.0 ** np.floor(np.log2(factor)) for name, factor in factors.items()}
    return {
        name: (np.abs(array) if regime.positive else array) * factors[name] for name, array in arrays.items()
    }


def growth_limit(U: np.ndarray, time: int) -> float:
    """The factor that keeps a relu network from growing by more than 10^15 in `time` steps.

    It may grow a great deal, but not overflow: the order of a sum that overflows decides its result.
    """
    norm = float(np.abs(U).sum(axis=1).max())
    limit = 10.0 ** (15 / max(time, 1))
    return min(1.0, limit / norm) if norm else 1.0


def add_special_values(
    arrays: dict[str, np.ndarray], dtype: np.dtype, activation: str, rng: np.random.Generator
) -> None:
    """Put signed zeros, subnormal and huge values, whole steps of zeros and constants in some places."""
    info = np.finfo(dtype)
    huge = 1e12 if activation == "relu" else 1e30
    values = [0.0, -0.0, info.smallest_subnormal, -info.smallest_normal / 3, info.smallest_normal, 9.0, -13.0]
    for array in arrays.values():
        places = rng.random(array.shape) < 0.1
        array[places] = rng.choice(values, int(places.sum()))
    inputs = arrays["inputs"]
    inputs[rng.random(inputs.shape[:2]) < 0.2] = 0.0
    inputs[rng.random(inputs.shape[:2]) < 0.1] = rng.choice([1.0, -1.0, 0.1])
    inputs[rng.random(inputs.shape) < 0.02] = rng.choice([huge, -huge])
    if rng.random() < 0.1:  # alternating constants: every rounding error has the same sign
        arrays["U"][:] = 0.1 * (-1.0) ** np.arange(arrays["U"].shape[1])


def drawn_lengths(padding: str, batch: int, time: int, rng: np.random.Generator) -> np.ndarray:
    """Lengths of one kind; at least 1 unless the kind says empty."""
    if padding == "equal":
        return np.full(batch, rng.integers(1, time + 1))
    lengths = rng.integers(1, max(1, time - (padding == "shorter")) + 1, batch)
    if padding == "one full, one empty":
        lengths[0], lengths[-1] = time, 0
    return lengths


def with_layout(array: np.ndarray, layout: str) -> np.ndarray:
    """An equal array with other strides."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7.0, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array
