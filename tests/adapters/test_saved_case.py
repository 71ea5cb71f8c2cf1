"""A saved case comes back bit for bit; any other file is refused in one line, whatever is in it."""

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
from safetensors.numpy import save as serialized

from adapters import Case, Cotangents, load, saved_case
from adapters.compare import run, run_gradients
from adapters.memory import LAYOUTS, layout_of, with_layout
from adapters.saved_case import InvalidCase, SavedCase, pack, unpack
from tests.adapters.test_contract import make_case
from tests.strategies import cases, cotangents, fewer

ROOT = Path(__file__).parents[2]
SPECIAL = [0.0, -0.0, 1e-7, np.nan, -np.inf]


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        (a[name].dtype, a[name].shape, a[name].tobytes()) == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


def any_case(cell):
    half = cases(cell, "half", dtypes=("float16", "bfloat16"))
    padded = cases(cell, "ragged", padded=True, backwards=True) | cases(cell, "ragged", masked=True)
    stacked = cases(cell, "stacked", variants="stacked", masked=True)
    return half | padded | stacked | cases(cell, "empty and single") | cases(cell, "small", variants="all")


@fewer(2)
@given(data=st.data())
def test_round_trip(data):
    case = data.draw(st.sampled_from(["simple_rnn", "gru", "lstm"]).flatmap(any_case))
    asked = data.draw(st.none() | cotangents(case))
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
from adapters import load, saved_case
from adapters.compare import run, run_gradients
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


VALID = pack(SavedCase(make_case(), Cotangents(np.ones((2, 3, 3), np.float32)), make_case().arrays()))


def crafted(change=lambda header: None, arrays=(), without=()):
    """The bytes of a case whose metadata were changed, with these arrays more and those less."""
    size = struct.unpack("<Q", VALID[:8])[0]
    header = json.loads(json.loads(VALID[8 : 8 + size])["__metadata__"]["lockstep"])
    replaced = change(header)
    text = json.dumps(header) if replaced is None else replaced
    given = make_case().arrays() | {"cotangents.outputs": np.ones((2, 3, 3), np.float32)} | dict(arrays)
    return serialized({name: a for name, a in given.items() if name not in without}, {"lockstep": text})


