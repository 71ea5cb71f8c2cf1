"""The check of TFLite files as whole models, which an interpreter runs end to end."""

import pytest

from rnn_lockstep.adapters import InvalidModel, load, lockstep_check

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own, of how it converts


@pytest.fixture(scope="module")
def keras():
    """The module, imported as its adapter does it, and when it is needed."""
    return load("keras").keras


def tagger(keras, activation=None):
    """Tokens (2, 5) to scores, its LSTM without a loop, which TFLite's own operators can express."""
    layers = keras.layers
    parts = [
        layers.Input((5,), batch_size=2, dtype="int32"),
        layers.Embedding(20, 4),
        layers.LSTM(4, return_sequences=True, unroll=True, name="encoder"),
        layers.Activation(activation or "linear"),
        layers.Dense(3),
    ]
    model = keras.Sequential(parts)
    keras.utils.set_random_seed(0)
    model.set_weights([keras.random.normal(w.shape) for w in model.get_weights()])
    return model


def converted(model, path):
    """The path of a model's TFLite file."""
    import tensorflow as tf

    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


def test_a_file_is_compared_by_its_outputs(keras, tmp_path):
    path = converted(tagger(keras), tmp_path / "right.bin")
    verdict = lockstep_check(tagger(keras), path, examples=2)
    assert verdict, verdict
    assert "no recurrent layers of the target can be watched" in str(verdict)
    assert "examples of 2 x 5\n" in str(verdict)
    wrong = lockstep_check(tagger(keras, "relu"), path, examples=2)
    assert str(wrong).startswith("mismatch: the whole model: the output off by ")


def test_a_file_as_a_source_cannot_tell_what_rounding_does(keras, tmp_path):
    path = converted(tagger(keras), tmp_path / "source.tflite")
    verdict = lockstep_check(path, tagger(keras, "relu"), examples=2)
    assert verdict.status == "inconclusive"
    assert "TFLite computes in float32" in str(verdict)
    assert lockstep_check(path, path, inputs="tokens:int(0..19) (2,5)", examples=2)


def test_tokens_of_an_unknown_range_need_inputs(keras, tmp_path):
    path = converted(tagger(keras), tmp_path / "source.tflite")
    with pytest.raises(InvalidModel, match="is of int32, and its range is not known: needs --inputs"):
        lockstep_check(path, path)


def test_an_interpreter_that_is_not_installed_is_told(tmp_path, monkeypatch):
    from rnn_lockstep.adapters.port.whole import tflite_model

    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    monkeypatch.setattr(tflite_model, "INTERPRETERS", ())
    with pytest.raises(InvalidModel, match=r"model\.tflite: .*is not installed: pip install ai-edge-litert"):
        lockstep_check(path, len, inputs="x:float (2,5)")
