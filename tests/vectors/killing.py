"""Which planted faults a set of vectors kills: ours by their bounds, ONNX's node tests by their tolerance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from onnx.backend.test.runner import Runner

from rnn_lockstep.adapters import Adapter, Case, Refused, Trace
from rnn_lockstep.adapters.backends.compare import run, run_gradients
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from tests.faults.faulty import Fault
from tests.vectors.onnx_nodes import NodeCase

Array = np.ndarray
Vectors = dict[str, list[SavedCase]]  # by cell


def declares(adapter: Adapter, vector: SavedCase) -> bool:
    """Tell whether a backend declares all that a vector needs."""
    gradients = vector.cotangents is None or adapter.facts.gradients
    return gradients and not adapter.facts.undeclared(vector.case)


def answers(adapter: Adapter, vectors: Iterable[SavedCase]) -> Iterator[tuple[SavedCase, Mapping[str, Any]]]:
    """The answers to those vectors that a backend can express."""
    for vector in vectors:
        if declares(adapter, vector):
            with suppress(Refused):
                yield vector, answer(adapter, vector)


def answer(adapter: Adapter, vector: SavedCase) -> Mapping[str, Any]:
    """A backend's answer by the names of what is expected; none where it changed an argument."""
    before = {name: array.copy() for name, array in vector.given().items()}
    if vector.cotangents is None:
        found: Any = run(adapter, vector.case)
        found = found.arrays() if isinstance(found, Trace) else {}
    else:
        found = run_gradients(adapter, vector.case, vector.cotangents)
        found = {f"gradients.{name}": array for name, array in found.items()}
    changed = [name for name, array in vector.given().items() if array.tobytes() != before[name].tobytes()]
    for name in changed:
        vector.given()[name][...] = before[name]
    return {} if changed else found


def wrong(vector: SavedCase, found: Mapping[str, Any]) -> str:
    """The first array of an answer that is not right, by the rule of the vectors; empty where all are."""
    for name, expected in vector.expected.items():
        array = found.get(name)
        if array is None or array.shape != expected.shape or array.dtype != vector.case.dtype:
            return name
        with np.errstate(invalid="ignore"):
            right = np.abs(array.astype(np.float64) - expected) <= vector.bound[name]
        if not right.all():
            return name
    return ""


def first_wrong(backend: Adapter, vectors: Iterable[SavedCase]) -> str:
    """The first of our vectors that a backend answers wrongly, in words; empty where all are right.

    Answers are looked at when they come, and all of them again after the last.
    """
    kept = []
    for vector, found in answers(backend, vectors):
        kept.append((vector, found))
        if name := wrong(vector, found):
            return f"{vector.case!r}: {name}"
    return next((f"{vector.case!r}: {name}, later" for vector, a in kept if (name := wrong(vector, a))), "")


def fails_of(backend: Adapter, nodes: Sequence[NodeCase]) -> bool:
    """Tell whether one of ONNX's node cases rejects a backend, the same one for all.

    So what is kept between calls may show, which ONNX's own runner, with a new backend each, does not give.
    """
    return any([fails(backend, node) for node in nodes])


def expressed_by_onnx(fault: Fault, nodes: Sequence[NodeCase]) -> bool:
    """Tell whether a fault makes any difference in ONNX's node cases: other bits than a right answer has."""
    if fault.gradients:
        return False
    wrong, right = fault(), NumpyAdapter()
    for node in nodes:
        case = asked(wrong, node)
        if case is not None:
            pairs = zip(run(wrong, case).arrays().items(), run(right, case).arrays().items(), strict=False)
            if any(a[1].shape != b[1].shape or a[1].tobytes() != b[1].tobytes() for a, b in pairs):
                return True
    return False


def asked(backend: Adapter, node: NodeCase) -> Case | None:
    """The case that a backend is asked for a node case; None where it cannot express it."""
    case = node.case if 2 in backend.facts.biases else with_one_bias(node.case)
    if backend.facts.undeclared(case):
        return None
    try:
        run(backend, case)
    except Refused:
        return None
    return case


def fails(backend: Adapter, node: NodeCase) -> bool:
    """Tell whether ONNX's own comparison, with the case's own tolerances, rejects a backend's answer."""
    case = asked(backend, node)
    if case is None:
        return False
    trace = run(backend, case)
    expected = list(node.expected.values())
    try:
        found = in_onnx_layout(trace, case, node.batch_first)
        own = [found[name] for name in node.expected]
        Runner.assert_similar_outputs(expected, own, node.rtol, node.atol)
    except (AssertionError, ValueError):  # the latter of shapes that cannot be laid out so
        return True
    return False


def with_one_bias(case: Case) -> Case:
    """The case with its biases added up, or zeros, for a backend of a simple RNN with one."""
    if case.cell != "simple_rnn" or case.more_weights:
        return case
    zeros = np.zeros(len(case.W), case.dtype)
    b, recurrent_b = (zeros if each is None else each for each in (case.b, case.recurrent_b))
    return replace(case, b=b + recurrent_b, recurrent_b=None)


def in_onnx_layout(trace: Trace, case: Case, batch_first: bool) -> dict[str, Array]:
    """A trace as ONNX has it: Y (time, directions, batch, H), Y_h and Y_c (directions, batch, H)."""
    outputs = trace.outputs.reshape(case.batch, case.time, case.directions, -1).transpose(1, 2, 0, 3)
    states = {name: case.by_cell(s) for name, s in zip(("Y_h", "Y_c"), trace.states, strict=False)}
    if batch_first:
        outputs = outputs.transpose(2, 0, 1, 3)
        states = {name: state.swapaxes(0, 1) for name, state in states.items()}
    return {"Y": outputs, **states}
