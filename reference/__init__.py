"""What is right, and how far off is allowed.

The cells and the oracle (`simple_rnn`), the derived bound (`rounding`), the one-step check (`check`),
backpropagation through time (`gradients`), gradient descent (`training`).
Imports NumPy and SciPy only; never an adapter or a framework.
"""

if __name__ != "rnn_lockstep.reference":  # or else there would be two copies of everything
    raise ImportError("the import name is rnn_lockstep.reference, not reference")

from rnn_lockstep.reference.check.answers import check
from rnn_lockstep.reference.check.comparison import Comparison, Step
from rnn_lockstep.reference.check.gradients import check_gradients
from rnn_lockstep.reference.check.verdict import Verdict
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.gradients import Cotangents, gradients
from rnn_lockstep.reference.oracle.layer import simple_rnn
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.training import check_training, training

__all__ = [
    "Case",
    "Comparison",
    "Cotangents",
    "Step",
    "Trace",
    "Verdict",
    "Weights",
    "check",
    "check_gradients",
    "check_training",
    "gradients",
    "simple_rnn",
    "training",
]
