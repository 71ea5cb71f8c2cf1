"""What a framework calls its layers and their weights, and how it stores them."""

from typing import Any, NamedTuple

from rnn_lockstep.adapters.backends.keras_adapter import variables_of
from rnn_lockstep.adapters.backends.weight_layouts import pack
from rnn_lockstep.reference import Case, Weights


class Conventions(NamedTuple):
    """A framework's names of a cell's weights, and of its layers."""

    weights: tuple[str, ...]
    simple_rnn: str
    gru: str
    lstm: str


FRAMEWORKS = {
    "torch": Conventions(
        ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
        simple_rnn="torch.nn.RNN",
        gru="torch.nn.GRU",
        lstm="torch.nn.LSTM",
    ),
    "keras": Conventions(
        ("kernel", "recurrent_kernel", "bias"),
        simple_rnn="keras.layers.SimpleRNN",
        gru="keras.layers.GRU",
        lstm="keras.layers.LSTM",
    ),
    "jax": Conventions(
        ("W", "U", "b", "recurrent_b"),
        simple_rnn="A simple RNN in jax.lax.scan",
        gru="A GRU in jax.lax.scan",
        lstm="An LSTM in jax.lax.scan",
    ),
}


def stored_weights(framework: str, case: Case, weights: Weights) -> list[Any]:
    """A cell's arrays as the framework has them."""
    if framework == "keras":
        return variables_of(case, weights)
    packed = pack(weights, case.cell, "torch") if framework == "torch" else weights
    return [array for array in packed if array is not None]
