"""Cases per second: the suite's own path against a plain harness.

    python -m tests.benchmarks.throughput [BACKEND ...]

Simple RNNs against the plain harness, GRU and LSTM against simple RNNs, and simple RNNs of a backend in a
supervised process of its own against those of one in the same process. Each figure comes from a fresh
process, tracing and compiling included, imports not. All draw float32 cases with Hypothesis, run them and
compare every step with NumPy.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from rnn_lockstep.adapters import Adapter, compare, load
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.adapters.workers.watched import Watched
from rnn_lockstep.tests.harness.drawing.strategies import cases
from tests.benchmarks.plain_harness import HARNESSES, Arrays, drawn_arrays, expected

GATED = ("gru", "lstm")
SUPERVISED = "supervised"  # simple RNNs of a backend in a process of its own
OURS, PLAIN = 1000, 150  # cases; the plain harness is too slow for as many


def examples(count: int) -> settings:
    """Hypothesis settings for exactly so many examples, the same ones each time."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def our_path(adapter: Adapter, cell: str) -> Callable[[], None]:
    """Make the suite's run of its cases on a backend."""

    @examples(OURS)
    @given(case=cases(cell, dtypes=("float32",), facts=adapter.facts))
    def run(case):
        assert compare(adapter, case).status != "mismatch"

    return run


def plain_path(backend: str) -> Callable[[], None]:
    """Make the plain harness's run of its cases on a backend."""
    run_layer = HARNESSES[backend]()

    @examples(PLAIN)
    @given(arrays=drawn_arrays())
    def run(arrays: Arrays) -> None:
        np.testing.assert_allclose(run_layer(arrays), expected(*arrays), rtol=1e-3, atol=1e-3)

    return run


def measured(which: str, backend: str) -> float:
    """Cases per second of one path. which: a cell of ours, "plain", or SUPERVISED."""
    count = PLAIN if which == "plain" else OURS
    if which == "plain":
        path = plain_path(backend)
    elif which == SUPERVISED:
        path = our_path(Supervised(backend), "simple_rnn")
    else:
        path = our_path(Watched(load(backend)), which)
    start = time.perf_counter()
    path()
    return count / (time.perf_counter() - start)


def in_a_fresh_process(which: str, backend: str) -> float:
    """Cases per second of one path, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.throughput", f"--{which}", backend]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return float(run.stdout)


def main(backends: list[str]) -> None:
    """Print a line of figures for each backend."""
    print(f"cases per second, float32, {OURS} cases against {PLAIN} of the plain harness")
    print(f"{'backend':8} {'plain':>6} {'simple_rnn':>11} {'/plain':>7}", end="")
    print("".join(f" {cell:>6} {'/simple':>8}" for cell in GATED), end="")
    print(f" {'supervised':>11} {'/simple':>8} {'ms more':>8}")
    for backend in backends or list(HARNESSES):
        plain, simple = (in_a_fresh_process(which, backend) for which in ("plain", "simple_rnn"))
        print(f"{backend:8} {plain:6.1f} {simple:11.0f} {simple / plain:7.1f}", end="", flush=True)
        gated = (in_a_fresh_process(cell, backend) for cell in GATED)
        print("".join(f" {figure:6.0f} {figure / simple:8.2f}" for figure in gated), end="", flush=True)
        own = in_a_fresh_process(SUPERVISED, backend)
        print(f" {own:11.0f} {own / simple:8.2f} {1000 / own - 1000 / simple:8.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].startswith("--"):
        print(measured(sys.argv[1][2:], sys.argv[2]))
    else:
        main(sys.argv[1:])
