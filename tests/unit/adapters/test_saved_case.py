"""A saved case comes back bit for bit, in another process and with another reader too."""

import itertools
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ml_dtypes  # noqa: F401  with it NumPy knows bfloat16
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from rnn_lockstep.adapters import Case, Cotangents, load
from rnn_lockstep.adapters.backends.array_memory import LAYOUTS, layout_of, with_layout
from rnn_lockstep.adapters.backends.compare import run, run_gradients
from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, pack, unpack
from rnn_lockstep.tests.harness.drawing.make_case import make_case as drawn_case
from rnn_lockstep.tests.harness.drawing.strategies import cases, cotangents, fewer
from tests.unit.adapters.test_contract import make_case

ROOT = Path(__file__).parents[3]
SPECIAL = [0.0, -0.0, 1e-7, np.nan, -np.inf]


def same_bits(a, b):
    """Tell whether two sets of arrays are the same in names, dtypes, shapes and bits."""
    return a.keys() == b.keys() and all(
        (a[name].dtype, a[name].shape, a[name].tobytes()) == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


def any_case(cell):
    """Cases of a cell of every kind."""
    half = cases(cell, "half", dtypes=("float16", "bfloat16"))
    padded = cases(cell, "several steps", padded=True, backwards=True) | cases(
        cell, "several steps", masked=True
    )
    stacked = cases(cell, "stacked", variants="stacked", masked=True)
    return half | padded | stacked | cases(cell, "empty and single") | cases(cell, "variants", variants="all")


@fewer(2)
@given(data=st.data())
def test_round_trip(data):
    case = data.draw(st.sampled_from(["simple_rnn", "gru", "lstm", "peephole_lstm"]).flatmap(any_case))
    asked = data.draw(st.none() if case.clip else st.none() | cotangents(case))
    expected = {"outputs": np.array([*SPECIAL, 5e-324]), "layer 0 final_state": np.empty((0, 3))}
    saved = SavedCase(
        case,
        asked,
        observed={"outputs": np.array(SPECIAL, case.dtype), "final_state": np.array(7, np.int8)},
        expected=expected,
        bound=expected,
        backend="mine:tag",
        facts="mine 1.0, cpu",
        status="mismatch",
        reason='first "this",\nthen \ud800 ∘',
        claim="a claim",
        test="tests/test_it.py::test[x]",
        versions={"numpy": "3.0"},
    )
    loaded = unpack(pack(saved))
    assert same_bits(loaded.given(), saved.given())
    for name, array in saved.case.arrays().items():
        assert layout_of(loaded.case.arrays()[name]) == layout_of(array)
    for part in ("observed", "expected", "bound"):
        assert same_bits(getattr(loaded, part), getattr(saved, part))
    assert repr(loaded.case) == repr(case)
    for name in (*saved_case.TEXTS, "versions", "digest"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert (loaded.cotangents is None) == (asked is None)


def test_payloads_of_nan_and_what_a_backend_may_answer(tmp_path):
    case = replace(make_case(), lengths=np.array([2, 3], np.uint8))
    case.inputs[0, 2:] = np.array([0x7FC12345, 0xFF800001], np.uint32).view(np.float32)
    answers = {"outputs": np.ones(3, ">f4"), "final_state": np.array(["x"]), "final_cell_state": None}
    path = tmp_path / "new" / "folder" / "it.safetensors"
    saved_case.save(path, SavedCase(case, observed=answers))
    loaded = saved_case.load(path)
    assert loaded.case.inputs.tobytes() == case.inputs.tobytes()
    assert loaded.case.lengths.dtype == np.uint8
    assert list(loaded.observed) == ["outputs"]
    assert (loaded.observed["outputs"] == 1).all()
    assert os.listdir(path.parent) == ["it.safetensors"]


def test_other_readers_of_safetensors_can_read_it(tmp_path):
    case = make_case()
    path = tmp_path / "it.safetensors"
    saved_case.save(path, SavedCase(case))
    assert same_bits(load_file(path), case.arrays())
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + size])
    about = json.loads(header["__metadata__"]["lockstep"])
    assert (about["cell"], about["activation"], about["dtype"]) == ("simple_rnn", "tanh", "float32")


