"""A case, which determines the answer, and a trace, which is what a backend answered."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.validation import Array, floats, need_layer

DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """Everything that determines the answer of one simple RNN layer.

    inputs (batch, time, D), W (H, D), U (H, H), b (H,), initial_state (batch, H) or None for zeros;
    NumPy arrays of one dtype, float32 or float64, which may be strided. activation "tanh" or "relu".
    Raises ValueError, naming the array, when they do not fit together.
    """

    inputs: Array
    W: Array
    U: Array
    b: Array
    initial_state: Array | None = None
    activation: str = "tanh"

    def __post_init__(self) -> None:
        for name, array in self.arrays().items():
            floats(name, array, DTYPES)
            if array.dtype != self.inputs.dtype:
                raise ValueError(f"{name} has dtype {array.dtype}, needs {self.inputs.dtype} like inputs")
        if self.inputs.ndim != 3:
            raise ValueError(f"inputs has shape {self.inputs.shape}, needs (batch, time, input_size)")
        need_layer(self.inputs, self.W, self.U, self.b, self.initial_state, self.activation)

    def arrays(self) -> dict[str, Array]:
        """The case's arrays by name; `initial_state` only when it has one."""
        named = {"inputs": self.inputs, "W": self.W, "U": self.U, "b": self.b}
        if self.initial_state is not None:
            named["initial_state"] = self.initial_state
        return named

    @property
    def h0(self) -> Array:
        """The initial state (batch, H), zeros where it was omitted."""
        if self.initial_state is not None:
            return self.initial_state
        return np.zeros((self.batch, self.hidden_size), self.dtype)

    @property
    def batch(self) -> int:
        return len(self.inputs)

    @property
    def time(self) -> int:
        return int(self.inputs.shape[1])

    @property
    def input_size(self) -> int:
        return int(self.inputs.shape[2])

    @property
    def hidden_size(self) -> int:
        return len(self.W)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inputs.dtype

    @property
    def sizes(self) -> str:
        """The sizes in one short phrase, for tables and messages."""
        return (
            f"batch={self.batch} time={self.time} input_size={self.input_size} hidden_size={self.hidden_size}"
        )

    def __repr__(self) -> str:
        state = "zeros" if self.initial_state is None else "given"
        return f"<Case {self.activation} {self.dtype} {self.sizes} initial_state={state}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How Hypothesis and IPython show it: in one line, without the arrays."""
        printer.text(repr(self))


@dataclass(frozen=True, eq=False)
class Trace:
    """What a backend answered: outputs (batch, time, H) and final_state (batch, H), in the case's dtype."""

    outputs: Array
    final_state: Array
