"""Two models walked side by side: the source's recurrent layers emit what the target's do.

So the errors of one segment, which is what stands between two recurrent layers, do not add to the next one's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from rnn_lockstep.adapters.port.whole.allowance import Beside
from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Call, Emitted, Run, WholeModel, steps_before
from rnn_lockstep.adapters.port.whole.pairing import Place, as_one, emitted
from rnn_lockstep.adapters.port.whole.rows import order_of, put_back
from rnn_lockstep.reference.oracle.validation import Array

LENGTHS, COUNTING = "the lengths of rows", "the steps that count"
TOLD = (LENGTHS, COUNTING)  # what a layer may be told of padding
STATES = ("the initial state h", "the initial state c")
Change = Callable[[Call], Call]


@dataclass(frozen=True, eq=False)
class Walk:
    """The answers of both models to the same examples, and the source when it emits what the target does.

    narrow, wide: the source in float32 and in float64; wide is None where that cannot be.
    answers: the target's.  own: the source's in float32.
    places: the recurrent layers beside each other; none where they cannot be seen.
    """

    narrow: WholeModel
    wide: WholeModel | None
    examples: Sequence[Example]
    answers: Sequence[Run]
    own: Sequence[Run]
    places: Sequence[Place]

    @cached_property
    def forced(self) -> list[tuple[Run, Run | None]]:
        """The source's runs on every example, in float32 and in float64, with what the target emits."""
        wide = self.wide
        return [
            (self.again(self.narrow, k), None if wide is None else self.again(wide, k))
            for k in range(len(self.examples))
        ]

    def again(
        self,
        model: WholeModel,
        k: int,
        changes: dict[int, Change] | None = None,
        inputs: Example | None = None,
    ) -> Run:
        """A run of the source on an example, its layers emitting the target's, some of them changed.

        changes: by the number of the place.  inputs: others than the example's.
        """
        return model.run(inputs or self.examples[k], self.emission(k, changes))

    def emission(self, k: int, changes: dict[int, Change] | None = None) -> Emitted:
        """What the source's layers are made to emit on an example: the target's, some of it changed."""
        calls = {n: self.target_call(k, n) for n in range(self.fitting)}
        for number, change in (changes or {}).items():
            calls[number] = change(calls[number])
        mine = self.own[k].calls
        cells = {name: len(layer.cells) for name, layer in self.narrow.layers.items()}
        return emitted(self.places[: self.fitting], mine, calls, cells)

    @cached_property
    def exact(self) -> list[Run | None]:
        """The source's own runs in float64."""
        return [None if self.wide is None else self.wide.run(each) for each in self.examples]

    @cached_property
    def orders(self) -> list[list[Array]]:
        """The order in which the target has the source's rows, on each example and at each place."""
        return [self.orders_in(k) for k in range(len(self.examples))]

    def orders_in(self, k: int) -> list[Array]:
        """The order of rows at each place, on one example."""
        found: list[Array] = []
        for number, place in enumerate(self.places):
            ours = self.source_call(self.own[k], number)
            exact = self.exact[k]
            wide = ours if exact is None else self.source_call(exact, number)
            theirs = as_one(self.answers[k].calls, place.target)
            found.append(order_of(theirs, ours, wide, found[-1] if found else None))
        return found

    @property
    def reordered(self) -> str:
        """The first layer that is given the rows in another order; empty for none."""
        for number, place in enumerate(self.places):
            if any((each[number] != np.arange(len(each[number]))).any() for each in self.orders):
                return place.name
        return ""

    @cached_property
    def fitting(self) -> int:
        """The number of places, from the first, at which the target is given what has the source's shape.

        What comes after that cannot be compared: the source cannot emit arrays of another shape.
        """
        for number in range(len(self.places)):
            for k, run in enumerate(self.own):
                theirs, ours = self.target_call(k, number), self.source_call(run, number)
                shapes = [call.inputs.shape for call in (theirs, ours)]
                packed = bool(theirs.padding or ours.padding)
                if any(shape[:: 2 if packed else 1] != shapes[0][:: 2 if packed else 1] for shape in shapes):
                    return number
        return len(self.places)

    @property
    def untold(self) -> str:
        """The first layer that is not told the lengths of rows, as the source's is; empty for none."""
        for number, place in enumerate(self.places):
            ours = [self.source_call(run, number).padding for run in self.own]
            theirs = [self.target_call(k, number).padding for k in range(len(self.answers))]
            if any(one and not other for one, other in zip(ours, theirs, strict=True)):
                return place.name
        return ""

    def target_call(self, k: int, place: int) -> Call:
        """The target's call at a place, on an example, its rows in the source's order."""
        return put_back(as_one(self.answers[k].calls, self.places[place].target), self.orders[k][place])

    def source_call(self, run: Run, place: int) -> Call:
        """The source's call at a place, in one of its runs."""
        return as_one(run.calls, self.places[place].source)

    def segments(self) -> list[str]:
        """The segments in words: before the first layer, between two, after the last."""
        names = [place.name for place in self.places]
        if not names:
            return ["the whole model"]
        between = [f"between {a} and {b}" for a, b in pairwise(names)]
        return [f"before {names[0]}", *between, f"after {names[-1]}"]

    def tensors(self, segment: int, k: int, narrow: Run, wide: Run | None) -> list[Beside]:
        """What comes out of a segment, beside the source's, on one example."""
        if segment == len(self.places):
            return self.outputs(k, narrow, wide)
        theirs, ours = self.target_call(k, segment), self.source_call(narrow, segment)
        exact = ours if wide is None else self.source_call(wide, segment)
        valid = ours.counting(ours.inputs.shape[1]) if ours.padding else None
        arrays = [theirs.inputs, ours.inputs, exact.inputs]
        shortest = min(array.shape[1] for array in arrays)
        if valid is not None and (theirs.padding or not valid[:, shortest:].any()):
            # rows that were packed end with the longest
            arrays, valid = [array[:, :shortest] for array in arrays], valid[:, :shortest]
        found = [beside("what it is given", arrays, valid, is_wide=wide is not None)]
        if theirs.padding:  # a layer that is not told of any is judged as such
            found.append(beside(*told_of_padding(theirs, ours), is_wide=wide is not None))
        ends = [theirs, ours, exact]
        states = zip(*(or_zeros(call.initial, ends) for call in ends), strict=True)
        pairs = zip(STATES, states, strict=False)
        return [*found, *(beside(name, given, is_wide=wide is not None) for name, given in pairs)]

    def outputs(self, k: int, narrow: Run, wide: Run | None, its: Run | None = None) -> list[Beside]:
        """The outputs of both models on one example; those that the target has not are left out.

        its: another run in place of the target's.
        """
        found, example = [], self.examples[k]
        exact = narrow if wide is None else wide
        target = its or self.answers[k]
        every = list(zip(target.outputs, narrow.outputs, exact.outputs, strict=False))
        for number, arrays in enumerate(every):
            name = "the output" if len(every) == 1 else f"output {number}"
            found.append(beside(name, *that_count(arrays, example), is_wide=wide is not None))
        return found


