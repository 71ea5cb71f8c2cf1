"""State dicts in what a pickle of torch's holds: at any depth, under any keys, of one net or several."""

from collections.abc import Iterator
from typing import Any

from rnn_lockstep.adapters.models.files import torch_keys
from rnn_lockstep.adapters.models.files.torch_pickle import Module, Tensor

DEEPEST = 32
MOST_ITEMS = 2**20  # things may lie in each other, and so be there without end


def tensors_in(content: Any) -> dict[str, Any]:
    """The tensors of the state dict that is there, by their keys, or of several, each after its place.

    Without a state dict of a recurrent layer, all tensors there are. Raises ValueError where there are none.
    """
    everything = dict(dictionaries(content))
    found = {
        place: own
        for place, own in everything.items()
        if any(torch_keys.is_recurrent(key) and isinstance(t, Tensor) for key, t in own.items())
    }
    if len(found) == 1:
        [only] = found.values()
        return torch_keys.unwrapped(only)
    several = found or {
        place: {key: t for key, t in own.items() if isinstance(t, Tensor)}
        for place, own in everything.items()
    }
    named = {
        ".".join([*place, key]): tensor
        for place, own in several.items()
        for key, tensor in torch_keys.unwrapped(own).items()
    }
    if not named and not isinstance(content, dict):
        raise ValueError(f"it holds no state dict but {type(content).__name__}: save module.state_dict()")
    return named


def dictionaries(content: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each dictionary in plain data with the keys that lead to it; a scripted module's as one."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), content)]
    left = MOST_ITEMS
    while todo:
        place, value = todo.pop()
        if isinstance(value, Module):
            value = dict(_parameters(value))
        if isinstance(value, dict):
            yield place, {key: item for key, item in value.items() if isinstance(key, str)}
        items = value.items() if isinstance(value, dict) else enumerate(value)
        left -= len(value)
        if left < 0:
            raise ValueError(f"it holds more than {MOST_ITEMS} things in each other")
        inside = [((*place, str(key)), item) for key, item in items if holds(item)]
        todo += [] if len(place) >= DEEPEST else inside[::-1]


def holds(value: Any) -> bool:
    """Tell whether a value of plain data may have dictionaries inside."""
    return isinstance(value, dict | list) or type(value) is tuple


def _parameters(module: Module) -> Iterator[tuple[str, Any]]:
    """The tensors of a scripted module and those in it, by the keys of its state dict."""
    todo, left = [("", module, 0)], MOST_ITEMS
    while todo:
        prefix, own, depth = todo.pop(0)
        left -= len(own)
        if left < 0:
            raise ValueError(f"it holds more than {MOST_ITEMS} things in each other")
        for key, value in own.items():
            if isinstance(value, Module) and depth < DEEPEST:
                todo.append((f"{prefix}{key}.", value, depth + 1))
            elif isinstance(value, Tensor):
                yield f"{prefix}{key}", value
