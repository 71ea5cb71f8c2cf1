"""A backend elsewhere, wherever that is, answers as it does here and ends as it does here."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.registry import NotMade
from rnn_lockstep.adapters.workers import process
from rnn_lockstep.adapters.workers.supervised import Lost, Supervised
from tests.unit.adapters.test_contract import make_case
from tests.unit.adapters.workers.places import ADAPTERS, environment, free_port, ssh_server, started

KINDS = ("interpreter", "socket", "ssh")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with NumPy, SciPy and ml_dtypes alone."""
    return environment(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module", params=KINDS)
def place(request, tmp_path_factory, python):
    """A place, and the folder with `mine.py` in which a backend runs there."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "mine.py").write_text(ADAPTERS)
    if request.param == "interpreter":
        yield str(python), folder
    elif request.param == "socket":
        port = free_port()
        command = [sys.executable, "-m", "execnet.script.socketserver", f"127.0.0.1:{port}"]
        with started(command, port, folder):
            yield f"socket:127.0.0.1:{port}", folder
    else:
        with ssh_server(folder) as host:
            wrapper = folder / "python"  # ssh begins in the home folder
            wrapper.write_text(f'#!/bin/sh\ncd {folder}\nexec {python} "$@"\n')
            wrapper.chmod(0o755)
            yield f"ssh:{host}:{wrapper}", folder


@pytest.fixture
def make(place, monkeypatch):
    """What makes an adapter of `mine.py` at the place, and ends it after the test."""
    where, folder = place
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", "/of/this/run")
    made = []

    def make(name):
        made.append(Supervised(f"mine:{name}@{where}", case_timeout=30))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def is_running(pid):
    """Tell whether a process has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ended(pids):
    """Wait until processes have ended; return those that do not."""
    until = time.monotonic() + 10
    while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def test_it_answers_as_it_does_here(make):
    adapter, case = make("Port"), make_case()
    answer = adapter.run(case)
    np.testing.assert_array_equal(answer.outputs, load("numpy").run(case).outputs)
    assert adapter.facts.name == f"numpy{adapter.name.removeprefix('mine:Port')}"
    assert f"Python {sys.version.split()[0]}" in adapter.facts.settings
    assert (f" on {os.uname().nodename}" in adapter.facts.settings) == (not adapter.place.is_this_host)


def test_its_environment_is_its_own(make, place):
    adapter = make("Port")
    adapter.run(make_case())
    printed = adapter.printed()
    if "@socket" in adapter.name:  # it is started by the server, and prints there
        assert printed == ""
    else:
        until = time.monotonic() + 10
        while "run under" not in printed and time.monotonic() < until:  # ssh brings it apart from the answer
            time.sleep(0.05)
            printed += adapter.printed()
        assert "run under" in printed
        assert sys.prefix not in printed.split()
        assert "/of/this/run" not in printed


def test_one_that_dies_is_lost_and_the_next_case_has_another(make):
    adapter = make("Dies")
    for _ in range(2):
        with pytest.raises(Lost, match=r"SIGSEGV|is gone") as lost:
            adapter.run(make_case())
        if "@socket" not in adapter.name:
            assert "SIGSEGV" in str(lost.value)
            assert "about to die" in adapter.printed()


def test_one_that_hangs_is_ended_with_all_that_it_has_started(make):
    adapter = make("Hangs")
    with adapter.limited(1.5), pytest.raises(Lost, match=r"it ran this case for more than 1\.5 s"):
        adapter.run(make_case())
    assert not ended(Path("pids").read_text().split())


def test_an_interrupt_that_got_lost_ends_the_wait_for_an_answer(make, monkeypatch):
    adapter = make("Hangs")
    monkeypatch.setattr(process.Process, "interrupted", True)
    with adapter.limited(20), pytest.raises(KeyboardInterrupt):
        adapter.run(make_case())
    assert not ended(Path("pids").read_text().split())


def test_it_ends_with_the_run_however_that_ends(make, place):
    Path("pids").unlink(missing_ok=True)
    asking = f"""
from rnn_lockstep.adapters.workers.supervised import Supervised
from tests.unit.adapters.test_contract import make_case
Supervised("mine:Hangs@{place[0]}").run(make_case())
"""
    path = os.pathsep.join(sys.path)
    run = subprocess.Popen([sys.executable, "-c", asking], env={**os.environ, "PYTHONPATH": path})
    until = time.monotonic() + 30
    while not (Path("pids").exists() and Path("pids").read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    run.kill()
    run.wait()
    assert not ended(Path("pids").read_text().split())


def test_a_module_that_is_not_there_is_told(make):
    with pytest.raises(NotMade, match=r"backend mine:Nobody@.*: the module mine has no class Nobody"):
        make("Nobody")


SCRIPTS = {
    "sleep 1000": "nothing came within 1 s",
    "yes": "y",
    "true": "it ended without a word",
    "echo no such luck >&2; exit 1": "no such luck",
    "head -c 1000000 /dev/zero": "?????",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_is_no_python_is_ended_in_time(script, tmp_path, monkeypatch):
    if script == "sleep 1000":
        monkeypatch.setattr(process, "START", 1)
    file = tmp_path / "python"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    with pytest.raises(NotMade) as error:
        Supervised(f"numpy@{file}")
    assert str(error.value).startswith(f"backend numpy@{file} cannot be made: no usable Python there: ")
    assert SCRIPTS[script] in str(error.value)
    assert len(str(error.value)) < 500


def test_what_is_said_before_a_python_greets_does_no_harm(tmp_path, python):
    file = tmp_path / "python"
    file.write_text(f'#!/bin/sh\necho Welcome to this machine\nexec {python} "$@"\n')
    file.chmod(0o755)
    adapter = Supervised(f"numpy@{file}")
    adapter.run(make_case())
    adapter.close()


def test_a_python_without_numpy_and_an_old_one_are_told(tmp_path):
    bare = environment(tmp_path / "bare", ())
    with pytest.raises(
        NotMade, match=rf"its Python has no numpy, scipy, ml_dtypes, torch: {bare} -m pip install"
    ):
        Supervised(f"torch@{bare}")
    with pytest.raises(NotMade, match=r"has no numpy, scipy, ml_dtypes, keras, jax: "):
        Supervised(f"keras:jax@{bare}")
    old = environment(tmp_path / "old")
    site = next(old.parents[1].glob("lib/*/site-packages"))
    (site / "sitecustomize.py").write_text(
        "import sys\nsys.version_info = (3, 9)\nsys.version = '3.9.18 (main)'\n"
    )
    with pytest.raises(NotMade, match=r"needs Python 3\.11 or newer, and this is 3\.9\.18$"):
        Supervised(f"numpy@{old}")


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("socket:127.0.0.1:{port}", "127.0.0.1:{port}: Connection refused"),
        ("ssh:-p {port} 127.0.0.1:/python", "ssh: connect to host 127.0.0.1 port {port}: Connection refused"),
    ],
)
def test_a_host_that_nobody_answers_at_is_told(where, reason):
    port = free_port()
    with pytest.raises(NotMade) as error:
        Supervised(f"numpy@{where.format(port=port)}")
    assert str(error.value).endswith(f"cannot be made: no usable Python there: {reason.format(port=port)}")


def test_ssh_asks_for_no_password_and_trusts_no_new_host(tmp_path, python):
    with ssh_server(tmp_path) as host:
        for options in (f"-o UserKnownHostsFile=/dev/null {host}", f"-o IdentitiesOnly=yes -l nobody {host}"):
            with pytest.raises(
                NotMade, match=r"Host key verification failed|Permission denied|Too many auth"
            ):
                Supervised(f"numpy@ssh:{options}:{python}")
        with pytest.raises(NotMade, match=r"no usable Python there: .*/nowhere/python.*"):
            Supervised(f"numpy@ssh:{host}:/nowhere/python")
