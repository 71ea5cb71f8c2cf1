"""Sizes that no layer has, in files that tell sizes beside the numbers: negative, zero, huge, no numbers."""

import io
import json
import pickle
import struct
import zipfile

import msgpack
import numpy as np
import pytest
import torch

from rnn_lockstep.adapters.models.files.table import format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import make_layer, saved
from tests.unit.adapters.files.test_hostile_keras_files import members, zipped
from tests.unit.adapters.files.test_onnx_nodes import with_node

WRONG = [-4, 0, 2**62, 2**70, 10**4000, "4", True, 1e300, 4.0, float("nan"), None, [4]]
W, U = np.ones((16, 3), np.float32), np.ones((16, 4), np.float32)


def refusal(path, data):
    """The line in which a file is refused."""
    path.write_bytes(data)
    with pytest.raises(InvalidModel) as caught:
        read_model(path)
    told = str(caught.value)
    assert told.isprintable()
    assert len(told) < len(str(path)) + 400
    return told.removeprefix(f"{path}: ")


def with_units(value, units):
    """A configuration with other units."""
    if isinstance(value, dict):
        return {key: units if key == "units" else with_units(own, units) for key, own in value.items()}
    return [with_units(own, units) for own in value] if isinstance(value, list) else value


@pytest.mark.parametrize("units", WRONG, ids=lambda units: repr(units)[:30])
def test_units_of_keras(units, tmp_path):
    content = members(format_of(path := tmp_path / "it.keras").write([make_layer("lstm")]))
    content["config.json"] = json.dumps(with_units(json.loads(content["config.json"]), units)).encode()
    told = refusal(path, zipped(content))
    if type(units) is int and units > 0:
        shapes = "(3, 16), (4, 16), (16,)"
        assert told.startswith(f"layer encoder has weights of shape {shapes}, needs those of {units}"[:300])
    else:
        assert told == "layer encoder: units is no positive number"


def flax(shape):
    """Parameters of which the recurrent kernel tells this shape."""
    arrays = {"dense_i": ([3, 16], "float32", W.tobytes()), "dense_h": (shape, "float32", U.tobytes())}
    kernels = {name: {"kernel": msgpack.ExtType(1, msgpack.packb(own))} for name, own in arrays.items()}
    return msgpack.packb({"layer": {"cell": kernels}})


@pytest.mark.parametrize("rows", [size for size in WRONG if size != 10**4000], ids=repr)
def test_shapes_of_safetensors_flax_and_numpy(rows, tmp_path):
    told = {"dtype": "F32", "shape": [rows, 4], "data_offsets": [192, 448]}
    header = {"weight_ih_l0": {**told, "shape": [16, 3], "data_offsets": [0, 192]}, "weight_hh_l0": told}
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + W.tobytes() + U.tobytes()
    assert "Error while deserializing: " in refusal(tmp_path / "it.safetensors", data)

    if rows != 2**70:  # which msgpack has no place for
        told = refusal(tmp_path / "it.msgpack", flax([4, rows]))
        assert told.startswith("layer.cell.dense_h.kernel has shape (4, ")

    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows!r}, 4), }}".encode()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + U.tobytes()
    content = members(saved(tmp_path / "right.npz", [make_layer("lstm", biases=(False, False))]).read_bytes())
    told = refusal(tmp_path / "it.npz", zipped({**content, "encoder.U.npy": array}))
    assert told.startswith(("encoder.U has shape (", "encoder.U has a header that is not of plain numbers"))


@pytest.mark.parametrize("shape", [64, "416", None, {}])
def test_a_shape_of_flax_that_is_none(shape, tmp_path):
    told = refusal(tmp_path / "it.msgpack", flax(shape))
    assert told.startswith("layer.cell.dense_h.kernel ")
    assert "float32, needs" not in told


@pytest.mark.parametrize("size", [-4, 0, 1, 3, 2**62, -(2**63)])
def test_hidden_size_of_onnx(size, tmp_path):
    told = refusal(tmp_path / "it.onnx", with_node(hidden_size=size))
    assert told == f"layer it: its hidden_size is {size}, and R has shape (1, 8, 2)"


@pytest.mark.parametrize(("size", "kind"), [(2.0, "float"), ("2", "bytes"), ([2], "list")])
def test_hidden_size_of_onnx_that_is_no_number(size, kind, tmp_path):
    told = refusal(tmp_path / "it.onnx", with_node(hidden_size=size))
    assert told == f"layer it: its hidden_size is a {kind}"


class Pickler(pickle.Pickler):
    """Pickles storages as torch does."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None


class View:
    """A tensor of any storage, offset, shape and strides."""

    def __init__(self, *told):
        self.told = told

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (*self.told, False, {})


def state_dict(size=64, offset=0, shape=(16, 4), strides=(4, 1)):
    """A file of torch's in which weight_hh tells this of itself, and has 64 numbers."""
    storages = [("storage", torch.FloatStorage, key, "cpu", n) for key, n in (("0", 48), ("1", size))]
    file, pickled = io.BytesIO(), io.BytesIO()
    tensors = [View(storages[0], 0, (16, 3), (3, 1)), View(storages[1], offset, shape, strides)]
    Pickler(pickled, 2).dump(dict(zip(("weight_ih_l0", "weight_hh_l0"), tensors, strict=True)))
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (
            ("data.pkl", pickled.getvalue()),
            ("data/0", W.tobytes()),
            ("data/1", U.tobytes()),
        ):
            archive.writestr(f"it/{name}", data)
    return file.getvalue()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:30])
@pytest.mark.parametrize("what", ["size", "offset", "rows", "stride"])
def test_sizes_of_torch(what, wrong, tmp_path):
    told = {"rows": {"shape": (wrong, 4)}, "stride": {"strides": (wrong, 1)}}.get(what, {what: wrong})
    if (what, wrong) in [("offset", 0), ("stride", 0), ("size", 0)] and type(wrong) is int:
        return  # which are right, or a tensor whose rows are one
    refused = refusal(tmp_path / "it.pt", state_dict(**told))
    assert refused.startswith(
        ("its storage '1' has 64", "weight_hh_l0 has shape", "a tensor in it has no", "its pickle is damaged")
    )


def test_the_stride_of_one_row_is_nothing(tmp_path):
    (tmp_path / "it.pt").write_bytes(state_dict())
    assert [layer.sizes for layer in read_model(tmp_path / "it.pt")] == ["3 -> 4"]
    told = refusal(tmp_path / "it.pt", state_dict(shape=(16, 1), strides=(1, 2**62)))
    assert told == "layer the module: weight_hh has shape (16, 1), that of no RNN, GRU or LSTM"
