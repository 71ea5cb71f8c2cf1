"""The correct backends that a comparison rejects and the small errors it sees: ours and tolerances.

    python -m tests.benchmarks.tightness [BACKEND ...]

Whole trajectories of a simple RNN are compared with the float64 oracle's as `allclose` does; ours is the
one-step check. Correct backends are those given (torch and numpy by default); the errors are 10 units in
the last place in every element of b, of the initial state or of U, on NumPy. The last two columns are how
many units of an error in U the one-step check needs, and how many drift needs, from all cases together.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnn_lockstep.adapters import Case, Trace, compare, load
from rnn_lockstep.adapters.backends.compare import judge, run
from rnn_lockstep.reference import simple_rnn
from rnn_lockstep.reference.check.drift import DTYPES as DRIFTS
from rnn_lockstep.reference.check.drift import Drift

HIDDEN_SIZES, SCALES, DTYPES = (4, 16, 64, 256), (0.1, 0.9, 1.5, 4.0), ("float32", "float64")
BATCH, TIME, INPUT_SIZE, CASES, ULPS = 2, 60, 8, 10, 10
PLANTED = ("b", "initial_state", "U")
TOLERANCES = {  # relative and absolute; torch's defaults are those of torch.testing.assert_close
    "torch's": {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)},
    "1e-5/1e-6": dict.fromkeys(DTYPES, (1e-5, 1e-6)),
    "1e-4/1e-4": dict.fromkeys(DTYPES, (1e-4, 1e-4)),
}
Rejects = Callable[[Case, Trace], bool]


def make_case(hidden_size: int, scale: float, dtype: str, seed: int) -> Case:
    """Random weights; scale: U's spectral radius, roughly."""
    rng = np.random.default_rng(seed)
    arrays = (
        rng.normal(size=(BATCH, TIME, INPUT_SIZE)),
        rng.normal(size=(hidden_size, INPUT_SIZE)) / INPUT_SIZE**0.5,
        rng.normal(size=(hidden_size, hidden_size)) * scale / hidden_size**0.5,
        rng.normal(size=hidden_size),
        rng.normal(size=(BATCH, hidden_size)),
    )
    return Case(*(array.astype(dtype) for array in arrays))


def by_tolerance(name: str) -> Rejects:
    """Make a check of whole trajectories with one of the TOLERANCES: it tells whether it rejects a trace."""

    def rejects(case: Case, trace: Trace) -> bool:
        rtol, atol = TOLERANCES[name][case.dtype.name]
        expected = simple_rnn(case.inputs, case.W, case.U, case.b, case.initial_state)
        return not np.allclose(trace.outputs, expected, rtol, atol)

    return rejects


def by_one_step(case: Case, trace: Trace) -> bool:
    """Tell whether the one-step check rejects a trace."""
    return judge(load("numpy"), case, trace).status == "mismatch"


def changed(case: Case, name: str, ulps: float = ULPS) -> Case:
    """The case with every element of an array off by some units in the last place."""
    array = getattr(case, name)
    return replace(case, **{name: array + array.dtype.type(ulps) * np.spacing(array)})


def seen_from(cases: list[Case], name: str) -> str:
    """The smallest error of 10, 100, 1000, ... units that the one-step check sees in nine of ten cases."""
    for power in range(1, 9):
        found = [by_one_step(case, run(load("numpy"), changed(case, name, 10.0**power))) for case in cases]
        if np.mean(found) >= 0.9:
            return f"1e{power}"
    return "-"


def drifts_from(cases: list[Case], name: str) -> str:
    """The smallest error of 1, 10, 100, ... units that drift sees in all cases; in float64 it sees none."""
    for power in range(9) if cases[0].dtype.name in DRIFTS else ():
        found = Drift()
        for case in cases:
            answer = run(load("numpy"), changed(case, name, 10.0**power))
            found.add(case, answer, load("numpy").facts.arithmetic(case.dtype))
        if found.reason:
            return f"1e{power}"
    return "-"


def percent(found: list[bool]) -> str:
    return f"{100 * np.mean(found):4.0f}"


def main(backends: list[str]) -> None:
    """Print how often each check rejects correct backends and small errors."""
    adapters = [load(name) for name in backends or ["torch", "numpy"]]
    methods = {**{name: by_tolerance(name) for name in TOLERANCES}, "ours": by_one_step}
    print(f"percent of {CASES} cases: false alarms on correct backends, then errors seen in b, h0 and U")
    print(
        f"{'dtype':8} {'H':>4} {'scale':>5}  " + "".join(f"{name:^22}" for name in methods) + "U from  drift"
    )
    for dtype in DTYPES:
        for hidden_size in HIDDEN_SIZES:
            for scale in SCALES:
                cases = [make_case(hidden_size, scale, dtype, seed) for seed in range(CASES)]
                right = [(case, adapter, run(adapter, case)) for case in cases for adapter in adapters]
                wrong = {
                    name: [(case, run(load("numpy"), changed(case, name))) for case in cases]
                    for name in PLANTED
                }
                row = f"{dtype:8} {hidden_size:4} {scale:5}  "
                for name, rejects in methods.items():
                    if name == "ours":
                        alarms = [compare(adapter, case).status == "mismatch" for case, adapter, _ in right]
                    else:
                        alarms = [rejects(case, trace) for case, _, trace in right]
                    seen = (percent([rejects(*pair) for pair in wrong[part]]) for part in PLANTED)
                    row += f"{percent(alarms)} :{''.join(seen)}    "
                print(f"{row}{seen_from(cases, 'U'):8}{drifts_from(cases, 'U')}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
