"""The oracle against the notebook's loop and torch, and the check against the oracle.

    python -m tests.benchmarks.oracle

float64, 100 steps of 32 features into 64 units; the best of many runs, all in one process.
"""

import timeit
from collections.abc import Callable

import numpy as np

from rnn_lockstep.adapters import load
from rnn_lockstep.reference import Case, check, simple_rnn
from tests.unit.reference.test_notebook import notebook

TIME, INPUT_SIZE, HIDDEN_SIZE = 100, 32, 64


def milliseconds(run: Callable[[], object]) -> float:
    """The time of one run in milliseconds, the best of 40 times five."""
    return min(timeit.repeat(run, number=5, repeat=40)) / 5 * 1e3


def make_case(batch: int) -> Case:
    """A simple RNN's case of random numbers, float64."""
    rng = np.random.default_rng(0)
    return Case(
        inputs=rng.normal(size=(batch, TIME, INPUT_SIZE)),
        W=rng.normal(size=(HIDDEN_SIZE, INPUT_SIZE)) / INPUT_SIZE**0.5,
        U=rng.normal(size=(HIDDEN_SIZE, HIDDEN_SIZE)) / HIDDEN_SIZE**0.5,
        b=rng.normal(size=HIDDEN_SIZE),
    )


def torch_layer(case: Case) -> Callable[[], object]:
    """A run of torch's layer of the same sizes, on one thread."""
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.RNN(INPUT_SIZE, HIDDEN_SIZE, batch_first=True, dtype=torch.float64).requires_grad_(False)
    inputs = torch.from_numpy(case.inputs)
    return lambda: layer(inputs)


def figures(batch: int) -> dict[str, float]:
    """Milliseconds of the oracle and of what it is measured against."""
    case = make_case(batch)
    weights = (case.W, case.U, case.b)
    numpy = load("numpy")
    trace = numpy.run(case)
    inputs = case.inputs if batch > 1 else case.inputs[0]  # one sequence, as in the notebook
    measured = {
        "the oracle": milliseconds(lambda: simple_rnn(inputs, *weights)),
        "torch.nn.RNN, one thread": milliseconds(torch_layer(case)),
        "the check": milliseconds(lambda: check(case, trace, numpy.facts.arithmetic(case.dtype))),
    }
    if batch == 1:
        measured["the notebook's loop"] = milliseconds(lambda: notebook(inputs, *weights))
    return measured


def main() -> None:
    """Print the figures for a batch of one sequence and of more."""
    for batch in (1, 32):
        print(f"batch {batch}")
        measured = figures(batch)
        for name, time in measured.items():
            print(f"  {name:26} {time:6.2f} ms, {time / measured['the oracle']:5.2f} of the oracle's")


if __name__ == "__main__":
    main()
