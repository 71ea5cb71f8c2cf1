"""Sonnet: `sonnet.VanillaRNN`, `GRU` and `LSTM` in `DeepRNN` and `dynamic_unroll`, as graphs."""

import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.keras_engines import EIGEN
from rnn_lockstep.adapters.frameworks.weight_layouts import pack
from rnn_lockstep.reference import Case, Trace, Weights
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.oracle.validation import Array

CORES = {"simple_rnn": "VanillaRNN", "gru": "GRU", "lstm": "LSTM"}
LAYOUTS = {"simple_rnn": "keras", "gru": "haiku", "lstm": "keras"}


class SonnetAdapter:
    """Drives a stack of cores, made once for all cases of its form, without a bias of the forget gate."""

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import sonnet
        import tensorflow

        self.sonnet, self.tensorflow = sonnet, tensorflow
        self.facts = Facts(
            "sonnet",
            version=f"{sonnet.__version__} (tensorflow {tensorflow.__version__})",
            dtypes=DTYPES,
            cells=tuple(CORES),
            reset_after=(False,),
            biases=(0, 1, 2),
            lengths=True,
            layers=3,
            compiles=True,
            **EIGEN,
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: "Form") -> tuple[list[Any], Any]:
        """Make the cores, with their variables, and what unrolls them over inputs (time, batch, size)."""
        tf, sonnet, dtype = self.tensorflow, self.sonnet, getattr(self.tensorflow, form.dtype)
        options: dict[str, Any] = {"dtype": dtype}
        if form.cell == "simple_rnn":
            options["activation"] = getattr(tf.nn, form.activation)
        if form.cell == "lstm":
            options["forget_bias"] = 0.0
        cores = [getattr(sonnet, CORES[form.cell])(form.hidden_size, **options) for _ in range(form.layers)]
        stack = sonnet.DeepRNN(cores)
        stack(tf.zeros((1, form.input_size), dtype), stack.initial_state(1))

        def unroll(inputs: Any, start: Any, lengths: Any) -> Any:
            return sonnet.dynamic_unroll(stack, inputs, start, lengths)

        return cores, tf.function(unroll, reduce_retracing=True)

    def run(self, case: Case) -> Trace:
        """Run the case in Sonnet's own cores; see `Adapter.run`."""
        self.facts.need(case)
        if reason := refusal(case):
            raise Refused(reason)
        tf = self.tensorflow
        cores, unroll = self.cache(form_of(case))
        for core, (direction,) in zip(cores, case.passes, strict=True):
            W, U, b = parameters_of(direction.weights, case)
            core.input_to_hidden.assign(W)
            core.hidden_to_hidden.assign(U)
            (core._b if case.cell == "simple_rnn" else core.b).assign(b)
        by_layer = zip(*(map(tf.constant, case.by_cell(state)) for state in case.start), strict=True)
        start = tuple(self.sonnet.LSTMState(*s) if case.cell == "lstm" else s[0] for s in by_layer)
        lengths = None if case.lengths is None else tf.constant(case.lengths, tf.int32)
        outputs, final = unroll(tf.constant(np.swapaxes(case.inputs, 0, 1)), start, lengths)
        outputs = np.swapaxes(outputs.numpy(), 0, 1)
        if case.padded:  # there it repeats the output before
            outputs = np.where(case.valid[..., None], outputs, outputs.dtype.type(0))
        finals = [(s.hidden, s.cell) if case.cell == "lstm" else (s,) for s in final]
        joined = (np.stack([state.numpy() for state in states]) for states in zip(*finals, strict=True))
        shapes = zip(joined, case.state_shapes, strict=True)
        return Trace(np.array(outputs), *(state.reshape(shape) for state, shape in shapes))


class Form(NamedTuple):
    """The fields of a case that force new cores."""

    cell: str
    activation: str
    dtype: str
    input_size: int
    hidden_size: int
    layers: int


def form_of(case: Case) -> Form:
    """The form of a case's cores."""
    return Form(case.cell, case.activation, case.dtype.name, case.input_size, case.hidden_size, case.layers)


def parameters_of(weights: Weights, case: Case) -> list[Array]:
    """W, U and b of a core.

    The z of Sonnet's GRU is 1 - z, and 1 - sigmoid(x) is sigmoid(-x), so that part changes its sign.
    """
    W, U, b, *_ = pack(weights, case.cell, LAYOUTS[case.cell])
    found = [W, U, np.zeros_like(W[0]) if b is None else b]
    if case.cell != "gru":
        return found
    signs = np.repeat([-1 if gate == "z" else 1 for gate in "zrn"], case.hidden_size).astype(W.dtype)
    return [array * signs for array in found]


def refusal(case: Case) -> str:
    """The reason why Sonnet's cores cannot express the case; empty when they can."""
    if case.time == 0:
        return "input_sequence must have at least a single time step"
    if case.cell != "simple_rnn" and (case.activation, case.recurrent_activation) != ("tanh", "sigmoid"):
        return f"sonnet.{CORES[case.cell]} has tanh and sigmoid alone, and is no {case.kind}"
    return ""
