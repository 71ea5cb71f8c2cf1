"""Weights that torch makes of others: computed as torch does, or refused; what is stale is never taken."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils import parametrizations, prune

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.check import check_port

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")


def lstm():
    torch.manual_seed(0)
    return torch.nn.LSTM(3, 4, batch_first=True)


def in_effect(module):
    """An LSTM with the weights that a module has when it runs."""
    module(torch.zeros(1, 1, 3))
    plain = lstm()
    plain.load_state_dict({name: getattr(module, name).detach() for name in NAMES})
    return plain


def normed_now():
    return parametrizations.weight_norm(lstm(), "weight_hh_l0")


def normed(dim=0):
    return torch.nn.utils.weight_norm(lstm(), "weight_hh_l0", dim)


def pruned():
    return prune.random_unstructured(lstm(), "weight_hh_l0", 0.4)


def changed(module):
    """The module after another step of training: what it is made of is new, the weights themselves stale."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    return module


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    "make",
    [normed_now, normed, lambda: normed(1), lambda: normed(None), pruned],
    ids=["parametrizations", "weight_norm", "weight_norm of rows", "weight_norm of all", "pruned"],
)
def test_they_are_computed_from_what_they_are_made_of(make, suffix, tmp_path):
    module = changed(make())
    path = tmp_path / f"it.{suffix}"
    state = {f"enc.{name}": tensor.contiguous() for name, tensor in module.state_dict().items()}
    torch.save(state, path) if suffix == "pt" else save_file(state, path)
    live = read_live(module)  # before it runs
    for source in (read_model(path)[0], live[0]):
        verdict = check_port(source, in_effect(module), examples=4)
        assert verdict, verdict
    wrong = in_effect(module)
    with torch.no_grad():
        wrong.weight_hh_l0[2, 1] += 0.1
    assert not check_port(read_model(path)[0], wrong, examples=4)


@pytest.mark.parametrize("wrapped", ["module.", ""])
@pytest.mark.parametrize("beside", ["nothing", "the same", "dropped out"])
def test_dropped_out_weights_are_the_raw_ones(wrapped, beside, tmp_path):
    state = {f"0.{wrapped}{name}": tensor for name, tensor in lstm().state_dict().items()}
    raw = state.pop(f"0.{wrapped}weight_hh_l0")
    if beside != "nothing":
        last = torch.nn.functional.dropout(raw, 0.5, training=beside == "dropped out")
        state[f"0.{wrapped}weight_hh_l0"] = last
    torch.save({**state, "0.weight_hh_l0_raw": raw}, tmp_path / "it.pt")
    if beside == "dropped out":
        told = f"0.{wrapped}weight_hh_l0 contradicts its raw, as a stale or dropped-out one does"
        with pytest.raises(InvalidModel, match=told):
            read_model(tmp_path / "it.pt")
        return
    [layer] = read_model(tmp_path / "it.pt")
    assert layer.name == f"0.{wrapped}".rstrip(".")
    np.testing.assert_array_equal(layer.cells[0].U, raw.numpy())


def test_what_was_made_of_them_may_be_beside_them(tmp_path):
    module = normed()
    torch.save({**module.state_dict(), "weight_hh_l0": module.weight_hh_l0.detach()}, tmp_path / "it.pt")
    assert len(read_model(tmp_path / "it.pt")) == 1


def spectral():
    return parametrizations.spectral_norm(lstm(), "weight_hh_l0").state_dict()


def without(name):
    return {key: tensor for key, tensor in normed().state_dict().items() if key != name}


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (spectral, "weight_hh_l0 is made of original in a way that is not known"),
        (lambda: without("weight_hh_l0_g"), "weight_hh_l0 is made of v in a way that is not known"),
        (
            lambda: {**normed().state_dict(), "weight_hh_l0_g": torch.ones(3, 2)},
            "weight_hh_l0 cannot be made of",
        ),
    ],
)
def test_what_is_made_in_no_known_way_is_refused_in_one_line(state, says, tmp_path):
    torch.save(state(), tmp_path / "it.pt")
    with pytest.raises(InvalidModel, match=says) as error:
        read_model(tmp_path / "it.pt")
    assert "\n" not in str(error.value)


def test_texts_in_place_of_numbers_are_refused_in_one_line(tmp_path):
    state = {name: tensor.numpy() for name, tensor in lstm().state_dict().items()}
    for part in ("raw", "g", "orig"):
        np.savez(tmp_path / "it.npz", **state, **{f"weight_hh_l0_{part}": np.array(["a", "b"])})
        with pytest.raises(InvalidModel):
            read_model(tmp_path / "it.npz")


@pytest.mark.parametrize("count", [1, 2])
def test_one_shard_of_several_is_no_model(count, tmp_path):
    path = tmp_path / f"model-00001-of-0000{count}.safetensors"
    save_file(lstm().state_dict(), path)
    if count == 1:
        assert len(read_model(path)) == 1
        return
    with pytest.raises(InvalidModel, match="is shard 1 of 2, a part of a model: join them into one file"):
        read_model(path)
