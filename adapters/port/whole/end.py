"""The ends of a pair of whole models, from whatever they are given as; none where one is no such model."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.files.table import FORMATS
from rnn_lockstep.adapters.models.live import framework_of, is_live, keras_model, torch_module
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.one_line import printable, with_type
from rnn_lockstep.adapters.port.endpoint import imported, name_of
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.function import FunctionModel
from rnn_lockstep.adapters.port.whole.inputs import brought, parsed_inputs
from rnn_lockstep.adapters.port.whole.jax_model import JaxModel
from rnn_lockstep.adapters.port.whole.keras_model import KerasModel
from rnn_lockstep.adapters.port.whole.model import WholeModel
from rnn_lockstep.adapters.port.whole.torch_model import TorchModel

NEEDS_INPUTS = "the source has no input specification; --inputs tells what it takes"
KERAS_FILES = (".keras", ".h5", ".hdf5")


class NotLoaded(Exception):
    """A file of a whole model that its framework does not load. The message is one line."""


def live(given: Any) -> Any:
    """The live model that an end is given as, which Keras loads of its own files; None for any other file.

    Raises InvalidModel where package.module:name is none, and NotLoaded.
    """
    if not isinstance(given, (str, Path)):
        return given
    path = Path(given)
    if not path.name.endswith(tuple(FORMATS)) and ":" in str(given):
        return imported(str(given))
    if not path.name.endswith(KERAS_FILES) or path.name.endswith(".weights.h5") or not path.exists():
        return None
    try:
        with foreign_code():
            import keras

            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras's, whatever it is
        raise NotLoaded(f"Keras cannot load {printable(path.name)}: {with_type(error)}") from None


def named(given: Any) -> str:
    """The name of an end: what it was given as, or that of the model."""
    if not isinstance(given, (str, Path)):
        return name_of(given)
    return printable(given if ":" in str(given) else Path(given).name)


def whole_model(model: Any) -> WholeModel | None:
    """A live model as a whole one; None for a recurrent layer, which is asked as such, and for no model."""
    if model is None or isinstance(model, RecurrentLayer) or not is_live(model):
        return None
    framework = framework_of(model)
    if framework is keras_model:
        return None if is_layer(model, keras_model.recurrent(model)) else KerasModel(model)
    if framework is torch_module:
        return None if is_layer(model, torch_module.recurrent(model)) else TorchModel(model)
    if "jax" in sys.modules:
        return JaxModel(model)
    return FunctionModel(model)


def is_layer(model: Any, recurrent: dict[str, Any]) -> bool:
    """Tell whether a model is nothing but one recurrent layer."""
    if any(layer is model for layer in recurrent.values()):
        return True
    return framework_of(model) is keras_model and keras_model.is_only_a_layer(model)


def whole_pair(
    source: Any,
    target: Any,
    inputs: str | Path | None,
    options: Mapping[str, Any],
    batch: int | None = None,
    time: int | None = None,
) -> WholePair | str:
    """The pair of two whole models; or why they are none, empty where an end is a layer or its weights.

    Raises InvalidModel where an end cannot be made, and for inputs that cannot be understood.
    """
    try:
        models = [live(end) for end in (source, target)]
    except NotLoaded as error:
        return str(error)
    mine, its = map(whole_model, models)
    if mine is None or its is None:
        return ""
    specified, own = mine.inputs, None
    if inputs is not None and str(inputs).endswith(".npz"):
        own = brought(Path(inputs))
    elif inputs is not None:
        specified = parsed_inputs(str(inputs))
    if own is None and not specified:
        return NEEDS_INPUTS
    names = (named(source), named(target))
    return WholePair(names, mine, its, () if own else specified, own, batch, time, options)
