"""Tencent's ncnn: its layers RNN, GRU and LSTM, row by row, for it has no batches."""

from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.reference import Case, FunctionError, Trace, Weights
from rnn_lockstep.reference.oracle.validation import Array

LAYERS = {"simple_rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
ORDER = {"simple_rnn": [0], "gru": [0, 1, 2], "lstm": [0, 1, 3, 2]}  # of the gates: r z n, and i f o g
DIRECTIONS = {(False, 1): 0, (True, 1): 1, (False, 2): 2}  # by reverse, and how many there are
SETTINGS = ("use_fp16_storage", "use_fp16_arithmetic", "use_fp16_packed", "use_bf16_storage")
# An LSTM's tanh of four numbers and more has an absolute error: of a small number few digits are right.
ERRORS: dict[str, Any] = {
    "sigmoid_ulps": {"float32": 4},
    "functions": {"tanh": {"float32": FunctionError(3, 5 * 2.0**-24)}},
}


class Ncnn:
    """Drives a net of one layer, made for each case."""

    def __init__(self) -> None:
        import ncnn

        self.ncnn = ncnn
        self.facts = Facts(
            "ncnn",
            version=ncnn.__version__,
            settings="float32, 1 thread",
            dtypes=("float32",),
            cells=tuple(LAYERS),
            biases=(0, 1, 2),
            reverse=True,
            merge_modes=("concat",),
            **ERRORS,
        )

    def run(self, case: Case) -> Trace:
        """Run the case's layer on each row; see `Adapter.run`."""
        self.facts.need(case)
        if case.activation != "tanh" or case.recurrent_activation != "sigmoid":
            raise Refused("its layers have no activations but tanh and sigmoid")
        if case.cell == "gru" and not case.reset_after:
            raise Refused("its GRU applies the reset gate after the matrix product; it has no other form")
        if case.time == 0:
            raise Refused("it has no array without numbers")
        net = self._net(case)
        outputs = np.zeros((case.batch, case.time, case.features), np.float32)
        starts = [state if case.directions == 2 else state[None] for state in case.start]
        finals = [np.zeros(start.shape, np.float32) for start in starts]
        for k in range(case.batch):
            extractor = net.create_extractor()
            extractor.input("x", self._mat(case.inputs[k]))
            if case.initial_state is not None:
                for name, start in zip("hc", starts, strict=False):
                    extractor.input(name, self._mat(start[:, k]))
            outputs[k] = self._extracted(extractor, "y")
            for name, final in zip("hc", finals, strict=False):
                final[:, k] = self._extracted(extractor, f"{name}n")
        return Trace(outputs, *(f.reshape(s) for f, s in zip(finals, case.state_shapes, strict=True)))

    def _net(self, case: Case) -> Any:
        """Make a net of the case's layer, with its weights."""
        states = "hc"[: len(case.start)]
        given = ["x", *(states if case.initial_state is not None else "")]
        answered = ["y", *(f"{state}n" for state in states)]
        weights = [stored(d.weights, case.cell) for d in case.passes[0]]
        size = sum(W.size for W, _, _ in weights)
        options = f"0={case.hidden_size} 1={size} 2={DIRECTIONS[case.reverse, case.directions]}"
        lines = [f"Input {name} 0 1 {name}" for name in given]
        lines.append(
            f"{LAYERS[case.cell]} layer {len(given)} {len(answered)} {' '.join(given + answered)} {options}"
        )
        net = self.ncnn.Net()
        net.opt.num_threads = 1
        for setting in SETTINGS:
            setattr(net.opt, setting, False)
        counts = f"{len(lines)} {len(given) + len(answered)}"
        net.load_param_mem("\n".join(["7767517", counts, *lines, ""]))
        parts = (np.stack(arrays).astype(np.float32) for arrays in zip(*weights, strict=True))
        tag = bytes(4)  # of an array of float32
        with NamedTemporaryFile(suffix=".bin") as file:
            file.write(b"".join(tag + part.tobytes() for part in parts))
            file.flush()
            if net.load_model(file.name) != 0:
                raise RuntimeError("ncnn reads no weights")
        return net

    def _mat(self, array: Array) -> Any:
        """The array as a Mat of its own."""
        held = np.ascontiguousarray(array)  # a Mat keeps no array alive that it is made of
        return self.ncnn.Mat(held).clone()

    def _extracted(self, extractor: Any, name: str) -> Array:
        """An answer as an array."""
        status, mat = extractor.extract(name)
        if status != 0:
            raise RuntimeError(f"ncnn extracts no {name}: {status}")
        return np.array(mat)


def stored(weights: Weights, cell: str) -> tuple[Array, Array, Array]:
    """W, the biases and U of a direction as ncnn stores them, in its order."""
    order = ORDER[cell]
    W, U = (np.concatenate([np.split(w, len(order))[k] for k in order]) for w in (weights.W, weights.U))
    zeros = np.zeros(len(W), W.dtype)
    b, recurrent_b = (np.split(zeros if x is None else x, len(order)) for x in weights.biases)
    if cell == "gru":  # r and z have one bias, n has one on either side of the reset gate
        return W, np.stack([b[0] + recurrent_b[0], b[1] + recurrent_b[1], b[2], recurrent_b[2]]), U
    return W, np.stack([b[k] + recurrent_b[k] for k in order]), U
