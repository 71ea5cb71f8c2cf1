"""The ends of a pair of whole models, from whatever they are given as; none where an end is no whole model."""

from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.live import is_live, keras_model, torch_module
from rnn_lockstep.adapters.models.live import framework_of
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import printable, with_type
from rnn_lockstep.adapters.port.endpoint import Endpoint
from rnn_lockstep.adapters.port.whole.function import FunctionModel
from rnn_lockstep.adapters.port.whole.keras_model import KerasModel
from rnn_lockstep.adapters.port.whole.model import WholeModel
from rnn_lockstep.adapters.port.whole.torch_model import TorchModel

KERAS_FILES = (".keras", ".h5", ".hdf5")


def model_in(given: Any, end: Endpoint) -> Any:
    """The live model of an end, which Keras loads of its own files; None of any other file.

    Raises InvalidModel where Keras cannot load it.
    """
    if end.model is not None or not isinstance(given, (str, Path)):
        return end.model
    path = Path(given)
    if not path.name.endswith(KERAS_FILES) or path.name.endswith(".weights.h5"):
        return None
    try:
        with foreign_code():
            import keras

            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras's, whatever it is
        raise InvalidModel(f"{printable(path.name)}: Keras cannot load it: {with_type(error)}") from None


def whole_model(model: Any) -> WholeModel | None:
    """A live model as a whole one; None for a recurrent layer, which is asked as such, and for no model."""
    if model is None or isinstance(model, RecurrentLayer) or not is_live(model):
        return None
    framework = framework_of(model)
    if framework is keras_model:
        return None if is_layer(model, keras_model.recurrent(model)) else KerasModel(model)
    if framework is torch_module:
        return None if is_layer(model, torch_module.recurrent(model)) else TorchModel(model)
    return FunctionModel(model)


def is_layer(model: Any, recurrent: dict[str, Any]) -> bool:
    """Tell whether a model is nothing but one recurrent layer."""
    import sys

    if any(layer is model for layer in recurrent.values()):
        return True
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "layers") or not isinstance(model, keras.layers.Layer):
        return False
    inner = [part for part in getattr(model, "layers", [model]) if type(part).__name__ != "InputLayer"]
    return len(inner) == 1 and any(inner[0] is layer for layer in recurrent.values())
