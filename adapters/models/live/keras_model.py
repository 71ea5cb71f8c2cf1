"""Live Keras layers and models: `SimpleRNN`, `GRU`, `LSTM`, `RNN` of one of their cells, `Bidirectional`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.backends.registry import load
from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.live.calling import as_numpy, leaves
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS, Way
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.validation import Array

NAMES = {"tensorflow": "keras", "jax": "keras:jax", "torch": "keras:torch"}  # of our backends, by Keras's
CLASSES = {"SimpleRNNCell": "simple_rnn", "GRUCell": "gru", "LSTMCell": "lstm"}


def layers(model: Any) -> list[Found]:
    """The recurrent layers in a model, or the layer itself, with a reason for each that cannot be read."""
    return [read_or_reason(name, read, layer) for name, layer in recurrent(model).items()]


def recurrent(model: Any) -> dict[str, Any]:
    """The recurrent layers in a model, or the layer itself, by name."""
    import keras

    if isinstance(model, (keras.layers.RNN, keras.layers.Bidirectional)):
        return {model.name: model}
    found: dict[str, Any] = {}
    for inner in getattr(model, "layers", ()):
        found |= recurrent(inner)
    return found


def is_only_a_layer(model: Any) -> bool:
    """Tell whether a model is nothing but a recurrent layer that can be read, of any batch and time."""
    inner = [part for part in getattr(model, "layers", ()) if type(part).__name__ != "InputLayer"]
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()]
    if len(inner) != 1 or len(shapes) != 1 or shapes[0][:2] != (None, None):
        return False
    found = layers(model)
    return len(found) == 1 and inner[0].name == found[0].name and isinstance(found[0], RecurrentLayer)


def read(layer: Any) -> RecurrentLayer:
    """A RecurrentLayer of one of Keras's, which must be built. Raises InvalidModel."""
    import keras

    if not layer.built:
        raise InvalidModel(f"{layer.name}: has no weights yet; call or build it first")
    both = isinstance(layer, keras.layers.Bidirectional)
    if both and layer.merge_mode is None:
        raise InvalidModel(f"{layer.name}: has merge_mode=None, two outputs; needs concat, sum, mul or ave")
    parts = [layer.forward_layer, layer.backward_layer] if both else [layer]
    cell = parts[0].cell
    kind = CLASSES.get(type(cell).__name__)
    if kind is None or any(type(part.cell) is not type(cell) for part in parts):
        raise InvalidModel(f"{layer.name}: has a {type(cell).__name__}; known are {', '.join(CLASSES)}")
    try:
        return RecurrentLayer(
            layer.name,
            tuple(weights_of(part.cell, kind) for part in parts),
            kind,
            **{option: value_of(layer.name, getattr(cell, option)) for option in CELLS[kind].options},
            reverse=not both and bool(layer.go_backwards),
            merge_mode=layer.merge_mode if both else None,
            return_sequences=bool(layer.return_sequences),
            outputs_reversed=not both and bool(layer.go_backwards and layer.return_sequences),
            stateful=any(bool(getattr(part, "stateful", False)) for part in parts),
        )
    except ValueError as error:
        raise InvalidModel(f"{layer.name}: {error}") from None


def weights_of(cell: Any, kind: str) -> Weights:
    """A cell's weights; the two rows of a GRU's bias are b and recurrent_b."""
    kernels = [as_numpy(cell.kernel).copy(), as_numpy(cell.recurrent_kernel).copy()]
    bias = None if cell.bias is None else as_numpy(cell.bias).copy()
    biases = [] if bias is None else list(bias) if bias.ndim == 2 else [bias]
    return unpack(Weights(*kernels, *biases), kind, "keras")


def value_of(name: str, option: Any) -> Any:
    """The value of a cell's option in the reference: the name of an activation, or true or false.

    name: the layer's.  Raises InvalidModel for an activation that is not known.
    """
    if not callable(option):
        return bool(option)
    found = getattr(option, "__name__", str(option))
    if found not in ACTIVATIONS:
        raise InvalidModel(f"{name}: has the activation {found}; known are {', '.join(ACTIVATIONS)}")
    return found


def ways(model: Any, layer: str | None) -> Iterator[Way]:
    """The ways to ask a model, the likeliest first: all of it, then its one recurrent layer alone."""
    inner = recurrent(model)
    chosen = inner.get(layer) if layer is not None else None
    if chosen is None and not any(found is model for found in inner.values()):
        name = f"the model {model.name}"
        yield Way(name, lambda case: answered(model, tensor(case.inputs)), facts, reset=partial(reset, model))
    if chosen is None and len(inner) == 1:
        [only] = inner.values()
        chosen = only if only is model or is_readable(only) else None
    if chosen is not None:
        if chosen is not model:
            read(chosen)  # what cannot be read cannot be compared by itself
        name = type(chosen).__name__ if chosen is model else f"its layer {chosen.name} alone"
        takes = frozenset({INITIAL_STATE, LENGTHS})
        yield Way(
            f"keras.layers.{name}",
            lambda case: asked(chosen, case),
            facts,
            takes,
            bare=True,
            part=chosen is not model,
            reset=partial(reset, chosen),
        )


def reset(model: Any) -> None:
    """Let the recurrent layers of a model forget the state that they keep from call to call."""
    for layer in recurrent(model).values():
        if getattr(layer, "stateful", False):
            layer.reset_state()


def is_readable(layer: Any) -> bool:
    """Tell whether a layer can be read."""
    return isinstance(read_or_reason(layer.name, read, layer), RecurrentLayer)


def asked(layer: Any, case: Case) -> list[Array]:
    """The answer of one of Keras's recurrent layers, with a mask where the case has lengths."""
    state = None
    if case.initial_state is not None:
        by_cell = zip(*(case.by_cell(state) for state in case.start), strict=True)
        state = [tensor(state) for cell in by_cell for state in cell]
    mask = tensor(case.valid) if case.padded else None
    return answered(layer, tensor(case.inputs), initial_state=state, mask=mask)


def answered(model: Any, inputs: Any, **given: Any) -> list[Array]:
    """The answer of a layer or model, in any nesting of tensors, as NumPy's arrays."""
    with foreign_code():
        answer = model(inputs, training=False, **given)
    return [as_numpy(array) for array in leaves(answer)]


def tensor(array: Array) -> Any:
    """A tensor of the framework below Keras."""
    import keras

    return keras.ops.convert_to_tensor(array)


def facts() -> Facts:
    """The facts of Keras on the backend that it runs on."""
    import keras

    backend = keras.backend.backend()
    return load(NAMES.get(backend, backend)).facts
