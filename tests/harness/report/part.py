"""The part of a run that a report is of: a shard, or several that were merged."""

from collections.abc import Mapping, Sequence
from typing import Any

FEW = 5  # numbers that are named


def part_content(
    of: int,
    suite: str,
    backends: Sequence[str],
    shards: Sequence[Mapping[str, Any]],
    reports: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Describe a part of a run, see schema.json: which shards are there, and which tests were not run.

    shards: each with its number, exit_status and tests.  reports: of all tests, as pytest makes them.
    """
    there = {shard["number"] for shard in shards}
    ran = {report["nodeid"] for report in reports}
    return {
        "of": of,
        "suite": suite,
        "backends": list(backends),
        "shards": list(shards),
        "missing": [number for number in range(1, of + 1) if number not in there],
        "not_run": [test for shard in shards for test in shard["tests"] if test not in ran],
        "reports": list(reports),
    }


def lacks(part: Mapping[str, Any]) -> str:
    """Tell in words what a part lacks to be the whole run; empty where it lacks nothing."""
    told = []
    if missing := part["missing"]:
        there, s = len(part["shards"]), "" if len(missing) == 1 else "s"
        more = f" and {len(missing) - FEW} more" if len(missing) > FEW else ""
        numbers = ", ".join(map(str, missing[:FEW]))
        told.append(f"{there} of {part['of']} shards, without shard{s} {numbers}{more}")
    if not_run := len(part["not_run"]):
        told.append(f"without {not_run} test{'' if not_run == 1 else 's'} that did not run")
    return ", ".join(told)
