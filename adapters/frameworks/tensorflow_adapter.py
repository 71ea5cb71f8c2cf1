"""TensorFlow's own recurrent kernels: `tf.raw_ops.BlockLSTMV2`, `LSTMBlockCell` and `GRUBlockCell`."""

import os
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.keras_engines import EIGEN
from rnn_lockstep.adapters.frameworks.weight_layouts import pack, unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array


class TensorFlowAdapter:
    """Drives the kernel of a whole LSTM, with the tag `cells` of a step of it, with `gru-cell` of a GRU's.

    Those of an LSTM take the gates in different orders: i, f, g, o as Keras does, and i, g, f, o. The GRU's
    has r and z in one matrix and n in another, and applies the reset gate before the product.
    """

    def __init__(self, tag: str = "") -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow

        self.tensorflow, self.by_step, gru = tensorflow, bool(tag), tag == "gru-cell"
        self.layout = "tensorflow1" if self.by_step else "tensorflow"
        self.facts = Facts(
            f"tensorflow:{tag}" if tag else "tensorflow",
            version=tensorflow.__version__,
            dtypes=("float32",) if gru else ("float32", "float16"),
            cells=("gru",) if gru else ("lstm", "peephole_lstm"),
            reset_after=(False,),
            biases=(0, 1, 2),
            gradients=not self.by_step,  # "gradient registry has no entry for: LSTMBlockCell", GRUBlockCell
            **EIGEN,
        )

    def run(self, case: Case) -> Trace:
        """Run the case's kernel; see `Adapter.run`."""
        outputs, *states = self._call(case, *map(self.tensorflow.constant, self._arrays(case)))
        return Trace(outputs.numpy(), *(state.numpy() for state in states))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `BlockLSTMGradV2`."""
        tf, size = self.tensorflow, case.input_size
        arrays = [tf.constant(array) for array in self._arrays(case)]
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            answer = self._call(case, *arrays)
        given = [tf.constant(array) for array in given_or_zeros(case, cotangents)]
        found = tape.gradient(answer, arrays, given, unconnected_gradients="zero")
        of_inputs, kernel, bias, *rest = (array.numpy() for array in found)
        of_start, seen = rest[-len(case.start) :], rest[: -len(case.start)]
        packed = Weights(kernel[:size], kernel[size:], bias, peepholes=seen[0] if seen else None)
        cells = [unpack_gradients(packed, case.weights, case.cell, self.layout)]
        return arrays_by_name(of_inputs, cells, of_start if case.initial_state is not None else [])

    def _arrays(self, case: Case) -> list[Array]:
        """The inputs, one matrix of both kernels, the bias, peepholes where there are any, and the states.

        Raises Refused.
        """
        self.facts.need(case)
        if (case.activation, case.recurrent_activation) != ("tanh", "sigmoid"):
            raise Refused(f"the kernel has tanh and sigmoid, and no {case.kind}")
        if self.by_step and case.batch == 0 and case.time:
            raise Refused("cs_prev_tensor is empty")
        packed = pack(case.weights, case.cell, self.layout)
        kernel = np.concatenate([packed.W, packed.U])
        bias = np.zeros_like(kernel[0]) if packed.b is None else packed.b
        seen = [] if packed.peepholes is None else [packed.peepholes]
        return [case.inputs, kernel, bias, *seen, *case.start]

    def _call(self, case: Case, inputs: Any, kernel: Any, bias: Any, *rest: Any) -> list[Any]:
        """The outputs and the final states, of what `_arrays` gives."""
        tf, size = self.tensorflow, case.hidden_size
        start, seen = rest[-len(case.start) :], rest[: -len(case.start)]
        steps, state = tf.transpose(inputs, (1, 0, 2)), list(start)
        peepholes = tf.split(seen[0], 3) if seen else [tf.zeros(size, inputs.dtype)] * 3
        lstm = {"w": kernel, "b": bias, "use_peephole": bool(seen)}
        lstm |= dict(zip(("wci", "wcf", "wco"), peepholes, strict=True))
        if case.time and not self.by_step:
            h, c = start
            of_all = {"seq_len_max": tf.constant(case.time, tf.int64), "cell_clip": 0, **lstm}
            answer = tf.raw_ops.BlockLSTMV2(x=steps, h_prev=h, cs_prev=c, **of_all)
            return [tf.transpose(answer.h, (1, 0, 2)), answer.h[-1], answer.cs[-1]]
        outputs = [tf.zeros((case.batch, 0, size), inputs.dtype)]
        step = partial(self._gru, kernel, bias) if case.cell == "gru" else partial(self._lstm, lstm)
        for x_t in tf.unstack(steps):
            state = step(x_t, *state)
            outputs.append(state[0][:, None])
        return [tf.concat(outputs, axis=1), *state]

    def _lstm(self, options: dict[str, Any], x_t: Any, h: Any, c: Any) -> list[Any]:
        """The states h and c after a step."""
        plain = {"forget_bias": 0, "cell_clip": -1, **options}
        new = self.tensorflow.raw_ops.LSTMBlockCell(x=x_t, h_prev=h, cs_prev=c, **plain)
        return [new.h, new.cs]

    def _gru(self, kernel: Any, bias: Any, x_t: Any, h: Any) -> list[Any]:
        """The state after a step."""
        gates = 2 * h.shape[-1]  # r and z; n is apart
        weights = {"w_ru": kernel[:, :gates], "b_ru": bias[:gates]}
        candidate = {"w_c": kernel[:, gates:], "b_c": bias[gates:]}
        return [self.tensorflow.raw_ops.GRUBlockCell(x=x_t, h_prev=h, **weights, **candidate).h]
