"""Cases per second: the suite's own path against a plain harness.

    python -m tests.benchmarks.throughput [BACKEND ...]

Each figure comes from a fresh process, tracing and compiling included, imports not. Both draw float32
cases with Hypothesis, run them and compare every step with NumPy.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from adapters import compare, load
from tests.benchmarks.plain_harness import HARNESSES, Arrays, drawn_arrays, expected
from tests.strategies import cases

OURS, PLAIN = 1000, 150  # cases; the plain harness is too slow for as many


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def our_path(backend: str) -> Callable[[], None]:
    adapter = load(backend)

    @examples(OURS)
    @given(case=cases(dtypes=("float32",)))
    def run(case):
        assert compare(adapter, case).status != "mismatch"

    return run


def plain_path(backend: str) -> Callable[[], None]:
    run_layer = HARNESSES[backend]()

    @examples(PLAIN)
    @given(arrays=drawn_arrays())
    def run(arrays: Arrays) -> None:
        np.testing.assert_allclose(run_layer(arrays), expected(*arrays), rtol=1e-3, atol=1e-3)

    return run


def measured(which: str, backend: str) -> float:
    """Cases per second of one path, in this process."""
    path, count = (our_path, OURS) if which == "ours" else (plain_path, PLAIN)
    run = path(backend)
    start = time.perf_counter()
    run()
    return count / (time.perf_counter() - start)


def in_a_fresh_process(which: str, backend: str) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.throughput", f"--{which}", backend]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return float(run.stdout)


def main(backends: list[str]) -> None:
    print(f"cases per second, float32, {OURS} cases against {PLAIN} of the plain harness")
    print(f"{'backend':8} {'suite':>8} {'plain':>8} {'ratio':>6}")
    for backend in backends or list(HARNESSES):
        ours, plain = (in_a_fresh_process(which, backend) for which in ("ours", "plain"))
        print(f"{backend:8} {ours:8.0f} {plain:8.1f} {ours / plain:6.1f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["--ours"], ["--plain"]):
        print(measured(sys.argv[1][2:], sys.argv[2]))
    else:
        main(sys.argv[1:])
