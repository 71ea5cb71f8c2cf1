"""PyTorch: `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`."""

from functools import lru_cache
from typing import Any, NamedTuple

from adapters.contract import EVERYTHING, Facts, Refused
from adapters.layouts import pack
from reference import Case, Trace
from reference.validation import Array

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
MERGE_MODES: dict[str, Any] = {  # how a port puts them together; torch itself only concatenates
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
}


class TorchAdapter:
    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.facts = Facts(
            "torch",
            version=torch.__version__,
            settings=f"{torch.get_num_threads()} threads, "
            f"float32 matmul precision {torch.get_float32_matmul_precision()}",
            tanh_ulps={"float32": 1, "float64": 1},
            sigmoid_ulps={"float32": 5, "float64": 3},
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
        layer = self.cache(form_of(case))
        for k, directions in enumerate(case.passes):
            for direction in directions:
                names = (f"{name}_l{k}{'_reverse' * direction.reverse}" for name in PARAMETERS)
                packed = pack(direction.weights, case.cell, "torch")
                for name, array in zip(names, packed, strict=True):
                    if array is not None:
                        getattr(layer, name).copy_(self._tensor(array))
        single = case.cell != "lstm"  # an LSTM takes and gives (h, c), the others h alone
        state: Any = None
        if case.initial_state is not None:
            state = [self._state(array, case) for array in case.start]
            state = state[0] if single else state
        outputs, final = self._call(layer, case, state)
        finals = [final] if single else final
        size = case.hidden_size
        if case.reverse:  # what the second direction says
            outputs, finals = outputs[..., size:], [array[1:] for array in finals]
        if not case.return_sequences:
            outputs = self.torch.cat(list(finals[0][-case.directions :]), dim=-1)
        if case.merge_mode not in (None, "concat"):
            forward, backward = outputs[..., :size], outputs[..., size:]
            outputs = MERGE_MODES[case.merge_mode](forward, backward)
        return Trace(outputs.numpy(), *(array.numpy().reshape(case.state_shape) for array in finals))

    def _state(self, array: Array, case: Case) -> Any:
        """An initial state as torch wants it, (layers * directions, batch, hidden_size)."""
        tensor = self._tensor(array)
        if tensor.ndim == 3:
            return tensor
        return tensor[None].repeat(2 if case.reverse else 1, 1, 1)

    def _call(self, layer: Any, case: Case, state: Any) -> Any:
        """The layer's outputs and final state, from packed sequences where the case has lengths."""
        inputs = self._tensor(case.inputs)
        if case.lengths is None:
            return layer(inputs, state)
        rnn = self.torch.nn.utils.rnn
        lengths = self.torch.from_numpy(case.lengths.astype("int64"))
        packed = rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        outputs, final = layer(packed, state)
        return rnn.pad_packed_sequence(outputs, batch_first=True, total_length=case.time)[0], final

    def _tensor(self, array: Array) -> Any:
        """The array as a tensor with the same strides; torch has no negative ones, so those are copied."""
        if any(stride < 0 for stride in array.strides):
            array = array.copy()
        return self.torch.from_numpy(array)


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


def form_of(case: Case) -> Form:
    bias = case.b is not None or case.recurrent_b is not None
    sizes = (case.input_size, case.hidden_size)
    bidirectional = case.reverse or case.merge_mode is not None
    return Form(case.cell, case.activation, case.dtype.name, *sizes, bias, case.layers, bidirectional)


def refusal(case: Case) -> str:
    """Why torch's layers cannot express the case; empty when they can."""
    if case.time == 0:
        return "Expected sequence length to be larger than 0 in RNN"
    if case.lengths is not None and not case.lengths.all():
        return "Length of all samples has to be greater than 0"
    if case.mask is not None:
        return "a packed sequence says where rows end, it has no other mask"
    if case.layers > 1 and case.merge_mode not in (None, "concat"):
        return "between its layers torch concatenates the outputs of both directions, it does nothing else"
    if case.cell == "gru" and not case.reset_after:
        return "torch.nn.GRU applies the reset gate after the matrix product; it has no other form"
    if case.cell != "simple_rnn" and case.recurrent_activation != "sigmoid":
        return f"the gates of torch.nn.{case.cell.upper()} are sigmoids; it has no recurrent activation"
    return ""
