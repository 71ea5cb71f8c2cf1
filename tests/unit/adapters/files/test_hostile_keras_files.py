"""Keras files of any content are read as layers or refused in one line; nothing else is opened or run."""

import io
import json
import os
import time
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_lockstep.adapters.models.files import hdf5, reading
from rnn_lockstep.adapters.models.files.keras_config import layer_configs
from rnn_lockstep.adapters.models.files.table import format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, UnreadLayer
from rnn_lockstep.reference.oracle.cells import Weights

ONES = Weights(np.ones((12, 2), np.float32), np.ones((12, 3), np.float32), np.ones(12, np.float32))
CONFIG = {"units": 3, "activation": "tanh", "recurrent_activation": "sigmoid"}


@pytest.fixture(autouse=True)
def _not_long(monkeypatch):
    """Shorten the time after which the HDF5 library is ended; what it reads takes a fraction of a second."""
    monkeypatch.setattr(hdf5, "SECONDS", 5.0)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """The bytes of one valid file of each kind, by name."""
    folder = tmp_path_factory.mktemp("valid")
    layers = [
        RecurrentLayer("one", (ONES,), "lstm"),
        RecurrentLayer("two", (ONES, ONES), "lstm", merge_mode="concat"),
    ]
    made = {name: format_of(folder / name).write(layers) for name in ("it.keras", "it.weights.h5")}
    model = {
        "class_name": "Sequential",
        "config": [{"class_name": "LSTM", "config": {**CONFIG, "name": "a"}}],
    }
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        root.attrs["model_config"] = json.dumps(model)
        group = root.create_group("model_weights/a")
        root["model_weights"].attrs["layer_names"] = ["a"]
        names = [f"a/{name}" for name in ("kernel", "recurrent_kernel", "bias")]
        group.attrs["weight_names"] = names
        for name, array in zip(names, [ONES.W.T, ONES.U.T, ONES.b], strict=True):
            group[name] = array
    return {**made, "it.h5": file.getvalue()}


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def refused(path, data, message):
    path.write_bytes(data)
    before = sorted(os.listdir(path.parent))
    with pytest.raises(InvalidModel, match=message) as caught:
        read_model(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: ")
    assert told.isprintable()
    assert len(told) < len(str(path)) + 400
    assert sorted(os.listdir(path.parent)) == before


ARCHIVES = {
    "a text": (lambda own: b"PK, not a zip file", "not a zip file"),
    "nothing in it": (lambda own: zipped({}), "it has no config.json"),
    "no weights": (lambda own: zipped({**own, "model.weights.h5": b""}), "no HDF5 file"),
    "weights from outside": (
        lambda own: zipped({"../model.weights.h5" if "h5" in k else k: v for k, v in own.items()}),
        "it has no model.weights.h5",
    ),
    "a bomb": (
        lambda own: zipped({**own, "config.json": b" " * 2**27}, zipfile.ZIP_DEFLATED),
        "too many for an archive",
    ),
    "a bomb of weights": (
        lambda own: zipped({**own, "model.weights.h5": bytes(2**27)}, zipfile.ZIP_DEFLATED),
        "too many for an archive",
    ),
    "another compression": (lambda own: zipped(own, zipfile.ZIP_LZMA), "compressed or encrypted"),
    "a long text": (
        lambda own: zipped({**own, "config.json": b" " * (2**26 + 1)}),
        "config.json in it has 67108865 bytes",
    ),
    "no JSON": (lambda own: zipped({**own, "config.json": b"{"}), "Expecting"),
    "nested": (lambda own: zipped({**own, "config.json": b"[" * 10**6}), "nested too deeply"),
    "a huge number": (lambda own: zipped({**own, "config.json": b"9" * 10**5}), "Exceeds the limit"),
    "no object": (lambda own: zipped({**own, "config.json": b"3"}), "without a class"),
    "metadata that are a list": (lambda own: zipped({**own, "metadata.json": b"[]"}), "no JSON object"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(name, valid, tmp_path):
    make, message = ARCHIVES[name]
    refused(tmp_path / "it.keras", make(members(valid["it.keras"])), message)


def deep(levels):
    item = {"class_name": "LSTM", "config": {**CONFIG, "name": "it"}}
    for _ in range(levels):
        item = {"class_name": "Sequential", "config": {"name": "x", "layers": [item]}}
    return item


CONFIGS = {
    "nested": (deep(300), "layer x/x/x"),
    "a cell that is a list": ({"class_name": "RNN", "config": {"cell": []}}, "without a class"),
    "a name that is a number": ({"class_name": "LSTM", "config": {"name": 3}}, "name is no text"),
    "an LSTM that is a list": ({"class_name": "LSTM", "config": [1]}, "units is no positive"),
    "units that are true": ({"class_name": "LSTM", "config": {**CONFIG, "units": True}}, "units is no"),
    "units past all memory": ({"class_name": "LSTM", "config": {**CONFIG, "units": 2**70}}, "has weights of"),
    "a merge mode": ({"class_name": "Bidirectional", "config": {"merge_mode": {}}}, "without a class"),
    "escape codes": ({"class_name": "LSTM", "config": {"name": "\x1b[2J\n\ud800" * 99}}, r"layer \?\[2J"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name, valid, tmp_path):
    item, message = CONFIGS[name]
    model = {"class_name": "Sequential", "config": {"layers": [item]}}
    content = {**members(valid["it.keras"]), "config.json": json.dumps(model)}
    refused(tmp_path / "it.keras", zipped(content), message)


def elsewhere(group, kind, folder):
    """Weights that are not in the file itself."""
    if kind == "external link":
        group["0"] = h5py.ExternalLink(folder / "other.h5", "0")
    elif kind == "soft link":
        group["0"] = h5py.SoftLink("/layers/lstm/cell/vars/1")
    elif kind == "external storage":
        group.create_dataset("0", (2, 12), "f4", external=[(folder / "secret", 0, 96)])
    else:
        layout = h5py.VirtualLayout((2, 12), "f4")
        layout[:] = h5py.VirtualSource(folder / "other.h5", "0", (2, 12))
        group.create_virtual_dataset("0", layout)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_weights_that_are_elsewhere(kind, valid, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(96))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["0"] = np.ones((2, 12), np.float32)
    changed = io.BytesIO(valid["it.weights.h5"])
    with h5py.File(changed, "r+") as file:
        group = file["layers/lstm/cell/vars"]
        del group["0"]
        elsewhere(group, kind, tmp_path)
    refused(tmp_path / "it.weights.h5", changed.getvalue(), "link to elsewhere|kept in another file")


@pytest.mark.parametrize("kind", ["empty", "chunked", "compressed", "zero", "linked often", "plugin"])
def test_more_than_a_file_holds(kind, valid, tmp_path):
    changed = io.BytesIO(valid["it.weights.h5"])
    with h5py.File(changed, "r+") as file:
        group = file["layers/lstm/cell/vars"]
        array = group["0"]
        del group["0"]
        if kind == "empty":
            group.create_dataset("0", (2**40, 12), "f4")
        elif kind == "chunked":
            group.create_dataset("0", (2**40, 12), "f4", chunks=(2**10, 12))
        elif kind == "compressed":
            group.create_dataset("0", data=np.zeros((2**20, 12)), compression="gzip", compression_opts=9)
        elif kind == "zero":
            group.create_dataset("0", (0, 2**60), "f4")
        elif kind == "linked often":
            group["0"] = array
            group["1000"] = array
        else:
            group.create_dataset("0", data=np.zeros((2, 12), "f4"), compression="lzf")
    data = changed.getvalue()
    message = "more than such a file can hold|is empty|linked to twice|compressed in a way"
    refused(tmp_path / "it.weights.h5", data, message)


def layers_or_refused(path, data):
    path.write_bytes(data)
    try:
        layers = read_model(path)
    except InvalidModel:
        return
    assert all(isinstance(layer, RecurrentLayer) for layer in layers)


@pytest.mark.parametrize("name", ["it.keras", "it.weights.h5", "it.h5"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files(name, data, valid, tmp_path_factory):
    """Files are cut anywhere, or have some bytes changed. Each takes a process, so there are few."""
    content = bytearray(valid[name])
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        content[place] = value
    length = data.draw(st.just(len(content)) | places)
    layers_or_refused(tmp_path_factory.mktemp("damaged") / name, bytes(content[: max(length, 1)]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["LSTM"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(list(CONFIG)), inner),
    max_leaves=4,
)
KEYS = ("class_name", "config", "name", "layers", "layer", "backward_layer", "cell", "cells", "module")
KEYS += ("registered_name", "shared_object_id", "merge_mode", "go_backwards", "use_bias", *CONFIG)
KINDS = ("LSTM", "GRU", "RNN", "Bidirectional", "StackedRNNCells", "LSTMCell", "Sequential", "CuDNNGRU")


@given(
    st.recursive(
        JSON,
        lambda inner: (
            st.fixed_dictionaries(
                {
                    "class_name": st.sampled_from(KINDS),
                    "config": st.dictionaries(st.sampled_from(KEYS), inner),
                }
            )
            | st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    ),
    st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_configuration(model, keras2):
    """Descriptions of layers with whatever values, in each other wherever they can be."""
    try:
        found = list(layer_configs({"class_name": "Sequential", "config": {"layers": [model]}}, keras2))
    except InvalidModel:
        return
    read = [one for one in found if not isinstance(one, UnreadLayer)]
    assert all(one.cells and one.units > 0 for one in read)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the HDF5 library crashes on it"),
        ("while True: pass", "does not come to an end"),
        ("print('x' * 99)", "makes no sense"),
        ("import sys; sys.stderr.write('\x1b[2J no'); sys.exit(1)", r"\? ?\[2J no"),
    ],
)
def test_a_library_that_crashes_or_hangs(script, message, valid, tmp_path, monkeypatch):
    """Scripts stand for the HDF5 library, which does the same on some files."""
    (tmp_path / "reader.py").write_text(script)
    monkeypatch.setattr(hdf5, "READER", tmp_path / "reader.py")
    monkeypatch.setattr(hdf5, "SECONDS", 2.0)
    started = time.monotonic()
    refused(tmp_path / "it.h5", valid["it.h5"], message)
    assert time.monotonic() - started < 30


def test_where_h5py_is_not_installed(valid, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    refused(tmp_path / "it.h5", valid["it.h5"], "h5py is not installed: pip install")


def test_the_valid_ones_are_read(valid, tmp_path):
    for name, data in valid.items():
        (tmp_path / name).write_bytes(data)
        for layer in read_model(tmp_path / name):
            np.testing.assert_array_equal(layer.cells[0].U, ONES.U)
