"""An adapter, watched for what it does beside answering: to its arguments, and to its earlier answers."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.compare import run, run_gradients
from rnn_lockstep.adapters.backends.contract import Adapter, Facts
from rnn_lockstep.adapters.one_line import text_of
from rnn_lockstep.reference import Case, Cotangents, Trace
from rnn_lockstep.reference.oracle.validation import Array

KEPT = 2  # earlier answers that are looked at again
MANY = 100  # complaints that are kept, and arrays of an answer that are looked at
LARGEST = 2**26  # bytes of an array that is looked at again; an answer can be of any size


class Watched:
    """An adapter that notices what another does beside answering.

    complaints: what it has noticed, a line each, until someone has read them and clears them.
    warned: empty; warnings are counted in a process of their own only.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter: Any = adapter
        self.complaints: list[str] = []
        self.warned: Counter[str] = Counter()
        self.earlier: deque[tuple[dict[str, Array], dict[str, bytes]]] = deque(maxlen=KEPT)

    @property
    def facts(self) -> Facts:
        """The facts that the adapter declares."""
        return self.adapter.facts  # type: ignore[no-any-return]

    def run(self, case: Case) -> Trace:
        """The adapter's answer; see `Adapter.run`."""
        return self._ask(case, None, lambda: run(self.adapter, case))  # type: ignore[no-any-return]

    def gradients(self, case: Case, cotangents: Cotangents) -> Any:
        """The adapter's gradients; see `Adapter`."""
        return self._ask(case, cotangents, lambda: run_gradients(self.adapter, case, cotangents))

    def _ask(self, case: Case, cotangents: Cotangents | None, call: Callable[[], Any]) -> Any:
        """Return what `call` does, with an eye on the arguments."""
        given = arguments(case, cotangents)
        before = {name: array.tobytes() for name, array in given.items()}
        answer = call()
        self.complaints += [f"changed the {name} it was given" for name in changed(given, before)]
        arrays = arrays_in(answer)
        for name, array in given.items():
            if any(np.may_share_memory(array, each) for each in arrays.values()):
                self.complaints.append(f"returns its {name}, not a new array")
        for earlier, kept in self.earlier:
            if changed(earlier, kept):
                self.complaints.append("overwrote its answer to an earlier case")
            elif any(np.may_share_memory(a, b) for a in earlier.values() for b in arrays.values()):
                self.complaints.append("answers in the memory of an earlier answer")
        del self.complaints[MANY:]
        self.earlier.append((arrays, {name: array.tobytes() for name, array in arrays.items()}))
        return answer


def arguments(case: Case, cotangents: Cotangents | None) -> dict[str, Array]:
    """The arrays that a backend is given, by name."""
    given = {**case.arrays(), "lengths": case.lengths, "mask": case.mask}
    if cotangents is not None:
        given |= {f"cotangent of {name}": array for name, array in cotangents._asdict().items()}
    return {name: array for name, array in given.items() if array is not None}


def arrays_in(answer: Any) -> dict[str, Array]:
    """The arrays of an answer by name, whatever else it may hold."""
    if isinstance(answer, Trace) and isinstance(answer.hidden_outputs, tuple):
        answer = answer.arrays()
    found = answer.items() if isinstance(answer, Mapping) else ()
    return {
        text_of(name): array
        for name, array in islice(found, MANY)  # whatever its length is said to be
        if isinstance(array, np.ndarray) and array.nbytes <= LARGEST
    }


def changed(arrays: Mapping[str, Array], before: Mapping[str, bytes]) -> list[str]:
    """The names of the arrays whose numbers are not what they were."""
    return [name for name, array in arrays.items() if array.tobytes() != before[name]]
