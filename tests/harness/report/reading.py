"""Reports read again, those that `as_json.py` has written."""

import json
from pathlib import Path

from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.adapters.safe_files import read
from rnn_lockstep.tests.harness.report.content import VERSION, Content

LARGEST = 2**28  # bytes
# What those who read a report need of it, and of each of its backends.
NEEDED = {"created", "exit_status", "same_cases", "platform", "backends", "failures", "errors"}
NEEDED_OF_BACKENDS = {"name", "version", "facts", "not_tested", "tests", "features", "known"}


class InvalidReport(ValueError):
    """A file that is no report of the suite. The message is one line: which file, and why."""


def read_report(path: Path) -> Content:
    """Read a report, as schema.json describes it. Raises InvalidReport."""
    try:
        content = json.loads(read(path, LARGEST))
    except (OSError, ValueError) as error:
        raise InvalidReport(f"{printable(path)}: {in_one_line(error)}") from None
    form = content.get("lockstep_report") if isinstance(content, dict) else None
    if form != VERSION or not isinstance(content.get("backends"), list):
        what = "is no report of --lockstep-report NAME.json" if form is None else f"has form {form}"
        raise InvalidReport(f"{printable(path)}: {what}, needs one of form {VERSION}: make it anew")
    if not (content.keys() >= NEEDED and all(b.keys() >= NEEDED_OF_BACKENDS for b in content["backends"])):
        raise InvalidReport(f"{printable(path)}: lacks a part of what schema.json describes: make it anew")
    return dict(content)
