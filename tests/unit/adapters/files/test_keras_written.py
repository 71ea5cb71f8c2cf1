"""Files that we write for Keras: it loads them, and they are read again as they were."""

from importlib.util import find_spec
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from rnn_lockstep.adapters.models.files.keras_export import keras_layers
from rnn_lockstep.adapters.models.files.table import format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.reference.oracle.cells import GATES, Weights
from rnn_lockstep.reference.oracle.engine import PLAIN
from tests.unit.adapters.files.keras_saving import SAVED, save
from tests.unit.adapters.files.layers import in_keras_order, make_layer, same_bits

pytestmark = [
    pytest.mark.skipif(find_spec("keras") is None, reason="Keras makes the files, and is not here"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's own
]
TIME = 5


def weights(cell, input_size, hidden_size, biases=2, dtype="float32"):
    rng, gates = np.random.default_rng(input_size + biases), len(GATES[cell]) * hidden_size
    shapes = [(gates, input_size), (gates, hidden_size), *[(gates,)] * biases]
    return Weights(*(rng.normal(size=shape).astype(dtype) for shape in shapes))


LAYERS = [
    RecurrentLayer("first", (weights("lstm", 4, 3, 1),), "lstm"),  # Keras sorts it behind a stack's first
    RecurrentLayer("net/rnn", (weights("lstm", 4, 3), weights("lstm", 3, 3)), "lstm"),
    RecurrentLayer(
        "net/rnn",
        (*[weights("gru", 4, 3)] * 2, *[weights("gru", 6, 3)] * 2),
        "gru",
        merge_mode="concat",
        return_sequences=False,
    ),
    RecurrentLayer("", (weights("simple_rnn", 2, 3, 0),), "simple_rnn", activation="relu"),
    RecurrentLayer(
        "é!",
        (weights("gru", 2, 3, 1),),
        "gru",
        reset_after=False,
        recurrent_activation="hard_sigmoid",
    ),
    RecurrentLayer("relu", (weights("lstm", 2, 3, 1),), "lstm", activation="relu"),
    RecurrentLayer(
        "others",
        (weights("gru", 2, 3), weights("gru", 2, 3)),
        "gru",
        activation="softsign",
        recurrent_activation="hard_sigmoid",
        merge_mode="sum",
    ),
    RecurrentLayer("half", (weights("gru", 2, 3, 1, ml_dtypes.bfloat16),), "gru"),
    RecurrentLayer(
        "back", (weights("lstm", 2, 2, 1, "float64"),), "lstm", reverse=True, outputs_reversed=True
    ),
    RecurrentLayer("input_back", (weights("lstm", 2, 2), weights("lstm", 2, 2)), "lstm", merge_mode="mul"),
]


WITHOUT_BFLOAT16 = [layer for layer in LAYERS if layer.dtype != ml_dtypes.bfloat16]


def test_keras_loads_what_is_written(keras, tmp_path):
    for name in ("model.keras", "model.weights.h5"):
        (tmp_path / name).write_bytes(format_of(tmp_path / name).write(LAYERS))
    model = keras.saving.load_model(tmp_path / "model.keras")
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(2, TIME, layer.input_size)).astype(layer.dtype) for layer in LAYERS]
    answers = model([keras.ops.convert_to_tensor(x) for x in inputs])
    for layer, x, outputs in zip(LAYERS, inputs, answers, strict=True):
        ours = in_keras_order(layer, PLAIN.answer(layer.case(x)).outputs).astype(float)
        np.testing.assert_allclose(
            ours, np.asarray(outputs).astype(float), atol=float(10 * ml_dtypes.finfo(layer.dtype).eps)
        )
    written = model.get_weights()
    model.set_weights([np.zeros_like(w) for w in written])
    model.load_weights(tmp_path / "model.weights.h5")
    for one, other in zip(written, model.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()
    (tmp_path / "model.h5").write_bytes(format_of(tmp_path / "model.h5").write(WITHOUT_BFLOAT16))
    legacy = keras.saving.load_model(tmp_path / "model.h5")
    for layer in legacy.layers:
        for one, other in zip(layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True):
            assert one.tobytes() == other.tobytes()
    save(model, tmp_path / "again.keras")
    again = {layer.name: layer for layer in read_model(tmp_path / "again.keras")}
    for layer in read_model(tmp_path / "model.keras"):
        assert same_bits(again[layer.name], layer)
        assert again[layer.name].same_options(layer) == []


def test_what_is_written_is_read_again_bit_for_bit(tmp_path):
    for name in SAVED:
        layers = WITHOUT_BFLOAT16 if name == "model.h5" else LAYERS
        path = tmp_path / name
        path.write_bytes(format_of(path).write(layers))
        read = {layer.name: layer for layer in read_model(path)}
        expected = [piece for pieces in keras_layers(layers) for piece in pieces]
        assert sorted(read) == sorted(layer.name for layer in expected)
        for layer in expected:
            assert same_bits(read[layer.name], layer)
            assert read[layer.name].same_options(layer) == []


@pytest.mark.parametrize(
    ("message", "cell", "options"),
    [
        ("no hard_sigmoid of slope 1/5", "gru", {"recurrent_activation": "hard_sigmoid_keras2"}),
        ("no hard_sigmoid of slope 1/5", "lstm", {"activation": "hard_sigmoid_keras2"}),
        ("go_backwards leaves outputs", "lstm", {"reverse": True}),
    ],
)
def test_what_keras_cannot_express_is_refused(message, cell, options):
    layer = RecurrentLayer("it", (weights(cell, 2, 3),), cell, **options)
    for name in SAVED:
        with pytest.raises(InvalidModel, match=f"layer it: .*{message}"):
            format_of(Path(name)).write([layer])


def test_a_projection_is_refused():
    for name in SAVED:
        with pytest.raises(InvalidModel, match="layer encoder cannot be written for Keras: it projects"):
            format_of(Path(name)).write([make_layer(projection_size=2)])


def test_keras_reads_no_bfloat16_from_its_old_files():
    with pytest.raises(InvalidModel, match=r"layer half: Keras reads no bfloat16 from \.h5"):
        format_of(Path("it.h5")).write(LAYERS)


def test_a_sum_of_biases_that_overflows_is_refused():
    large = np.full(3, 60000, np.float16)
    cell = weights("simple_rnn", 2, 3, dtype="float16")._replace(b=large, recurrent_b=large)
    layer = RecurrentLayer("it", (cell,), "simple_rnn")
    with pytest.raises(InvalidModel, match="sum of its biases is too large for float16"):
        format_of(Path("it.keras")).write([layer])
