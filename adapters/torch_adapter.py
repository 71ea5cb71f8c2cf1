"""PyTorch: `torch.nn.RNN`."""

from functools import lru_cache
from typing import Any

import numpy as np

from adapters.contract import Facts, Refused
from reference import Case, Trace


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
        )
        self.cache = lru_cache(maxsize=64)(self._build)

    def _build(self, input_size: int, hidden_size: int, activation: str, dtype: str) -> Any:
        layer = self.torch.nn.RNN(
            input_size,
            hidden_size,
            nonlinearity=activation,
            batch_first=True,
            dtype=getattr(self.torch, dtype),
        )
        return layer.requires_grad_(False)

    def run(self, case: Case) -> Trace:
        if case.time == 0:
            raise Refused("Expected sequence length to be larger than 0 in RNN")
        layer = self.cache(case.input_size, case.hidden_size, case.activation, case.dtype.name)
        layer.weight_ih_l0.copy_(self._tensor(case.W))
        layer.weight_hh_l0.copy_(self._tensor(case.U))
        layer.bias_ih_l0.copy_(self._tensor(case.b))
        layer.bias_hh_l0.zero_()
        state = None if case.initial_state is None else self._tensor(case.initial_state)[None]
        outputs, final_state = layer(self._tensor(case.inputs), state)
        return Trace(outputs.numpy(), final_state[0].numpy())

    def _tensor(self, array: np.ndarray) -> Any:
        """The array as a tensor with the same strides; torch has no negative ones, so those are copied."""
        if any(stride < 0 for stride in array.strides):
            array = array.copy()
        return self.torch.from_numpy(array)
