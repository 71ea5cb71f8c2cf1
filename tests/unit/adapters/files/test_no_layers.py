"""A file without recurrent layers tells which arrays it has, with their shapes, in one line."""

import keras
import numpy as np
import pytest
import torch
from flax.serialization import to_bytes
from safetensors.torch import save_file

from rnn_lockstep.adapters.models.files.table import read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel

ARRAYS = {f"gate.U_{letter}": np.ones((2, 2), np.float32) for letter in "abcdefghijkl"}
TENSORS = {name: torch.tensor(array) for name, array in ARRAYS.items()}


def dense(path, save):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    getattr(model, save)(path)


MADE = {
    "it.pt": (
        lambda path: torch.save({"net": TENSORS}, path),
        r"gate\.U_a \(2, 2\), .*U_d \(2, 2\), .* more$",
    ),
    "it.safetensors": (lambda path: save_file(TENSORS, path), r"gate\.U_a \(2, 2\), .* and \d more$"),
    "it.npz": (lambda path: np.savez(path, **ARRAYS), r"gate\.U_a \(2, 2\), .* more$"),
    "it.msgpack": (
        lambda path: path.write_bytes(to_bytes({"params": {"fc": {"kernel": np.ones((3, 4), np.float32)}}})),
        r"fc\.kernel \(3, 4\)$",
    ),
    "it.keras": (lambda path: dense(path, "save"), r"dense/vars/0 \(3, 4\), .*/dense_1/vars/1 \(2,\)$"),
    "it.h5": (lambda path: dense(path, "save"), r"dense(_\d+)?/bias \(4,\), .*kernel \(3, 4\)"),
    "it.weights.h5": (lambda path: dense(path, "save_weights"), r"dense/vars/0 \(3, 4\)"),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("name", MADE)
def test_the_arrays_are_listed(name, tmp_path):
    make, told = MADE[name]
    make(tmp_path / name)
    with pytest.raises(
        InvalidModel, match=f"no recurrent layers that can be read; it has .*{told}"
    ) as caught:
        read_model(tmp_path / name)
    assert str(caught.value).isprintable()


def test_names_without_end_are_cut(tmp_path):
    save_file({"x" * 9999: torch.ones(2)}, tmp_path / "it.safetensors")
    with pytest.raises(InvalidModel, match=r"it has x{60} \(2,\)$"):
        read_model(tmp_path / "it.safetensors")
