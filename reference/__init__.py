"""The reference: right answers, and how far off any correct backend may be.

`bound` has the rounding arithmetic, `oracle` the cells and the engine that evaluates layers, `check` the
verdicts, `diagnosis` the known mistakes and the search among them. Each imports only those before it, and
NumPy and SciPy; never an adapter or a framework.
"""

if __name__ != "rnn_lockstep.reference":  # or else there would be two copies of everything
    raise ImportError("the import name is rnn_lockstep.reference, not reference")

from rnn_lockstep.reference.bound.arithmetic import Arithmetic, FunctionError
from rnn_lockstep.reference.check.answers import check
from rnn_lockstep.reference.check.comparison import Comparison, Element
from rnn_lockstep.reference.check.gradients import check_gradients
from rnn_lockstep.reference.check.training import check_training
from rnn_lockstep.reference.check.verdict import Verdict
from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.cells import Weights
from rnn_lockstep.reference.oracle.gradients import Cotangents, gradients
from rnn_lockstep.reference.oracle.layer import simple_rnn
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.training import training

__all__ = [
    "Arithmetic",
    "Case",
    "Comparison",
    "Cotangents",
    "Element",
    "FunctionError",
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
