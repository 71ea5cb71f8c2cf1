"""The name of a backend tells where it runs; what names no place is said in one line."""

import os
import sys

import pytest

from rnn_lockstep.adapters.backends.registry import NotMade, UnknownBackend
from rnn_lockstep.adapters.workers.place import Place, place_of


def test_no_place_is_this_interpreter():
    assert place_of("keras:eager") == ("keras:eager", Place())
    assert Place().is_this_interpreter
    assert Place().is_this_host


@pytest.mark.parametrize(
    ("name", "its", "place"),
    [
        (f"numpy@{sys.executable}", "numpy", Place(sys.executable)),
        ("torch@ssh:me@there:/opt/bin/python", "torch", Place("/opt/bin/python", host="me@there")),
        ("torch@ssh:there:~/env/bin/python", "torch", Place("env/bin/python", host="there")),
        ("mine:Port@ssh:-p 22 me@::1:/py", "mine:Port", Place("/py", host="-p 22 me@::1")),
        ("keras:eager@socket:localhost:8888", "keras:eager", Place(socket="localhost:8888")),
        ("jax@socket:[::1]:8888", "jax", Place(socket="[::1]:8888")),
    ],
)
def test_the_backend_and_its_place(name, its, place):
    assert place_of(name) == (its, place)
    assert not place.is_this_interpreter
    assert place.is_this_host == (not place.host and not place.socket)


def test_a_path_is_relative_to_the_current_folder_and_a_bare_name_is_looked_up(tmp_path, monkeypatch):
    (tmp_path / "old env" / "bin").mkdir(parents=True)
    python = tmp_path / "old env" / "bin" / "python-that-is-old"
    python.symlink_to(sys.executable)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = place_of("keras@../old env/bin/python-that-is-old")[1].python
    assert found == str(tmp_path / "here/../old env/bin/python-that-is-old")  # the link itself, no other
    monkeypatch.setenv("PATH", str(python.parent), prepend=os.pathsep)
    assert place_of("keras@python-that-is-old")[1].python == str(python)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place_of("keras@~/old env/bin/python-that-is-old")[1].python == str(python)


@pytest.mark.parametrize("name", ["numpy@", "numpy@ssh:host", "numpy@ssh::/python", "numpy@ssh:host:"])
def test_a_name_without_a_place_in_it_says_what_it_needs(name):
    with pytest.raises(UnknownBackend, match=rf"^backend {name}: needs NAME@\S+$"):
        place_of(name)


@pytest.mark.parametrize("name", ["numpy@socket:8888", "numpy@socket:host:", "numpy@socket:host:port"])
def test_a_socket_needs_a_host_and_a_port(name):
    with pytest.raises(UnknownBackend, match=rf"^backend {name}: needs NAME@socket:HOST:PORT$"):
        place_of(name)


def test_a_path_that_is_no_program_is_no_place(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing"):
        with pytest.raises(NotMade, match="is no program that can be run"):
            place_of(f"numpy@{path}")
