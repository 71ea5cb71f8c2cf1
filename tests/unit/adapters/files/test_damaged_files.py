"""Bytes of any kind are layers or refused in one line, in time and memory for them."""

import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_lockstep.adapters.models.files.table import FORMATS, format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import make_layer

LAYERS = [make_layer("gru", 2, name="a"), make_layer("lstm", merge_mode="concat", name="b")]
SUFFIXES = ("pt", "safetensors", "npz", "onnx", "msgpack")


def legacy():
    """A state dict in torch's older format."""
    buffer = io.BytesIO()
    torch.save(torch.nn.GRU(3, 4).state_dict(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


VALID = {suffix: format_of(Path(f"it.{suffix}")).write(LAYERS) for suffix in SUFFIXES} | {"pth": legacy()}


def must_be_layers_or_refused(suffix, data):
    with TemporaryDirectory() as folder:
        path = Path(folder, f"it.{suffix}")
        path.write_bytes(data)
        try:
            told = "layers" if read_model(path) else ""
        except InvalidModel as error:
            told = str(error)
        assert told.isprintable()
        assert 0 < len(told) < 400
        assert os.listdir(folder) == [path.name]


@pytest.mark.parametrize("suffix", VALID)
@given(data=st.data())
def test_a_damaged_file_is_layers_or_refused(suffix, data):
    """Bits flipped, bytes put in the place of others, more often in the header, and the end cut."""
    damaged = bytearray(VALID[suffix])
    last = len(damaged) - 1
    places = st.integers(0, last) | st.integers(0, min(last, 600))
    changes = st.lists(st.tuples(places, st.integers(0, 7) | st.binary(max_size=4)), max_size=4)
    for place, change in data.draw(changes):
        if isinstance(change, bytes):
            damaged[place : place + len(change)] = change
        else:
            damaged[place] ^= 1 << change
    length = data.draw(st.just(len(damaged)) | st.integers(1, len(damaged)))
    must_be_layers_or_refused(suffix, bytes(damaged[:length]))


def archived(content, name="it/data.pkl", method=zipfile.ZIP_STORED, **others):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
        for other, data in others.items():
            archive.writestr(other.replace("_", "/"), data)
    return buffer.getvalue()


def npy(header):
    """An array's file with this header and few numbers."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"1234"


def npz(header, **others):
    return archived(npy(header), name="U.npy", **others)


def shaped(shape):
    return npz(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")


def claiming(data, true, claimed):
    """An archive in which a size is another."""
    assert struct.pack("<L", true) in data
    return data.replace(struct.pack("<L", true), struct.pack("<L", claimed))


def lengthened(storage, size):
    """torch's older format, with another length of its last storage."""
    assert struct.pack("<q", storage) in VALID["pth"]
    return VALID["pth"].replace(struct.pack("<q", storage), struct.pack("<q", size))


def extension(*content):
    """A cell with this array."""
    array = msgpack.ExtType(1, msgpack.packb(content))
    return msgpack.packb({"dense_i": {"kernel": array}, "dense_h": {}})


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': (), }}"
ZEROS = bytes(2**28)
DEFLATED = archived(ZEROS, name="U.npy", method=zipfile.ZIP_DEFLATED)
PICKLE = pickle.dumps({"a": 1}, 2)
BOMBS = {
    "a memo of any size": ("pt", archived(b"\x80\x02}r\xff\xff\xff\x7f."), "no recurrent layers"),
    "a text of any size": ("pt", archived(b"\x80\x02X\xff\xff\xff\x7fabc."), "expected 2147483647 bytes"),
    "bytes of any size": ("pt", archived(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc."), "."),
    "an array of bytes": ("pt", archived(b"\x80\x05\x96" + b"\xff" * 5 + b"\0\0\0abc."), "."),
    "a deep list": ("pt", archived(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."), "but list"),
    "operations": ("pt", archived(b"\x80\x02" + b"N" * (2**20 + 9) + b"."), "more than 1048576 operations"),
    "an extension": ("pt", archived(b"\x80\x02\x82\x01."), "."),
    "a call of what is no name": ("pt", archived(b"\x80\x02K\x01)R."), "its pickle is damaged"),
    "a stack without bottom": ("pt", archived(b"\x80\x02aaa."), "its pickle is damaged"),
    "a deflated pickle": ("pt", archived(PICKLE, method=zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "no pickle": ("pt", archived(b"", name="x"), "has 0 members data.pkl"),
    "two pickles": (
        "pt",
        archived(PICKLE, **{"b_data.pkl": PICKLE}),
        "2 members data.pkl",
    ),
    "a storage of any size": ("pth", lengthened(48 // 4, 2**40), "it ends within its storage"),
    "a storage of no size": ("pth", lengthened(48 // 4, -1), "it ends within its storage"),
    "a zip bomb": ("npz", DEFLATED, "too many for an archive"),
    "a zip bomb that lies": ("npz", claiming(DEFLATED, len(ZEROS), 99), "damaged|magic"),
    "a shape of any size": ("npz", shaped("(1099511627776, 1099511627776)"), "and 4 bytes"),
    "an empty array": ("npz", shaped("(0, 1099511627776)"), "and 4 bytes"),
    "a negative shape": ("npz", shaped("(-1, -1)"), "."),
    "a shape of no numbers": ("npz", shaped("('a',)"), "."),
    "a header that is a call": ("npz", npz("__import__('os').system('touch ran')"), "."),
    "a deep header": ("npz", npz("(" * 99), "."),
    "a dtype of objects": ("npz", npz(HEADER.format("'|O'")), "pickled"),
    "a dtype of fields": (
        "npz",
        npz("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}"),
        "not of plain numbers",
    ),
    "a dtype of any size": ("npz", npz(HEADER.format("'|V999999999'")), "."),
    "a header of any size": ("safetensors", struct.pack("<Q", 2**62) + b"{}", "."),
    "maps in maps": ("msgpack", b"\x81\xa1a" * 10**6, "."),
    "lists in lists": ("msgpack", b"\x91" * 10**6, "."),
    "a list of any size": ("msgpack", b"\xdd\xff\xff\xff\xff", "no msgpack as flax writes it"),
    "a map of any size": ("msgpack", b"\xdf\xff\xff\xff\xff", "no msgpack as flax writes it"),
    "empty maps": ("msgpack", b"\xdd" + struct.pack(">L", 2**18) + b"\x80" * 2**18, "dictionaries or lists"),
    "bytes of any length": ("msgpack", b"\xc6\xff\xff\xff\xff", "no msgpack as flax writes it"),
    "an array of any shape": (
        "msgpack",
        extension([2**40, 2], "float32", b"1234"),
        "4 bytes",
    ),
    "an array of objects": (
        "msgpack",
        extension([1], "object", b"12345678"),
        "dtype object",
    ),
    "an array that is none": ("msgpack", extension(), "is no array of flax's"),
    "chunks": ("msgpack", msgpack.packb({"a": {"__msgpack_chunked_array__": True}}), "in chunks"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_one_line_and_little_memory(name, tmp_path):
    suffix, data, message = BOMBS[name]
    path = tmp_path / f"it.{suffix}"
    path.write_bytes(data)
    format_of(path)  # imported
    tracemalloc.start()
    try:
        with pytest.raises(InvalidModel, match=message) as caught:
            read_model(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**27
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(path)) + 400
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "No such file"),
        ("folder", "no regular file"),
        ("fifo", "no regular file"),
        ("empty", "0 bytes"),
    ],
)
def test_only_regular_files_are_opened(suffix, kind, message, tmp_path):
    path = tmp_path / f"it.{suffix}"
    {"missing": str, "folder": os.mkdir, "fifo": os.mkfifo, "empty": Path.touch}[kind](path)
    with pytest.raises(InvalidModel, match=message):
        read_model(path)


def test_every_format_here_is_known():
    assert {f".{suffix}" for suffix in VALID} <= FORMATS.keys()


def test_arrays_can_be_used_after_their_file_is_gone(tmp_path):
    """Arrays are no maps of the file."""
    for suffix, data in VALID.items():
        path = tmp_path / f"it.{suffix}"
        path.write_bytes(data)
        layers = read_model(path)
        path.write_bytes(bytes(len(data)))
        assert all(np.isfinite(w.U).all() and w.U.any() for layer in layers for w in layer.cells)


def test_nothing_is_read_with_a_framework(tmp_path):
    for suffix, data in VALID.items():
        (tmp_path / f"it.{suffix}").write_bytes(data)
    program = (
        "import sys; from pathlib import Path\n"
        "from rnn_lockstep.adapters.models.files.table import read_model\n"
        "sys.modules.update(dict.fromkeys(['torch', 'tensorflow', 'keras', 'jax', 'flax']))\n"
        "assert all(read_model(path) for path in Path(sys.argv[1]).iterdir())\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=60)
