"""A layer that cannot be read costs no other: it is listed with the reason, and only asking for it fails."""

import numpy as np
import onnx
import pytest
import torch
from flax.serialization import to_bytes
from safetensors.torch import save_file

from rnn_lockstep.adapters import __main__ as command
from rnn_lockstep.adapters.models.files.table import found_in, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.files.layers import make_layer, saved

GOOD = torch.nn.GRU(3, 4).state_dict()
ODD = {"weight_ih_l0": torch.ones(10, 3), "weight_hh_l0": torch.ones(10, 4)}  # 2.5 gates
STATE = {f"{name}.{key}": t for name, own in (("odd", ODD), ("good", GOOD)) for key, t in own.items()}


def torch_file(folder):
    torch.save(STATE, folder / "it.pt")
    return folder / "it.pt", "weight_hh has shape"


def integers(folder):
    torch.save({**STATE, "odd.weight_hh_l0": torch.ones(12, 4, dtype=torch.int8)}, folder / "it.pt")
    return folder / "it.pt", "its weights are Char"


def stale(folder):
    torch.save({**STATE, "odd.weight_hh_l0_raw": torch.zeros(10, 4)}, folder / "it.pt")
    return folder / "it.pt", "odd.weight_hh_l0 contradicts its raw"


def safetensors_file(folder):
    save_file({**STATE, "odd.weight_hh_l0": torch.ones(12, 4, dtype=torch.int8)}, folder / "it.safetensors")
    return folder / "it.safetensors", "odd.weight_hh_l0 has dtype I8"


def archive(folder):
    weights = make_layer("gru").cells[0]
    good = {f"good.{part}": array for part, array in weights._asdict().items() if array is not None}
    np.savez(folder / "it.npz", **good, **{"odd.W": weights.W, "odd.U": np.ones((3, 3), int)})
    return folder / "it.npz", "odd.U has dtype <i8"


def onnx_file(folder):
    path = saved(folder / "it.onnx", [make_layer("gru", name="good"), make_layer("lstm", name="odd")])
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "LSTM")
    node.attribute.append(onnx.helper.make_attribute("clip", 1.0))
    onnx.save(model, path)
    return path, "it has clip=1.0"


def flax_file(folder):
    def dense(size, bias=False):
        return {
            "kernel": np.ones((size, 4), np.float32),
            **({"bias": np.ones(4, np.float32)} if bias else {}),
        }

    gru = {f"i{gate}": dense(3, True) for gate in "rzn"} | {
        f"h{gate}": dense(4, gate == "n") for gate in "rzn"
    }
    minimal = {"if": dense(3), "in": dense(3), "hf": dense(4), "hn": dense(4)}
    (folder / "it.msgpack").write_bytes(to_bytes({"params": {"odd": minimal, "good": gru}}))
    return folder / "it.msgpack", "odd is an MGUCell"


KINDS = [torch_file, integers, stale, safetensors_file, archive, onnx_file, flax_file]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_the_others_are_read_and_it_is_listed_with_the_reason(make, tmp_path, capsys):
    path, reason = make(tmp_path)
    found = {layer.name: layer for layer in found_in(path)}
    assert isinstance(found["good"], RecurrentLayer)
    assert reason in found["odd"].reason
    assert [layer.name for layer in read_model(path)] == ["good"]
    assert command.main(["show", str(path)]) == 0
    told = capsys.readouterr().out
    assert "good" in told
    assert f"odd cannot be read: {found['odd'].reason}" in told


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_only_asking_for_it_fails(make, tmp_path):
    path, reason = make(tmp_path)
    with pytest.raises(InvalidModel, match=reason):
        check_port(path, path, layer="odd")
    assert check_port(path, path, layer="good", examples=2)
    verdict = check_port(path, path, examples=2)
    assert verdict
    assert any("left out" in note and reason in note for note in verdict.notes)


def test_a_conversion_tells_what_it_leaves_out(tmp_path, capsys):
    path, reason = torch_file(tmp_path)
    assert command.main(["convert", str(path), str(tmp_path / "new.npz")]) == 0
    assert f"left out, layer odd: {reason}" in capsys.readouterr().out
    assert [layer.name for layer in read_model(tmp_path / "new.npz")] == ["good"]
    assert command.main(["convert", str(path), str(tmp_path / "odd.npz"), "--layer", "odd"]) == 1
    assert reason in capsys.readouterr().err


def test_where_none_can_be_read_the_first_reason_is_told(tmp_path):
    torch.save(ODD, tmp_path / "it.pt")
    with pytest.raises(InvalidModel, match="weight_hh has shape"):
        read_model(tmp_path / "it.pt")


def test_the_end_of_a_name_is_enough_where_it_is_one_layers_only(tmp_path):
    torch.save({f"model.{key}": tensor for key, tensor in STATE.items()}, tmp_path / "it.pt")
    assert check_port(tmp_path / "it.pt", tmp_path / "it.pt", layer="good", examples=1)
    twice = {**STATE, **{f"b.{key}": tensor for key, tensor in STATE.items()}}
    torch.save({f"a.{key}": tensor for key, tensor in twice.items()}, tmp_path / "it.pt")
    with pytest.raises(InvalidModel, match=r"it has: a\.odd, a\.good, a\.b\.odd, a\.b\.good"):
        check_port(tmp_path / "it.pt", tmp_path / "it.pt", layer="good")
