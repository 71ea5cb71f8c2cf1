"""No other fault hides behind a known failure: a backend that has both is reported.

Each entry of tests/known_failures has its own case answered by the oracle as the entry says that it fails,
which is known, and then so with a fault beside it, which is not. No framework is needed.
"""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Cotangents, Facts, Trace
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.reference.diagnosis.mistakes import MISTAKES
from rnn_lockstep.reference.diagnosis.mistakes.mistake import Mistake, answer
from rnn_lockstep.reference.oracle.engine import PLAIN
from rnn_lockstep.reference.oracle.gradients import Cotangents as Given
from rnn_lockstep.reference.oracle.gradients import gradients
from rnn_lockstep.tests.harness.backend import Backend
from rnn_lockstep.tests.harness.known_failures.entries import KnownFailure, parity_tests, read_entries
from rnn_lockstep.tests.harness.known_failures.excuse import known
from rnn_lockstep.tests.harness.known_failures.kept import FOLDER
from rnn_lockstep.tests.harness.known_failures.mistakes import NAMED, NAMED_OF_GRADIENTS

ENTRIES = [entry for file in sorted(FOLDER.glob("*.toml")) for entry in read_entries(file)]
# Behind these another fault may hide, and why: by the case and a part of the backend's name.
WIDE = {
    (
        "keras-two-steps",
        "keras:jax-stateful",
    ): "which state a call begins with depends on the calls before it",
    (
        "keras-initial-state",
        "keras:jax-stateful",
    ): "which state a call begins with depends on the calls before",
    ("paddle-gradients-gru-reverse-lengths", "paddle"): "a GRU's step hands the mistake on to all gradients",
    ("paddle-gradients-gru-stack-lengths", "paddle"): "a GRU's step hands the mistake on to the layers below",
    ("keras-unroll-gradients-lengths", "keras"): "the gradients are those of outputs that are wrong",
    ("keras-unroll-gradients-stack-lengths", "keras"): "the gradients are those of outputs that are wrong",
}
# Those that change the answer to an entry's case have to be seen, and one must.
FAULTS = ("u_transposed", "biases_dropped", "inputs_one_step_late", "rows_mixed", "final_state_is_zero")
SCALED = Mistake("U is 1.01 times too large", lambda case, w: w._replace(U=(1.01 * w.U).astype(w.U.dtype)))


def name_of(entry: KnownFailure) -> str:
    return f"{entry.backend}-{Path(entry.case).stem}"


def is_wide(entry: KnownFailure) -> bool:
    return any(Path(entry.case).stem == case and entry.backend.startswith(of) for case, of in WIDE)


class Known:
    """Backend that fails as an entry says, with one more fault where one is given."""

    def __init__(self, entry: KnownFailure, *faults: Mistake) -> None:
        self.shows, self.faults = entry.shows, faults
        own = NumpyAdapter.facts
        self.facts = Facts("known", **EVERYTHING, tanh_ulps=own.tanh_ulps, sigmoid_ulps=own.sigmoid_ulps)

    def run(self, case: Case) -> Trace:
        if "raises" in self.shows and not self.faults:
            raise TypeError(f"{self.shows['raises'][0]}, it says")
        mistakes = [NAMED[self.shows["mistake"]]] if self.shows.get("mistake") in NAMED else []
        with np.errstate(all="ignore"):
            arrays = answer([*mistakes, *self.faults], in_dtype(case, self.shows), PLAIN)
        hidden = tuple(np.array(array, case.dtype) for array in arrays.hidden_outputs)
        states = (np.array(array, case.dtype) for array in (arrays.outputs, *arrays.states))
        found = Trace(*states, hidden_outputs=hidden)
        return self.wrong_numbers(case, found)

    def wrong_numbers(self, case: Case, found: Trace) -> Trace:
        """The answer with what the entry says of single numbers."""
        if self.shows.get("only") == "NaN":
            k = np.abs(found.outputs[0, -1]).argmin()  # the unit that a fault changes least
            found.outputs[0, -1, k] = found.final_state[0, k] = np.nan
        if "only" in self.shows and self.shows["only"] != "NaN":
            for array in (found.outputs, found.final_state):
                array[np.abs(array) < np.finfo(case.dtype).smallest_normal] = 0
        for name in self.shows.get("states", ()):
            getattr(found, name)[:] += 1
        if self.shows.get("zeros_in_padding") and np.isnan(case.inputs).any():
            found.outputs[~case.valid] = np.nan
        return found

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Any]:
        mistake = NAMED_OF_GRADIENTS.get(self.shows.get("mistake", ""))
        own = in_dtype(case, self.shows)
        given = Given(*(None if c is None else c.astype(own.dtype) for c in cotangents))
        found = mistake.answer(own, given, gradients) if mistake else gradients(own, given)
        allowed = self.shows.get("gradients", ())
        arrays = {name: np.array(found[name], own.dtype).astype(case.dtype) for name in case.arrays()}
        for name in arrays:
            if name in allowed or name.rpartition(".")[2] in allowed:
                arrays[name] *= 3
        if self.faults:
            other = next(n for n in arrays if n not in allowed and n.rpartition(".")[2] not in allowed)
            arrays[other] *= 1.01
        return arrays


class KnownWithWrongGradients(Known):
    """Backend that answers so, and whose gradients are three times too large."""

    def gradients(self, case: Case, cotangents: Cotangents) -> dict[str, Any]:
        return {name: 3 * array for name, array in super().gradients(case, cotangents).items()}


