"""The ends of a pair of whole models, from whatever they are given as; none where one is no such model."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.files import onnx_file
from rnn_lockstep.adapters.models.files.table import FORMATS
from rnn_lockstep.adapters.models.live import framework_of, is_live, keras_model, torch_module
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.endpoint import imported, name_of
from rnn_lockstep.adapters.port.whole.check import WholePair
from rnn_lockstep.adapters.port.whole.files import NotLoaded, model_in
from rnn_lockstep.adapters.port.whole.function import FunctionModel
from rnn_lockstep.adapters.port.whole.inputs import Input, brought, fixed, lacking, parsed_inputs
from rnn_lockstep.adapters.port.whole.jax_model import JaxModel
from rnn_lockstep.adapters.port.whole.keras_model import KerasModel
from rnn_lockstep.adapters.port.whole.model import WholeModel
from rnn_lockstep.adapters.port.whole.onnx_model import OnnxModel
from rnn_lockstep.adapters.port.whole.tflite_model import TfliteModel
from rnn_lockstep.adapters.port.whole.torch_model import TorchModel

NEEDS_INPUTS = "the source has no input specification; --inputs tells what it takes"
ONLY_WEIGHTS = "has weights only, and no model that could be run"


def live(given: Any) -> Any:
    """The live model that an end is given as, or that its file has; None for a file of weights.

    Raises InvalidModel where package.module:name is none, and NotLoaded.
    """
    if not isinstance(given, (str, Path)):
        return given
    path = Path(given)
    if not path.name.endswith(tuple(FORMATS)) and ":" in str(given):
        return imported(str(given))
    return model_in(path) if os.path.exists(path) else None


def named(given: Any) -> str:
    """The name of an end: what it was given as, or that of the model."""
    if not isinstance(given, (str, Path)):
        return name_of(given)
    return printable(given if ":" in str(given) else Path(given).name)


def whole_model(model: Any, layers: bool) -> WholeModel | None:
    """A live model as a whole one; None for no model, and for a recurrent layer, which is asked as such.

    layers: whether a layer is taken as a whole model too.
    """
    if isinstance(model, TfliteModel):
        return model
    if isinstance(model, OnnxModel):
        return model if layers or onnx_file.around(model.path) else None
    if model is None or isinstance(model, RecurrentLayer) or not is_live(model):
        return None
    framework = framework_of(model)
    if framework not in (keras_model, torch_module):
        return JaxModel(model) if "jax" in sys.modules else FunctionModel(model)
    if not layers and is_layer(model, framework.recurrent(model)):
        return None
    return KerasModel(model) if framework is keras_model else TorchModel(model)


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
    runtimes = (OnnxModel, TfliteModel)  # which run a layer within a model as well
    layers = any(isinstance(model, runtimes) for model in models) and None not in models
    mine, its = (whole_model(model, layers) for model in models)
    if mine is None or its is None:
        only_weights = mine is not None and models[1] is None
        return f"{named(target)} {ONLY_WEIGHTS}" if only_weights else ""
    names = (named(source), named(target))
    if inputs is not None and str(inputs).endswith(".npz"):
        return WholePair(names, mine, its, (), brought(Path(inputs)), batch, time, options)
    specified = specification(mine, its) if inputs is None else parsed_inputs(str(inputs))
    if not specified:
        return NEEDS_INPUTS
    batch = batch or fixed("batch", specified, mine.inputs, its.inputs)
    time = time or fixed("time", specified, mine.inputs, its.inputs)
    return WholePair(names, mine, its, specified, None, batch, time, options)


def specification(source: WholeModel, target: WholeModel) -> tuple[Input, ...]:
    """The source's input specification, or the target's where only that tells all; none where there is none.

    Raises InvalidModel where a specification tells too little.
    """
    given = [inputs for inputs in (source.inputs, target.inputs) if inputs]
    told = [inputs for inputs in given if not lacking(inputs)]
    if given and not told:
        raise InvalidModel(lacking(given[0]))
    return told[0] if told else ()
