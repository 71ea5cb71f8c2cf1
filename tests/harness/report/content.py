"""Content of a report, as plain data: the same for a page, a summary and a program."""

import platform as machine
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn_lockstep.adapters.one_line import printable, printable_lines
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.tests.harness.guarantees import in_order as by_size
from rnn_lockstep.tests.harness.report.part import lacks
from rnn_lockstep.tests.harness.report.trends import Trends
from rnn_lockstep.tests.harness.scores import Scores, in_order, most_common

Content = dict[str, Any]  # as schema.json describes it; numbers may be infinite still
VERSION = 2
KINDS = {"": "answers", "grad": "gradients", "train": "training"}


def backend_content(
    name: str,
    facts: str,
    not_tested: str,
    scores: Scores,
    trends: Trends,
    guarantees: Sequence[dict[str, Any]] = (),
    fingerprint: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe one backend: its facts, a score for each cell and dtype, and the trends of each dtype.

    guarantees: as `tests.harness.guarantees.content` makes them.  fingerprint: in words by what was asked.
    """
    return {
        "name": name,
        "facts": facts,
        "not_tested": not_tested,
        "scores": [score_content(layer, scores) for layer in sorted(scores, key=in_order)],
        "trends": [
            {
                "dtype": dtype,
                "time": [{"from": place, **point.numbers()} for place, point in trends.points(dtype, "time")],
                "hidden_size": [
                    {"hidden_size": place, **point.numbers()}
                    for place, point in trends.points(dtype, "hidden_size")
                ],
            }
            for dtype in DTYPES
            if dtype in trends.dtypes
        ],
        "guarantees": sorted(guarantees, key=by_size),
        "fingerprint": {asked: printable(found) for asked, found in (fingerprint or {}).items()},
    }


def platform() -> str:
    """Say where a run is: "Linux x86_64, Python 3.11.7, numpy 2.4.6"."""
    where = f"{machine.system()} {machine.machine()}"
    return printable(f"{where}, Python {machine.python_version()}, numpy {np.__version__}")


def score_content(layer: str, scores: Scores) -> dict[str, Any]:
    """Describe one row of the table. layer: "lstm float32", with a key of KINDS behind."""
    cell, dtype, *what = layer.split()
    score = scores[layer]
    return {
        "cell": cell,
        "dtype": dtype,
        "of": KINDS[what[0] if what else ""],
        **score.numbers(),
        "worst_at": score.where,
        "cases_per_second": score.cases_per_second,
        "refusals": dict(score.reasons),
    }


def grouped(failures: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Group failures, as `Failure.to_json` makes them, by backend and by what they say is the cause.

    Each message is there once, with the tests it came from, the files its cases were saved to, and the
    features it is put down to.
    """
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for failure in failures:
        cause = failure["cause"]
        if cause == failure["reason"]:  # none is known, and which rows and units are wrong is no cause
            cause = cause.partition(";")[0]
        key = (failure["backend"], printable(cause))
        counts[key] += 1
        told = printable_lines(failure["message"])
        message = groups.setdefault(key, {}).setdefault(told, {"tests": [], "saved": [], "features": []})
        found = {"tests": [failure["test"]], "saved": [failure["saved"]], "features": failure["features"]}
        for place, values in found.items():
            message[place] += [value for value in values if value and value not in message[place]]
    return [
        {
            "backend": backend,
            "cause": cause,
            "count": counts[backend, cause],
            "messages": [{"message": message, **where} for message, where in messages.items()],
        }
        for (backend, cause), messages in groups.items()
    ]


def headline(content: Content) -> str:
    """Tell the whole in a line, such as "2 backends, 5,312 cases; wrong: torch"."""
    scores = [score for backend in content["backends"] for score in backend["scores"]]
    wrong, drifting = (
        [b["name"] for b in content["backends"] if any(score[status] for score in b["scores"])]
        for status in ("mismatch", "drift")
    )
    if not scores:
        found = "nothing was compared"
    elif wrong:
        found = f"wrong: {', '.join(wrong)}"
    elif drifting:
        found = f"no mismatch; drift: {', '.join(drifting)}"
    elif content["exit_status"]:
        found = "no mismatch, but the run did not pass"
    else:
        found = "no mismatch"
    cases = quantity(sum(score["cases"] for score in scores), "case")
    part = lacks(content["part"]) if "part" in content else ""
    return f"{part and part + ': '}{quantity(len(content['backends']), 'backend')}, {cases}; {found}"


def refusals(backend: dict[str, Any]) -> tuple[dict[str, int], int]:
    """Count the cases that a backend refused, of any layer, by the most common reasons, and all others."""
    return most_common(sum((Counter(score["refusals"]) for score in backend["scores"]), Counter[str]()))


def quantity(number: int, what: str) -> str:
    """Write a number and its noun: "1 case", "5,312 cases"."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def ratio(number: float) -> str:
    """Write a deviation as a fraction of its bound."""
    return f"{number:.3f}" if number < 10 else f"{number:.3g}"


def short(number: float | None) -> str:
    """Write a bound, to two digits."""
    return "-" if number is None else f"{number:.1e}"
