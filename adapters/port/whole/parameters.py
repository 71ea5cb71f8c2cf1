"""Arrays of a whole model beside its recurrent layers: which of the source's a port has not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from rnn_lockstep.reference.oracle.validation import Array

FEW = 3  # arrays that are named
SAME = 2.0**-16  # of the largest magnitude: so far apart the same numbers may be in two dtypes
PARTS = re.compile(r"[./](?=[^./]*$)")  # what is before the last part of a name
KERNEL = "kernel"  # so Keras and flax name what is (in, out); others have (out, in)


def not_found(source: Mapping[str, Array], target: Mapping[str, Array]) -> str:
    """The source's arrays that a port has not, in words; empty where it has all, or where none are seen."""
    if not target:
        return ""
    missing = [told for name, array in source.items() if (told := fate(name, array, target))]
    if not missing or len(missing) == len(source):
        return ""
    return "; ".join(missing[:FEW]) + f", and {len(missing) - FEW} more" * (len(missing) > FEW)


def exchanged(source: Mapping[str, Array], target: Mapping[str, Array]) -> str:
    """Two layers of one name in both models, each with all arrays of the other, in words; empty for none."""
    mine, its = by_layer(source), by_layer(target)
    for one, other in combinations([name for name in mine if name in its], 2):
        crossed = has_all(its[other], mine[one]) and has_all(its[one], mine[other])
        if crossed and not has_all(its[one], mine[one]):
            return f"the weights of {one} and {other} are exchanged"
    return ""


def by_layer(arrays: Mapping[str, Array]) -> dict[str, list[Array]]:
    """Arrays by their layer's name, which is what is before the last part of their own."""
    found: dict[str, list[Array]] = {}
    for name, array in arrays.items():
        found.setdefault(PARTS.split(name)[0], []).append(array)
    return found


def has_all(arrays: Sequence[Array], others: Sequence[Array]) -> bool:
    """Tell whether each of the others is among some arrays, as another framework may have it."""
    return all(any(is_same(each, form) for each in arrays for form in forms(array)) for array in others)


def fate(name: str, array: Array, others: Mapping[str, Array]) -> str:
    """What became of an array, in words; empty where one of the others is it, turned as it has to be."""
    alike = [(other, each) for other, each in others.items() if each.size == array.size]
    what = f"the source's {name} {array.shape}"
    same = {other for other, each in alike if any(is_same(each, form) for form in forms(array))}
    turned = {other for other in same if is_turned(name, array, other, others[other])}
    if same:
        return f"{min(turned)} is {what} transposed wrongly" if same == turned else ""
    for other, each in alike:
        if is_same(np.sort(each, axis=None), np.sort(array, axis=None)):
            return f"{other} has the numbers of {what} in another order"
    return f"the port has no array like {what}"


def is_turned(name: str, array: Array, other: str, found: Array) -> bool:
    """Tell whether a square matrix is another the wrong way round, by the names of kernels."""
    if array.ndim != 2 or array.shape[0] != array.shape[1] or name.endswith("embeddings"):
        return False
    needs_turning = name.endswith(KERNEL) != other.endswith(KERNEL)
    right, wrong = (array.T, array) if needs_turning else (array, array.T)
    return is_same(found, wrong) and not is_same(found, right)


def forms(array: Array) -> Iterator[Array]:
    """An array as other frameworks have it."""
    yield array
    yield array.T
    yield array.reshape(-1)


def is_same(one: Array, other: Array) -> bool:
    """Tell whether two arrays have the same numbers, but for the rounding to another dtype."""
    if one.shape != other.shape:
        return False
    far = np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0)
    return bool(far <= SAME * np.abs(other).max(initial=0))
