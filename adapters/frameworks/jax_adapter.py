"""JAX: a cell in `jax.lax.scan`, under `jit`."""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rnn_lockstep.adapters.backends.contract import EVERYTHING, SOFTSIGN, Facts, Refused
from rnn_lockstep.reference import Case, Cotangents, FunctionError, Trace, Weights
from rnn_lockstep.reference.oracle.cells import Options
from rnn_lockstep.reference.oracle.gradients import arrays_by_name, given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

ERRORS: dict[str, Any] = {  # of XLA's functions, as `Facts` has them
    "tanh_ulps": {"float32": 5, "float64": 11, "float16": 1, "bfloat16": 1},
    "sigmoid_ulps": {"float32": 3, "float64": 3, "float16": 3, "bfloat16": 3},
    "tanh_typical": {"float32": 1.4, "float16": 0.35, "bfloat16": 0.35},
    "sigmoid_typical": {"float32": 0.65, "float16": 0.65, "bfloat16": 0.65},
    "functions": {**SOFTSIGN, "elu": {"float32": FunctionError(7), "float64": FunctionError(6)}},
}


# What products in float32 are cut to where nobody asks for more, by platform; XLA's default precision.
CUT = {"gpu": "TF32", "tpu": "bfloat16"}
FULL = ("highest", "float32")  # the precisions that cut nothing


def of_jax(jax: Any) -> dict[str, Any]:
    """The facts of whatever runs in JAX here, which depend on its device. The errors are those of the CPU."""
    device, precision = jax.devices()[0].platform, jax.config.jax_default_matmul_precision
    x64 = "on" if jax.config.jax_enable_x64 else "off, on for float64 cases only"
    return {
        "device": device,
        "settings": f"x64 {x64}, matmul precision {precision or 'default'}",
        "recomputes": True,
        "products": "" if precision in FULL else CUT.get(device, ""),
        **(ERRORS if device == "cpu" else {}),
    }


class JaxAdapter:
    """Drives JAX: compiles the scan, or runs it op by op with the tag `nojit`."""

    def __init__(self, tag: str = "") -> None:
        import jax

        self.jax, self.nojit = jax, tag == "nojit"
        self.facts = Facts(
            f"jax:{tag}" if tag else "jax",
            version=jax.__version__,
            **of_jax(jax),
            compiles=True,
            **{**EVERYTHING, "clip": False, "input_forget": False},
        )
        self.cache = lru_cache(maxsize=256)(self._build)

    def _build(self, gradients: bool, form: "Form", *shapes: Any) -> Any:
        """Jit the layers of one form and these shapes alone: a function that the cache drops is freed."""
        jax, jnp = self.jax, self.jax.numpy
        step = STEPS[form.cell](jax, form.options)

        def scan(inputs: Any, weights: Any, start: Any, counts: Any, reverse: bool) -> Any:
            """Loop one cell over time. counts: bools (batch, time), the steps that count, or None for all."""

            def scanned(state: Any, step_input: Any) -> Any:
                x_t, counts_t = step_input
                new = step(x_t, state, Weights(*weights))
                if counts_t is None:
                    return new, new[0]
                counts_t = counts_t[:, None]
                state = tuple(jnp.where(counts_t, n, old) for n, old in zip(new, state, strict=True))
                return state, jnp.where(counts_t, state[0], 0)  # the state itself, not computed again

            time_first = (jnp.swapaxes(inputs, 0, 1), None if counts is None else counts.T)
            final, outputs = jax.lax.scan(scanned, start, time_first, reverse=reverse)
            return jnp.swapaxes(outputs, 0, 1), final

        def layers(inputs: Any, weights: Any, starts: Any, counts: Any) -> Any:
            """The outputs of each layer and the final state of each cell."""
            merge = merge_function(jnp, form.merge_mode)
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

        def backpropagate(inputs: Any, weights: Any, starts: Any, counts: Any, given: Any) -> Any:
            """The gradients of inputs, weights and starts, from the cotangents of outputs and finals."""

            def answer(inputs: Any, weights: Any, starts: Any) -> Any:
                outputs, finals = layers(inputs, weights, starts, counts)
                return outputs[-1], finals

            return jax.vjp(answer, inputs, weights, starts)[1](given)

        return jax.jit(backpropagate if gradients else layers)

    def run(self, case: Case) -> Trace:
        """Run the case's cells in `jax.lax.scan`; see `Adapter.run`."""
        outputs, finals = self._call(case)
        states = join_states(case, finals)
        *hidden, last = (np.array(array) for array in outputs)
        if not (case.return_sequences or case.time):  # there is no last output
            last = np.zeros_like(last)
        return Trace(last, *states, hidden_outputs=tuple(hidden))

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Array]:
        """The gradients by the names of `case.arrays()`, by `jax.vjp`."""
        outputs, *states = given_or_zeros(case, cotangents)
        by_cell = zip(*map(case.by_cell, states), strict=True)
        inputs, weights, starts = self._call(case, (outputs, list(by_cell)))
        cells = [Weights(*(None if w is None else np.array(w) for w in cell)) for cell in weights]
        start = [] if case.initial_state is None else join_states(case, starts)
        return arrays_by_name(np.array(inputs), cells, start)

    def _call(self, case: Case, *cotangents: Any) -> Any:
        """The layers' answer or, given cotangents, their gradients."""
        if case.clip is not None or case.input_forget:
            raise Refused("the cells here have no clip and no input_forget")
        if self.nojit and case.time == 0:
            raise Refused("zero-length scan is not supported in disable_jit() mode")
        directions = [direction for layer in case.passes for direction in layer]
        weights = [tuple(direction.weights) for direction in directions]
        starts = [direction.start for direction in directions]
        shapes = (case.dtype.name, case.inputs.shape, case.W.shape, case.U.shape, len(weights), case.padded)
        missing = tuple(array is None for array in case.weights)
        layers = self.cache(bool(cotangents), form_of(case), *shapes, *missing)
        double = self.jax.enable_x64(True) if case.dtype == np.float64 else nullcontext()
        slow = self.jax.disable_jit() if self.nojit else nullcontext()
        arrays: Any = (case.inputs, weights, starts, case.valid if case.padded else None, *cotangents)
        with double, slow:
            if self.nojit:  # or else NumPy would multiply its own arrays, and those in bfloat16 in float32
                arrays = self.jax.device_put(arrays)
            return layers(*arrays)


