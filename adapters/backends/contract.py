"""The contract of an adapter: facts about a backend, and a way to run a case on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.reference import Arithmetic, Case, FunctionError, Trace
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS as RECORDS
from rnn_lockstep.reference.oracle.layer import MERGE_MODES

CELLS = tuple(RECORDS)
EVERYTHING: dict[str, Any] = {
    "dtypes": DTYPES,
    "cells": CELLS,
    "reset_after": (True, False),
    "biases": (0, 1, 2),
    "lengths": True,
    "masks": True,
    "reverse": True,
    "merge_modes": tuple(MERGE_MODES),
    "layers": 3,
    "last_output": True,
    "gradients": True,
    "activations": tuple(name for name in ACTIVATIONS if name != "tanh"),
    "projection": True,
    "clip": True,
    "input_forget": True,
}


RESETS = {True: "reset gate after the product", False: "reset gate before the product"}

# z / (1 + |z|) rounds twice, in whatever framework.
SOFTSIGN = {"softsign": dict.fromkeys(DTYPES, FunctionError(2.0))}


@dataclass(frozen=True)
class Facts:
    """The facts that an adapter declares about its backend.

    name: as selected by `--backend`.  version: the framework's.  device: where it computes.
    settings: threads, dtype settings and whatever else could change a result, for the header.
    Of these four, whatever is given becomes a short, printable text.
    The next fields tell what it can run and is tested on; `EVERYTHING` has it all.
    dtypes: of "float64", "float32", "float16" and "bfloat16".
    cells: of "simple_rnn", "gru", "lstm" and "peephole_lstm".  biases: layers with how many of them.
    reset_after: of a GRU's two forms, True and False, those that it has.
    lengths: batches of different lengths.  masks: padding anywhere.  reverse: layers that run backwards.
    merge_modes: of bidirectional layers.  layers: up to how many.  last_output: return_sequences=False.
    most_steps: how many steps a sequence may have; None for any number.
    gradients: it has a method `gradients`, see `Adapter`; tested in float32 and float64.
    activations: those that its cells take beside tanh, and beside relu in a simple RNN.
    projection: LSTMs with a projection of their outputs.
    clip: sums clipped before the activation.  input_forget: LSTMs with f = 1 - i.
    products: "TF32" or "bfloat16" where matrix products in float32 are taken from numbers cut to it.
    compiles: a new form or shape of a layer costs it much, so the suite draws fewer of them.
    recomputes: it may compute a state twice, for the output and for the step after, in other orders, as XLA
    does in a loop with a mask: then a final state need not have the bits of the last output.
    varies: it adds up in an order that changes from call to call, so that answers to the same case need not
    have the same bits, and each must be right.
    tanh_ulps, sigmoid_ulps: by dtype name, the worst error in units in the last place.
    function_error: the absolute error of these two beside that, however small their value is.
    tanh_typical, sigmoid_typical: by dtype name, the root mean square of the error in ulps.
    functions: the worst errors of any activation by its name and by dtype name, in ulps and absolutely.
    A function of which these tell nothing is taken for one that nobody has measured.
    """

    name: str
    version: str = "unknown"
    device: str = "cpu"
    settings: str = ""
    dtypes: tuple[str, ...] = ("float64", "float32")
    cells: tuple[str, ...] = ("simple_rnn",)
    reset_after: tuple[bool, ...] = (True, False)
    biases: tuple[int, ...] = (1,)
    lengths: bool = False
    masks: bool = False
    reverse: bool = False
    merge_modes: tuple[str, ...] = ()
    layers: int = 1
    last_output: bool = False
    most_steps: int | None = None
    gradients: bool = False
    activations: tuple[str, ...] = ()
    projection: bool = False
    clip: bool = False
    input_forget: bool = False
    products: str = ""
    compiles: bool = False
    recomputes: bool = False
    varies: bool = False
    tanh_ulps: Mapping[str, float] = field(default_factory=dict, hash=False)
    sigmoid_ulps: Mapping[str, float] = field(default_factory=dict, hash=False)
    function_error: float = 0.0
    tanh_typical: Mapping[str, float] = field(default_factory=dict, hash=False)
    sigmoid_typical: Mapping[str, float] = field(default_factory=dict, hash=False)
    functions: Mapping[str, Mapping[str, FunctionError]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("name", "version", "device", "settings"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def arithmetic(self, dtype: np.dtype[Any]) -> Arithmetic:
        """The way the backend computes in a dtype, with the errors of its functions as they are declared."""
        unmeasured, errors = Arithmetic(dtype), {}
        for name, worst, typical in (
            ("tanh", self.tanh_ulps, self.tanh_typical),
            ("sigmoid", self.sigmoid_ulps, self.sigmoid_typical),
        ):
            measured = worst.get(dtype.name, unmeasured.error_of(name).ulps)
            errors[name] = FunctionError(measured, self.function_error, typical.get(dtype.name))
        own = {name: known[dtype.name] for name, known in self.functions.items() if dtype.name in known}
        return Arithmetic(dtype, errors | own, self.products, self.recomputes)

    @property
    def not_tested(self) -> str:
        """The features of the suite that the backend does not declare, in words; empty if it declares all."""
        missing = [dtype for dtype in DTYPES if dtype not in self.dtypes]
        missing += [cell for cell in CELLS if cell not in self.cells]
        if "gru" in self.cells:
            missing += [RESETS[after] for after in RESETS if after not in self.reset_after]
        missing += [f"{n} biases" for n in EVERYTHING["biases"] if n not in self.biases]
        missing += [name for name in ("lengths", "masks", "reverse") if not getattr(self, name)]
        modes = [mode for mode in MERGE_MODES if mode not in self.merge_modes]
        missing += [f"bidirectional {mode}" for mode in modes] if self.merge_modes else ["bidirectional"]
        if self.layers < EVERYTHING["layers"]:
            missing.append("stacks" if self.layers == 1 else f"stacks of more than {self.layers}")
        missing += [] if self.last_output else ["the last output only"]
        missing += [] if self.most_steps is None else [f"sequences of more than {self.most_steps} steps"]
        missing += [] if self.gradients else ["gradients"]
        missing += [] if {*EVERYTHING["activations"]} <= {*self.activations} else ["other activations"]
        missing += [] if self.projection or "lstm" not in self.cells else ["projections"]
        missing += [] if self.clip else ["clip"]
        missing += [] if self.input_forget or "lstm" not in self.cells else ["input_forget"]
        return ", ".join(missing)

    def undeclared(self, case: Case) -> str:
        """The needs of a case that the backend does not declare, in words; empty if it declares all."""
        biases = 2 if case.recurrent_b is not None else int(case.b is not None)
        declared = {
            case.dtype.name: case.dtype.name in self.dtypes,
            case.cell: case.cell in self.cells,
            RESETS[case.reset_after]: case.cell != "gru" or case.reset_after in self.reset_after,
            f"{biases} biases": biases in self.biases,
            "lengths": self.lengths or case.lengths is None,
            "masks": self.masks or case.mask is None,
            "reverse": self.reverse or not case.reverse,
            f"bidirectional {case.merge_mode}": case.merge_mode in (None, *self.merge_modes),
            f"{case.layers} layers": case.layers <= self.layers,
            "the last output only": self.last_output or case.return_sequences,
            f"{case.time} steps": self.most_steps is None or case.time <= self.most_steps,
            f"activation {case.activation}": self.takes(case.cell, case.activation),
            "a projection": self.projection or case.projection is None,
            "clip": self.clip or case.clip is None,
            "input_forget": self.input_forget or not case.input_forget,
        }
        return ", ".join(need for need, has in declared.items() if not has)

    def need(self, case: Case) -> None:
        """Raise Refused where a case needs what the backend does not declare."""
        if missing := self.undeclared(case):
            raise Refused(f"{self.name} declares no {missing}")

    def takes(self, cell: str, activation: str) -> bool:
        """Tell whether a cell of the backend can have this activation."""
        everywhere = ("tanh", "relu") if cell == "simple_rnn" else ("tanh",)
        return activation in (*everywhere, *self.activations)

    def __str__(self) -> str:
        return ", ".join(part for part in (f"{self.name} {self.version}", self.device, self.settings) if part)


class Adapter(Protocol):
    """Drives one backend. No base class is needed: `facts` and `run` make an adapter.

    An adapter that declares gradients has a further method, `gradients(case, cotangents)`: the derivatives of
        L = Σ cotangent · answer with respect to `case.arrays()`, by the same names, from the framework's own
        automatic differentiation. `cotangents` is a `reference.Cotangents`; what is None there is zeros.
    """

    @property
    def facts(self) -> Facts:
        """The facts that the adapter declares about its backend."""
        ...

    def run(self, case: Case) -> Trace:
        """Load the case's W, U and b into the framework's real layer, run it, return NumPy arrays.

        The trace's arrays are new, of numpy.ndarray itself and in the case's dtype; the case is left as it
        was. Raises `Refused` when the framework cannot express the case, and only then; it never
        approximates.
        """
        ...


class Refused(Exception):
    """A framework cannot express a case. The message is the reason, in its own words where it has any.

    It is told in one short, printable line.
    """

    def __str__(self) -> str:
        return printable(self.args[0] if len(self.args) == 1 else self.args or type(self).__name__)
