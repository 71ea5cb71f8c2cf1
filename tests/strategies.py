"""Cases for Hypothesis: small shapes that trace few graphs, values that leave faults nowhere to hide.

The lattice is small because compiled backends trace every shape anew. Values come from drawn bytes, on
a grid exact in every dtype, or from a drawn seed, with full mantissas: drawing them one by one takes
ten times as long. Both are independent and non-zero, so that no transposition or swap goes unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from reference import Case

Shape = tuple[int, int, int, int]  # batch, time, input_size, hidden_size

# From small to large, so that Hypothesis shrinks towards the first. Few (input_size, hidden_size) pairs.
SHAPES: Sequence[Shape] = (
    (1, 1, 1, 1),
    (1, 2, 2, 3),
    (3, 4, 2, 3),
    (3, 3, 1, 1),
    (3, 4, 3, 3),
    (2, 3, 5, 4),
    (4, 7, 5, 4),
    (9, 2, 2, 3),
    (1, 33, 3, 3),
    (3, 6, 8, 17),
    (2, 66, 5, 4),
    (5, 1, 8, 17),
    (2, 4, 32, 64),
    (1, 100, 32, 64),  # the seed notebook's
)
LONG_SHAPES: Sequence[Shape] = ((2, 257, 2, 3), (3, 300, 5, 4), (1, 1025, 3, 3), (2, 520, 8, 17))
WIDE_SHAPES: Sequence[Shape] = ((33, 3, 5, 4), (3, 4, 70, 31), (2, 3, 20, 130))


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
BYTES_AT_MOST = 300  # larger cases come from a seed: Hypothesis's own limit is 8 KB a case


def fewer(divisor: int) -> settings:
    """Hypothesis settings with the run's number of examples divided by `divisor`."""
    return settings(max_examples=max(1, settings.default.max_examples // divisor))


@st.composite
def cases(
    draw: st.DrawFn,
    shapes: Sequence[Shape] = SHAPES,
    regimes: Sequence[str] = tuple(REGIMES),
    dtypes: Sequence[str] = ("float32", "float64"),
) -> Case:
    """A case of one of the given shapes, regimes and dtypes; any activation, state and memory layout."""
    shape = draw(st.sampled_from(shapes))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    activation = draw(st.sampled_from(("tanh", "relu")))
    regime = draw(st.sampled_from(regimes))
    layout = draw(st.sampled_from(LAYOUTS))
    given_state = draw(st.booleans())
    on_grid = draw(st.booleans())
    seed = draw(st.integers(0, 2**32 - 1))
    arrays = scaled(drawn_values(draw, shape, seed, on_grid), REGIMES[regime])
    if regime == "special":
        add_special_values(arrays, dtype, activation, seed)
    if activation == "relu":
        arrays["U"] *= growth_limit(arrays["U"], time=shape[1])
    if not given_state:
        del arrays["initial_state"]
    laid_out = {name: with_layout(array.astype(dtype), layout) for name, array in arrays.items()}
    return Case(**laid_out, activation=activation)


def drawn_values(draw: st.DrawFn, shape: Shape, seed: int, on_grid: bool) -> dict[str, np.ndarray]:
    """The arrays of a case, float64, in [-2, 2): drawn bytes / 64 if they are few, or else from the seed."""
    batch, time, input_size, hidden_size = shape
    array_shapes = {
        "inputs": (batch, time, input_size),
        "W": (hidden_size, input_size),
        "U": (hidden_size, hidden_size),
        "b": (hidden_size,),
        "initial_state": (batch, hidden_size),
    }
    sizes = [int(np.prod(s)) for s in array_shapes.values()]
    total = sum(sizes)
    if on_grid and total <= BYTES_AT_MOST:
        flat = np.frombuffer(draw(st.binary(min_size=total, max_size=total)), np.int8) / 64.0
    else:
        flat = np.random.default_rng(seed).uniform(-2, 2, total)
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {name: part.reshape(s) for (name, s), part in zip(array_shapes.items(), parts, strict=True)}


def scaled(arrays: dict[str, np.ndarray], regime: Regime) -> dict[str, np.ndarray]:
    """The arrays in a regime. Entries uniform in [-2, 2) have the standard deviation 2/sqrt(3)."""
    hidden_size, input_size = arrays["W"].shape
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
    """The factor that keeps a relu network from growing by more than 10^20 in `time` steps.

    It may grow a great deal, but not overflow: the order of a sum that overflows decides its result.
    """
    norm = float(np.abs(U).sum(axis=1).max())
    limit = 10.0 ** (20 / max(time, 1))
    return min(1.0, limit / norm) if norm else 1.0


def add_special_values(arrays: dict[str, np.ndarray], dtype: np.dtype, activation: str, seed: int) -> None:
    """Put signed zeros, subnormal and huge values, whole steps of zeros and constants in some places."""
    rng = np.random.default_rng(seed)
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


def with_layout(array: np.ndarray, layout: str) -> np.ndarray:
    """An equal array with other strides."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7.0, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array
