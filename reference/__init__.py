"""What is right, and how far off is allowed.

The cells and the oracle (`simple_rnn`), the derived bound (`rounding`), the one-step check (`check`),
backpropagation through time (`gradients`), gradient descent (`training`).
Imports NumPy and SciPy only; never an adapter or a framework.
"""

from reference.case import Case
from reference.cells import Weights
from reference.comparison import Comparison, Step
from reference.gradient_check import check_gradients
from reference.gradients import Cotangents, gradients
from reference.layer import simple_rnn
from reference.residual import check
from reference.trace import Trace
from reference.training import check_training, training
from reference.verdict import Verdict

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
