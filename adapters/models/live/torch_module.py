"""Live torch modules: `torch.nn.RNN`, `GRU` and `LSTM`, and modules of one's own."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import chain
from typing import Any

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.backends.registry import load
from rnn_lockstep.adapters.frameworks.runtimes import stated
from rnn_lockstep.adapters.frameworks.torch_adapter import PARAMETERS, as_tensor
from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.files import reading, torch_derived, torch_keys
from rnn_lockstep.adapters.models.live.calling import Call, as_numpy
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.models.live.signature import signature_of
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS, Way, reset
from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer, read_or_reason
from rnn_lockstep.reference import Case, Weights
from rnn_lockstep.reference.oracle.validation import Array

# By torch's name of the mode: the cell and its activation.
MODES = {
    "RNN_TANH": ("simple_rnn", "tanh"),
    "RNN_RELU": ("simple_rnn", "relu"),
    "GRU": ("gru", "tanh"),
    "LSTM": ("lstm", "tanh"),
}


def layers(module: Any) -> list[Found]:
    """The recurrent layers in a module, or the module itself, with a reason for each that cannot be read.

    Where none is of torch's own recurrent classes, the names of its weights tell them: of a scripted or
    traced module, and of one that runs `torch.nn.LSTMCell` in a loop.
    """
    import torch

    if inner := recurrent(module):
        return [read_or_reason(name, read, name, m, wrapper_of(module, m)) for name, m in inner.items()]
    state = module.state_dict()
    plain = {key: t for key, t in state.items() if isinstance(t, torch.Tensor) and not t.is_quantized}
    return torch_keys.layers_of({key: as_numpy(t).copy() for key, t in plain.items()})


def recurrent(module: Any) -> dict[str, Any]:
    """The modules of torch's own recurrent classes in a module, itself among them."""
    import torch

    found = {n: m for n, m in module.named_modules() if isinstance(m, torch.nn.RNNBase)}
    return {torch_keys.plain_name(name) or MODES[m.mode][0]: m for name, m in found.items()}


def wrapper_of(model: Any, module: Any) -> Any:
    """The module around a recurrent one that has its weights and gives it them when called; or None.

    As `WeightDrop` of AWD-LSTM and fastai: it has weight_hh_l0_raw, and drops out of that in training.
    """
    around = (m for m in model.modules() if any(child is module for child in m.children()))
    return next((m for m in around if any(map(torch_derived.is_part, tensors_in(m)))), None)


def tensors_in(module: Any) -> dict[str, Any]:
    """The parameters and buffers of a module itself, by name."""
    return dict(chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)))


def read(name: str, module: Any, wrapper: Any = None) -> RecurrentLayer:
    """A RecurrentLayer of one of torch's modules, which cannot tell whether only its last output is used.

    wrapper: the module around it that gives it weights, if any: then its own are those of the last call.
    """
    cell, activation = MODES[module.mode]
    own = tensors_in(module)
    if wrapper is not None:
        given = tensors_in(wrapper)
        own = {key: own[key] for key in own if f"{key}_raw" not in given} | given
    try:  # where a hook makes weights of others, the attribute is what it made last
        made = torch_derived.resolved({name: as_numpy(tensor) for name, tensor in own.items()})
        reading.need_arrays(made.values())
    except ValueError as error:
        raise InvalidModel(f"{name}: {error}") from None
    cells = []
    for k in range(module.num_layers):
        for suffix in ("", "_reverse")[: 1 + module.bidirectional]:
            keys = [f"{p}_l{k}{suffix}" for p in PARAMETERS]
            arrays = (made[key] if key in made else getattr(module, key, None) for key in keys)
            weights = Weights(*(None if a is None else as_numpy(a).copy() for a in arrays))
            cells.append(unpack(weights, cell, "torch"))
    try:
        return RecurrentLayer(
            name,
            tuple(cells),
            cell,
            activation,
            merge_mode="concat" if module.bidirectional else None,
            assumed=("return_sequences",),
        )
    except ValueError as error:
        raise InvalidModel(f"{name}: {error}") from None


def ways(module: Any, layer: str | None) -> Iterator[Way]:
    """The ways to ask a module, the likeliest first: all of it, then its one recurrent layer alone."""
    inner = recurrent(module)
    chosen = inner.get(layer) if layer is not None else None
    if chosen is None and not any(m is module for m in inner.values()):
        yield from forward(module)
    if chosen is None and len(inner) == 1:
        [(only, found)] = inner.items()
        if found is module or is_readable(only, found, wrapper_of(module, found)):
            layer, chosen = only, found
    if chosen is not None:
        name = f"torch.nn.{type(chosen).__name__}" if chosen is module else f"its layer {layer} alone"
        wrapper = wrapper_of(module, chosen)
        yield alone(name, str(layer), chosen, part=chosen is not module and can_run(module), wrapper=wrapper)


