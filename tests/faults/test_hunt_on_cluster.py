"""The hunt on a cluster finds what it finds alone, and loses nothing with a worker."""

import os
import re
import signal
import subprocess
import sys
from functools import partial

import distributed
import pytest

from rnn_lockstep.tests.harness.hunting import Found, hunted
from tests.benchmarks import on_cluster
from tests.command_line.running import ROOT, as_a_user

WRONG = "tests.faults.catalogue:gru_gates_in_order_zrn"
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own


def ends(folder, block):
    """Work that ends its worker: always with 13, and the first time with 21."""
    first = folder / "first"
    if 13 in block or (21 in block and not first.exists()):
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return list(block)


def killed(number, how):
    return (number, how)


def test_a_cluster_finds_what_is_found_alone():
    blocks = [range(start, start + 5) for start in range(0, 30, 5)]
    whole = Found()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as it,
        distributed.Client(it) as client,
    ):
        for found in on_cluster.handed_out(client, partial(hunted, WRONG, 3), blocks, killed):
            whole.add(found)
    alone = hunted(WRONG, 3, range(30))
    assert (whole.done, whole.wrong) == (alone.done, alone.wrong)
    assert {find.kind for find in whole.finds} == {find.kind for find in alone.finds}


def test_a_lost_worker_loses_nothing_and_what_ends_all_is_named(tmp_path):
    blocks = [range(0, 4), range(12, 14), range(20, 24)]
    with on_cluster.client_of(1) as client:
        answers = list(on_cluster.handed_out(client, partial(ends, tmp_path), blocks, killed))
    done = [number for each in answers if isinstance(each, list) for number in each]
    assert sorted(done) == [*range(4), 12, *range(20, 24)]
    assert [each[0] for each in answers if isinstance(each, tuple)] == [13]


def test_ctrl_c_keeps_what_there_is(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.hunt", "--backend", WRONG, "--save", str(tmp_path)]
    command += ["--cases", "100000", "--block", "5", "--workers", "1"]
    hunt = subprocess.Popen(
        command, cwd=ROOT, env=as_a_user(), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = []
    for line in hunt.stdout:
        lines.append(line)
        if "saved: " in line:
            os.killpg(hunt.pid, signal.SIGINT)
            break
    said = "".join([*lines, hunt.communicate()[0]])
    assert hunt.returncode == 1, said
    saved = re.findall(r"  saved: (.*)", said)
    assert {str(path) for path in tmp_path.iterdir()} == set(saved), said
    (mismatches,) = re.findall(r"cases compared, (\d+) mismatches", said)
    assert int(mismatches) >= len(saved) > 0
    assert "the hunt was ended, " in said


def test_a_hunt_without_a_worker_ends(monkeypatch):
    monkeypatch.setattr(on_cluster, "PATIENCE", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as it,
        distributed.Client(it) as client,
        pytest.raises(on_cluster.Unusable, match="no worker has been there"),
    ):
        list(on_cluster.handed_out(client, list, [range(1)], killed))
