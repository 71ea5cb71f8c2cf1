"""PaddlePaddle: `paddle.nn.SimpleRNN`, `GRU` and `LSTM`, or its cells in `paddle.nn.RNN` and `BiRNN`."""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.paddle_cases import (
    PARAMETERS,
    Form,
    arrays_of,
    cell_of,
    form_of,
    gradient_of,
    load,
    refusal,
    turned,
    unpadded,
)
from rnn_lockstep.adapters.frameworks.weight_layouts import unpack_gradients
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

LAYERS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
ERRORS: dict[str, Any] = {
    "tanh_ulps": {"float32": 7, "float64": 3},
    "sigmoid_ulps": {"float32": 4, "float64": 3},
    "tanh_typical": {"float32": 1.7},
    "sigmoid_typical": {"float32": 0.65},
}


class PaddleAdapter:
    """Drives a layer of `paddle.nn`, made once for all cases of its form.

    With the tag `time_major` its arrays are (time, batch, size). With the tag `cells` each layer is a cell in
    a loop of Paddle's; so is an LSTM with a projection without it. The others are one kernel.
    """

    def __init__(self, tag: str = "") -> None:
        with warnings.catch_warnings():  # of compilers that nothing here needs
            warnings.simplefilter("ignore")
            import paddle

        self.paddle, self.cells, self.time_major = paddle, tag == "cells", tag == "time_major"
        self.facts = Facts(
            f"paddle:{tag}" if tag else "paddle",
            version=paddle.__version__,
            cells=tuple(LAYERS),
            biases=(0, 1, 2) if self.cells else (1, 2),
            lengths=True,
            reverse=True,
            merge_modes=("concat",),
            layers=3,
            last_output=True,
            gradients=True,
            projection=True,
            **ERRORS,
        )
        self.cache = lru_cache(maxsize=128)(self._build)

    def _build(self, form: Form) -> Any:
        """Make a layer, a stack of them in one, or a loop of Paddle's around a cell or two."""
        nn, options = self.paddle.nn, dict[str, Any]()
        if form.cell == "simple_rnn":
            options["activation"] = form.activation
        if form.projection:
            options["proj_size"] = form.projection
        if not form.bias:
            options |= {"bias_ih_attr": False, "bias_hh_attr": False}
        sizes = (form.input_size, form.hidden_size)
        if not self.cells:
            direction = "bidirect" if form.reverse or form.directions == 2 else "forward"
            options |= {"direction": direction, "time_major": self.time_major, "num_layers": form.layers}
            return getattr(nn, LAYERS[form.cell])(*sizes, **options)
        cells = [getattr(nn, LAYERS[form.cell] + "Cell")(*sizes, **options) for _ in range(form.directions)]
        return nn.BiRNN(*cells) if form.directions == 2 else nn.RNN(*cells, is_reverse=form.reverse)

    def run(self, case: Case) -> Trace:
        """Run the case in Paddle's own layers; see `Adapter.run`."""
        self._prepare(case)
        with self.paddle.no_grad():
            inputs, *start = map(self.paddle.to_tensor, arrays_of(case))
            outputs, states, _ = self._forward(case, inputs, start)
        shapes = zip(states, case.state_shapes, strict=True)
        return Trace(
            unpadded(case, outputs.numpy()), *(state.numpy().reshape(shape) for state, shape in shapes)
        )

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `paddle.autograd`."""
        self._prepare(case)
        tensor, directions = (
            self.paddle.to_tensor,
            [direction for layer in case.passes for direction in layer],
        )
        inputs, *start = (tensor(array, stop_gradient=False) for array in arrays_of(case))
        outputs, states, cells = self._forward(case, inputs, start)
        of_outputs, *of_states = given_or_zeros(case, cotangents)
        given = [unpadded(case, of_outputs), *map(case.by_cell, of_states)]
        given = [tensor(np.ascontiguousarray(array)) for array in given]
        for cell in cells:
            cell.clear_gradients()
        self.paddle.autograd.backward([outputs, *states], given)
        packed = [Weights(*(gradient_of(getattr(cell, name, None)) for name in PARAMETERS)) for cell in cells]
        of_weights = [
            unpack_gradients(turned(own), direction.weights, case.cell, "torch")
            for own, direction in zip(packed, directions, strict=True)
        ]
        states = [gradient_of(s).reshape(shape) for s, shape in zip(start, case.state_shapes, strict=False)]
        return arrays_by_name(gradient_of(inputs), of_weights, states)

    def _prepare(self, case: Case) -> None:
        """Set the dtype of parameters and of states that are omitted. Raises Refused."""
        self.facts.need(case)
        if reason := refusal(case, self.cells):
            raise Refused(reason)
        self.paddle.set_default_dtype(case.dtype.name)

    def _forward(self, case: Case, inputs: Any, start: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """The outputs, the final states (layers·directions, batch, H), and the cells in their order."""
        lengths = None if case.lengths is None else self.paddle.to_tensor(case.lengths)
        layers, finals, cells = [(layer,) for layer in case.passes] if self.cells else [case.passes], [], []
        for first, group in enumerate(layers):
            made = self.cache(form_of(case, len(group), inputs.shape[-1], first))
            found = [
                cell_of(made if self.cells else made[k], d) for k, layer in enumerate(group) for d in layer
            ]
            for cell, direction in zip(found, (d for layer in group for d in layer), strict=True):
                load(cell, direction, case.cell)
            call = self._call_loop if self.cells else self._call_layer
            count = len(found)
            own = [state[first * count : (first + 1) * count] for state in start]
            inputs, final = call(made, inputs, own, lengths, case)
            cells += found
            finals.append(final)
        if not case.return_sequences:
            last = finals[-1][0][-case.directions :].transpose([1, 0, 2])
            inputs = last.reshape([case.batch, case.features])
        joined = [
            parts[0] if len(parts) == 1 else self.paddle.concat(parts) for parts in zip(*finals, strict=True)
        ]
        return inputs, joined, cells

    def _call_layer(self, layer: Any, inputs: Any, start: list[Any], lengths: Any, case: Case) -> Any:
        """Call a layer. One direction that runs in reverse is the second of two."""
        if case.reverse:
            start = [self.paddle.concat([state, state]) for state in start]
        if self.time_major:
            inputs = inputs.transpose([1, 0, 2])
        outputs, final = layer(
            inputs, tuple(start) if len(start) > 1 else start[0] if start else None, lengths
        )
        if self.time_major:
            outputs = outputs.transpose([1, 0, 2])
        final = list(final) if case.cell == "lstm" else [final]
        if case.reverse:
            return outputs[..., case.output_size :], [state[1:] for state in final]
        return outputs, final

    def _call_loop(self, layer: Any, inputs: Any, start: list[Any], lengths: Any, case: Case) -> Any:
        """Call a loop around one cell or two."""
        single = case.cell != "lstm"
        states = [tuple(state[k] for state in start) for k in range(case.directions)] if start else [None]
        given = [state[0] if single and state else state for state in states]
        outputs, final = layer(inputs, tuple(given) if case.directions == 2 and start else given[0], lengths)
        final = final if case.directions == 2 else (final,)
        by_direction = [(state,) if single else state for state in final]
        return outputs, [self.paddle.stack(parts) for parts in zip(*by_direction, strict=True)]