def is_readable(name: str, module: Any, wrapper: Any) -> bool:
    """Tell whether one of torch's recurrent modules can be read."""
    return isinstance(read_or_reason(name, read, name, module, wrapper), RecurrentLayer)


def can_run(module: Any) -> bool:
    """Tell whether a module has a forward of its own; one that only holds others has none."""
    import torch

    forward = module.forward  # the instance's own, where torch.compile has made it
    return getattr(forward, "__func__", forward) is not torch.nn.Module.forward


def alone(name: str, layer: str, module: Any, part: bool = False, wrapper: Any = None) -> Way:
    """The way to ask one of torch's recurrent modules, called `layer` in its model. Raises InvalidModel.

    part: whether the model has a forward, which is not run.
    wrapper: the module around it that gives it weights, and is called in its place.
    """
    read(layer, module, wrapper)  # what cannot be read cannot be compared

    def wider() -> Way:
        with foreign_code():
            inner, around = (m.double() if m is not None else m for m in deepcopy([module, wrapper]))
        return alone(f"{name} in float64", layer, inner, part, around)

    time_first = f"{layer} has batch_first=False: whether the model gives it time first was not seen"
    return Way(
        name,
        lambda case: asked(module, case, wrapper or module),
        lambda: facts_of(module),
        frozenset({INITIAL_STATE, LENGTHS}),
        bare=True,
        part=part,
        remarks=(time_first,) if part and not module.batch_first else (),
        wider=wider,
    )


def forward(module: Any) -> Iterator[Way]:
    """The ways to ask by a module's own forward: initial states in torch's form, in another, or none."""
    signature = signature_of(module.forward)
    place = tensors_of(module)
    name = f"{type(module).__name__}.forward"
    forms = [{"stacked": True}, {}] if signature.state else [{}]
    if signature.state and not signature.needed:
        forms.append({"stateless": True})
    for form in forms:
        call = Call(module, signature, place, **form)
        forget = partial(reset, module)
        yield Way(name, quietly(module, call), lambda: facts_of(module), call.takes, reset=forget)


def quietly(module: Any, call: Callable[[Case], list[Array]]) -> Callable[[Case], list[Array]]:
    """The same call in evaluation mode and without gradients."""

    def called(case: Case) -> list[Array]:
        with evaluated(module):
            return call(case)

    return called


def asked(module: Any, case: Case, called: Any) -> list[Array]:
    """The answer of one of torch's recurrent modules, to packed sequences where the case has lengths.

    called: the module itself, or one around it that is called in its place.
    """
    import torch

    rnn, tensor = torch.nn.utils.rnn, tensors_of(module)
    state = None
    if case.initial_state is not None:
        states = tuple(tensor(case.by_cell(state)) for state in case.start)
        state = states if len(states) > 1 else states[0]
    with evaluated(called):
        inputs = tensor(case.inputs)
        if case.padded:
            lengths = torch.from_numpy(case.valid.sum(axis=1))
            inputs = rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
            outputs, final = called(inputs, state)
            outputs, _ = rnn.pad_packed_sequence(outputs, batch_first=True, total_length=case.time)
        elif module.batch_first:
            outputs, final = called(inputs, state)
        else:
            outputs, final = called(inputs.transpose(0, 1), state)
            outputs = outputs.transpose(0, 1)
    return [as_numpy(array) for array in (outputs, *(final if isinstance(final, tuple) else (final,)))]


@contextmanager
def evaluated(module: Any) -> Iterator[None]:
    """Put a module in evaluation mode, so that nothing is dropped out, and back afterwards."""
    import torch

    training = [part for part in module.modules() if part.training]
    put_in_evaluation(module)
    try:
        with torch.no_grad(), foreign_code():
            # of a slower way to compute the same
            warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")
            yield
    finally:
        for part in training:
            part.training = True


def put_in_evaluation(module: Any) -> None:
    """Put a module and its parts in evaluation mode; those that refuse, exported ones, stay as they are."""
    try:
        module.eval()
    except NotImplementedError:
        for part in module.children():
            put_in_evaluation(part)


def tensors_of(module: Any) -> Callable[[Array], Any]:
    """A function that makes tensors of arrays, on a module's device and, but for integers, in its dtype."""
    first = next(iter(module.parameters()), None)

    def tensor(array: Array) -> Any:
        made = as_tensor(array)
        if first is None:
            return made
        return made.to(first.device, first.dtype if made.is_floating_point() else made.dtype)

    return tensor


def facts_of(module: Any) -> Facts:
    """The facts that a module states, or else torch's: measured on a CPU, elsewhere the usual ones."""
    if own := stated(module):
        return own
    first = next(iter(module.parameters()), None)
    facts = load("torch").facts
    if first is None or first.device.type == "cpu":
        return facts
    return Facts("torch", facts.version, str(first.device), facts.settings)
