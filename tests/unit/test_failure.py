"""A failure says what is known of it, and is examined when it is asked to be, within its time."""

from dataclasses import replace

import pytest

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends import examination
from rnn_lockstep.adapters.backends.compare import judge
from rnn_lockstep.adapters.backends.examination import Examination
from rnn_lockstep.reference import Verdict
from rnn_lockstep.tests.harness.budget import Budget
from rnn_lockstep.tests.harness.failure import Failure
from rnn_lockstep.tests.harness.saving import Saving
from tests.faults.catalogue import FAULTS
from tests.unit.adapters.test_contract import make_case


class Wrong:
    """A backend that is wrong, and asked more does something else."""

    facts = load("numpy").facts

    def __init__(self, more=None):
        self.more = more or AssertionError("it was asked more")

    def answer(self, case):
        trace = load("numpy").run(case)
        return replace(trace, outputs=trace.outputs + 1)

    def run(self, case):
        raise self.more


def failure(adapter, name="numpy"):
    case = make_case()
    trace = adapter.answer(case) if isinstance(adapter, Wrong) else adapter.run(case)
    return Failure(name, adapter, judge(adapter, case, trace), trace)


def test_the_message_asks_nothing():
    wrong = failure(Wrong())
    assert str(wrong).splitlines()[0] == f"numpy: wrong outputs: {wrong.verdict.reason}"
    assert wrong.to_json()["cause"] == wrong.verdict.reason
    assert wrong.examination is None


def test_failures_are_of_one_kind_where_only_the_places_differ():
    some, other = failure(Wrong()), failure(Wrong())
    other.verdict = replace(other.verdict, reason="wrong in another place")
    assert some.kind == other.kind == "simple_rnn: wrong outputs"
    for each in (some, other):
        each.examination = Examination(f"nothing explains it: {each.verdict.reason}")
    assert some.kind == other.kind == "simple_rnn: wrong outputs: nothing explains it"
    other.examination = Examination("U is transposed")
    assert other.kind == "U is transposed"


class CannotSay(RuntimeError):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("boom\nand more"), "RuntimeError: boom and more"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (CannotSay(), "CannotSay: a CannotSay without a text: its __str__ raises ValueError"),
    ],
)
def test_whatever_a_backend_raises_the_verdict_stands(error, words):
    wrong = failure(Wrong(error))
    wrong.examine(Budget())
    assert wrong.cause == f"{wrong.verdict.reason} (asked more, the backend raised {words})"


def test_an_error_of_the_diagnosis_itself_is_not_called_the_backends(monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(examination, "diagnose", broken)
    wrong = failure(FAULTS["u_transposed"](), "tests.faults.catalogue:u_transposed")
    wrong.examine(Budget())
    assert wrong.cause.startswith(f"{wrong.verdict.reason} (not diagnosed: Lockstep itself failed, in test_")
    assert "with ZeroDivisionError: ours; please report it" in wrong.cause


def test_what_a_backend_raises_that_is_made_anew_is_called_its_own():
    wrong = failure(FAULTS["u_transposed"](), "no_such_module:Class")
    wrong.examine(Budget())
    assert "(asked more, the backend raised " in wrong.cause


def test_an_interruption_goes_on():
    wrong = failure(Wrong(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        wrong.examine(Budget())
    assert wrong.cause == f"not diagnosed, interrupted: {wrong.verdict.reason}"


def test_a_used_up_budget_is_told():
    wrong, budget = failure(Wrong()), Budget(whole=7.0, spent=6.0)
    wrong.examine(budget)
    assert "it was asked more" in wrong.cause
    assert 6.0 < budget.spent < 7.0
    budget.spent = 7.0
    wrong.examine(budget)
    assert wrong.cause == f"not diagnosed: the 7 s for this run are used up: {wrong.verdict.reason}"


def test_no_failure_takes_more_than_its_part():
    wrong = failure(Wrong())
    wrong.examine(Budget(each=0.0))
    over = "not diagnosed: 0 s were over before the backend had answered more"
    assert wrong.cause == f"{over}: {wrong.verdict.reason}"


@pytest.mark.parametrize(("status", "script"), [("error", True), ("mismatch", False)])
def test_a_script_shows_an_error_and_no_answer_of_the_wrong_form(status, script, tmp_path):
    found = Failure("torch", Wrong(), Verdict(make_case(), status, "what is wrong"), None)
    Saving(tmp_path).save(found, tmp_path)
    assert (tmp_path / found.saved).exists()
    assert bool(found.report) == script
