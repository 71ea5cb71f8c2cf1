"""The diagnosis names the fault that was planted, and never names one of a correct backend."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from rnn_lockstep.adapters import Case, Cotangents, load
from rnn_lockstep.adapters.backends.compare import judge, judge_gradients, run, run_gradients
from rnn_lockstep.adapters.backends.examination import examine, examine_gradients
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.drawing.make_case import make_case
from rnn_lockstep.tests.harness.drawing.strategies import without_nan
from rnn_lockstep.tests.harness.session import DIAGNOSED
from tests.faults.catalogue import FAULTS
from tests.faults.faulty import Fault

EXPLAINABLE = {name: fault for name, fault in FAULTS.items() if fault.explained}
FAMILIES = sorted({fault.family for fault in EXPLAINABLE.values()})
# Where a fault may show: options of `make_case`.
PLACES: list[dict[str, Any]] = [
    {},
    {"padding": "ragged"},
    {"padding": "ragged", "shape": (6, 7, 5, 4)},
    {"padding": "one full, one empty"},
    {"padding": "scattered, one empty"},
    {"reverse": True},
    {"reverse": True, "padding": "ragged"},
    {"activation": "relu", "regime": "growing"},
    {"regime": "growing"},
    {"shape": (3, 4, 3, 3)},
    {"regime": "special", "shape": (5, 6, 3, 3)},
    {"recurrent_activation": "hard_sigmoid"},
    {"clip": 0.5},
    {"input_forget": True},
    {"activation": "softsign"},
    {"projection": True},
    {"layers": 2},
    {"layers": 3, "padding": "ragged"},
    {"layers": 2, "shape": (3, 5, 4, 4)},
    {"merge_mode": "concat", "padding": "ragged"},
    {"merge_mode": "concat", "layers": 2},
    {"merge_mode": "concat"},
    {"merge_mode": "sum"},
    {"merge_mode": "mul"},
    {"merge_mode": "ave"},
    {"return_sequences": False},
    {"return_sequences": False, "padding": "ragged"},
    {"return_sequences": False, "padding": "scattered, one empty"},
    {"return_sequences": False, "merge_mode": "concat"},
    {"shape": (2, 0, 5, 4)},
    {"shape": (3, 6, 8, 17)},
    {"shape": (2, 3, 20, 70)},
    {"shape": (1, 70, 3, 3)},
    {"shape": (1, 203, 3, 3)},
    {"padding": "one full, one empty", "shape": (3, 300, 3, 3)},
    {"given_state": False},
    {"dtype": "float16"},
    {"dtype": "bfloat16"},
    {"dtype": "float16", "padding": "ragged"},
    {"dtype": "float16", "reverse": True},
    {"dtype": "float16", "layers": 2},
    {"dtype": "float16", "regime": "tiny", "shape": (16, 5, 4, 4)},
    {"shape": (8, 16, 16, 8)},
    {"shape": (256, 3, 5, 4)},
    {"shape": (2, 3, 257, 257)},
    {"shape": (2, 70, 5, 130), "dtype": "float32"},
    {"shape": (2, 300, 3, 3), "regime": "growing"},
]
OPTIONS = {
    *("activation", "recurrent_activation", "clip", "input_forget", "projection"),
    *("layers", "merge_mode", "return_sequences"),
}


def case_at(place: dict[str, Any], fault: Fault, seed: int) -> Case:
    variant = {name: value for name, value in place.items() if name in OPTIONS}
    choices = {name: value for name, value in place.items() if name not in OPTIONS}
    usual: dict[str, Any] = {
        "shape": (3, 5, 5, 4),
        "dtype": "float64",
        "regime": "critical",
        "layout": "contiguous",
        "given_state": True,
        "padding": "none",
        "reverse": False,
    }
    biases = 1 if fault.simple else 2
    [cell, *_] = fault.cells
    return make_case(**{**usual, **choices}, cell=cell, variant={"biases": biases, **variant}, source=seed)


def possible(place: dict[str, Any], fault: Fault) -> bool:
    """Tell whether the fault's first cell can be there."""
    cell = CELLS[fault.cells[0]]
    several = {"layers", "merge_mode", "return_sequences", "padding", "reverse"} & place.keys()
    if fault.gradients and "clip" in place:  # which has no gradients
        return False
    if fault.simple and (several or place.get("activation") == "softsign" or "clip" in place):
        return False
    if "input_forget" in place and "f" not in cell.gates:
        return False
    chosen = {"activation", "recurrent_activation"} & place.keys()
    return chosen <= cell.options.keys() and (cell.projects or "projection" not in place)


def causes(fault: Fault) -> Iterator[str]:
    """Diagnose a fault in one case after the other in which it shows."""
    adapter = fault()
    for place, seed in product(PLACES, range(2)):
        if not possible(place, fault):
            continue
        case = case_at(place, fault, seed)
        if fault.gradients:
            case = without_nan(case)
            loss = all_cotangents(case, seed)
            found = run_gradients(adapter, case, loss)
            verdict = judge_gradients(adapter, case, loss, found)
            if verdict.status == "mismatch":
                yield examine_gradients(adapter, verdict, loss, found).cause
        else:
            trace = run(adapter, case)
            verdict = judge(adapter, case, trace)
            if verdict.status == "mismatch":
                yield examine(fault, adapter, verdict, trace).cause


def all_cotangents(case: Case, seed: int) -> Cotangents:
    """Draw cotangents of the outputs and every final state."""
    rng, right = np.random.default_rng(seed), run(load("numpy"), case)
    arrays = {name: rng.normal(size=array.shape) for name, array in right.arrays().items()}
    return Cotangents(
        **{name: arrays[name].astype(case.dtype) for name in Cotangents._fields if name in arrays}
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_planted_fault_is_named(
    family: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """Name at least 9 of 10 in each family of ten or more, all but one in a smaller one."""
    missed = {}
    names = [name for name, fault in EXPLAINABLE.items() if fault.family == family]
    for name in names:
        cause = next(causes(EXPLAINABLE[name]))
        if EXPLAINABLE[name].explained not in cause.partition("; or ")[0]:
            missed[name] = cause
    named = len(names) - len(missed)
    request.node.stash[DIAGNOSED] = (family, named, len(names))
    for name, value in (("family", family), ("named", named), ("planted", len(names))):
        record_property(name, value)
    assert len(missed) <= max(1, len(names) // 10), missed


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("place", range(len(PLACES)))
def test_a_correct_backend_is_not_diagnosed(cell: str, place: int) -> None:
    numpy = load("numpy")
    like = Fault("", "", (cell,), False)
    if not possible(PLACES[place], like):
        place = 0
    case = case_at(PLACES[place], like, seed=1)
    found = diagnose([Answer(case, run(numpy, case))], numpy.facts.arithmetic(case.dtype))
    assert not found.explanations
