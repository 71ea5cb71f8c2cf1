"""Files that torch saves are read as they are, and torch loads the files that are written."""

import os
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import answer, assert_same_weights, inputs, make_layer, saved


class Model(torch.nn.Module):
    """Layers of each kind among others."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(5, 3)
        self.encoder = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
        self.decoder = torch.nn.ModuleDict({"rnn": torch.nn.GRU(3, 3, dtype=torch.bfloat16)})
        self.plain = torch.nn.RNN(3, 5, nonlinearity="relu", bias=False, dtype=torch.float64)
        self.step = torch.nn.LSTMCell(2, 3, dtype=torch.float16)
        self.dense = torch.nn.Linear(3, 3)


MODEL = Model()
STATE = MODEL.state_dict()
LEGACY = {"_use_new_zipfile_serialization": False}
SAVINGS = {
    "state": partial(torch.save, STATE),
    "legacy": partial(torch.save, STATE, **LEGACY),
    "protocol 4": partial(torch.save, STATE, pickle_protocol=4),
    "parameters": partial(torch.save, dict(MODEL.named_parameters())),
    "parallel": partial(torch.save, torch.nn.DataParallel(MODEL).state_dict()),
    "compiled": partial(torch.save, {f"_orig_mod.{key}": tensor for key, tensor in STATE.items()}),
    "checkpoint": partial(
        torch.save,
        {
            "epoch": 3,
            "loss": np.float64(0.5),
            "model_state_dict": STATE,
            "optimizer": torch.optim.Adam(MODEL.parameters()).state_dict(),
        },
    ),
    "lightning": partial(torch.save, {"state_dict": STATE, "hyper_parameters": {"lr": 0.1}}, **LEGACY),
    "safetensors": partial(save_file, STATE),
}


def numbers(tensor):
    """A tensor's bytes."""
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("way", SAVINGS)
def test_every_weight_of_every_layer_is_read(way, tmp_path):
    path = tmp_path / ("model.safetensors" if way == "safetensors" else "model.pt")
    SAVINGS[way](path)
    layers = {layer.name: layer for layer in read_model(path)}
    assert {name: (x.cell, x.layers, x.merge_mode, x.dtype.name, x.biases) for name, x in layers.items()} == {
        "encoder": ("lstm", 2, "concat", "float32", 2),
        "decoder.rnn": ("gru", 1, None, "bfloat16", 2),
        "plain": ("simple_rnn", 1, None, "float64", 0),
        "step": ("lstm", 1, None, "float16", 2),
    }
    for k, suffix in enumerate(["l0", "l0_reverse", "l1", "l1_reverse"]):
        cell = layers["encoder"].cells[k]
        for name, array in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), cell[:4], strict=True):
            assert array.tobytes() == numbers(STATE[f"encoder.{name}_{suffix}"])
    for key, array in [
        ("decoder.rnn.weight_hh_l0", layers["decoder.rnn"].cells[0].U),
        ("plain.weight_ih_l0", layers["plain"].cells[0].W),
        ("step.bias_hh", layers["step"].cells[0].recurrent_b),
    ]:
        assert array.tobytes() == numbers(STATE[key])
    assert layers["plain"].assumed == ("activation", "return_sequences")
    assert layers["decoder.rnn"].assumed == ("return_sequences",)


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["archive", "legacy"])
def test_tensors_that_share_and_stride_are_read(options, tmp_path):
    """Tensors are views of one flat buffer, and transposed."""
    flat = torch.arange(100.0)
    state = {"weight_ih_l0": flat[5:17].view(3, 4).T, "weight_hh_l0": flat[20:36].view(4, 4)}
    torch.save(state, tmp_path / "it.pt", **options)
    [layer] = read_model(tmp_path / "it.pt")
    np.testing.assert_array_equal(layer.cells[0].W, state["weight_ih_l0"].numpy())
    np.testing.assert_array_equal(layer.cells[0].U, state["weight_hh_l0"].numpy())


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
        torch.nn.GRU(3, 4, bias=False, batch_first=True),
        torch.nn.RNN(3, 4, batch_first=True),
        torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2, batch_first=True),
    ],
    ids=lambda module: f"{type(module).__name__}{module.proj_size or ''}",
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_the_layer_answers_what_the_module_does(module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "it.pth")
    [layer] = read_model(tmp_path / "it.pth")
    x = inputs()
    with torch.no_grad():
        outputs, state = module(torch.from_numpy(x))
    expected, final_state = answer(layer, x)
    state = state[0] if isinstance(state, tuple) else state
    np.testing.assert_allclose(outputs.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(state.numpy().reshape(final_state.shape), final_state, atol=1e-6)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    ("kind", "options"), [(torch.nn.GRU, {}), (torch.nn.LSTM, {"proj_size": 2})], ids=["GRU", "projected"]
)
def test_what_is_written_is_loaded_by_the_module(kind, options, suffix, tmp_path):
    layer = make_layer(
        kind.__name__.lower(), 2, merge_mode="concat", projection_size=options.get("proj_size", 0)
    )
    path = saved(tmp_path / f"it.{suffix}", [layer])
    [back] = read_model(path)
    assert_same_weights(layer, back)
    if suffix == "pt":
        state = torch.load(path, weights_only=True)
        module = torch.nn.ModuleDict({"encoder": kind(3, 4, num_layers=2, bidirectional=True, **options)})
        module.load_state_dict(state)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (make_layer("lstm", reverse=True), "it runs backward only"),
        (make_layer("lstm", merge_mode="sum"), "its merge_mode is sum"),
        (make_layer("gru", reset_after=False), "torch.nn.GRU applies the reset gate after"),
        (make_layer("lstm", recurrent_activation="hard_sigmoid"), "the gates of torch.nn.LSTM are sigmoids"),
        (make_layer("lstm", activation="relu"), "candidate and output of torch.nn.LSTM are tanh"),
        (make_layer("gru", activation="relu"), "the candidate of torch.nn.GRU is a tanh"),
        (make_layer("simple_rnn", activation="elu"), "torch.nn.RNN has tanh and relu"),
        (make_layer("lstm", projection_size=4), "proj_size has to be a positive integer, smaller"),
    ],
)
def test_what_torch_has_not_is_refused_before_anything_is_written(layer, reason, tmp_path):
    with pytest.raises(InvalidModel, match=f"layer encoder cannot be written for torch: {reason}"):
        saved(tmp_path / "it.pt", [layer])
    assert not os.listdir(tmp_path)


