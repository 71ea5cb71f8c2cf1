"""JAX: a cell in `jax.lax.scan`, under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, Facts, Refused
from rnn_lockstep.reference import Case, Cotangents, Trace, Weights
from rnn_lockstep.reference.oracle.gradients import by_name, filled
from rnn_lockstep.reference.oracle.validation import Array


class JaxAdapter:
    """Compiles the scan, or runs it op by op with the tag `nojit`."""

    def __init__(self, tag: str = "") -> None:
        import jax

        self.jax, self.nojit = jax, tag == "nojit"
        self.facts = Facts(
            f"jax:{tag}" if tag else "jax",
            version=jax.__version__,
            device=jax.devices()[0].platform,
            settings=f"x64 {'on' if jax.config.jax_enable_x64 else 'off, on for float64 cases only'}, "
            f"matmul precision {jax.config.jax_default_matmul_precision or 'default'}",
            tanh_ulps={"float32": 5, "float64": 11, "float16": 1, "bfloat16": 1},
            sigmoid_ulps={"float32": 3, "float64": 3, "float16": 3, "bfloat16": 3},
            compiles=True,
            **EVERYTHING,
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, gradients: bool, form: "Form", *shapes: Any) -> Any:
        """Jitted layers of one form and these shapes, so that what is dropped here is freed."""
        jax, jnp = self.jax, self.jax.numpy
        make_step: Any = {"simple_rnn": simple_rnn, "gru": gru, "lstm": lstm}[form.cell]
        step = make_step(jax, *form.options)

        def scan(inputs: Any, weights: Any, start: Any, counts: Any, reverse: bool) -> Any:
            """One cell over time. counts: (batch, time), which steps count, or None."""

            def scanned(state: Any, step_input: Any) -> Any:
                x_t, counts_t = step_input
                new = step(x_t, state, *weights)
                if counts_t is None:
                    return new, new[0]
                counts_t = counts_t[:, None]
                state = tuple(jnp.where(counts_t, n, old) for n, old in zip(new, state, strict=True))
                return state, jnp.where(counts_t, new[0], 0)

            time_first = (jnp.swapaxes(inputs, 0, 1), None if counts is None else counts.T)
            final, outputs = jax.lax.scan(scanned, start, time_first, reverse=reverse)
            return jnp.swapaxes(outputs, 0, 1), final

        def layers(inputs: Any, weights: Any, starts: Any, counts: Any) -> Any:
            merge = merging(jnp, form.merge_mode)
            outputs, finals = [inputs], []
            for k in range(0, len(weights), len(form.reverse)):
                results = [
                    scan(outputs[-1], weights[k + d], starts[k + d], counts, reverse)
                    for d, reverse in enumerate(form.reverse)
                ]
                outputs.append(merge(*(result for result, _ in results)))
                finals += [final for _, final in results]
            if not form.return_sequences:
                outputs[-1] = merge(*(final[0] for final in finals[-len(form.reverse) :]))
                if counts is not None:
                    outputs[-1] = jnp.where(counts.any(axis=1)[:, None], outputs[-1], 0)
            return outputs[1:], finals

        def pulled_back(inputs: Any, weights: Any, starts: Any, counts: Any, given: Any) -> Any:
            """The gradients of inputs, weights and starts, from the cotangents of outputs and finals."""

            def answer(inputs: Any, weights: Any, starts: Any) -> Any:
                outputs, finals = layers(inputs, weights, starts, counts)
                return outputs[-1], finals

            return jax.vjp(answer, inputs, weights, starts)[1](given)

        return jax.jit(pulled_back if gradients else layers)

    def run(self, case: Case) -> Trace:
        outputs, finals = self._call(case)
        states = [np.array(parts).reshape(case.state_shape) for parts in zip(*finals, strict=True)]
        *hidden, last = (np.array(array) for array in outputs)
        if not (case.return_sequences or case.time):  # there is no last output
            last = np.zeros_like(last)
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """By `jax.vjp`."""
        outputs, *states = filled(case, cotangents)
        by_cell = zip(*(state.reshape(case.cells_shape) for state in states), strict=True)
        inputs, weights, starts = self._call(case, (outputs, list(by_cell)))
        cells = [Weights(*(None if w is None else np.array(w) for w in cell)) for cell in weights]
        start = [np.array(parts).reshape(case.state_shape) for parts in zip(*starts, strict=True)]
        return by_name(np.array(inputs), cells, [] if case.initial_state is None else start)

    def _call(self, case: Case, *cotangents: Any) -> Any:
        """The layers' answer or, given cotangents, their gradients."""
        if self.nojit and case.time == 0:
            raise Refused("zero-length scan is not supported in disable_jit() mode")
        directions = [direction for layer in case.passes for direction in layer]
        weights = [tuple(direction.weights) for direction in directions]
        starts = [direction.start for direction in directions]
        shapes = (case.dtype.name, case.inputs.shape, case.U.shape, len(weights), case.padded)
        missing = (case.b is None, case.recurrent_b is None)
        layers = self.cache(bool(cotangents), form_of(case), *shapes, *missing)
        double = self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext()
        slow = self.jax.disable_jit() if self.nojit else nullcontext()
        arrays: Any = (case.inputs, weights, starts, case.valid if case.padded else None, *cotangents)
        with double, slow:
            if self.nojit:  # or else NumPy would multiply its own arrays, and those in bfloat16 in float32
                arrays = self.jax.device_put(arrays)
            return layers(*arrays)


