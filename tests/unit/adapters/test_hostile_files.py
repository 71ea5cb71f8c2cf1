"""Files that are no saved cases are refused in one line, whatever is in them; nothing else is touched."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as serialized

from rnn_lockstep.adapters import Cotangents
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.saved_cases import saved_case
from rnn_lockstep.adapters.saved_cases.saved_case import InvalidCase, SavedCase, pack, unpack
from tests.unit.adapters.test_contract import make_case

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
    """The bytes of a case with one array more."""
    return crafted(arrays={name: array})


def field(**changes):
    """The bytes of a case with these metadata."""
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
    """Assert that bytes are refused, or are a case that can be saved again."""
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
    """Files are cut anywhere, or have some bits flipped."""
    data = bytearray(VALID)
    for place, bit in bits:
        data[place] ^= 1 << bit
    must_be_a_case_or_refused(bytes(data))
    must_be_a_case_or_refused(bytes(data[:length]))


@given(st.integers(8, 1500), st.sampled_from(["0", "9", "-", "[", "]", '"', "\\", ",", "e", "1e9"]))
def test_a_damaged_header_is_a_case_or_refused(place, text):
    """Signs of JSON in the place of others, where they do the most."""
    must_be_a_case_or_refused(VALID[:place] + text.encode() + VALID[place + len(text) :])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "No such file"),
        ("folder", "it is no regular file"),
        ("fifo", "it is no regular file"),
        ("device", "it is no regular file"),
        ("empty", "it has 0 bytes"),
        ("nul", "embedded null"),
        ("too large", f"it has {2**40} bytes"),
    ],
)
def test_only_regular_files_of_a_fair_size_are_opened(kind, message, tmp_path):
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
    with pytest.raises(InvalidCase, match=f"is not a saved case: {message}"):
        saved_case.load(path)


def test_what_is_told_can_do_nothing_to_a_terminal():
    assert printable("\x1b[2J\n \u202e∘\ud800") == r"?[2J \u202e\u2218\ud800"
    assert len(printable("x" * 10**6)) < 400
