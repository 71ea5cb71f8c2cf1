"""Checkpoints of orbax are read as trees of flax's and haiku's are, and damaged ones told in one line."""

import json

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import linen as nn

from rnn_lockstep.adapters.models.files import orbax_folder
from rnn_lockstep.adapters.models.files.table import file_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import answer, inputs

pytestmark = pytest.mark.filterwarnings("ignore")  # orbax's own
MODULE = nn.RNN(nn.LSTMCell(4))
PARAMETERS = MODULE.init(jax.random.key(0), inputs())


def saved(folder, tree):
    """Write a tree with orbax; return the folder."""
    ocp.PyTreeCheckpointer().save(folder, tree)
    return folder


def test_flaxs_parameters_are_read_beside_an_optimizers_state(tmp_path):
    state = {"params": {"enc": PARAMETERS["params"]}, "opt_state": [{"mu": PARAMETERS}], "step": 3}
    [layer] = read_model(saved(tmp_path / "it", state))
    assert layer.name == "enc"
    expected = np.asarray(MODULE.apply(PARAMETERS, inputs()))
    np.testing.assert_allclose(answer(layer, inputs())[0], expected, atol=2e-6)
    [again] = read_model(tmp_path / "it" / "_METADATA")
    np.testing.assert_array_equal(again.cells[0].W, layer.cells[0].W)


def test_haikus_parameters_are_read(tmp_path):
    """The keys of its modules have signs in them."""
    random = np.random.default_rng(1)
    w, b = (random.standard_normal(shape).astype("float32") for shape in ((7, 16), (16,)))
    linear = {"net/~/lstm/linear": {"w": w, "b": b}, "net/~/linear": {"w": w}}
    [layer] = read_model(saved(tmp_path / "it", linear))
    assert (layer.name, layer.cell) == ("net.~.lstm", "lstm")
    np.testing.assert_array_equal(layer.cells[0].W[:4], w[:3, :4].T)


def test_the_last_checkpoint_of_a_manager_is_read(tmp_path):
    manager = ocp.CheckpointManager(tmp_path / "it", item_names=("opt", "params"))
    for step in (2, 10):
        tree = jax.tree_util.tree_map(lambda leaf, step=step: leaf * step, PARAMETERS)
        parts = {name: ocp.args.StandardSave(tree) for name in ("opt", "params")}
        manager.save(step, args=ocp.args.Composite(**parts))
    manager.wait_until_finished()
    assert file_of(tmp_path / "it") == tmp_path / "it" / "10" / "params" / "_METADATA"
    [layer] = read_model(tmp_path / "it")
    np.testing.assert_array_equal(
        layer.cells[0].W[:4], 10 * np.asarray(PARAMETERS["params"]["cell"]["ii"]["kernel"]).T
    )


def test_several_parts_of_no_known_name_are_listed(tmp_path):
    for name in ("left", "right"):
        (tmp_path / "it" / "5" / name).mkdir(parents=True)
        (tmp_path / "it" / "5" / name / "_METADATA").write_text("{}")
    with pytest.raises(InvalidModel, match="several parts, and needs the folder of one: left, right"):
        read_model(tmp_path / "it")


def cut(folder):
    for file in folder.rglob("manifest.ocdbt"):
        file.write_bytes(file.read_bytes()[:20])


def without_data(folder):
    for file in folder.rglob("d/*"):
        file.unlink()


def no_json(folder):
    (folder / "_METADATA").write_text("{")


def nothing_in_it(folder):
    (folder / "_METADATA").write_text(json.dumps({"tree_metadata": []}))


@pytest.mark.parametrize("damage", [cut, without_data, no_json, nothing_in_it])
def test_damaged_folders_are_told_in_one_line(damage, tmp_path):
    damage(saved(tmp_path / "it", PARAMETERS))
    with pytest.raises(InvalidModel, match=r"no checkpoint that orbax reads|no recurrent layers") as caught:
        read_model(tmp_path / "it")
    assert str(caught.value).isprintable()


def test_zeros_that_would_be_more_than_the_files_can_hold_are_refused(tmp_path):
    tree = {"gru": {"w_i": np.zeros((2**13, 2**13), np.float32), "w_h": np.zeros((4, 12), np.float32)}}
    with pytest.raises(InvalidModel, match="more than its files can hold"):
        read_model(saved(tmp_path / "it", tree))


def test_the_arrays_are_listed_where_there_are_no_layers(tmp_path, monkeypatch):
    path = saved(tmp_path / "it", {"params": {"fc": {"kernel": np.ones((3, 2), np.float32)}}})
    with pytest.raises(InvalidModel, match=r"no recurrent layers .* it has params\.fc\.kernel \(3, 2\)$"):
        read_model(path)
    monkeypatch.setattr(orbax_folder, "find_spec", lambda name: None)
    with pytest.raises(
        InvalidModel, match="orbax, which reads it, is not installed: pip install orbax-checkpoint"
    ):
        read_model(path)
