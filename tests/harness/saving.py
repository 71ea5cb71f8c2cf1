"""Failing cases saved: a pytest plugin writes each to a file, as small as Hypothesis made it."""

import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pytest
from hypothesis.errors import HypothesisException

from rnn_lockstep.adapters import Case, Cotangents, Trace
from rnn_lockstep.adapters.bug_report import NoScript, script
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.adapters.saved_cases.manifest import SUFFIX
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save, storable
from rnn_lockstep.reference import Comparison, Verdict
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.failure import Failure, failures

FOLDER = ".lockstep"
NAME = "lockstep-saving"  # for `-p no:lockstep-saving`


class Saving:
    """Hooks that write to `folder`; what cannot be written is told at the end, and changes no verdict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: dict[str, int] = {}  # how many, by the reason

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Forget the case of the test before."""
        if backend := backend_of(item):
            backend.asked = None
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
        """Save the case before the report is made, so that the message can name the file."""
        error = call.excinfo.value if call.excinfo else None
        failed = list(failures(error))
        lost: list[str] = []
        crashed: list[Path | None] = []
        try:
            for failure in failed:
                failure.test = item.nodeid
                saved = saved_case(failure)
                failure.saved = self.save(saved, item)
                if not failure.claim:  # or it is not the case alone that is wrong
                    failure.report = self.report(saved, failure.verdict, failure.saved)
            if not failed and is_crash(error) and (backend := backend_of(item)) and backend.asked:
                saved = crash(backend, *backend.asked, error, item.nodeid)
                crashed = [path := self.save(saved, item), self.report(saved, None, path)]
        except Exception as problem:  # whatever it is, the verdict matters more
            lost.append(in_one_line(problem))
        report = yield
        report.lockstep_lost = lost
        if crashed:
            files = " and ".join(str(path) for path in crashed if path)
            report.sections.append(("lockstep", f"the last case it ran: {files}"))
        return report

    def save(self, saved: SavedCase, item: pytest.Item) -> Path:
        """Write the file, and give its name as it is shortest to type."""
        path = self.folder / file_name(saved)
        save(path, saved)
        return shortest(path, item.config.invocation_params.dir)

    def report(self, saved: SavedCase, verdict: Verdict | None, beside: Path) -> Path | None:
        """Write a bug report beside the saved case, where one can show what is wrong."""
        try:
            text = script(saved.backend, saved.case, verdict, saved.cotangents)
        except NoScript:
            return None
        write((self.folder / beside.name).with_suffix(".py"), text.encode())
        return beside.with_suffix(".py")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for reason in getattr(report, "lockstep_lost", ()):
            self.lost[reason] = self.lost.get(reason, 0) + 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for reason, count in self.lost.items():
            cases = "the case" if count == 1 else f"{count} cases"
            line = f"lockstep: {cases} could not be saved: {reason} ({self.folder})"
            terminalreporter.write_line(line, yellow=True)


def file_name(saved: SavedCase) -> str:
    """Name a case's file, keras-lstm-float32-0123456789ab.safetensors: the same for the same case."""
    case = saved.case
    backend = re.sub(r"[^\w.]+", "-", saved.backend, flags=re.ASCII).strip("-.")[:80]
    return f"{backend}-{case.cell}-{case.dtype.name}-{saved.digest}{SUFFIX}"


def is_crash(error: BaseException | None) -> TypeGuard[Exception]:
    """Tell an error of a backend or of another assertion from one of pytest or Hypothesis."""
    return isinstance(error, Exception) and not isinstance(error, HypothesisException)


def crash(
    backend: Backend, case: Case, cotangents: Cotangents | None, error: Exception, test: str
) -> SavedCase:
    """Gather what is known of a crash on the case that a backend was given last.

    That is the smallest one where Hypothesis has drawn it.
    """
    reason, facts = f"{type(error).__name__}: {in_one_line(error)}", str(backend.adapter.facts)
    return SavedCase(
        case, cotangents, backend=backend.name, facts=facts, status="error", reason=reason, test=test
    )


def shortest(path: Path, current: Path) -> Path:
    """The path as it is shortest to type in the folder `current`."""
    return path.relative_to(current) if path.is_relative_to(current) else path


def saved_case(failure: Failure) -> SavedCase:
    """Gather all that is known of a failure, or of any other verdict."""
    verdict = failure.verdict
    compared = {name_of(comparison): comparison for comparison in verdict.comparisons}
    return SavedCase(
        verdict.case,
        failure.cotangents,
        observed=observed(failure),
        expected={name: comparison.expected.astype(np.float64) for name, comparison in compared.items()},
        bound={name: comparison.bound for name, comparison in compared.items()},
        backend=failure.backend,
        facts=str(failure.facts),
        status=verdict.status,
        reason=verdict.reason,
        claim=failure.claim,
        test=failure.test,
    )


def observed(failure: Failure) -> dict[str, Any]:
    """The arrays of an answer, which may be of any form."""
    answer = failure.answer
    arrays: Mapping[str, Any] = {}
    if isinstance(answer, Mapping):
        arrays = {f"gradients.{name}": answer.get(name) for name in failure.verdict.case.arrays()}
    elif isinstance(answer, Trace) and isinstance(answer.hidden_outputs, tuple):
        arrays = answer.arrays()
    elif isinstance(answer, list) and all(isinstance(weights, Mapping) for weights in answer):
        updates = enumerate(answer, start=1)  # of a training
        arrays = {
            f"{name} after update {k}": array for k, weights in updates for name, array in weights.items()
        }
    return {name: array for name, array in arrays.items() if storable(array)}


def name_of(comparison: Comparison) -> str:
    """Name a comparison as files do: "outputs", "layer 0 forward outputs", "gradients.W"."""
    name = comparison.name
    if re.fullmatch(r"(layer \d+)? ?(forward|backward)?", name):  # those of outputs name the cell only
        return f"{name} outputs".strip()
    return name.replace("gradient of ", "gradients.")
