"""What models leave on padding, after the end of each row: told as a note where conventions differ."""

from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer
from rnn_lockstep.adapters.models.live.connect import STATES
from rnn_lockstep.adapters.models.live.way import LENGTHS
from rnn_lockstep.adapters.port.answers import judge
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.oracle.validation import Array

ZEROS, REPEATED, OTHER = "zeros", "the last output of the row again", "other numbers"
CONTINUED = "what it computes of the padding"
# What a framework's own layers leave there, by the backend that runs its files.
# Sources: Keras's documentation of RNN (zero_output_for_mask), torch's of pad_packed_sequence, flax's RNN.
OF_BACKENDS = {"keras": REPEATED, "torch": ZEROS, "jax": CONTINUED}


def left_on_padding(outputs: Array, lengths: Array) -> str:
    """What outputs (batch, time, H) have after each row's length, in words; empty without padding."""
    valid = np.arange(outputs.shape[1]) < lengths[:, None]
    if valid.all():
        return ""
    last = outputs[np.arange(len(outputs)), np.maximum(lengths - 1, 0)]
    for words, there in ((ZEROS, np.zeros_like(outputs)), (REPEATED, last[:, None])):
        if np.array_equal(outputs[~valid], np.broadcast_to(there, outputs.shape)[~valid]):
            return words
    return OTHER


def shown_by(live: LiveLayer, seed: int) -> str:
    """What a model leaves on padding; empty where it takes no lengths, or shows only last outputs."""
    layer = live.layer
    if LENGTHS not in live.way.takes or not layer.return_sequences:
        return ""
    rng = np.random.default_rng(seed)
    lengths = np.array([2, 4, 1])
    inputs = rng.normal(size=(3, 4, layer.input_size)).astype(layer.dtype)
    inputs[np.arange(4) >= lengths[:, None]] = 0
    case = layer.case(inputs, lengths=lengths)
    try:
        live.way.reset()
        outputs = np.asarray(live.way.call(case)[0])
    except Exception:  # told where it is asked
        return ""
    if outputs.shape != (3, 4, case.features):
        return ""
    found = left_on_padding(outputs[:, ::-1] if layer.outputs_reversed else outputs, lengths)
    return CONTINUED if found == OTHER and is_continued(live, case, outputs) else found


def is_continued(live: LiveLayer, case: Case, outputs: Array) -> bool:
    """Tell whether outputs are those of all steps, as if none was padding."""
    final_states = STATES[: len(case.start)]
    trace = Trace(outputs, None, None)
    return judge(live.facts, replace(case, lengths=None), trace, final_states).status == "match"


def convention_notes(target: LiveLayer, of_source: str, seed: int) -> list[str]:
    """A note where the target leaves something else on padding than the source does.

    of_source: what that leaves there, in words; empty where it is not known.
    """
    found = shown_by(target, seed)
    if not found or not of_source or found == of_source:
        return []
    return [f"on padding, after the end of each row, it leaves {found}, where the source leaves {of_source}"]
