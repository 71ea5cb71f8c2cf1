"""Trees of arrays: dictionaries in dictionaries, as JAX has parameters, or made of names like paths."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from rnn_lockstep.adapters.models.files import reading
from rnn_lockstep.reference.oracle.validation import Array

Tree = Mapping[str, Any]
VALUES = ("value", "raw_value")  # the only key of what is an array in flax's newer modules


class Leaf(NamedTuple):
    """An array that is not yet looked at.

    read: gives the array. It is told its name, for the ValueError that it raises for one that is damaged.
    """

    read: Callable[[str], Array]


def leaf_of(array: Array | ValueError) -> Leaf:
    """A leaf of an array, or of the error why it cannot be read."""

    def read(name: str) -> Array:
        if isinstance(array, ValueError):
            raise array
        if array.dtype.name not in reading.FLOATS:
            raise ValueError(f"{name} has dtype {array.dtype}, needs {', '.join(reading.FLOATS)}")
        return array

    return Leaf(read)


def unwrapped(value: Any) -> Any:
    """The array that is the only value of a dictionary; anything else as it is."""
    if isinstance(value, dict) and len(value) == 1:
        [(key, only)] = value.items()
        return only if key in VALUES and isinstance(only, Leaf) else value
    return value


def tree_of_names(leaves: Mapping[str, Leaf], separator: str = "/") -> dict[str, Any]:
    """The tree whose ways are names, divided by any of the characters of `separator`.

    What lies below an array is left out: an optimizer's arrays have the names of those that they belong to.
    """
    tree: dict[str, Any] = {}
    for name in sorted(leaves):
        branch: Any = tree
        *way, last = re.split(f"[{re.escape(separator)}]", name)
        for key in way:
            branch = branch.setdefault(key, {}) if isinstance(branch, dict) else None
        if isinstance(branch, dict):
            branch[last] = leaves[name]
    return _unwrapped_below(tree)


def with_keys_apart(tree: Tree) -> Tree:
    """The tree with a dictionary for each part of a key with signs in it, as haiku's `lstm/linear`."""
    if not any("/" in str(key) for key in tree):
        return {k: with_keys_apart(value) if isinstance(value, dict) else value for k, value in tree.items()}
    return tree_of_names(dict(leaves_in(tree, sign="/")))


def _unwrapped_below(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with all arrays unwrapped."""
    return {
        key: unwrapped(_unwrapped_below(value) if isinstance(value, dict) else value)
        for key, value in tree.items()
    }


def leaves_in(tree: Tree, place: str = "", sign: str = ".") -> Iterator[tuple[str, Leaf]]:
    """All arrays with the names that lead to them, of keys with a sign between."""
    for key, value in tree.items():
        name = f"{place}{sign}{key}" if place else str(key)
        if isinstance(value, dict):
            yield from leaves_in(value, name, sign)
        elif isinstance(value, Leaf):
            yield name, value


def shapes_in(tree: Tree) -> dict[str, Any]:
    """The arrays by name, the first with their shapes, to list what there is."""
    leaves = dict(leaves_in(tree))
    first = [*leaves.items()][: reading.FEW]
    return {**dict.fromkeys(leaves), **{name: reading.or_error(leaf.read, name) for name, leaf in first}}
