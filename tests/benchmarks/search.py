"""The search for the numbers of a dtype at which an error is largest."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Error = Callable[[Array], Array]  # of BATCH numbers, in float64
Span = tuple[int, int]  # the first place and the last

BATCH = 2**14  # one shape, which a compiled backend traces once
KEPT = 2**6  # places near which more is looked at


class Found(NamedTuple):
    """Places and the errors at them, each (n,)."""

    places: Array
    errors: Array

    def worst(self, apart: int) -> "Found":
        """The KEPT worst, of which no two are in the same `apart` places."""
        order = np.argpartition(self.errors, -BATCH // 8)[-BATCH // 8 :]  # to sort them all takes longer
        order = order[np.argsort(-self.errors[order])]
        _, first = np.unique(self.places[order] // apart, return_index=True)
        keep = order[np.sort(first)[:KEPT]]
        return Found(self.places[keep], self.errors[keep])


def places(x: Array) -> Array:
    """The places of numbers among all those of their dtype: 0 at 0, and neighbours are 1 apart."""
    bits = abs(x).view(f"i{x.itemsize}").astype(np.int64)
    return np.where(x < 0, -bits, bits)


def numbers(places: Array, dtype: str) -> Array:
    """The numbers that stand at these places."""
    x = abs(places).astype(f"i{np.dtype(dtype).itemsize}").view(dtype)
    return np.where(places < 0, -x, x)


def spread(spans: Sequence[Span], stride: int, rng: np.random.Generator) -> Iterator[Array]:
    """Batches of places, one at random in each stride; the last of a span is repeated to fill a batch."""
    for first, last in spans:
        for start in range(first, last + 1, stride * BATCH):
            yield np.minimum(start + stride * np.arange(BATCH) + rng.integers(stride, size=BATCH), last)


def search(
    error: Error, dtype: str, spans: Sequence[Span], *, count: int = 2**18, batches: int = 16, seed: int = 0
) -> Array:
    """The KEPT worst numbers found in the spans, which are in order; the same ones for the same seed.

    Large errors lie together, at every scale. So the search goes from `count` numbers spread over the
    spans, or all of them where they are no more, to ever closer surroundings of the worst, with as many
    `batches` at each distance.
    """
    rng = np.random.default_rng(seed)
    found = Found(np.empty(0, np.int64), np.empty(0))

    def look(where: Array, apart: int) -> Found:
        """The worst of the places found so far and of these."""
        errors = np.concatenate([error(x) for x in numbers(where, dtype).reshape(-1, BATCH)])
        return Found(np.append(found.places, where), np.append(found.errors, errors)).worst(apart)

    total = sum(last - first + 1 for first, last in spans)
    stride = -(-total // count)  # rounded up
    radius = total // (4 * KEPT)
    for where in spread(spans, stride, rng):
        found = look(where, radius)
    while stride > 1 and radius:
        where = np.resize(found.places, batches * BATCH)
        where += rng.integers(-radius, radius + 1, size=where.size)
        found = look(np.clip(where, spans[0][0], spans[-1][1]), radius)
        radius //= 2
    return numbers(found.places, dtype)
