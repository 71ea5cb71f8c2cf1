"""PyTorch: `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`."""

import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Facts, Refused
from rnn_lockstep.adapters.frameworks.weight_layouts import pack, unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.oracle.case import Direction
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")  # in the order of `Weights`
MODULES = {"simple_rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
NOT_IN_TORCH = {
    **{"cells": tuple(MODULES), "activations": ()},
    **{"masks": False, "clip": False, "input_forget": False},
}
# The values of options that torch's modules have, and the refusal of any other.
SUPPORTED: dict[str, dict[str, tuple[tuple[Any, ...], str]]] = {
    "RNN": {"activation": (("tanh", "relu"), "torch.nn.RNN has tanh and relu; it has no other activation")},
    "GRU": {
        "activation": (("tanh",), "the candidate of torch.nn.GRU is a tanh; it has no activation"),
        "recurrent_activation": (
            ("sigmoid",),
            "the gates of torch.nn.GRU are sigmoids; it has no recurrent activation",
        ),
        "reset_after": (
            (True,),
            "torch.nn.GRU applies the reset gate after the matrix product; it has no other form",
        ),
    },
    "LSTM": {
        "activation": (("tanh",), "candidate and output of torch.nn.LSTM are tanh; it has no activation"),
        "recurrent_activation": (
            ("sigmoid",),
            "the gates of torch.nn.LSTM are sigmoids; it has no recurrent activation",
        ),
    },
}
ERRORS: dict[str, Any] = {  # of torch's functions, as `Facts` has them
    "tanh_ulps": {"float32": 2, "float64": 1, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float32": 5, "float64": 3, "float16": 1, "bfloat16": 1},
    "tanh_typical": {"float32": 0.45, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float32": 0.7, "float16": 0.35, "bfloat16": 0.35},
}
Group = tuple[tuple[Direction, ...], ...]  # layers that are run as one module


class TorchAdapter:
    """Drives the modules of `torch.nn`, each made once for all cases of its form.

    Its tag is a device of torch's, such as `cuda`; the CPU without one.
    """

    batch_first = True

    def __init__(self, tag: str = "") -> None:
        import torch

        self.torch, self.device = torch, torch.device(tag or "cpu")
        self.facts = Facts(
            f"torch:{tag}" if tag else "torch",
            version=str(torch.__version__),
            **on_device(torch, self.device),
            **{**EVERYTHING, **NOT_IN_TORCH},
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: "Form") -> Any:
        """Make a real layer, or a stack of them in one module."""
        options: dict[str, Any] = {
            "input_size": form.input_size,
            "hidden_size": form.hidden_size,
            "num_layers": form.layers,
            "bias": form.bias,
            "bidirectional": form.bidirectional,
            "batch_first": self.batch_first,
            "dtype": getattr(self.torch, form.dtype),
            "device": self.device,
        }
        if form.cell == "simple_rnn":
            options["nonlinearity"] = form.activation
        if form.output_size != form.hidden_size:
            options["proj_size"] = form.output_size
        return getattr(self.torch.nn, MODULES[form.cell])(**options).requires_grad_(False)

    def run(self, case: Case) -> Trace:
        """Run the case in torch's own modules; see `Adapter.run`."""
        if reason := refusal(case):
            raise Refused(reason)
        layers, states, _ = self._forward(case, self._tensor(case.inputs), self._start(case))
        shapes = zip(states, case.state_shapes, strict=True)
        states = (as_array(state).reshape(shape) for state, shape in shapes)
        *hidden, last = (as_array(output) for output in layers)
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `torch.autograd`."""
        if reason := refusal(case):
            raise Refused(reason)
        inputs, start = self._tensor(case.inputs).requires_grad_(), self._start(case)
        for state in start:
            state.requires_grad_()
        with self.torch.enable_grad():
            layers, states, modules = self._forward(case, inputs, start, differentiable=True)
        of = [inputs, *start, *(weight for module in modules for weight in module.parameters())]
        given = [self._tensor(np.ascontiguousarray(array)) for array in given_or_zeros(case, cotangents)]
        shapes = case.state_shapes
        answers = [layers[-1], *(s.reshape(shape) for s, shape in zip(states, shapes, strict=True))]
        found = self.torch.autograd.grad(answers, of, given, allow_unused=True)
        arrays = {
            id(x): as_array(self.torch.zeros_like(x) if g is None else g)
            for x, g in zip(of, found, strict=True)
        }
        cells = []
        for group, module in zip(modules_of(case), modules, strict=True):
            for k, directions in enumerate(group):
                for direction in directions:
                    parameters = (parameter(module, name, k, direction) for name in PARAMETERS)
                    packed = Weights(*(None if p is None else arrays[id(p)] for p in parameters))
                    cells.append(unpack_gradients(packed, direction.weights, case.cell, "torch"))
            module.requires_grad_(False)
        states = [arrays[id(s)].reshape(shape) for s, shape in zip(start, shapes, strict=False)]
        return arrays_by_name(arrays[id(inputs)], cells, states)

    def _forward(self, case: Case, inputs: Any, start: Any, differentiable: bool = False) -> Any:
        """The outputs of each layer, the final states (layers·directions, batch, H), and the modules."""
        layers, finals, modules, first = [], [], [], 0
        for place, group in enumerate(modules_of(case)):
            module = self._loaded_module(case, group, inputs.shape[-1], place).requires_grad_(differentiable)
            count = len(group) * case.directions
            own = [state[first : first + count] for state in start]
            outputs, final = self._call(module, inputs, own, case)
            inputs = merged(case, outputs)
            layers.append(inputs)
            finals.append(final)
            modules.append(module)
            first += count
        if not case.return_sequences:
            layers[-1] = merged(case, self.torch.cat(list(finals[-1][0][-case.directions :]), dim=-1))
        return layers, [self.torch.cat(parts) for parts in zip(*finals, strict=True)], modules

    def _loaded_module(self, case: Case, group: Group, input_size: int, place: int) -> Any:
        """The module of a group of layers, with their weights. place: among the modules of the case."""
        module = self.cache(form_of(case, len(group), input_size, place)).requires_grad_(False)
        for k, directions in enumerate(group):
            for direction in directions:
                weights = pack(direction.weights, case.cell, "torch")
                for name, array in zip(PARAMETERS, weights, strict=False):
                    if array is not None:
                        parameter(module, name, k, direction).copy_(as_tensor(array))
        return module

    def _tensor(self, array: Array) -> Any:
        """The array as a tensor on the device."""
        return as_tensor(array).to(self.device)

    def _start(self, case: Case) -> Any:
        """The initial states, (layers * directions, batch, hidden_size) each; none where they are omitted."""
        if case.initial_state is None:
            return []
        return [case.by_cell(self._tensor(state)) for state in case.start]

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Call a module on what has no padding; other routes through torch differ in this and the next."""
        return module(inputs, start)

    def _apply_packed(self, module: Any, inputs: Any, start: Any, case: Case) -> Any:
        """Call a module on the case's rows up to their lengths."""
        rnn = self.torch.nn.utils.rnn
        lengths = self.torch.from_numpy(case.valid.sum(axis=1))
        packed = rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        outputs, final = module(packed, start)
        return rnn.pad_packed_sequence(outputs, batch_first=True, total_length=case.time)[0], final

    def _call(self, module: Any, inputs: Any, start: Any, case: Case) -> Any:
        """Call a module: its outputs and final states, from packed sequences where the case has padding."""
        single = len(case.start) == 1  # an LSTM takes and gives (h, c), the others h alone
        if case.reverse:  # the first of two directions needs some state too
            start = [self.torch.cat([state, state]) for state in start]
        start = (start[0] if single else start) if start else None
        with warnings.catch_warnings():  # of a slower way to compute the same
            warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")
            if case.padded:
                outputs, final = self._apply_packed(module, inputs, start, case)
            else:
                outputs, final = self._apply(module, inputs, start)
        final = [final] if single else list(final)
        if case.reverse:  # what the second direction says
            return outputs[..., case.output_size :], [state[1:] for state in final]
        return outputs, final


def states_in(start: Any) -> list[Any]:
    """The initial states that a module is called with, (h, c), h alone or None, as a list."""
    return [] if start is None else list(start) if isinstance(start, (list, tuple)) else [start]


def as_tensor(array: Array) -> Any:
    """The array as a tensor with the same strides; a copy where torch allows none such."""
    import torch

    if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
        array = array.copy()
    if array.dtype.name == "bfloat16":  # which torch reads from no NumPy array, but from its bits
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def as_array(tensor: Any) -> Array:
    """The tensor as an array of its own dtype."""
    import torch

    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.cpu().contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(tensor.cpu().numpy())


def on_device(torch: Any, device: Any) -> dict[str, Any]:
    """The facts that depend on the device, by their names in `Facts`. The errors are those of the CPU.

    Raises what torch does where it has no such device.
    """
    torch.empty(0, device=device)
    settings = f"{torch.get_num_threads()} threads, "
    settings += f"float32 matmul precision {torch.get_float32_matmul_precision()}"
    if device.type != "cuda":
        return {"device": device.type, "settings": settings, **(ERRORS if device.type == "cpu" else {})}
    cudnn = torch.backends.cudnn  # which cuts products to TF32 unless it is told otherwise
    cut = cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    return {
        "device": torch.cuda.get_device_name(device),
        "settings": f"{settings}, cuDNN {cudnn.version()}, TF32 {'on' if cut else 'off'}",
        "products": "TF32" if cut else "",
    }


class Form(NamedTuple):
    """The fields of a case that force a new module. One that runs in reverse is a bidirectional one."""

    cell: str
    activation: str
    dtype: str
    input_size: int
    hidden_size: int
    output_size: int
    bias: bool
    layers: int
    bidirectional: bool
    place: int  # among the modules of the case


def form_of(case: Case, layers: int, input_size: int, place: int) -> Form:
    """The form of the module that runs some layers of a case. place: among the modules of the case."""
    bias = case.b is not None or case.recurrent_b is not None
    bidirectional = case.reverse or case.merge_mode is not None
    sizes = (input_size, case.hidden_size, case.output_size)
    return Form(case.cell, case.activation, case.dtype.name, *sizes, bias, layers, bidirectional, place)


def parameter(module: Any, name: str, layer: int, direction: Direction) -> Any:
    """A parameter of one layer and direction; None where there is none."""
    return getattr(module, f"{name}_l{layer}{'_reverse' * direction.reverse}", None)


def modules_of(case: Case) -> tuple[Group, ...]:
    """The layers of a case by module: all in one, which concatenates directions, or else one in each."""
    if case.merge_mode in (None, "concat"):
        return (case.passes,)
    return tuple((layer,) for layer in case.passes)


def merged(case: Case, outputs: Any) -> Any:
    """Merge the outputs of two directions, which a module concatenates, as the case has it."""
    if case.merge_mode in (None, "concat"):
        return outputs
    forward, backward = outputs[..., : case.output_size], outputs[..., case.output_size :]
    return {
        "sum": lambda: forward + backward,
        "mul": lambda: forward * backward,
        "ave": lambda: (forward + backward) / 2,
    }[case.merge_mode]()


def refusal(case: Case) -> str:
    """The reason why torch's layers cannot express the case; empty when they can."""
    if case.time == 0:
        return "Expected sequence length to be larger than 0 in RNN"
    if case.padded and case.batch == 0:
        return "Cannot pack empty tensors."
    if not case.valid.any(axis=1).all():
        return "Length of all samples has to be greater than 0"
    if (case.valid[:, 1:] > case.valid[:, :-1]).any():
        return "a packed sequence says where rows end; it has no padding before a step that counts"
    if case.projection is not None and case.output_size >= case.hidden_size:
        return "proj_size has to be a positive integer, smaller than hidden_size"
    return unsupported(case)


def unsupported(case: Case) -> str:
    """The cell or option of a case that torch does not have, in words; empty where they have all."""
    if case.cell not in MODULES:
        return f"torch.nn has no {case.cell}"
    if case.clip is not None or case.input_forget:
        return "torch.nn has no clip and no input_forget"
    has = SUPPORTED[MODULES[case.cell]].items()
    return next((why for name, (values, why) in has if getattr(case, name) not in values), "")
