"""A pytest plugin that writes every failing case to a file, as small as Hypothesis made it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import Trace
from adapters.files import in_one_line
from adapters.manifest import SUFFIX
from adapters.saved_case import SavedCase, save, storable
from reference import Comparison
from tests.failure import Failure, failures

FOLDER = ".lockstep"
NAME = "lockstep-saving"  # for `-p no:lockstep-saving`


class Saving:
    """Writes to `folder`; what cannot be written is told at the end, and changes no verdict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: dict[str, int] = {}  # how many, by the reason

    @pytest.hookimpl(wrapper=True, trylast=True)  # when the session's hook has said which test failed
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[pytest.TestReport]:
        """Save the case before the report is made, so that the message can name the file."""
        lost = []
        for failure in failures(call.excinfo.value if call.excinfo else None):
            path = self.folder / file_name(failure)
            try:
                save(path, saved_case(failure))
                failure.saved = shown(path, item.config.invocation_params.dir)
            except Exception as error:  # whatever it is, the verdict matters more
                lost.append(in_one_line(error))
        report = yield
        report.lockstep_lost = lost
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for reason in getattr(report, "lockstep_lost", ()):
            self.lost[reason] = self.lost.get(reason, 0) + 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for reason, count in self.lost.items():
            cases = "the case" if count == 1 else f"{count} cases"
            line = f"lockstep: {cases} could not be saved: {reason} ({self.folder})"
            terminalreporter.write_line(line, yellow=True)


def file_name(failure: Failure) -> str:
    """keras-lstm-float32-0123456789ab.safetensors: the same for the same case."""
    case = failure.verdict.case
    backend = re.sub(r"[^\w.]+", "-", failure.backend, flags=re.ASCII).strip("-.")[:80]
    return f"{backend}-{case.cell}-{case.dtype.name}-{saved_case(failure).digest}{SUFFIX}"


def shown(path: Path, current: Path) -> Path:
    """The path as it is shortest to type in the folder `current`."""
    return path.relative_to(current) if path.is_relative_to(current) else path


def saved_case(failure: Failure) -> SavedCase:
    """All that is known of a failure, or of any other verdict."""
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
    answer, arrays = failure.answer, {}
    if isinstance(answer, Mapping):
        arrays = {f"gradients.{name}": answer.get(name) for name in failure.verdict.case.arrays()}
    elif isinstance(answer, Trace) and isinstance(answer.hidden_outputs, tuple):
        arrays = answer.arrays()
    return {name: array for name, array in arrays.items() if storable(array)}


def name_of(comparison: Comparison) -> str:
    """What a comparison is called in a file: "outputs", "layer 0 forward outputs", "gradients.W"."""
    name = comparison.name
    if name.startswith("gradient of "):
        return name.replace("gradient of ", "gradients.")
    return name if name.endswith(("outputs", "state")) else f"{name} outputs".strip()
