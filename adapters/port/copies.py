"""A live model in float32 or float64, and the sizes that its weights tell."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.live import Way, framework_of, keras_model, torch_module, ways
from rnn_lockstep.adapters.models.live.foreign import foreign_code
from rnn_lockstep.adapters.port.whole.function import in_x64
from rnn_lockstep.adapters.port.whole.keras_model import KerasModel
from rnn_lockstep.adapters.port.whole.torch_model import default_of
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.validation import Array

MANY = 64  # sizes of inputs that are tried of a model which tells none


def ways_in_float(model: Any, bits: int) -> Iterator[Way]:
    """The ways to ask a copy of a model in float32 or float64. Raises what it raises where there is none."""
    framework = framework_of(model)
    if framework is torch_module:
        import torch

        dtype = {32: torch.float32, 64: torch.float64}[bits]
        with foreign_code():
            copied = deepcopy(getattr(model, "_orig_mod", model)).to(dtype)
        yield from (within(way, lambda: default_of(dtype)) for way in ways(copied))
    elif framework is keras_model:
        yield from ways(KerasModel(model).in_float(bits).model)
    else:
        yield from (within(way, in_x64 if bits == 64 else nullcontext) for way in ways(model))


def within(way: Way, context: Any) -> Way:
    """The same way, asked within a context."""

    def call(case: Case) -> list[Array]:
        surrounding: AbstractContextManager[None] = context()
        with surrounding:
            return list(way.call(case))

    return replace(way, call=call)


def sizes_of(model: Any) -> list[int]:
    """The sizes that a model's weights have, each once, in their order; none of a function."""
    framework = framework_of(model)
    if framework is torch_module:
        arrays = [*model.state_dict().values()]
    else:
        arrays = [*model.weights] if framework is keras_model else []
    found = [int(size) for array in arrays for size in getattr(array, "shape", ())]
    return sorted(dict.fromkeys(found), key=lambda size: size == 1)  # anything answers to one


def likely_sizes(source: Any, target: Any, known: list[int]) -> list[int]:
    """The sizes that the inputs of two models may have, the likeliest first. known: of one layer."""
    told = [*known, *sizes_of(source), *sizes_of(target)]
    return list(dict.fromkeys(told or np.arange(1, MANY + 1).tolist()))
