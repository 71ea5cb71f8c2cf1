"""Functions called with a case, whatever framework their arrays are of."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.backends.registry import load
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN, stated
from rnn_lockstep.adapters.frameworks.torch_adapter import as_array, as_tensor
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.live.signature import Signature
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS, Way, WrongForm, reset
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

# The backend whose declared errors are those of a framework's arrays, by the name of their module.
BACKENDS = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "tensorflow": "keras"}


class Call:
    """A function of inputs, and perhaps states, lengths or a mask, called with cases.

    convert: makes the framework's own array of a NumPy array.
    stacked: whether initial states are (layers·directions, batch, H) of one cell too, as torch has them.
    stateless: whether initial states are left out, though there may be a parameter for them.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Signature,
        convert: Callable[[Array], Any],
        stacked: bool = False,
        stateless: bool = False,
    ) -> None:
        self.function, self.signature, self.convert = function, signature, convert
        self.stacked, self.stateless = stacked, stateless
        self.framework = ""

    @property
    def takes(self) -> frozenset[str]:
        """The arguments that are given to the function: INITIAL_STATE, LENGTHS, or both."""
        state = self.signature.state and not self.stateless
        lengths = self.signature.lengths or self.signature.mask
        return frozenset(name for name, has in ((INITIAL_STATE, state), (LENGTHS, lengths)) if has)

    def __call__(self, case: Case) -> list[Array]:
        inputs, given = self.convert(case.inputs), self.given(case)
        with foreign_code():
            answer = list(leaves(self.function(inputs, **given)))
        if answer:
            self.framework = type(answer[0]).__module__.partition(".")[0]
        return [as_numpy(array) for array in answer]

    def given(self, case: Case) -> dict[str, Any]:
        """The arguments beside the inputs, by their names."""
        names, given = self.signature, {}
        if names.state and not self.stateless and (case.initial_state is not None or names.needed):
            start = map(case.by_cell, case.start) if self.stacked else case.start
            states = [self.convert(state) for state in start]
            if len(states) == 1:
                given[names.state] = states[0]
            elif names.cell_state:
                given[names.state], given[names.cell_state] = states
            else:
                given[names.state] = tuple(states)
        told = case.padded or names.padding_needed
        if names.lengths and told:
            given[names.lengths] = self.convert(case.valid.sum(axis=1))
        elif names.mask and told:
            given[names.mask] = self.convert(case.valid)
        return given

    def facts(self) -> Facts:
        """The facts that the function states, or else those of the framework that answered, or UNKNOWN."""
        if own := stated(self.function):
            return own
        backend = BACKENDS.get(self.framework)
        return load(backend).facts if backend else UNKNOWN


def leaves(answer: Any) -> Iterator[Any]:
    """The arrays in any nesting of tuples and lists, without None."""
    if isinstance(answer, (tuple, list)):
        for part in answer:
            yield from leaves(part)
    elif answer is not None:
        yield answer


def as_numpy(array: Any) -> Array:
    """A framework's array as NumPy's. Raises WrongForm where a mask would be lost."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return as_array(array.detach().cpu())
    found = array.numpy() if hasattr(array, "numpy") else array
    if isinstance(found, np.ma.MaskedArray):
        raise WrongForm("it returned a MaskedArray, needs arrays without a mask")
    return np.asarray(found)


def conversions() -> Iterator[tuple[str, Callable[[Array], Any]]]:
    """Kinds of arrays to call a function with: NumPy's, and those of every framework that is in use."""
    yield "NumPy arrays", lambda array: array
    if (jax := sys.modules.get("jax")) is not None and hasattr(jax, "numpy"):
        yield "JAX arrays", jax.numpy.asarray
    if "torch" in sys.modules:
        yield "torch tensors", as_tensor
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        yield "TensorFlow tensors", tensorflow.convert_to_tensor


def ways(function: Callable[..., Any], signature: Signature, name: str) -> Iterator[Way]:
    """The ways to call a function that may be any framework's."""
    forms = [{}, {"stacked": True}] if signature.state else [{}]
    if signature.state and not signature.needed:
        forms.append({"stateless": True})
    for form in forms:
        for what, convert in conversions():
            call = Call(function, signature, convert, **form)
            forget = partial(reset, function)
            yield Way(f"{name}, called with {what}", call, call.facts, call.takes, reset=forget)
