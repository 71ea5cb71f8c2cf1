"""What is right, and how far off is allowed.

The cells and the oracle (`simple_rnn`), the derived bound (`rounding`), the one-step check (`check`).
Imports NumPy and SciPy only; never an adapter or a framework.
"""

from reference.case import Case, Trace
from reference.layer import simple_rnn
from reference.residual import check
from reference.verdict import Step, Verdict

__all__ = ["Case", "Step", "Trace", "Verdict", "check", "simple_rnn"]