ANSWER = """
import sys
from pathlib import Path
from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.adapters.backends.compare import run, run_gradients
from rnn_lockstep.tests.harness.drawing.make_case import make_case as drawn_case
source, target = map(Path, sys.argv[1:])
saved, numpy = saved_case.load(source), load("numpy")
if saved.cotangents is None:
    observed = run(numpy, saved.case).arrays()
else:
    observed = run_gradients(numpy, saved.case, saved.cotangents)
saved_case.save(target, saved_case.SavedCase(saved.case, saved.cotangents, observed))
"""


@pytest.mark.parametrize("gradients", [False, True])
def test_another_process_answers_with_the_same_bits(gradients, tmp_path):
    arrays = make_case(batch=2, time=9, input_size=17, hidden_size=64).arrays().items()
    layouts = itertools.cycle(reversed(LAYOUTS))
    case = Case(**{name: with_layout(array, next(layouts)) for name, array in arrays})
    numpy, asked = load("numpy"), None
    if gradients:
        outputs = np.random.default_rng(0).normal(size=(2, 9, 64)).astype(np.float32)
        asked = Cotangents(outputs)
        observed = run_gradients(numpy, case, asked)
    else:
        observed = run(numpy, case).arrays()
    source, target = tmp_path / "source.safetensors", tmp_path / "target.safetensors"
    saved_case.save(source, SavedCase(case, asked, observed))
    subprocess.run([sys.executable, "-c", ANSWER, source, target], cwd=ROOT, check=True)
    assert same_bits(saved_case.load(target).observed, observed)
    assert same_bits(saved_case.load(source).observed, observed)


@pytest.mark.parametrize("operation", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_other(operation, tmp_path, monkeypatch):
    path = tmp_path / "it.safetensors"
    saved_case.save(path, SavedCase(make_case()))
    before = path.read_bytes()

    def full(self, *arguments):
        if operation == "write_bytes":
            self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, operation, full)
    with pytest.raises(OSError, match="No space left on device"):
        saved_case.save(path, SavedCase(make_case(time=4)))
    assert os.listdir(tmp_path) == ["it.safetensors"]
    assert path.read_bytes() == before


def test_digests_tell_cases_apart():
    case = make_case()
    other = make_case()
    other.b[0] = -other.b[0]
    strided = replace(case, U=with_layout(case.U, "strided"))
    ones = Cotangents(np.ones((2, 3, 3), np.float32))
    kinds = [SavedCase(case), SavedCase(other), SavedCase(strided), SavedCase(case, ones)]
    kinds += [SavedCase(replace(case, activation="relu")), SavedCase(case, claim="twice")]
    assert len({kind.digest for kind in kinds}) == len(kinds)
    assert SavedCase(make_case(), backend="another", test="another").digest == SavedCase(case).digest


@pytest.mark.parametrize("projection", [True, False])
def test_a_projection_is_in_a_file_only_where_there_is_one(projection):
    """So that the files of layers without one are those of earlier versions."""
    variant = {"activation": "relu", "layers": 2, "merge_mode": "concat", "projection": projection}
    choices = {"shape": (2, 3, 5, 4), "dtype": "float32", "regime": "critical", "layout": "fortran"}
    drawn = {"given_state": True, "padding": "ragged", "reverse": False, "source": 1}
    saved = SavedCase(drawn_case(cell="lstm", variant=variant, **choices, **drawn))
    data = pack(saved)
    again = unpack(data)
    assert same_bits(again.given(), saved.given())
    assert (again.digest, again.case.activation) == (saved.digest, "relu")
    assert (b"projection" in data) == projection
