"""Conformance vectors: every feature is there, and what is expected is true, as exact arithmetic shows.

The true answer is computed here on balls, see `reference/test_certified.py`, with directions, stacks, merging
and padding looped over anew. A gradient's is a central difference at a step so small that nothing is lost.
"""

import copy
import json
from dataclasses import replace

import flint
import numpy as np
import pytest
from flint import arb

from rnn_lockstep.adapters import Case, load
from rnn_lockstep.adapters.saved_cases.manifest import MANIFEST, load_all
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.conformance_vectors import needed, vector_of, vectors, write_vectors
from rnn_lockstep.tests.harness.features import FEATURES
from tests.unit.reference.test_certified import balls
from tests.unit.reference.test_gradients import changed
from tests.vectors.killing import answers, declares, wrong

ALL = list(vectors())
BITS, STEP = 900, 2.0**-300
MERGED = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) * arb(0.5),
}


def exact(array):
    """The numbers as balls, those in padding as zeros."""
    return balls(np.nan_to_num(array.astype(np.float64))) if array.dtype != object else array


def true_answer(case):
    """Outputs and final states of a case, whose arrays may be balls."""
    valid = case.valid
    sequence = [exact(case.inputs[:, t]) for t in range(case.time)]
    starts = [exact(case.by_cell(state)) for state in case.start]
    finals = []
    for _ in range(case.layers):
        runs = []
        for way in range(case.directions):
            k = len(finals)
            weights = (case.weights, *case.more_weights)[k]
            weights = weights._replace(**{n: exact(a) for n, a in weights._asdict().items() if a is not None})
            state, outputs = tuple(start[k] for start in starts), [None] * case.time
            times = range(case.time)
            for t in reversed(times) if case.reverse or way == 1 else times:
                counts = valid[:, t, None]
                new = CELLS[case.cell].step(sequence[t], state, weights, case.options)
                state = tuple(
                    np.where(counts, n, old).view(type(n)) for n, old in zip(new, state, strict=True)
                )
                outputs[t] = np.where(counts, state[0], arb(0)).view(type(state[0]))
            finals.append(state)
            runs.append((outputs, state[0]))
        both = runs[0] if len(runs) == 1 else [MERGED[case.merge_mode](a, b) for a, b in pairs(*runs)]
        sequence, last = both if len(runs) == 1 else (both[:-1], both[-1])
    whole = np.stack(sequence, axis=1) if case.time else np.zeros((case.batch, 0, case.features))
    if not case.return_sequences:
        whole = np.where(valid.any(axis=1, keepdims=True), last, arb(0))
    if case.padded and case.return_sequences:
        whole = np.where(valid[..., None], whole, arb(0))
    states = [
        np.stack(parts).reshape(shape)
        for parts, shape in zip(zip(*finals, strict=True), case.state_shapes, strict=True)
    ]
    return dict(zip(("outputs", "final_state", "final_cell_state"), (whole, *states), strict=False))


def pairs(forward, backward):
    """The outputs of two directions step by step, and their final states."""
    return [*zip(forward[0], backward[0], strict=True), (forward[1], backward[1])]


def total(array):
    """The sum of balls."""
    return sum(np.asarray(array).ravel(), arb(0))


def true_slope(vector, name, direction):
    """The derivative of L along a direction of one array."""
    case, found = vector.case, []
    for sign in (1, -1):
        array = exact(case.arrays()[name]) + exact(direction) * arb(sign * STEP)
        answer = true_answer(changed(replace(case), name, array))
        given = {n: c for n, c in vector.cotangents._asdict().items() if c is not None}
        found.append(sum(total(exact(c) * answer[n]) for n, c in given.items()))
    return (found[0] - found[1]) / (2 * arb(STEP))


