"""A record of one test on one backend: its cases by feature, and digests of its answers."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rnn_lockstep.adapters import Case, Cotangents, Trace
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from rnn_lockstep.tests.harness.features import features

OUTCOMES = ("match", "wrong", "known", "inconclusive", "refused")  # of a case
CASE_DIGITS, ANSWER_BYTES = 8, 3
LARGEST = 2**26  # bytes of an answer, more than any right one has
Digests = dict[str, dict[str, str]]  # by dtype, and by the digest of a case


class Record:
    """What became of the cases of a test, as the backend under test tells it.

    counts: cases by feature and by outcome, one of OUTCOMES.
    digests: of the answers until one is wrong, after which smaller cases are looked for. None where cases or
    bits change from run to run.
    """

    def __init__(self, with_digests: bool) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.digests: Digests | None = {} if with_digests else None
        self.wrong = False

    def ended(self, case: Case, of: str, status: str) -> None:
        """Count a case. of: what was asked for, as for `features`.  status: a verdict's, or an outcome."""
        outcome = "wrong" if status in ("mismatch", "drift") else status
        self.wrong = self.wrong or outcome == "wrong"
        for name in features(case, of):
            self.counts.setdefault(name, Counter())[outcome] += 1

    def answered(self, case: Case, cotangents: Cotangents | None, answer: Any) -> None:
        """Keep the digest of an answer, the first to each case."""
        if self.digests is not None and not self.wrong and (digits := digest(answer)):
            by_case = self.digests.setdefault(case.dtype.name, {})
            by_case.setdefault(SavedCase(case, cotangents).digest[:CASE_DIGITS], digits)

    def to_json(self) -> dict[str, Any]:
        """Make plain data of it, to travel in a test report; `in_text` and `from_text` are for digests."""
        counts = {name: dict(outcomes) for name, outcomes in self.counts.items()}
        return {"counts": counts, "digests": in_text(self.digests or {})}


def in_text(digests: Digests) -> dict[str, str]:
    """Write digests as a report has them: by dtype, "case:answer case:answer"."""
    return {dtype: " ".join(map(":".join, by_case.items())) for dtype, by_case in digests.items()}


def from_text(text: Mapping[str, str]) -> Digests:
    """Read what `in_text` has written."""
    return {dtype: dict(pair.split(":") for pair in pairs.split()) for dtype, pairs in text.items()}


def digest(answer: Any) -> str:
    """Six hexadecimal digits of an answer's bits: a Trace, or arrays by name. Empty of anything else."""
    try:
        arrays = answer.arrays() if isinstance(answer, Trace) else dict(answer)
        if sum(array.nbytes for array in arrays.values()) > LARGEST:
            return ""
        hashed = hashlib.blake2b(digest_size=ANSWER_BYTES)
        for name, array in sorted(arrays.items()):
            hashed.update(f"{name} {array.dtype} {array.shape}".encode())
            hashed.update(array.tobytes())
        return hashed.hexdigest()
    except (AttributeError, TypeError, ValueError):  # of a wrong form, which is judged elsewhere
        return ""
