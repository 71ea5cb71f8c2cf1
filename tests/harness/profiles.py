"""Hypothesis's profiles: how many cases a test draws, and how."""

import os

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings

DEFAULT_EXAMPLES = 100

settings.register_profile(
    "lockstep",
    deadline=None,
    max_examples=DEFAULT_EXAMPLES,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # the verdict explains
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,  # the failure's own message tells of the example
    suppress_health_check=[HealthCheck.filter_too_much],  # refusals are counted and shown
)
settings.register_profile("ci", settings.get_profile("lockstep"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "lockstep")


def draw_examples(count: int | None) -> None:
    """Set the number of cases that a test draws, `--max-examples`; None leaves the profile's.

    Raises pytest.UsageError for less than 1.
    """
    if count is None:
        return
    if count < 1:
        raise pytest.UsageError(f"--max-examples is {count}, needs at least 1")
    settings.register_profile("lockstep-examples", settings(), max_examples=count)
    settings.load_profile("lockstep-examples")
