"""The findings of a test: the failures that its error tells of, or the crash that it is."""

from typing import Any

import pytest
from hypothesis import is_hypothesis_test
from hypothesis.errors import FlakyFailure, HypothesisException

from rnn_lockstep.adapters.backends.compare import CALLS, was_raised_in
from rnn_lockstep.adapters.one_line import printable, text_of, with_type
from rnn_lockstep.adapters.workers.supervised import Lost, Raised
from rnn_lockstep.reference import Case, Cotangents, Verdict
from rnn_lockstep.tests.harness.again import commands
from rnn_lockstep.tests.harness.backend import Backend, backend_of
from rnn_lockstep.tests.harness.failure import Crash, Failure, failures

FOUND = pytest.StashKey[list[Failure]]()  # what the phase of a test found that is reported now
# Errors that are no backend's: who stops the run, and outcomes that a test or the harness declares.
OTHERS = (KeyboardInterrupt, pytest.exit.Exception, pytest.fail.Exception, pytest.skip.Exception)


def findings(item: pytest.Item, call: pytest.CallInfo[Any]) -> list[Failure]:
    """List what is found wrong in a phase of a test, with the commands that run it again.

    An error that was another one, or none, when Hypothesis ran the same example again is a group of both.
    The first one takes its place, so that pytest shows it as any other.
    """
    error, flaky = (call.excinfo.value if call.excinfo else None), ""
    if isinstance(error, FlakyFailure):
        error, *others = map(unwrapped, error.exceptions)
        flaky = again_in_words(others)
        call.excinfo = pytest.ExceptionInfo.from_exception(error)
    found, backend = list(failures(error)), backend_of(item)
    if backend and call.when == "setup":
        backend.asked = None  # by the test before
    last = backend.asked if backend else None
    asked: tuple[Case, Cotangents | None] | None = getattr(error, "lockstep_asked", last)
    if backend and asked and call.when == "call" and error and not found and is_crash(error):
        found = [crash(backend, *asked, error)]
    for failure in found:
        failure.flaky, failure.test = flaky, item.nodeid
        failure.smallest = is_hypothesis_test(getattr(item, "obj", None))
        failure.replay, failure.rerun = commands(item)
    return found


def unwrapped(error: BaseException) -> BaseException:
    """The error that Hypothesis has wrapped, as it does with one that is no Exception; any other itself."""
    wrapped = type(error).__module__.startswith("hypothesis.") and error.__cause__
    return wrapped or error


def again_in_words(others: list[BaseException]) -> str:
    """Say what happened when an example that failed was run again."""
    if not others:
        return "this failed once, and not when it was run again"
    told = [each.verdict.reason for each in failures(others[0])] or [raised(others[0])]
    return f"this failed otherwise when it was run again: {told[0]}"


def is_crash(error: BaseException) -> bool:
    """Tell an error of a backend or of a test from one of pytest or Hypothesis."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_crash(part) for part in error.exceptions)
    return not isinstance(error, (*OTHERS, HypothesisException))


def crash(backend: Backend, case: Case, cotangents: Cotangents | None, error: BaseException) -> Crash:
    """Gather what is known of a crash on a case, the smallest one where Hypothesis has drawn it."""
    reason, claim = str(error) if isinstance(error, Lost) else f"raised {raised(error)}", ""
    if isinstance(error, AssertionError) and not was_raised_in(error, CALLS):  # the test's, of all its cases
        first, *_ = text_of(error).splitlines()  # the others are pytest's
        reason, claim = printable(first).removeprefix(f"{backend.name} "), "an assertion of the test"
    verdict = Verdict(case, "error", reason)
    return Crash(backend.name, backend.adapter, verdict, None, claim, cotangents)


def raised(error: BaseException) -> str:
    """The type and message of an error that a backend has raised, in whichever process, in one line."""
    return error.what if isinstance(error, Raised) else with_type(error)