def in_dtype(case: Case, shows: Any) -> Case:
    """The case in the dtype that an entry says it is computed in."""
    if "dtype" not in shows:
        return case
    with np.errstate(all="ignore"):
        arrays = {
            name: array.astype(shows["dtype"]) for name, array in case.arrays().items() if "[" not in name
        }
        cells = [
            type(w)(*(a if a is None else a.astype(shows["dtype"]) for a in w)) for w in case.more_weights
        ]
    return replace(case, **arrays, more_weights=tuple(cells))


def outcome(entry: KnownFailure, *faults: Mistake, case: Case | None = None) -> str:
    """What the suite makes of a case on such a backend: "known", "reported" or "match".

    case: the entry's own where none is given.
    """
    saved = entry.saved
    return outcome_of(Known(entry, *faults), entry, case or saved.case, saved.cotangents)


def outcome_of(adapter: Known, entry: KnownFailure, case: Case, cotangents: Cotangents | None) -> str:
    """What the suite makes of a backend's answer to a case or, with cotangents, of its gradients."""
    backend = Backend("known", adapter)
    test = next(test for test in parity_tests() if fnmatchcase(test, entry.test))
    backend.excused = lambda case, failure: known([entry], test, case, failure)
    try:
        if cotangents is None:
            backend.check(case)
        else:
            backend.check_gradients(case, cotangents)
    except pytest.xfail.Exception:
        return "known"
    except Exception:
        return "reported"
    return "known" if backend.known else "match"


@pytest.mark.parametrize("entry", [e for e in ENTRIES if not is_wide(e)], ids=name_of)
def test_a_fault_beside_a_known_failure_is_reported(entry: KnownFailure) -> None:
    if "drift" in entry.shows:
        pytest.skip("a drift is excused alone, and all that leaves the proven bound is reported")
    assert outcome(entry) == "known"
    names = [name for name in FAULTS if "states" not in entry.shows or name != "final_state_is_zero"]
    faults = [*map(MISTAKES.__getitem__, names), SCALED]
    alone = replace(entry, shows={})
    seen = [fault for fault in faults if outcome(alone, fault) == "known"]
    found = {fault.description: outcome(entry, fault) for fault in seen}
    if "raises" in entry.shows:  # whose case may have no numbers
        assert "known" not in found.values()
    else:
        assert set(found.values()) == {"reported"}, found


def test_rows_that_come_out_right_all_the_same_are_known_too() -> None:
    """The padding that is eaten hides the states of a row whose outputs are saturated before and after."""
    entry = next(each for each in ENTRIES if each.shows.get("mistake") == "keras_mask_ignored")
    case = Case(
        np.full((3, 4, 1), 0.1),
        np.full((1, 1), 0.1),
        np.full((1, 1), 4.0),
        None,
        np.full((3, 1), 1.5),
        "hard_sigmoid_keras2",
        lengths=np.array([4, 2, 0]),
        reverse=True,
    )
    assert outcome(entry, case=case) == "known"
    assert outcome(entry, SCALED, case=replace(case, initial_state=np.full((3, 1), 0.2))) == "reported"


def test_gradients_are_not_judged_where_the_answer_is_wrong_as_is_known() -> None:
    """But where the entry is about gradients as well, as one of a dtype is, they must be as it says."""
    for file, found in (("keras-last-output-lengths", "known"), ("keras-numpy-float64", "reported")):
        entry = next(each for each in ENTRIES if Path(each.case).stem == file)
        case = entry.saved.case
        of_outputs = np.ones((case.batch, *case.inputs.shape[1:2][: case.return_sequences], case.hidden_size))
        given = Cotangents(of_outputs.astype(case.dtype))
        adapter = KnownWithWrongGradients(entry)
        assert outcome_of(adapter, entry, case, given) == found
        of_states = Cotangents(final_state=np.ones(case.state_shape, case.dtype))  # which are right
        assert outcome_of(adapter, entry, case, of_states) == "reported"


def test_the_right_number_in_a_narrower_dtype_may_be_infinite() -> None:
    entry = next(each for each in ENTRIES if Path(each.case).stem == "keras-numpy-float64")
    huge = [np.full(shape, 1e20) for shape in ((1, 2, 1), (1, 1))]
    case = Case(*huge, np.full((1, 1), 0.3), None, None, "relu")
    assert outcome(entry, case=case) == "known"


def test_gates_swapped_on_the_way_back_leave_peepholes_as_they_are() -> None:
    rng = np.random.default_rng(0)
    shapes = ((2, 3, 2), (8, 2), (8, 2), (8,))
    case = Case(*(rng.normal(size=s) for s in shapes), cell="peephole_lstm", peepholes=rng.normal(size=6))
    given = Given(rng.normal(size=(2, 3, 2)))
    found = NAMED_OF_GRADIENTS["tensorflow_gates_swapped_on_the_way_back"].answer(case, given, gradients)
    right = gradients(case, given)
    assert found.keys() == right.keys()
    assert not np.allclose(found["U"], right["U"])


def test_every_entry_says_how_it_fails_but_for_the_wide_ones() -> None:
    assert [name_of(e) for e in ENTRIES if not e.shows and not is_wide(e)] == []
    assert len({key for key in WIDE if any(is_wide(e) for e in ENTRIES)}) == len(WIDE)
