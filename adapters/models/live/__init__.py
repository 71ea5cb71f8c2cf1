"""Live models: layers of torch and Keras, and functions, read and asked as they are.

A function is called as `f(inputs)`, `f(inputs, initial_state)` or with `lengths` or `mask` too, by the names
of its parameters; arrays are NumPy's, or those of the framework that it needs. inputs (batch, time, D),
initial_state (batch, H), or (h, c) of an LSTM, lengths (batch,). It returns outputs (batch, time, H), or the
last one, (batch, H), alone or with the final state, and that of an LSTM's cell after it.
The errors of tanh and sigmoid are those of the framework that answers, or of its attribute `facts`.
"""

import sys
from collections.abc import Iterator
from typing import Any

from rnn_lockstep.adapters.models.live import calling, keras_model, torch_module
from rnn_lockstep.adapters.models.live.connect import LiveLayer, connect
from rnn_lockstep.adapters.models.live.signature import signature_of
from rnn_lockstep.adapters.models.live.way import Way, WrongForm
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer, readable

__all__ = ["LiveLayer", "Way", "WrongForm", "connect", "found_live", "is_live", "read_live", "ways"]


def framework_of(model: Any) -> Any:
    """The module here that knows such models; None for a function and for what is no model.

    Imports nothing: a model's framework is imported already.
    """
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if keras is not None and hasattr(keras, "layers") and isinstance(model, keras.layers.Layer):
        return keras_model  # on torch it is one of torch's modules too
    if torch is not None and isinstance(model, torch.nn.Module):
        return torch_module
    return None


def is_live(model: Any) -> bool:
    """Tell whether something is a live model."""
    return framework_of(model) is not None or callable(model)


def read_live(model: Any) -> list[RecurrentLayer]:
    """The recurrent layers of a live model that can be read; none of a function.

    Raises InvalidModel where there are some and none can be read.
    """
    return readable(found_live(model))


def found_live(model: Any) -> list[Found]:
    """The recurrent layers of a live model, with a reason for each that cannot be read."""
    framework = framework_of(model)
    found: list[Found] = [] if framework is None else framework.layers(model)
    return found


def ways(model: Any, layer: str | None = None) -> Iterator[Way]:
    """The ways to ask a live model, the likeliest first. Raises InvalidModel.

    layer: the name of the one to ask of a model's layers.
    """
    framework = framework_of(model)
    if framework is not None:
        yield from framework.ways(model, layer)
    elif callable(model):
        yield from calling.ways(model, signature_of(model), getattr(model, "__name__", type(model).__name__))
    else:
        raise InvalidModel(
            f"a {type(model).__name__} is no model: needs a torch.nn.Module, a Keras layer or a function"
        )
