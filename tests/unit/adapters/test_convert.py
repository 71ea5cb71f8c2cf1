"""Commands of `python -m adapters`: a file is shown or converted, and nothing wrong is left behind."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from rnn_lockstep.adapters import InvalidModel
from rnn_lockstep.adapters.__main__ import main
from rnn_lockstep.adapters.models.files.table import FORMATS, format_of, read_model
from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.port.convert import convert
from tests.command_line.running import ROOT
from tests.unit.adapters.ports import module

LAYERS = [
    replace(read_live(module(nn.LSTM, seed=1))[0], name="encoder"),
    replace(read_live(module(nn.GRU, seed=2, sizes=(3, 5), bidirectional=True))[0], name="decoder"),
]
LONG = "{}/" + "x" * 300 + ".pt"


@pytest.fixture
def source(tmp_path):
    """A file that holds all that is known of two layers."""
    path = tmp_path / "source.npz"
    path.write_bytes(format_of(path).write(LAYERS))
    return path


def arrays(layer):
    return [array for cell in layer.cells for array in cell if array is not None]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz", ".onnx"])
def test_there_and_back_is_bit_identical_where_the_target_can_hold_it(suffix, source, tmp_path):
    there, back = tmp_path / f"there{suffix}", tmp_path / "back.npz"
    said = convert(source, there)
    assert "encoder: W identical; U identical; b identical" in said
    convert(there, back)
    again = {layer.name: layer for layer in read_model(back)}
    for layer in LAYERS:
        pairs = zip(arrays(layer), arrays(again[layer.name]), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)
    assert sorted(os.listdir(tmp_path)) == sorted(["source.npz", there.name, "back.npz"])


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".msgpack"])
def test_biases_that_are_summed_are_told_of(suffix, source, tmp_path):
    said = convert(source, tmp_path / f"there{suffix}", layer="encoder")
    assert (
        "encoder: W identical; U identical; b identical (it is the sum of the source's two, rounded once)"
        in said
    )


ACTIVATED = replace(LAYERS[0], activation="relu", recurrent_activation="hard_sigmoid")
PROJECTED = replace(read_live(module(nn.LSTM, sizes=(3, 6), proj_size=4, num_layers=2))[0], name="projected")


@pytest.mark.parametrize(
    ("layer", "suffix"),
    [
        *((ACTIVATED, suffix) for suffix in (".npz", ".onnx", ".keras", ".h5")),
        *((PROJECTED, suffix) for suffix in (".npz", ".pt", ".safetensors")),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_activations_and_projections_go_where_there_are_such_layers(layer, suffix, tmp_path):
    source, there = tmp_path / "source.npz", tmp_path / f"there{suffix}"
    source.write_bytes(format_of(source).write([layer]))
    said = " ".join(convert(source, there))
    assert "W identical; U identical; b identical" in said
    assert ("projection identical" in said) == bool(layer.projection_size)
    [back] = read_model(there)
    assert (back.activation, back.recurrent_activation) == (layer.activation, layer.recurrent_activation)
    assert back.projection_size == layer.projection_size


def test_what_a_file_does_not_tell_is_told_by_the_user(tmp_path):
    source, target = tmp_path / "source.npz", tmp_path / "target.npz"
    cell = LAYERS[0].cells[0]
    np.savez(source, W=cell.W, U=cell.U, b=cell.b)
    convert(source, target, options={"activation": "relu"})
    [layer] = read_model(target)
    assert (layer.activation, "activation" in layer.assumed) == ("relu", False)
    with pytest.raises(InvalidModel, match="activation is 'gelu', needs one of tanh, relu"):
        convert(source, target, options={"activation": "gelu"}, force=True)


def test_what_the_target_cannot_express_is_refused_before_anything_is_written(tmp_path):
    layer = replace(LAYERS[1], reset_after=False)
    source = tmp_path / "source.npz"
    source.write_bytes(format_of(source).write([layer]))
    with pytest.raises(InvalidModel, match="applies the reset gate after the matrix product"):
        convert(source, tmp_path / "target.pt")
    assert os.listdir(tmp_path) == ["source.npz"]


def test_a_target_that_is_a_link_is_written_where_it_leads(source, tmp_path):
    target, file = tmp_path / "target.npz", tmp_path / "file"
    target.symlink_to(file)
    convert(source, target)
    assert target.is_symlink()
    with pytest.raises(InvalidModel, match=r"target\.npz is there already"):
        convert(source, target)
    file.write_bytes(b"")
    convert(source, target, force=True)
    assert [layer.name for layer in read_model(target)] == ["encoder", "decoder"]
    assert sorted(os.listdir(tmp_path)) == ["file", "source.npz", "target.npz"]


def test_what_does_not_match_is_not_left(source, tmp_path, monkeypatch):
    """A writer that turns U round is found out."""
    target = tmp_path / "target.pt"
    target.write_bytes(b"what was there")

    right = format_of(target)

    def write(layers):
        mixed = [replace(x, cells=tuple(w._replace(U=w.U[::-1]) for w in x.cells)) for x in layers]
        return right.write(mixed)

    monkeypatch.setitem(FORMATS, ".pt", replace(right, write=write))
    with pytest.raises(
        InvalidModel, match="nothing was written: encoder would not be what it is in the source"
    ):
        convert(source, target, force=True)
    assert target.read_bytes() == b"what was there"
    assert sorted(os.listdir(tmp_path)) == ["source.npz", "target.pt"]


def test_what_its_framework_does_not_load_is_not_left(source, tmp_path, monkeypatch):
    def fails(path, layers):
        raise RuntimeError("not mine\nreally")

    monkeypatch.setitem(FORMATS, ".pt", replace(FORMATS[".pt"], load=fails))
    with pytest.raises(InvalidModel, match=r"nothing was written: .* \(RuntimeError: not mine really\)"):
        convert(source, tmp_path / "target.pt")
    assert os.listdir(tmp_path) == ["source.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "{}/none.pt"], "none.pt: No such file or directory"),
        (["show", "{}/source.txt"], "no known format"),
        (["convert", "{}/source.npz", "{}/source.npz"], "source.npz is there already; --force replaces it"),
        (
            ["convert", "{}/source.npz", "{}/target.txt"],
            "target.txt: cannot be written; there are",
        ),
        (["convert", "{}/source.npz", "{}/nowhere/target.pt"], "target.pt: No such file or directory"),
        (["convert", "{}/source.npz", LONG], "...: File name too long"),
        (["convert", "{}/source.npz", LONG, "--force"], "...: File name too long"),
        (["convert", LONG, "{}/target.pt"], "...: File name too long"),
        (["show", LONG], "...: File name too long"),
        (["show", "x" * 10**4], "...: no known format"),
        (
            ["convert", "{}/source.npz", "{}/target.pt", "--layer", "x"],
            "no recurrent layer x; it has: encoder",
        ),
        (
            ["convert", "{}/source.npz", "{}/target.pt", "--set", "shape=2"],
            "option 'shape=2': needs name=value",
        ),
        (["convert", "{}/source.npz", "{}/target.pt", "--set", "reverse=true"], "itself tells it"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments, message, source, tmp_path, capsys):
    assert main([argument.format(tmp_path) for argument in arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["source.npz"]


def test_show_tells_conventions_and_what_is_assumed(source, tmp_path, capsys):
    convert(source, target := tmp_path / "target.pt")
    assert main(["show", str(source)]) == main(["show", str(target)]) == 0
    known, assumed = capsys.readouterr().out.split("layer ")[1:]
    assert "decoder  gru   3 -> 5" in known
    assert f"{LAYERS[1].parameters:,}" in known
    assert "reset after U, bidirectional, concat" in " ".join(known.split())
    assert "the file does not tell" in assumed


def test_show_tells_activations_and_projections(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "source.npz"
    path.write_bytes(format_of(path).write([ACTIVATED, PROJECTED]))
    assert main(["show", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "relu, gates hard_sigmoid" in told
    assert "3 -> 6, projected to 4" in told


def test_showing_imports_no_framework(source):
    code = (
        "import sys; from rnn_lockstep.adapters.__main__ import main; main(sys.argv[1:]); "
        "assert not {'torch', 'tensorflow', 'keras', 'jax'} & sys.modules.keys()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "show", source], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_a_framework_that_is_not_installed_is_told_of(source, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".pt", replace(FORMATS[".pt"], framework="no_such_module"))
    with pytest.raises(InvalidModel, match="no_such_module is not installed, and what is written is tried"):
        convert(source, tmp_path / "target.pt")
    assert os.listdir(tmp_path) == ["source.npz"]


def test_a_format_that_is_only_read_is_no_target(source, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".pt", replace(FORMATS[".pt"], write=None))
    with pytest.raises(InvalidModel, match=r"target\.pt: cannot be written; there are"):
        convert(source, tmp_path / "target.pt")


def test_several_layers_are_written_in_the_order_of_their_names(source, tmp_path):
    given = ["convert", str(source), str(tmp_path / "new.npz"), "--layer", "decoder", "--layer", "encoder"]
    assert main(given) == 0
    assert [layer.name for layer in read_model(tmp_path / "new.npz")] == ["decoder", "encoder"]
    with pytest.raises(InvalidModel, match="has no recurrent layer nope; it has: encoder, decoder"):
        convert(source, tmp_path / "other.npz", layer=["encoder", "nope"])


def test_layers_of_several_files_are_put_together(source, tmp_path, capsys):
    other = tmp_path / "other.pt"
    convert(source, other, layer="encoder")
    target = tmp_path / "new.safetensors"
    assert main(["convert", str(source), str(other), str(target)]) == 0
    told = capsys.readouterr().out
    assert f"{target}: written, and walked beside {source} and {other}" in told
    layers = {layer.name: layer for layer in read_model(target)}
    assert sorted(layers) == ["decoder", "other.encoder", "source.encoder"]
    np.testing.assert_array_equal(layers["other.encoder"].cells[0].U, LAYERS[0].cells[0].U)


def test_a_name_in_several_files_must_be_of_one(source, tmp_path):
    other = tmp_path / "other.pt"
    convert(source, other, layer="encoder")
    target = tmp_path / "new.npz"
    with pytest.raises(InvalidModel, match=r"source\.npz and other\.pt have a layer encoder each"):
        convert([source, other], target, layer="encoder")
    convert([source, other], target, layer=["decoder"])
    assert [layer.name for layer in read_model(target)] == ["decoder"]
