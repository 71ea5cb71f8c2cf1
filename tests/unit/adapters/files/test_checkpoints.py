"""Files as people have them: any suffix, any depth, in parts; what is none of these is told in one line."""

import argparse
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnn_lockstep.adapters.models.files.table import EVERY, FORMATS, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.files.layers import make_layer


class Net(torch.nn.Module):
    """An embedding, an LSTM and a head."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 3)
        self.lstm = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, inputs):
        return self.head(self.lstm(inputs)[0])


torch.manual_seed(0)
NET = Net().eval()
STATE = NET.state_dict()
OTHER = {key: 2 * tensor for key, tensor in STATE.items()}
U = STATE["lstm.weight_hh_l0"].numpy()


def assert_read(path, *names):
    """Assert that the layers of those names are read, the first of which has our U."""
    layers = read_model(path)
    assert [layer.name for layer in layers] == list(names)
    assert all((layer.cell, layer.merge_mode) == ("lstm", "concat") for layer in layers)
    np.testing.assert_array_equal(layers[0].cells[0].U, U)


CONTENTS = {
    "another key": ({"step": 4, "net": STATE}, ["lstm"]),
    "two deep": ({"model": {"encoder": STATE}, "cfg": {"hidden": 5}}, ["lstm"]),
    "in a list": ([1, (2, STATE)], ["lstm"]),
    "one twice": ({"a": STATE, "b": STATE}, ["a.lstm", "b.lstm"]),
    "several": ({"generator": STATE, "discriminator": OTHER}, ["generator.lstm", "discriminator.lstm"]),
    "averages": ({"state_dict": STATE, "ema": OTHER}, ["state_dict.lstm", "ema.lstm"]),
    "averages in it": ({**STATE, **{f"ema.{k}": t for k, t in OTHER.items()}}, ["lstm", "ema.lstm"]),
    "averaged": ({**{f"module.{k}": t for k, t in STATE.items()}, "n_averaged": torch.tensor(3)}, ["lstm"]),
    "parallel, compiled": ({f"module._orig_mod.{k}": t for k, t in STATE.items()}, ["lstm"]),
    "lightning": ({"state_dict": {f"model.{k}": t for k, t in STATE.items()}, "loops": {}}, ["model.lstm"]),
    "arguments": ({"args": argparse.Namespace(lr=0.1, path=Path("x")), "model": STATE}, ["lstm"]),
}


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".pth.tar", ".bin", "", ".safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_state_dict_is_found_wherever_it_is(name, legacy, suffix, tmp_path):
    content, names = CONTENTS[name]
    torch.save(content, tmp_path / f"it{suffix}", _use_new_zipfile_serialization=not legacy)
    assert_read(tmp_path / f"it{suffix}", *names)


@pytest.mark.filterwarnings(
    "ignore:.*deprecated", "ignore:The tensor attributes", "ignore::torch.jit.TracerWarning"
)
@pytest.mark.parametrize("way", ["scripted", "traced", "exported"])
def test_programs_are_read_for_their_weights(way, tmp_path):
    x = torch.zeros(2, 5, 3)
    if way == "exported":
        torch.export.save(torch.export.export(NET, (x,)), tmp_path / "it.pt2")
        path = tmp_path / "it.pt2"
    else:
        made = torch.jit.script(NET) if way == "scripted" else torch.jit.trace(NET, x)
        path = tmp_path / "it.jit"
        torch.jit.save(made, path)
    assert_read(path, "lstm")
    assert check_port(path, NET.lstm, examples=4)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("given", ["folder", "index"])
def test_shards_are_one_model(given, kind, tmp_path):
    keys = list(STATE)
    names = {key: f"model-0000{1 + (k > 3)}-of-00002.{kind}" for k, key in enumerate(keys)}
    for name in set(names.values()):
        part = {key: STATE[key].clone() for key in keys if names[key] == name}
        (save_file if kind == "safetensors" else torch.save)(part, tmp_path / name)
    usual = "model.safetensors" if kind == "safetensors" else "pytorch_model.bin"
    index = tmp_path / f"{usual}.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert_read(tmp_path if given == "folder" else index, "lstm")
    missing = tmp_path / sorted(set(names.values()))[1]
    missing.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InvalidModel, match=f"{missing.name}: it is a Git LFS pointer"):
        read_model(tmp_path if given == "folder" else index)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[]", "no weight_map"),
        ('{"weight_map": {"a": 3}}', "no weight_map"),
        ('{"weight_map": {"a": "../x.bin"}}', "no file in the same folder"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "no file in the same folder"),
        ('{"weight_map": {"a": "missing.bin"}}', "missing.bin: No such file"),
        ("[" * 10**5, "nested too deeply"),
        ("{", "Expecting"),
    ],
)
def test_an_index_of_no_shards_is_refused(index, message, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InvalidModel, match=message) as caught:
        read_model(tmp_path)
    assert str(caught.value).isprintable()


def test_a_folder_with_one_model_is_that_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidModel, match="a folder, which needs one model file or an index, and has none"):
        read_model(tmp_path)
    torch.save(STATE, tmp_path / "it.pt")
    assert_read(tmp_path, "lstm")
    torch.save(STATE, tmp_path / "other.pt")
    with pytest.raises(InvalidModel, match=r"and has it\.pt, other\.pt"):
        read_model(tmp_path)


@pytest.mark.parametrize("suffix", [*FORMATS, ".ckpt", ""])
def test_a_pointer_of_git_lfs_is_told_as_such(suffix, tmp_path):
    path = tmp_path / f"it{suffix}"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 99\n")
    with pytest.raises(InvalidModel, match="it is a Git LFS pointer and not the file itself"):
        read_model(path)


@pytest.mark.parametrize(
    "each", [each for each in EVERY if each.write and each.begins], ids=lambda e: e.suffixes[0]
)
def test_a_wrong_suffix_does_not_matter(each, tmp_path):
    wrong = ".onnx" if ".pt" in each.suffixes else ".pt"
    path = tmp_path / f"it{wrong}"
    path.write_bytes(each.write([make_layer("lstm", biases=(False, True))]))
    [layer] = read_model(path)
    assert layer.name == "encoder"


def test_what_lies_in_itself_comes_to_an_end(tmp_path):
    inside = {"a": 1}
    inside["again"] = inside
    torch.save({"x": inside, **STATE}, tmp_path / "it.pt")
    assert_read(tmp_path / "it.pt", "lstm")
    laughs = [1]
    for _ in range(30):
        laughs = [laughs] * 4
    torch.save({**STATE, "x": laughs}, tmp_path / "it.pt")
    with pytest.raises(InvalidModel, match="more than 1048576 things in each other"):
        read_model(tmp_path / "it.pt")


def test_an_export_whose_text_lies_is_refused(tmp_path):
    meta = {
        "dtype": 7,
        "sizes": [{"as_int": 2**40}],
        "strides": [{"as_int": 1}],
        "storage_offset": {"as_int": 0},
    }
    entry = {"path_name": "weight_0", "use_pickle": False, "tensor_meta": meta}
    for told, message in [
        ({"config": {"a.weight_ih_l0": entry, "a.weight_hh_l0": entry}}, "more than its 1 numbers"),
        (
            {"config": {"a.weight_ih_l0": {**entry, "path_name": "../x"}}},
            "is no plain tensor|no recurrent layers",
        ),
        (
            {"config": {"a.weight_ih_l0": {**entry, "tensor_meta": None}}},
            "does not tell what its weights are",
        ),
        ([], "does not tell what its weights are"),
    ]:
        with zipfile.ZipFile(tmp_path / "it.pt2", "w") as archive:
            archive.writestr("it/data/weights/weight_0", struct.pack("<f", 1))
            archive.writestr("it/data/weights/model_weights_config.json", json.dumps(told))
        with pytest.raises(InvalidModel, match=message):
            read_model(tmp_path / "it.pt2")
