"""The ways to call a callable of JAX: as it is, made ready for inference, or row by row."""

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

BY_ROW = "it takes a single row: it was asked through jax.vmap over the batch"


@dataclass(frozen=True, eq=False)
class Form:
    """A way to call a model.

    function: is called.  traced: is traced by JAX, and changes nothing outside of it.
    remark: what is to be known of this way; empty where there is nothing.
    """

    function: Callable[..., Any]
    traced: Callable[..., Any]
    remark: str = ""


def forms_of(model: Any) -> list[Form]:
    """The ways to call a model, the likeliest first: modules of Equinox take a single row, others a batch."""
    import jax

    ready, traced = ready_of(model)
    batched = Form(ready, traced)
    by_row = Form(jax.vmap(ready), jax.vmap(traced), BY_ROW)
    return [by_row, batched] if is_a(model, "equinox", "Module") else [batched, by_row]


def ready_of(model: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A model made ready for inference, and the same to be traced."""
    if is_a(model, "flax.nnx", "Module"):
        return of_nnx(model)
    if is_a(model, "flax.linen", "Module") and model.scope is not None:
        module, variables = model.unbind()
        return (bound := signed(lambda *a, **n: module.apply(variables, *a, **n), model)), bound
    if is_a(model, "equinox", "Module"):
        inference = sys.modules["equinox"].nn.inference_mode(model)
        return inference, inference
    return model, model


def is_module(model: Any) -> bool:
    """Tell whether a callable is certainly one of JAX."""
    modules = (("flax.nnx", "Module"), ("flax.linen", "Module"), ("equinox", "Module"))
    return any(is_a(model, *each) for each in modules) or hasattr(model, "lower")  # that of jax.jit


def of_nnx(model: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A copy of a module in evaluation mode, and a function that makes one of it each time."""
    from flax import nnx

    module = nnx.clone(model)
    module.eval()
    return module, signed(lambda *a, **n: nnx.clone(module)(*a, **n), model)


def signed(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    """A function with the signature of a model, where that can be known."""
    with suppress(TypeError, ValueError):
        function.__signature__ = inspect.signature(model)  # type: ignore[attr-defined]
    return function


def is_a(model: Any, module: str, name: str) -> bool:
    """Tell whether a model is of a class of a module that is in use."""
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(model, found)
