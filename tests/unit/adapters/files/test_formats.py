"""The table of formats: a file's suffix tells its format, or else its first bytes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_lockstep.adapters import lockstep_check
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.table import EVERY, FORMATS, format_of, read_model
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from tests.unit.adapters.files.layers import make_layer

LAYERS = [make_layer("lstm", biases=(False, True))]


def test_no_two_formats_have_one_suffix():
    assert len(FORMATS) == sum(len(each.suffixes) for each in EVERY)


def test_the_longest_suffix_tells():
    assert format_of(Path("model.weights.h5")) is FORMATS[".weights.h5"]
    assert format_of(Path("model.h5")) is FORMATS[".h5"]


@pytest.mark.parametrize("suffix", [suffix for suffix, each in FORMATS.items() if each.begins and each.write])
def test_the_first_bytes_tell_where_the_suffix_does_not(suffix, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(FORMATS[suffix].write(LAYERS))
    assert format_of(path) is FORMATS[suffix]
    [layer] = read_model(path)
    np.testing.assert_array_equal(layer.cells[0].U, LAYERS[0].cells[0].U)


@pytest.mark.parametrize("content", [b"", b"a text of no kind", b"PK\x03\x04"])
def test_a_file_that_begins_as_none_is_refused(content, tmp_path):
    (tmp_path / "it.bin").write_bytes(content)
    with pytest.raises(InvalidModel, match=r"no known format; there are \.weights\.h5, \.h5"):
        read_model(tmp_path / "it.bin")


def test_a_format_is_added_by_one_record(tmp_path, monkeypatch):
    def read(path):
        return [make_layer("gru", name=path.read_text())]

    monkeypatch.setitem(FORMATS, ".mine", Format((".mine",), read, begins=re.compile(b"mine")))
    (tmp_path / "it.mine").write_text("encoder")
    assert [layer.name for layer in read_model(tmp_path / "it.mine")] == ["encoder"]
    assert lockstep_check(tmp_path / "it.mine", tmp_path / "it.mine")


def test_the_table_imports_nothing_large():
    program = (
        "import sys; import rnn_lockstep.adapters.models.files.table\n"
        "large = {'torch', 'tensorflow', 'keras', 'jax', 'flax', 'h5py', 'onnx', 'onnxruntime', 'msgpack'}\n"
        "assert not large & sys.modules.keys(), large & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
