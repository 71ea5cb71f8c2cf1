"""Check a simple RNN of one's own against the vectors, with nothing but NumPy and safetensors.

python tests/vectors/read.py DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

CAN = {
    "simple_rnn",
    "float32",
    "float64",
    "one bias",
    "initial state",
    "no steps",
    "no rows",
    "long",
    "lengths",
}


def simple_rnn(inputs, W, U, b, initial_state=None, lengths=None):
    """The layer under test: outputs (batch, time, H) and the final state (batch, H)."""
    batch, time, _ = inputs.shape
    h = np.zeros((batch, len(U)), inputs.dtype) if initial_state is None else initial_state
    outputs = np.zeros((batch, time, len(U)), inputs.dtype)
    for t in range(time):
        counts = np.ones((batch, 1), bool) if lengths is None else t < lengths[:, None]
        h = np.where(counts, np.tanh(inputs[:, t] @ W.T + h @ U.T + b), h)
        outputs[:, t] = np.where(counts, h, 0)
    return {"outputs": outputs, "final_state": h}


def check(folder):
    """Compare with every vector that needs no more than CAN; return how many, and the wrong ones."""
    chosen = [
        each
        for each in json.loads((folder / "manifest.json").read_text())["cases"]
        if {*each["features"]} <= CAN
    ]
    vectors = [load_file(folder / each["file"]) for each in chosen]
    names = ("inputs", "W", "U", "b", "initial_state", "lengths")
    found = [simple_rnn(**{name: v[name] for name in names if name in v}) for v in vectors]
    return len(chosen), [
        f"{each['file']}: {name}"
        for each, vector, answer in zip(chosen, vectors, found, strict=True)
        for name, array in answer.items()
        if array.dtype != each["dtype"]
        or array.shape != vector[f"expected.{name}"].shape
        or not (np.abs(array.astype(float) - vector[f"expected.{name}"]) <= vector[f"bound.{name}"]).all()
    ]


if __name__ == "__main__":
    count, wrong = check(Path(sys.argv[1]))
    print(f"{count} vectors compared, {len(wrong)} wrong", *wrong, sep="\n")
    sys.exit(bool(wrong) or not count)
