"""Ports of the tagger to JAX, right ones and wrong: a function, modules of Flax, Equinox and Haiku."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def cell(weights, name):
    """W (4, H, D), U (4, H, H) and b (4, H) of one of the tagger's layers, in torch's order of gates."""
    W, U = (weights[f"{name}.weight_{side}_l0"] for side in ("ih", "hh"))
    b = weights[f"{name}.bias_ih_l0"] + weights[f"{name}.bias_hh_l0"]
    return [array.reshape(4, len(array) // 4, *array.shape[1:]) for array in (W, U, b)]


def lstm(W, U, b, x, state=None, reverse=False, unrolled=False):
    """The outputs (batch, time, H) of an LSTM and its final (h, c)."""
    W, U, b = (array.reshape(-1, *array.shape[2:]) for array in (W, U, b))
    if state is None:
        state = (jnp.zeros((len(x), U.shape[1])),) * 2

    def step(carry, x_t):
        h, c = carry
        i, f, g, o = jnp.split(x_t @ W.T + h @ U.T + b, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    steps = x.swapaxes(0, 1)
    if unrolled:
        outputs = []
        for x_t in steps:
            state, h = step(state, x_t)
            outputs.append(h)
        return jnp.stack(outputs, axis=1), state
    state, outputs = jax.lax.scan(step, state, steps, reverse=reverse)
    return outputs.swapaxes(0, 1), state


@dataclass(frozen=True, eq=False)
class Tagger:
    """The function, and what may be wrong with it."""

    weights: dict
    change: tuple = ()  # by the name of a layer: what becomes of its W, U and b
    given: object = staticmethod(lambda x: x)
    between: object = staticmethod(lambda x: x)
    handed_on: object = staticmethod(lambda state: state)
    after: object = staticmethod(lambda x: x)
    reverse: bool = False
    unrolled: bool = False

    def __call__(self, tokens):
        w = self.weights
        cells = {name: cell(w, name) for name in ("encoder", "decoder")}
        for name, change in self.change:
            cells[name] = change(*cells[name])
        x = self.given(jnp.asarray(w["embedding.weight"])[tokens])
        more = {"unrolled": self.unrolled}
        outputs, state = lstm(*cells["encoder"], x, reverse=self.reverse, **more)
        outputs, _ = lstm(*cells["decoder"], self.between(outputs), self.handed_on(state), **more)
        return self.after(outputs @ w["head.weight"].T + w["head.bias"])


def nnx_tagger(weights, relu=False):
    from flax import nnx

    class Module(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.embedding, self.head = nnx.Embed(20, 6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)
            self.encoder = nnx.RNN(nnx.LSTMCell(6, 6, rngs=rngs), return_carry=True)
            self.decoder = nnx.RNN(nnx.OptimizedLSTMCell(6, 6, rngs=rngs))
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, tokens):
            carry, outputs = self.encoder(self.embedding(tokens))
            outputs = nnx.relu(outputs) if relu else self.dropout(outputs)
            return self.head(self.decoder(outputs, initial_carry=carry))

    found = Module()
    found.embedding.embedding[...] = jnp.asarray(weights["embedding.weight"])
    found.head.kernel[...] = jnp.asarray(weights["head.weight"].T)
    found.head.bias[...] = jnp.asarray(weights["head.bias"])
    for W, U, b, gate in zip(*cell(weights, "encoder"), ("i", "f", "g", "o"), strict=True):
        getattr(found.encoder.cell, "if_" if gate == "f" else f"i{gate}").kernel[...] = jnp.asarray(W.T)
        state = getattr(found.encoder.cell, f"h{gate}")
        state.kernel[...], state.bias[...] = jnp.asarray(U.T), jnp.asarray(b)
    W, U, b = (array.reshape(24, *array.shape[2:]) for array in cell(weights, "decoder"))
    fused = found.decoder.cell
    fused.dense_i.kernel[...], fused.dense_h.kernel[...] = jnp.asarray(W.T), jnp.asarray(U.T)
    fused.dense_h.bias[...] = jnp.asarray(b)
    return found


def linen_tagger(weights, gates="ifgo", bound=True):
    from flax import linen as nn

    class Module(nn.Module):
        def setup(self):
            self.embedding, self.head = nn.Embed(20, 6), nn.Dense(3)
            self.encoder, self.decoder = nn.RNN(nn.LSTMCell(6), return_carry=True), nn.RNN(nn.LSTMCell(6))

        def __call__(self, tokens):
            carry, x = self.encoder(self.embedding(tokens))
            return self.head(self.decoder(x, initial_carry=carry))

    def parameters(name, order):
        parts = list(zip(*cell(weights, name), order, strict=True))
        inputs = {f"i{gate}": {"kernel": W.T} for W, U, b, gate in parts}
        return {"cell": {**inputs, **{f"h{gate}": {"kernel": U.T, "bias": b} for W, U, b, gate in parts}}}

    tree = {
        "embedding": {"embedding": weights["embedding.weight"]},
        "encoder": parameters("encoder", gates),
        "decoder": parameters("decoder", "ifgo"),
        "head": {"kernel": weights["head.weight"].T, "bias": weights["head.bias"]},
    }
    variables = jax.tree.map(jnp.asarray, {"params": tree})
    return Module().bind(variables) if bound else partial(Module().apply, variables)


def equinox_tagger(weights, swapped=False):
    import equinox as eqx

    class Module(eqx.Module):
        embedding: jax.Array
        encoder: eqx.nn.LSTMCell
        decoder: eqx.nn.LSTMCell
        head: eqx.nn.Linear

        def __call__(self, tokens):
            def run(own, x, state):
                def step(state, x_t):
                    state = own(x_t, state)
                    return state, state[0]

                return jax.lax.scan(step, state, x)

            (h, c), x = run(self.encoder, self.embedding[tokens], (jnp.zeros(6), jnp.zeros(6)))
            _, x = run(self.decoder, x, (c, h) if swapped else (h, c))
            return jax.vmap(self.head)(x)

    def own(name):
        arrays = [jnp.asarray(a.reshape(24, *a.shape[2:])) for a in cell(weights, name)]
        made = eqx.nn.LSTMCell(6, 6, key=jax.random.key(0))
        return eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh, c.bias), made, arrays)

    head = eqx.nn.Linear(6, 3, key=jax.random.key(0))
    arrays = [jnp.asarray(weights[f"head.{name}"]) for name in ("weight", "bias")]
    head = eqx.tree_at(lambda layer: (layer.weight, layer.bias), head, arrays)
    return Module(jnp.asarray(weights["embedding.weight"]), own("encoder"), own("decoder"), head)


def haiku_tagger(weights, plus_one=1):
    """plus_one: what Haiku adds to the forget gate, which its own bias has then to be without."""
    import haiku as hk

    def run(tokens):
        x = hk.Embed(20, 6, name="embedding")(tokens)
        core = hk.LSTM(6, name="encoder")
        x, state = hk.dynamic_unroll(core, x, core.initial_state(len(tokens)), time_major=False)
        x, _ = hk.dynamic_unroll(hk.LSTM(6, name="decoder"), x, state, time_major=False)
        return hk.Linear(3, name="head")(x)

    def own(name):
        W, U, b = (array[[0, 2, 1, 3]] for array in cell(weights, name))
        b = b - plus_one * np.array([0, 0, 1, 0], b.dtype)[:, None]
        both = np.concatenate([W, U], axis=2).reshape(24, -1).T
        return {"w": jnp.asarray(both), "b": jnp.asarray(b.reshape(-1))}

    head = {"w": jnp.asarray(weights["head.weight"].T), "b": jnp.asarray(weights["head.bias"])}
    params = {
        "embedding": {"embeddings": jnp.asarray(weights["embedding.weight"])},
        "encoder/linear": own("encoder"),
        "decoder/linear": own("decoder"),
        "head": head,
    }
    return partial(hk.without_apply_rng(hk.transform(run)).apply, params)
