"""Failing cases saved: a pytest plugin writes each to a file, as small as Hypothesis made it."""

import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_lockstep.adapters import Trace
from rnn_lockstep.adapters.bug_report import NoScript, script
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.adapters.saved_cases.manifest import SUFFIX
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save, storable
from rnn_lockstep.reference import Comparison, Verdict
from rnn_lockstep.tests.harness.again import shortest
from rnn_lockstep.tests.harness.failure import Failure
from rnn_lockstep.tests.harness.findings import FOUND

FOLDER = ".lockstep"
NAME = "lockstep-saving"  # for `-p no:lockstep-saving`


class Saving:
    """Hooks that write to `folder`; what cannot be written is told at the end, and changes no verdict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: dict[str, int] = {}  # how many, by the reason

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside the session's hook, which finds them
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Save the cases before the report is made, so that the message can name the files."""
        lost: list[str] = []
        for failure in item.stash[FOUND]:
            try:
                self.save(failure, item.config.invocation_params.dir)
            except Exception as problem:  # whatever it is, the verdict matters more
                lost.append(in_one_line(problem))
        report = yield
        report.lockstep_lost = lost
        return report

    def save(self, failure: Failure, current: Path) -> None:
        """Write the file and, where the case alone shows what is wrong, a bug report beside it.

        Of an answer that no file can hold the case is saved, without it.
        """
        saved = saved_case(failure)
        path = self.folder / file_name(saved)
        try:
            save(path, replace(saved, **answer_of(failure)))
        except Exception:  # a backend may answer anything
            save(path, saved)
        failure.saved = shortest(path, current)
        if not failure.claim:
            failure.report = self.report(saved, failure.verdict, failure.saved)

    def report(self, saved: SavedCase, verdict: Verdict, beside: Path) -> Path | None:
        """Write a bug report beside the saved case, where one can show what is wrong."""
        try:
            wrong = None if verdict.status == "error" else verdict
            text = script(saved.backend, saved.case, wrong, saved.cotangents)
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


def saved_case(failure: Failure) -> SavedCase:
    """The case of a failure, and all that is known of it in words."""
    return SavedCase(
        failure.verdict.case,
        failure.cotangents,
        backend=failure.backend,
        facts=str(failure.facts),
        status=failure.verdict.status,
        reason=failure.cause,
        claim=failure.claim,
        test=failure.test,
    )


def answer_of(failure: Failure) -> dict[str, Any]:
    """The arrays of an answer, and what it was compared with, as fields of a saved case."""
    compared = {name_of(comparison): comparison for comparison in failure.verdict.comparisons}
    return {
        "observed": observed(failure),
        "expected": {name: each.expected.astype(np.float64) for name, each in compared.items()},
        "bound": {name: each.bound for name, each in compared.items()},
    }


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
