"""Differences inside that others undo, as where a norm's gain is in the next layer's weights."""

from rnn_lockstep.adapters.models.recurrent_layer import RecurrentLayer
from rnn_lockstep.adapters.port.whole.allowance import Beside, compared
from rnn_lockstep.adapters.port.whole.layers import shown_by
from rnn_lockstep.adapters.port.whole.model import WholeModel
from rnn_lockstep.adapters.port.whole.outputs_alone import computed
from rnn_lockstep.adapters.port.whole.pairing import layer_of
from rnn_lockstep.adapters.port.whole.walk import Walk


def is_undone(walk: Walk, target: WholeModel) -> bool:
    """Tell whether what is another inside is undone there. Only of models whose outputs match.

    Each recurrent layer of the target computes what its own weights say, from what it was given. With one
    of them in its place the source's outputs are others: so it is no mistake too small to be seen in them.
    """
    try:
        calls = walk.answers[0].calls
        found = [layer_of(calls, place.target, target.layers) for place in walk.places]
        layers = [layer for layer in found if layer is not None]
        if walk.fitting < len(walk.places) or len(layers) < len(found):
            return False
        own = all(is_right(walk, number, layer, target) for number, layer in enumerate(layers))
        return own and any(is_seen(walk, number, layer) for number, layer in enumerate(layers))
    except Exception:  # of layers that are none together, or a source that cannot be made to emit another's
        return False


def is_right(walk: Walk, number: int, layer: RecurrentLayer, target: WholeModel) -> bool:
    """Tell whether the target's layer at a place computes what its weights say, in every question."""
    shown = (shown_by(layer, walk.target_call(k, number)) for k in range(len(walk.examples)))
    facts = target.facts()
    return all(each.verdict(facts).status == "match" for each in shown)


def is_seen(walk: Walk, number: int, layer: RecurrentLayer) -> bool:
    """Tell whether the source's outputs are others with the target's layer at a place."""
    first, *more = walk.places[number].source
    if more:  # of several the states between are not known
        return False
    found: list[list[Beside]] = []
    for example, own, exact in zip(walk.examples, walk.own, walk.exact, strict=True):
        run = walk.narrow.run(example, {first: computed(layer, None, own.calls[first])})
        found.append(walk.outputs(len(found), own, exact, run))
    return any(compared(each).status == "mismatch" for each in zip(*found, strict=True))