def told_of_padding(theirs: Call, ours: Call) -> tuple[str, list[Array]]:
    """What the target's layer is told of padding beside the source's, twice, and what that is."""
    steps = max(call.inputs.shape[1] for call in (theirs, ours))
    told = [call.counting(steps) for call in (theirs, ours, ours)]
    if theirs.mask is None and ours.mask is None:
        return LENGTHS, [valid.sum(axis=1) for valid in told]
    return COUNTING, told


def that_count(arrays: Sequence[Array], example: Example) -> tuple[Sequence[Array], Array | None]:
    """Outputs up to the longest row where one of them ends there, and the steps that count; None for all."""
    if example.lengths is None:
        return arrays, None
    rows, steps = example.arrays[0].shape[:2]
    fitting = [(rows, steps), (rows, int(example.lengths.max()))]  # packed rows end with the longest
    if any(array.ndim < 3 or array.shape[:2] not in fitting for array in arrays):
        return arrays, None
    shortest = min(array.shape[1] for array in arrays)
    return [array[:, :shortest] for array in arrays], steps_before(example.lengths, shortest)


def beside(name: str, arrays: Sequence[Array], valid: Array | None = None, *, is_wide: bool) -> Beside:
    """A tensor of the target's beside the source's two. Where shapes differ, padding does not matter."""
    target, narrow, wide = arrays
    told = valid if target.shape == narrow.shape else None
    return Beside(name, target, narrow, wide if is_wide else None, told)


def or_zeros(states: tuple[Array, ...], calls: Sequence[Call]) -> tuple[Array, ...]:
    """Initial states, or zeros where a layer was given none and another was."""
    if states:
        return states
    return tuple(np.zeros_like(state) for state in next((c.initial for c in calls if c.initial), ()))
