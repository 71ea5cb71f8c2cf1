"""Recurrent operators of a runtime's own, beside those of ONNX: why they cannot be read, in one line.

DynamicQuantizeLSTM: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

import re
from typing import Any

from rnn_lockstep.adapters.models.files.onnx_constants import Constants

RECURRENT = re.compile("RNN|GRU|LSTM", re.I)
# The places among its inputs of a quantized LSTM's weights, and of their scales.
QUANTIZED = {"W": (1, 8), "R": (2, 10)}


def is_recurrent(node: Any) -> bool:
    """Tell whether a node is a recurrent layer, as far as its operator's name tells."""
    return RECURRENT.search(node.op_type) is not None


def reason(node: Any, constants: Constants) -> str:
    """The reason why a node cannot be read, with the scales of one that is quantized."""
    what = f"it is a {node.op_type} of {node.domain}"
    if node.op_type != "DynamicQuantizeLSTM":
        return f"{what}, which is no operator of ONNX"
    told = "; ".join(quantized(letter, node, constants) for letter in QUANTIZED)
    return (
        f"{what} ({told}), which rounds its inputs and states to 8 bits at each step, as no layer of floats "
        "does: read the model that was quantized"
    )


def quantized(letter: str, node: Any, constants: Constants) -> str:
    """The dtype, shape and scales of weights, in words, as far as they can be read."""
    try:
        weights, scale = (constants.array(node.input[k]) for k in QUANTIZED[letter])
    except (ValueError, IndexError):
        return f"{letter} is no constant"
    least, most = (f"{x:.3g}" for x in (scale.min(), scale.max()))
    scales = least if least == most else f"{least} to {most}"
    return f"{letter} {weights.dtype} {weights.shape}, scale {scales}"
