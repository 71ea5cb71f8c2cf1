"""PyTorch: `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from adapters.contract import EVERYTHING, Facts, Refused
from adapters.layouts import pack
from reference import Case, Trace
from reference.case import Pass
from reference.validation import Array

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
Group = tuple[tuple[Pass, ...], ...]  # layers that are run as one module


class TorchAdapter:
    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.facts = Facts(
            "torch",
            version=torch.__version__,
            settings=f"{torch.get_num_threads()} threads, "
            f"float32 matmul precision {torch.get_float32_matmul_precision()}",
            tanh_ulps={"float32": 2, "float64": 1, "float16": 1, "bfloat16": 1},
            sigmoid_ulps={"float32": 5, "float64": 3, "float16": 1, "bfloat16": 1},
            **{**EVERYTHING, "masks": False},
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: "Form") -> Any:
        """A real layer."""
        nn = self.torch.nn
        options = {
            "input_size": form.input_size,
            "hidden_size": form.hidden_size,
            "num_layers": form.layers,
            "bias": form.bias,
            "bidirectional": form.bidirectional,
            "batch_first": True,
            "dtype": getattr(self.torch, form.dtype),
        }
        if form.cell == "simple_rnn":
            layer = nn.RNN(nonlinearity=form.activation, **options)
        else:
            layer = {"gru": nn.GRU, "lstm": nn.LSTM}[form.cell](**options)
        return layer.requires_grad_(False)

    def run(self, case: Case) -> Trace:
        if reason := refusal(case):
            raise Refused(reason)
        inputs = self._tensor(case.inputs)
        layers, finals = [], []
        for group in modules(case):
            layer = self._loaded(case, group, inputs.shape[-1])
            outputs, final = self._call(layer, inputs, self._start(case, group), case)
            if case.reverse:  # what the second direction says
                outputs, final = outputs[..., case.hidden_size :], [state[1:] for state in final]
            inputs = merged(case, outputs)
            layers.append(inputs)
            finals.append(final)
        if not case.return_sequences:
            layers[-1] = merged(case, self.torch.cat(list(finals[-1][0][-case.directions :]), dim=-1))
        cells = (self.torch.cat(parts) for parts in zip(*finals, strict=True))
        states = (self._array(cell, case).reshape(case.state_shape) for cell in cells)
        *hidden, last = (self._array(output, case) for output in layers)
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def _loaded(self, case: Case, group: Group, input_size: int) -> Any:
        """A real layer with the weights of a group of the case's."""
        layer = self.cache(form_of(case, len(group), input_size))
        for k, directions in enumerate(group):
            for direction in directions:
                weights = pack(direction.weights, case.cell, "torch")
                for name, array in zip(PARAMETERS, weights, strict=True):
                    if array is not None:
                        parameter = getattr(layer, f"{name}_l{k}{'_reverse' * direction.reverse}")
                        parameter.copy_(self._tensor(array))
        return layer

    def _start(self, case: Case, group: Group) -> Any:
        """The initial states, (layers * directions, batch, hidden_size) each, or None."""
        if case.initial_state is None:
            return None
        starts = [direction.start for directions in group for direction in directions]
        copies = 2 if case.reverse else 1  # the first direction needs some state too
        return [
            self.torch.stack([self._tensor(state) for state in states for _ in range(copies)])
            for states in zip(*starts, strict=True)
        ]

    def _call(self, layer: Any, inputs: Any, start: Any, case: Case) -> Any:
        """The layer's outputs and final states, from packed sequences where the case has lengths."""
        rnn = self.torch.nn.utils.rnn
        single = case.cell != "lstm"  # an LSTM takes and gives (h, c), the others h alone
        start = start[0] if start and single else start
        if case.lengths is None:
            outputs, final = layer(inputs, start)
        else:
            lengths = self.torch.from_numpy(case.lengths.astype("int64"))
            packed = rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
            outputs, final = layer(packed, start)
            outputs, _ = rnn.pad_packed_sequence(outputs, batch_first=True, total_length=case.time)
        return outputs, [final] if single else list(final)

    def _tensor(self, array: Array) -> Any:
        """The array as a tensor with the same strides; torch has no negative ones, so those are copied."""
        if any(stride < 0 for stride in array.strides):
            array = array.copy()
        if array.dtype.name == "bfloat16":  # which torch reads from no NumPy array, but from its bits
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def _array(self, tensor: Any, case: Case) -> Array:
        """The tensor as an array of its own dtype."""
        if tensor.dtype == self.torch.bfloat16:
            tensor = tensor.contiguous().view(self.torch.int16)
            return np.asarray(tensor.numpy().view(case.dtype))
        return np.asarray(tensor.numpy())


class Form(NamedTuple):
    """What forces a new layer. To run in reverse it has two directions, since torch has no other way."""

    cell: str
    activation: str
    dtype: str
    input_size: int
    hidden_size: int
    bias: bool
    layers: int
    bidirectional: bool


def form_of(case: Case, layers: int, input_size: int) -> Form:
    bias = case.b is not None or case.recurrent_b is not None
    bidirectional = case.reverse or case.merge_mode is not None
    sizes = (input_size, case.hidden_size)
    return Form(case.cell, case.activation, case.dtype.name, *sizes, bias, layers, bidirectional)


def modules(case: Case) -> tuple[Group, ...]:
    """The layers of a case by module: all in one, which concatenates directions, or else one in each."""
    if case.merge_mode in (None, "concat"):
        return (case.passes,)
    return tuple((layer,) for layer in case.passes)


def merged(case: Case, outputs: Any) -> Any:
    """What becomes of concatenated directions; a module itself leaves them so."""
    if case.merge_mode in (None, "concat"):
        return outputs
    forward, backward = outputs[..., : case.hidden_size], outputs[..., case.hidden_size :]
    return {
        "sum": lambda: forward + backward,
        "mul": lambda: forward * backward,
        "ave": lambda: (forward + backward) / 2,
    }[case.merge_mode]()


def refusal(case: Case) -> str:
    """Why torch's layers cannot express the case; empty when they can."""
    if case.time == 0:
        return "Expected sequence length to be larger than 0 in RNN"
    if case.lengths is not None and not case.lengths.all():
        return "Length of all samples has to be greater than 0"
    if case.mask is not None:
        return "a packed sequence says where rows end, it has no other mask"
    if case.cell == "gru" and not case.reset_after:
        return "torch.nn.GRU applies the reset gate after the matrix product; it has no other form"
    if case.cell != "simple_rnn" and case.recurrent_activation != "sigmoid":
        return f"the gates of torch.nn.{case.cell.upper()} are sigmoids; it has no recurrent activation"
    return ""