class Form(NamedTuple):
    """What the code of the layers depends on, apart from shapes."""

    cell: str
    options: tuple[Any, ...]
    reverse: tuple[bool, ...]  # of each direction
    merge_mode: str | None
    return_sequences: bool


def form_of(case: Case) -> Form:
    options = {
        "simple_rnn": (case.activation,),
        "gru": (case.recurrent_activation, case.reset_after),
        "lstm": (case.recurrent_activation,),
    }[case.cell]
    reverse = (False, True) if case.merge_mode else (case.reverse,)
    return Form(case.cell, options, reverse, case.merge_mode, case.return_sequences)


def merging(jnp: Any, merge_mode: str | None) -> Any:
    """The function that makes one output of a layer's directions."""
    return {
        None: lambda only: only,
        "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
        "sum": lambda f, b: f + b,
        "mul": lambda f, b: f * b,
        "ave": lambda f, b: (f + b) / 2,
    }[merge_mode]


def linear(x: Any, kernel: Any, bias: Any) -> Any:
    return x @ kernel.T if bias is None else x @ kernel.T + bias


def recurrent(jax: Any, name: str) -> Any:
    """A recurrent activation."""
    jnp = jax.numpy
    return {
        "sigmoid": jax.nn.sigmoid,
        "hard_sigmoid": jax.nn.hard_sigmoid,
        "hard_sigmoid_keras2": lambda z: jnp.clip(0.2 * z + 0.5, 0, 1),
    }[name]


def simple_rnn(jax: Any, activation: str) -> Any:
    activate = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[activation]

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        return (activate(linear(x_t, W, b) + linear(state[0], U, recurrent_b)),)

    return step


def gru(jax: Any, recurrent_activation: str, reset_after: bool) -> Any:
    jnp, activate = jax.numpy, recurrent(jax, recurrent_activation)

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        (h,) = state
        x_r, x_z, x_n = jnp.split(linear(x_t, W, b), 3, axis=-1)
        if reset_after:
            h_r, h_z, h_n = jnp.split(linear(h, U, recurrent_b), 3, axis=-1)
            r, z = activate(x_r + h_r), activate(x_z + h_z)
            n = jnp.tanh(x_n + r * h_n)
        else:
            size = h.shape[-1]
            b_rz, b_n = (None, None) if recurrent_b is None else jnp.split(recurrent_b, [2 * size])
            h_r, h_z = jnp.split(linear(h, U[: 2 * size], b_rz), 2, axis=-1)
            r, z = activate(x_r + h_r), activate(x_z + h_z)
            n = jnp.tanh(x_n + linear(r * h, U[2 * size :], b_n))
        return ((1 - z) * n + z * h,)

    return step


def lstm(jax: Any, recurrent_activation: str) -> Any:
    jnp, activate = jax.numpy, recurrent(jax, recurrent_activation)

    def step(x_t: Any, state: Any, W: Any, U: Any, b: Any, recurrent_b: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(linear(x_t, W, b) + linear(h, U, recurrent_b), 4, axis=-1)
        c = activate(f) * c + activate(i) * jnp.tanh(g)
        return activate(o) * jnp.tanh(c), c

    return step
