"""The form of a model that cannot be read: the sizes of what it takes and returns, found by asking."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from rnn_lockstep.adapters.models.live import LiveLayer, Way, WrongForm, connect
from rnn_lockstep.adapters.models.live.connect import BATCH, TIME
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.reference import Weights
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.validation import Array

ONE_STATE, TWO_STATES = "simple_rnn", "lstm"  # cells that have so many
MOST_LAYERS = 4  # that states of a stack are tried for
FEW_SIZES = 32  # of which pairs are tried, where a state must be given


def sizes_alone(
    cell: str, sizes: tuple[int, int, int], layers: int = 1, directions: int = 1, dtype: str = "float32"
) -> RecurrentLayer:
    """A layer of zeros that stands for one whose weights are not known: only its sizes mean something.

    sizes: of inputs, of h and of c.
    """
    inputs, h, c = sizes
    rows = len(CELLS[cell].gates) * c
    below = [inputs, *[h * directions] * (layers - 1)]
    projection = np.zeros((h, c), dtype) if h != c else None
    cells = tuple(
        Weights(np.zeros((rows, size), dtype), np.zeros((rows, h), dtype), projection=projection)
        for size in below
        for _ in range(directions)
    )
    return RecurrentLayer("it", cells, cell, merge_mode="concat" if directions == 2 else None)


def asked_form(ways: Sequence[Way], sizes: Sequence[int]) -> LiveLayer:
    """A model that cannot be read, connected to a layer of its sizes alone.

    sizes: those that its inputs may have, the likeliest first.
    Raises InvalidModel where it answers to none of them as a layer does.
    """
    size, answer = first_answer(ways, sizes)
    given = [way for way in ways if INITIAL_STATE in way.takes]
    for some, layer in [*product([given], forms(size, answer)), (ways, plain(size, answer))]:
        try:
            return connect(some, layer)
        except (WrongForm, InvalidModel):
            continue
    raise InvalidModel("it does not answer twice in the same form")


def first_answer(ways: Sequence[Way], sizes: Sequence[int]) -> tuple[int, list[Array]]:
    """The first size of inputs at which a model answers, and the answer. Raises InvalidModel."""
    reason = "it cannot be asked"
    pairs: list[tuple[int, ...]] = [(size, size) for size in sizes]
    if any(INITIAL_STATE in way.takes for way in ways):  # it may have to be given one
        pairs += [pair for pair in product(sizes[:FEW_SIZES], repeat=2) if pair[0] != pair[1]]
    for size, hidden in pairs:
        for way, cell in product(ways, (TWO_STATES, ONE_STATE)):
            layer = sizes_alone(cell, (size, hidden, hidden))
            case = layer.case(np.random.default_rng(0).normal(size=(BATCH, TIME, size)).astype(layer.dtype))
            try:
                way.reset()
                answer = list(way.call(case))
            except Exception as error:  # of another size, most likely
                reason = f"{way.name}: {error}"
                continue
            if answer and answer[0].shape[:-1] in ((BATCH, TIME), (BATCH,)):
                return size, answer
            shapes = ", ".join(str(array.shape) for array in answer)
            reason = f"{way.name}: given inputs {case.inputs.shape} it returns {shapes}"
    raise InvalidModel(reason)


def forms(size: int, answer: Sequence[Array]) -> Iterator[RecurrentLayer]:
    """The layers that a model with initial states may be, those first that it returns the states of."""
    outputs, *states = answer
    features = outputs.shape[-1]
    if len(states) in (1, 2) and all(state.shape[-2:-1] == (BATCH,) for state in states):
        h, c = states[0].shape[-1], states[-1].shape[-1]
        cells = states[0].size // (BATCH * h)
        directions = 2 if features == 2 * h and cells % 2 == 0 else 1
        kind = TWO_STATES if len(states) == 2 else ONE_STATE
        yield sizes_alone(kind, (size, h, c), cells // directions, directions)
    for cell, directions, layers in product((TWO_STATES, ONE_STATE), (1, 2), range(1, MOST_LAYERS + 1)):
        if features % directions == 0:
            h = features // directions
            yield sizes_alone(cell, (size, h, h), layers, directions)


def plain(size: int, answer: Sequence[Array]) -> RecurrentLayer:
    """The layer that a model without initial states may be."""
    features = answer[0].shape[-1]
    return sizes_alone(ONE_STATE, (size, features, features))
