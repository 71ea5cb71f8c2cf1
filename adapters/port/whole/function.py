"""Whole models that are functions on arrays, of JAX or NumPy: what is inside is not seen."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN
from rnn_lockstep.adapters.models.live.calling import as_numpy, conversions
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.live.signature import signature_of
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import Emitted, Inner, Run, arrays_in
from rnn_lockstep.reference.oracle.validation import Array


class FunctionModel:
    """A function as a whole model, called with the first kind of arrays that it takes.

    wide: whether its inputs are made float64, and its outputs must be.
    framework: that of the arrays it answered with, by the name of their module.
    """

    inputs: tuple[Input, ...] = ()
    layers: Mapping[str, RecurrentLayer] = {}
    unread: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()

    def __init__(self, function: Callable[..., Any], wide: bool = False) -> None:
        self.function, self.wide = function, wide
        self.convert: Callable[[Array], Any] | None = None
        self.framework = ""

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example. Raises InvalidModel where it answers to no kind of arrays."""
        failed = []
        kinds = [("arrays", self.convert)] if self.convert else list(conversions())
        for kind, convert in kinds:
            try:
                outputs = self.asked(example, convert)
            except Exception as error:  # the function's, whatever it is
                failed.append(f"called with {kind} it raised {with_type(error)}")
                continue
            self.convert = convert
            return Run(outputs)
        raise InvalidModel(failed[-1])

    def asked(self, example: Example, convert: Callable[[Array], Any]) -> tuple[Array, ...]:
        """The answer to arrays of one kind."""
        arrays = [in_float64(a) if self.wide else a for a in example.arrays]
        given = {name: convert(array) for name, array in self.named(example).items()}
        with foreign_code(), in_x64() if self.wide else nullcontext():
            answer = list(arrays_in(self.function(*map(convert, arrays), **given)))
            outputs = tuple(map(as_numpy, answer))
        self.framework = type(answer[0]).__module__.partition(".")[0] if answer else ""
        if self.wide and any(array.dtype == np.float32 for array in outputs):
            raise InvalidModel("it computes in float32 whatever it is given")
        return outputs

    def named(self, example: Example) -> dict[str, Array]:
        """What is given by its name: lengths or a mask of an example that has some, where it takes them."""
        names = signature_of(self.function)
        if example.lengths is not None and names.lengths:
            return {names.lengths: example.lengths}
        if example.lengths is not None and names.mask:
            return {names.mask: np.arange(example.arrays[0].shape[1]) < example.lengths[:, None]}
        return {}

    def again(self, example: Example) -> Run:
        """The outputs for an example: it keeps nothing of what was asked before."""
        return self.run(example)

    def in_float(self, bits: int) -> "FunctionModel":
        """The same function given inputs of float64. Raises InvalidModel for any other."""
        if bits != 64:
            raise InvalidModel("a function cannot be run in another dtype")
        return FunctionModel(self.function, wide=True)

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """None: what is inside of a function is not seen."""
        return ()

    def behind(self, example: Example, call: int | None, tensor: int) -> None:
        """None: no layers are seen."""

    def parameters(self) -> Mapping[str, Array]:
        """None: what is inside of a function is not seen."""
        return {}

    def alone(self, layer: str) -> Any:
        """Raise InvalidModel: the layers of a function are not seen."""
        raise InvalidModel(f"a function has no layer {layer} that can be asked")

    def facts(self) -> Facts:
        """What is known of any arithmetic."""
        return UNKNOWN


def in_float64(array: Array) -> Array:
    """The array in float64 where it is of floats."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


@contextmanager
def in_x64() -> Iterator[None]:
    """Let JAX, where it is in use, compute in float64."""
    jax = sys.modules.get("jax")
    if jax is None:
        yield
        return
    with jax.enable_x64(True):
        yield