def near(value, true, bound, dtype):
    """Tell whether the true number surely lies within the bound and, of a narrower dtype, far within it."""
    if dtype != np.float64:
        bound = np.minimum(bound, 1e-3 * bound + 1e-12 * (1 + np.abs(value)))
    return np.all(np.asarray(np.abs(true - balls(np.asarray(value))) <= bound))


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_expected_of_an_answer_is_true(cell):
    with flint.ctx.workprec(200):
        for vector in (each for each in ALL if each.case.cell == cell and each.cotangents is None):
            true = true_answer(vector.case)
            assert true.keys() == vector.expected.keys()
            for name, array in vector.expected.items():
                assert true[name].shape == array.shape, (vector.case, name)
                assert near(array, true[name], vector.bound[name], vector.case.dtype), (vector.case, name)


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_expected_of_gradients_is_true(cell):
    rng = np.random.default_rng(0)
    with flint.ctx.workprec(BITS):
        for vector in (each for each in ALL if each.case.cell == cell and each.cotangents is not None):
            assert vector.expected.keys() == {f"gradients.{name}" for name in vector.case.arrays()}
            for name, array in vector.case.arrays().items():
                direction = rng.choice([-1.0, 1.0], array.shape)
                if name == "inputs":
                    direction[~vector.case.valid] = 0
                expected, bound = vector.expected[f"gradients.{name}"], vector.bound[f"gradients.{name}"]
                along, allowed = total(exact(expected) * exact(direction)), bound.sum()
                true = true_slope(vector, name, direction)
                size = 1e-3 * allowed + 1e-12 * np.abs(expected).sum()
                limit = allowed if vector.case.dtype == np.float64 else min(allowed, size)
                assert abs(true - along) <= limit, (vector.case, name)


def test_what_is_expected_of_another_case_is_not_true():
    vector = next(each for each in ALL if each.case.kind == "gru" and each.cotangents is None)
    with flint.ctx.workprec(200):
        true = true_answer(replace(vector.case, W=vector.case.W * vector.case.dtype.type(1.001)))
    name = "final_state"
    assert not near(vector.expected[name], true[name], vector.bound[name], vector.case.dtype)


def test_every_feature_is_in_several_vectors():
    counts = {name: sum(name in needed(each) for each in ALL) for name in FEATURES}
    assert {name for name, count in counts.items() if count < 2} == {"training"}  # which is gradients here
    assert {each.case.merge_mode for each in ALL} == {None, *MERGED}


def test_all_bounds_say_something_and_no_two_vectors_are_the_same():
    assert len({each.digest for each in ALL}) == len(ALL) < 510
    for vector in ALL:
        for part in (vector.expected, vector.bound):
            assert all(np.isfinite(array).all() for array in part.values())


def test_padding_holds_nan_but_where_gradients_are_asked_for():
    """Derivatives of a right layer are NaN there: 0 times NaN."""
    padded = [each for each in ALL if not each.case.valid.all()]
    assert {each.cotangents is None for each in padded} == {True, False}
    for vector in padded:
        nan = np.isnan(vector.case.inputs[~vector.case.valid].astype(np.float32))
        assert nan.all() if vector.cotangents is None else not nan.any()


def test_a_case_of_which_too_little_is_known_is_no_vector():
    rng = np.random.default_rng(0)
    arrays = (rng.normal(size=shape).astype(np.float32) for shape in [(1, 60, 3), (8, 3), (8, 8), (8,)])
    with pytest.raises(ValueError, match="the bound on outputs proves nothing"):
        vector_of(Case(*arrays), None)


def test_numpy_is_right_in_all_of_them():
    adapter = load("numpy")
    found = list(answers(adapter, map(copy.copy, ALL)))
    assert len(found) == len(ALL) == sum(declares(adapter, each) for each in ALL)
    assert [vector.case for vector, answer in found if wrong(vector, answer)] == []


def test_the_manifest_lists_what_each_vector_needs(tmp_path):
    names = write_vectors(tmp_path)
    content = json.loads((tmp_path / MANIFEST).read_text())
    assert [entry["file"] for entry in content["cases"]] == names
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 6e6
    for entry, vector in zip(content["cases"], load_all(tmp_path).values(), strict=True):
        assert entry["features"] == needed(vector)
        assert {*entry["features"]} <= {*content["features"]}
