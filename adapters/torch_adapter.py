"""PyTorch: `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`."""

from functools import lru_cache
from typing import Any

from adapters.contract import EVERYTHING, Facts, Refused
from adapters.layouts import pack
from reference import Case, Trace
from reference.validation import Array


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
            **EVERYTHING,
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(
        self, cell: str, sizes: tuple[int, int], activation: str, dtype: str, bias: bool, reverse: bool
    ) -> Any:
        """A real layer; to run in reverse, one of two directions, since torch has no other."""
        nn = self.torch.nn
        options = {
            "batch_first": True,
            "dtype": getattr(self.torch, dtype),
            "bias": bias,
            "bidirectional": reverse,
        }
        if cell == "simple_rnn":
            layer = nn.RNN(*sizes, nonlinearity=activation, **options)
        else:
            layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](*sizes, **options)
        return layer.requires_grad_(False)

    def run(self, case: Case) -> Trace:
        if reason := refusal(case):
            raise Refused(reason)
        W, U, b, recurrent_b = pack(case.weights, case.cell, "torch")
        sizes = (case.input_size, case.hidden_size)
        layer = self.cache(case.cell, sizes, case.activation, case.dtype.name, b is not None, case.reverse)
        arrays = {"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": recurrent_b}
        for name, array in arrays.items():
            if array is not None:
                parameter = getattr(layer, f"{name}_l0_reverse" if case.reverse else f"{name}_l0")
                parameter.copy_(self._tensor(array))
        single = case.cell != "lstm"  # an LSTM takes and gives (h, c), the others h alone
        state: Any = None
        if case.initial_state is not None:
            directions = 2 if case.reverse else 1
            state = [self._tensor(array)[None].repeat(directions, 1, 1) for array in case.start]
            state = state[0] if single else state
        outputs, final = self._call(layer, case, state)
        outputs = outputs[..., -case.hidden_size :]  # the last direction's, of one or of two
        return Trace(outputs.numpy(), *(array[-1].numpy() for array in ([final] if single else final)))

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


def refusal(case: Case) -> str:
    """Why torch's layers cannot express the case; empty when they can."""
    if case.time == 0:
        return "Expected sequence length to be larger than 0 in RNN"
    if case.lengths is not None and not case.lengths.all():
        return "Length of all samples has to be greater than 0"
    if case.cell == "gru" and not case.reset_after:
        return "torch.nn.GRU applies the reset gate after the matrix product; it has no other form"
    if case.cell != "simple_rnn" and case.recurrent_activation != "sigmoid":
        return f"the gates of torch.nn.{case.cell.upper()} are sigmoids; it has no recurrent activation"
    return ""
