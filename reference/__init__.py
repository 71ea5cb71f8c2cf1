"""What is right, and how far off is allowed.

The cells and the oracle (`simple_rnn`), the derived bound (`rounding`), the one-step check (`check`).
Imports NumPy and SciPy only; never an adapter or a framework.
"""

from reference.case import Case, Trace
from reference.cells import Weights
from reference.comparison import Comparison, Step
from reference.layer import simple_rnn
from reference.residual import check
from reference.verdict import Verdict

__all__ = ["Case", "Comparison", "Step", "Trace", "Verdict", "Weights", "check", "simple_rnn"]