def with_header(header, content=b""):
    """A file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def relabelled(array, **changes):
    """A file whose header says something else of the array observed.x."""
    data = one("observed.x", array)
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header["observed.x"].update(changes)
    return with_header(header, data[8 + size :])


def one(name, array):
    return crafted(arrays={name: array})


def field(**changes):
    return crafted(lambda header: header.update(changes))


EMPTY = np.empty((0, 2**40, 2), np.float32)
HOSTILE = {
    "a text": (b"not a case at all", "header too large|HeaderTooLarge|header is too long"),
    "too short": (b"1234", "."),
    "a header as long as memory": (struct.pack("<Q", 2**62), "header is too long"),
    "a long header": (with_header(b" " * (2**20 + 1)), "header is too long"),
    "no metadata": (with_header({}), "no text 'lockstep'"),
    "metadata nested": (with_header(b'{"a":' * 9999), "."),
    "text nested": (crafted(lambda _: "[" * 99999), "nested too deeply"),
    "text cut": (crafted(lambda _: '{"format": 1'), "Expecting"),
    "a list": (crafted(lambda _: "[1]"), "exactly the fields"),
    "a huge number": (crafted(lambda _: "9" * 99999), "Exceeds the limit"),
    "fields missing": (crafted(lambda header: header.pop("cell") and None), "exactly the fields"),
    "fields more": (field(run="rm -r"), "exactly the fields"),
    "another format": (field(format=2), "format 2"),
    "a format that equals 1": (field(format=True), "format in its metadata is a bool"),
    "an unhashable cell": (field(cell=["lstm"]), "cell in its metadata is a list"),
    "no such cell": (field(cell="transformer"), "cell is 'transformer', needs one of"),
    "escape codes": (field(cell="\x1b[2J\n\u202e" * 999), "cell is"),
    "another dtype": (field(dtype="float64"), "its arrays are float32, its metadata say 'float64'"),
    "a layout of nothing": (field(layouts={"V": "strided"}), "its layouts have 'V'"),
    "no such layout": (field(layouts={"W": "diagonal"}), "its layouts have 'W'"),
    "a layout that is a number": (field(layouts={"W": 3}), "values that are no texts"),
    "no gradients": (field(gradients=False), "the array 'cotangents.outputs', which is none of a case's"),
    "no inputs": (crafted(without=["inputs"]), "no array 'inputs'"),
    "no weights": (crafted(without=["W"]), "no array 'W'"),
    "another array": (one("V", np.ones(3)), "the array 'V', which is none of a case's"),
    "weights of half a cell": (one("more_weights[0].U", np.ones(3)), r"no array 'more_weights\[0\].W'"),
    "weights of a later cell": (one("more_weights[1].W", np.ones(3)), r"'more_weights\[1\].W', which"),
    "a shape that does not fit": (one("U", np.ones((3, 2), np.float32)), "U has shape"),
    "a dtype that does not fit": (one("U", np.ones((3, 3), np.float16)), "U has dtype float16"),
    "infinite weights": (one("U", np.full((3, 3), np.inf, np.float32)), "U must be finite"),
    "cotangents that do not fit": (one("cotangents.outputs", np.ones(1, np.float32)), "outputs has shape"),
    "lengths that are no integers": (one("lengths", np.ones(2, np.float32)), "needs integers"),
    "lengths out of range": (one("lengths", np.array([2**63, 0], np.uint64)), "needs numbers from 0"),
    "bools of any byte": (relabelled(np.full(3, 2, np.uint8), dtype="BOOL"), "neither 0 nor 1"),
    "expected without a bound": (one("expected.outputs", np.ones(3)), "'bound.outputs' missing"),
    "a shape of another size": (relabelled(np.ones(4, np.int8), shape=[2**40]), "."),
    "an empty array of any size": (one("observed.x", EMPTY), "is empty and has shape"),
    "more axes than there are": (relabelled(np.ones(0, np.int8), shape=[0] * 100), "maximum|dimension"),
    "a dtype of the future": (relabelled(np.ones(4, np.int8), dtype="F8_E4M3"), "has dtype F8_E4M3, needs"),
    "a dtype unknown": (relabelled(np.ones(4, np.int8), dtype="object"), "."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_saved_case_is_told_in_one_line(name, tmp_path):
    data, message = HOSTILE[name]
    path = tmp_path / "it.safetensors"
    path.write_bytes(data)
    with pytest.raises(InvalidCase, match=message) as caught:
        saved_case.load(path)
    told = str(caught.value)
    assert told.startswith(f"{str(path)!r} is not a saved case: ")
    assert told.isprintable()
    assert len(told) < len(str(path)) + 400
    assert os.listdir(tmp_path) == ["it.safetensors"]


def must_be_a_case_or_refused(data):
    """Nothing else comes of any bytes; a case that does can be saved again."""
    try:
        loaded = unpack(data)
    except InvalidCase:
        return
    assert unpack(pack(loaded)).digest == loaded.digest


@given(
    st.integers(0, len(VALID)),
    st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 7)), max_size=3),
)
def test_a_damaged_file_is_a_case_or_refused(length, bits):
    """Cut anywhere, or with some bits flipped."""
    data = bytearray(VALID)
    for place, bit in bits:
        data[place] ^= 1 << bit
    must_be_a_case_or_refused(bytes(data))
    must_be_a_case_or_refused(bytes(data[:length]))


@given(st.integers(8, 1500), st.sampled_from(["0", "9", "-", "[", "]", '"', "\\", ",", "e", "1e9"]))
def test_a_damaged_header_is_a_case_or_refused(place, text):
    """Signs of JSON in the place of others, where they do the most."""
    must_be_a_case_or_refused(VALID[:place] + text.encode() + VALID[place + len(text) :])


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "device", "empty", "nul", "too large"])
def test_only_regular_files_of_a_fair_size_are_opened(kind, tmp_path):
    path = tmp_path / "it.safetensors"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "empty":
        path.touch()
    elif kind == "nul":
        path = tmp_path / "it\0.safetensors"
    elif kind == "too large":
        path.touch()
        os.truncate(path, 2**40)  # takes no room on the disk
    with pytest.raises(InvalidCase, match="is not a saved case: "):
        saved_case.load(path)


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
