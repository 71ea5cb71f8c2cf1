"""A bug report ready to file: a short script of NumPy and one framework that shows a discrepancy."""

from rnn_lockstep.adapters.bug_report.conventions import NoScript
from rnn_lockstep.adapters.bug_report.script import script

__all__ = ["NoScript", "script"]