def join_states(case: Case, states: Any) -> list[Array]:
    """The states of all cells, joined to one array each of h and c."""
    kinds = zip(zip(*states, strict=True), case.state_shapes, strict=True)
    return [np.array(parts).reshape(shape) for parts, shape in kinds]


class Form(NamedTuple):
    """The fields of a case that the code of its layers depends on, apart from shapes."""

    cell: str
    options: Options
    reverse: tuple[bool, ...]  # of each direction
    merge_mode: str | None
    return_sequences: bool


def form_of(case: Case) -> Form:
    """The form of a case's layers."""
    own = {name: getattr(case, name) for name in case.record.options}
    reverse = (False, True) if case.merge_mode else (case.reverse,)
    return Form(case.cell, Options(**own), reverse, case.merge_mode, case.return_sequences)


def merge_function(jnp: Any, merge_mode: str | None) -> Any:
    """The function that makes one output of a layer's directions."""
    return {
        None: lambda only: only,
        "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
        "sum": lambda f, b: f + b,
        "mul": lambda f, b: f * b,
        "ave": lambda f, b: (f + b) / 2,
    }[merge_mode]


def affine(x: Any, kernel: Any, bias: Any) -> Any:
    """The sum kernel·x + bias, without a bias that is None."""
    return x @ kernel.T if bias is None else x @ kernel.T + bias


def activation_function(jax: Any, name: str) -> Any:
    """The function of JAX for an activation's name."""
    jnp = jax.numpy
    return {
        "tanh": jnp.tanh,
        "relu": jax.nn.relu,
        "sigmoid": jax.nn.sigmoid,
        "linear": lambda z: z,
        "softsign": jax.nn.soft_sign,
        "elu": jax.nn.elu,
        "hard_sigmoid": jax.nn.hard_sigmoid,
        "hard_sigmoid_keras2": lambda z: jnp.clip(0.2 * z + 0.5, 0, 1),
    }[name]


def simple_rnn(jax: Any, options: Options) -> Any:
    """Make the step of a simple RNN: (x_t, state, weights) -> the next state."""
    activate = activation_function(jax, options.activation)

    def step(x_t: Any, state: Any, w: Weights) -> Any:
        return (activate(affine(x_t, w.W, w.b) + affine(state[0], w.U, w.recurrent_b)),)

    return step


def gru(jax: Any, options: Options) -> Any:
    """Make the step of a GRU: (x_t, state, weights) -> the next state."""
    jnp, gate = jax.numpy, activation_function(jax, options.recurrent_activation)
    candidate = activation_function(jax, options.activation)

    def step(x_t: Any, state: Any, w: Weights) -> Any:
        (h,) = state
        x_r, x_z, x_n = jnp.split(affine(x_t, w.W, w.b), 3, axis=-1)
        if options.reset_after:
            h_r, h_z, h_n = jnp.split(affine(h, w.U, w.recurrent_b), 3, axis=-1)
            r, z = gate(x_r + h_r), gate(x_z + h_z)
            n = candidate(x_n + r * h_n)
        else:
            size = h.shape[-1]
            b_rz, b_n = (None, None) if w.recurrent_b is None else jnp.split(w.recurrent_b, [2 * size])
            h_r, h_z = jnp.split(affine(h, w.U[: 2 * size], b_rz), 2, axis=-1)
            r, z = gate(x_r + h_r), gate(x_z + h_z)
            n = candidate(x_n + affine(r * h, w.U[2 * size :], b_n))
        return ((1 - z) * n + z * h,)

    return step


def lstm(jax: Any, options: Options) -> Any:
    """Make the step of an LSTM: (x_t, state, weights) -> the next state."""
    jnp, gate = jax.numpy, activation_function(jax, options.recurrent_activation)
    candidate = activation_function(jax, options.activation)

    def step(x_t: Any, state: Any, w: Weights) -> Any:
        h, c = state
        i, f, g, o = jnp.split(affine(x_t, w.W, w.b) + affine(h, w.U, w.recurrent_b), 4, axis=-1)
        c = gate(f) * c + gate(i) * candidate(g)
        h = gate(o) * candidate(c)
        return h if w.projection is None else h @ w.projection.T, c

    return step


def peephole_lstm(jax: Any, options: Options) -> Any:
    """Make the step of an LSTM with peepholes: (x_t, state, weights) -> the next state."""
    jnp, gate = jax.numpy, activation_function(jax, options.recurrent_activation)
    candidate = activation_function(jax, options.activation)

    def step(x_t: Any, state: Any, w: Weights) -> Any:
        h, c = state
        p_i, p_f, p_o = jnp.split(w.peepholes, 3)
        i, f, g, o = jnp.split(affine(x_t, w.W, w.b) + affine(h, w.U, w.recurrent_b), 4, axis=-1)
        c = gate(f + p_f * c) * c + gate(i + p_i * c) * candidate(g)
        return gate(o + p_o * c) * candidate(c), c

    return step


STEPS = {"simple_rnn": simple_rnn, "gru": gru, "lstm": lstm, "peephole_lstm": peephole_lstm}
