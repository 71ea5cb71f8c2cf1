"""The defects of frameworks that are known, each shown in the framework alone, without any code of ours.

A defect is a strict expected failure: one that has been mended fails. The files are in
tests/known_failures/alone; `pytest FILE` runs one.
"""

import pytest

from tests.command_line.running import ROOT, run_pytest

FILES = sorted((ROOT / "tests" / "known_failures" / "alone").glob("*_defects.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_defect_is_there_and_what_is_right_is_right(file):
    """In a process of its own, as not all frameworks can share one: PaddlePaddle ends one with TensorFlow."""
    run = run_pytest(str(file.relative_to(ROOT)), "-rs")
    if run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED:
        pytest.skip(run.stdout.partition("SKIPPED")[2].strip())
    assert run.returncode == 0, run.stdout
    assert " xfailed" in run.stdout