class Run:
    """A pickle of it would run a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def without_hh(state):
    return {key: tensor for key, tensor in state.items() if key != "weight_hh_l0"}


LSTM = torch.nn.LSTM(3, 4, num_layers=2).state_dict()
PROJECTED = torch.nn.LSTM(3, 4, proj_size=2).state_dict()
REFUSED = {
    "a module": (MODEL, r"pickled tests.*Model.*save a module's weights with torch.save\(module.state_dict"),
    "a projection of no matrix": (
        {**PROJECTED, "weight_hr_l0": torch.zeros(4)},
        "that of no RNN, GRU or LSTM",
    ),
    "a projection of no such size": ({**PROJECTED, "weight_hr_l0": torch.zeros(3, 4)}, "U has shape"),
    "a projection left out": (
        {key: tensor for key, tensor in PROJECTED.items() if "hr" not in key},
        "that of no RNN, GRU or LSTM",
    ),
    "no recurrent layers": (torch.nn.Linear(3, 4).state_dict(), "no recurrent layers"),
    "no state dict": ([1, 2], "it holds no state dict but list"),
    "half a layer": (without_hh(LSTM), "has no weight_hh"),
    "a layer between": ({k: v for k, v in LSTM.items() if "l0" not in k}, "lacks the weights of a layer"),
    "integers": ({key: tensor.int() for key, tensor in LSTM.items()}, "its weights are Int"),
    "another shape": ({**LSTM, "weight_ih_l1": torch.zeros(3, 4)}, "layer the module: W has shape"),
    "not finite": ({**LSTM, "weight_ih_l1": torch.full((16, 4), torch.inf)}, "must be finite"),
    "a shape from nothing": (
        {**LSTM, "weight_ih_l0": torch.zeros(1).expand(16, 2**40)},
        "more than its 1 numb",
    ),
    "sparse": ({**LSTM, "weight_ih_l0": torch.eye(16).to_sparse()}, "is no plain tensor"),
}


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["archive", "legacy"])
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_what_is_no_state_dict_is_told_in_one_line(name, options, tmp_path):
    content, message = REFUSED[name]
    torch.save(content, tmp_path / "it.pt", **options)
    with pytest.raises(InvalidModel, match=message) as caught:
        read_model(tmp_path / "it.pt")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(tmp_path)) + 400


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["archive", "legacy"])
def test_a_pickle_runs_nothing(options, tmp_path):
    ran = tmp_path / "ran"
    torch.save({**LSTM, "more": Run(ran)}, tmp_path / "it.pt", **options)
    with pytest.raises(InvalidModel, match=r"it holds a pickled (posix|nt)\.system, which is never run"):
        read_model(tmp_path / "it.pt")
    assert not ran.exists()
