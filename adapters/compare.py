"""One case on one backend, judged by the oracle."""

from adapters.contract import Adapter
from reference import Case, Verdict, check


def compare(adapter: Adapter, case: Case) -> Verdict:
    """Run `case` on the backend and judge every step of its answer.

    Raises `adapters.Refused` when the backend cannot express the case.
    """
    return check(case, adapter.run(case), adapter.facts.tanh_ulps[case.dtype.name])
