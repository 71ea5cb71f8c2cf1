"""Conformance vectors: cases with what any backend should answer, as `--save-cases` writes them.

What is expected, and how far off is allowed, is the oracle's whole answer with its error carried along,
for a backend of which nothing is known; so the files are the same whichever backend ran the cases, and
any program can be compared with them. Cases of which such a bound says too little are left out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from rnn_lockstep.adapters import Trace
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.saved_cases.manifest import SUFFIX, write_manifest
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save
from rnn_lockstep.reference import gradients
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.check.answers import whole_answer
from rnn_lockstep.reference.check.comparison import comparison
from rnn_lockstep.tests.harness.backend import backend_of, watching
from rnn_lockstep.tests.harness.failure import Failure

CASES_A_TEST = 10
VECTORS = "lockstep-vectors"  # the names of the files, in a test's report


class ConformanceVectors:
    """Hooks that write vectors to `folder` and, in the process that prints the summary, the list of them.

    Raises OSError when the folder cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[str] = set()
        self.lost: set[str] = set()  # the reasons
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass  # it can be written to

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Save those of the first cases that a test of a backend is judged by."""
        names: list[str] = []
        lost: list[str] = []
        left = iter(range(CASES_A_TEST))

        def watch(result: Failure) -> None:
            if next(left, None) is None or result.verdict.status != "match" or lost:
                return
            try:
                names.extend(self.save(result))
            except OSError as error:
                lost.append(in_one_line(error))

        try:
            with watching(backend_of(item), watch):
                return (yield)
        finally:
            item.user_properties.append((VECTORS, [names, lost]))

    def save(self, result: Failure) -> Iterator[str]:
        """Write the vector and give its name, if there is one."""
        vector = vector_of(result)
        if vector is not None:
            case = vector.case
            words = [case.cell, case.dtype.name, "" if vector.cotangents is None else "gradients"]
            name = "-".join([*filter(None, words), vector.digest]) + SUFFIX
            save(self.folder / name, vector)
            yield name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties: dict[str, Any] = dict(report.user_properties if report.when == "call" else ())
        written, lost = properties.get(VECTORS, ((), ()))
        self.written.update(written)
        self.lost.update(lost)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """List what was written; a run that was to write and could not has failed."""
        if hasattr(session.config, "workerinput"):  # a process of pytest-xdist's
            return
        try:
            write_manifest(self.folder, self.written)
        except (OSError, ValueError) as error:
            self.lost.add(in_one_line(error))
        if self.lost and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"lockstep: {len(self.written)} cases saved in {self.folder}")
        for reason in self.lost:
            terminalreporter.write_line(f"lockstep: not all cases could be saved: {reason}", yellow=True)


def vector_of(result: Failure) -> SavedCase | None:
    """The case of a verdict with what any backend should answer, where that is one and known well enough."""
    case, cotangents = result.verdict.case, result.cotangents
    arithmetic = Arithmetic(case.dtype)  # of a backend of which nothing is known
    if cotangents is None and isinstance(result.answer, Trace):
        expected, answer = whole_answer(case, arithmetic), result.answer.arrays()
        compared = {
            name: comparison(name, answer[name], array, bounded=case.bounded and name != "final_cell_state")
            for name, array in expected.items()
        }
    elif cotangents is not None and isinstance(result.answer, Mapping):
        expected = gradients(case, cotangents, arithmetic)
        compared = {
            f"gradients.{name}": comparison(name, result.answer[name], expected[name], bounded=False)
            for name in case.arrays()
        }
    else:
        return None  # weights, after a training
    if any(each.vacuous for each in compared.values()):
        return None
    return SavedCase(
        case,
        cotangents,
        expected={name: each.expected for name, each in compared.items()},
        bound={name: each.bound for name, each in compared.items()},
    )
