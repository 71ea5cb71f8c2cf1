"""A folder of saved cases is checked whole: what its manifest lists must be there, and unchanged."""

import json
import os

import pytest

from rnn_lockstep.adapters.saved_cases.manifest import MANIFEST, load_all, write_manifest
from rnn_lockstep.adapters.saved_cases.saved_case import InvalidCase, SavedCase, save
from tests.unit.adapters.test_contract import make_case

NAMES = {"a.safetensors": ["simple_rnn", "no steps"], "b.safetensors": ["simple_rnn"]}


@pytest.fixture
def folder(tmp_path):
    """Two cases and the list of them."""
    for time, name in enumerate(NAMES):
        save(tmp_path / name, SavedCase(make_case(time=time)))
    write_manifest(tmp_path, NAMES)
    return tmp_path


def test_what_is_listed_is_loaded_and_nothing_else(folder):
    save(folder / "c.safetensors", SavedCase(make_case()))
    cases = load_all(folder)
    assert [file.name for file in cases] == list(NAMES)
    assert [saved.case.time for saved in cases.values()] == [0, 1]
    first = json.loads((folder / MANIFEST).read_text())["cases"][0]
    assert (first["file"], first["layer"], first["dtype"]) == ("a.safetensors", "tanh", "float32")
    assert first["sizes"]["hidden_size"] == 3


def test_the_manifest_tells_what_each_case_needs(folder):
    content = json.loads((folder / MANIFEST).read_text())
    assert (content["format"], content["features"]) == (2, ["simple_rnn", "no steps"])
    assert [entry["features"] for entry in content["cases"]] == list(NAMES.values())


def test_without_a_manifest_every_saved_case_is_loaded(folder):
    os.remove(folder / MANIFEST)
    assert [file.name for file in load_all(folder)] == list(NAMES)


def test_what_is_missing_or_changed_is_an_error(folder):
    save(folder / "b.safetensors", SavedCase(make_case(time=7)))
    with pytest.raises(InvalidCase, match=r"b\.safetensors' is not a saved case: it has changed"):
        load_all(folder)
    os.remove(folder / "b.safetensors")
    with pytest.raises(InvalidCase, match=r"b\.safetensors' is not a saved case: No such file"):
        load_all(folder)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InvalidCase, match="has no saved cases"):
        load_all(tmp_path)


def listing(*entries):
    """The text of a manifest with these entries."""
    return json.dumps({"format": 1, "cases": entries})


def named(name):
    """The text of a manifest with one file of this name."""
    return listing({"file": name, "sha256": "0"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 bytes"),
        ("{", "Expecting"),
        ("[" * 99999, "nested too deeply"),
        ("\udcff", "decode"),
        ("[]", "needs an object of format 2"),
        ('{"format": 3, "cases": []}', "needs an object of format 2"),
        ('{"format": 1, "cases": {}}', "lists no cases"),
        ('{"format": 1, "cases": []}', "lists no cases"),
        (listing("a.safetensors"), "needs 'file' and 'sha256'"),
        (listing({"file": "a.safetensors"}), "needs 'file' and 'sha256'"),
        (listing({"file": ["a"], "sha256": 3}), "needs 'file' and 'sha256'"),
        (named("../a.safetensors"), "not the name"),
        (named("/etc/a.safetensors"), "not the name"),
        (named("sub/a.safetensors"), "not the name"),
        (named("..\\a.safetensors"), "not the name"),
        (named(".."), "not the name"),
        (named("out.safetensors"), "not the name"),
        (named("conftest.py"), "not the name"),
        (named("\0.safetensors"), "null"),
    ],
)
def test_what_is_no_manifest_is_told_in_one_line(text, message, folder):
    (folder / "out.safetensors").symlink_to("/dev/zero")
    (folder / MANIFEST).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InvalidCase, match=message) as caught:
        load_all(folder)
    assert str(caught.value).isprintable()
