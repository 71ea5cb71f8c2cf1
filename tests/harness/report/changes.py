"""Changes between two reports: what fails anew, what is mended, whose answers have other bits."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnn_lockstep.tests.harness.report.content import Content, quantity
from rnn_lockstep.tests.harness.report.record import from_text
from rnn_lockstep.tests.harness.report.records import is_of, label

Backend = Mapping[str, Any]  # of a report, as schema.json describes it
Change = dict[str, Any]  # likewise
RUN = ("passed", "failed", "known", "mended")
RIGHT = ("passed", "mended")


def changes(before: Content, now: Content) -> list[Change]:
    """Set a report beside an earlier one, backend by backend, and list what has changed of each.

    A backend with a place, name@PLACE, is beside the one of the same name, or else of that without a place.
    """
    return [change(before, earlier_of(backend, before), now, backend) for backend in now["backends"]]


def base(name: str) -> str:
    """The name of a backend without its place."""
    return name.partition("@")[0]


def earlier_of(backend: Backend, before: Content) -> Backend | None:
    """Find the backend in an earlier report; None where it is not there."""
    alike = [each for each in before["backends"] if base(each["name"]) == base(backend["name"])]
    return next((each for each in alike if each["name"] == backend["name"]), alike[0] if alike else None)


def change(before: Content, earlier: Backend | None, now: Content, backend: Backend) -> Change:
    """List what has changed of one backend. earlier: the same in the earlier report."""
    found: Change = {
        "backend": base(backend["name"]),
        "before": earlier["version"] if earlier else "",
        "now": backend["version"],
        **{"new": [], "mended": [], "same_cases": 0, "other_bits": {}, "notes": []},
    }
    if earlier is None:
        return found | {"notes": ["it is not in the earlier report"]}
    was, is_now = by_test(earlier), by_test(backend)
    both = [test for test in is_now if ran(was.get(test)) and ran(is_now[test])]
    causes, causes_before = causes_of(backend, now), causes_of(earlier, before)
    failed = {test for test in both if was[test]["outcome"] == "failed"}
    fails = {test for test in both if is_now[test]["outcome"] == "failed"}
    right = {test for test in both if is_now[test]["outcome"] in RIGHT}
    known_before, known = known_in(was), known_in(is_now)
    found["new"] = grouped(causes, fails - failed) + without(known, known_before, {*both})
    found["mended"] = grouped(causes_before, failed - fails) + without(known_before, known, right)
    found["same_cases"], found["other_bits"] = other_bits(was, is_now)
    found["notes"] = list(notes(before, earlier, now, backend))
    if others := len(was.keys() | is_now.keys()) - len(both):
        found["notes"].append(f"{quantity(others, 'test')} not run in both")
    if otherwise := sum(causes.get(test) != causes_before.get(test) for test in failed & fails):
        found["notes"].append(f"{quantity(otherwise, 'test')} failing in both, for another cause")
    return found


def by_test(backend: Backend) -> dict[str, Mapping[str, Any]]:
    """The tests of a backend by their names."""
    return {test["test"]: test for test in backend["tests"]}


def ran(test: Mapping[str, Any] | None) -> bool:
    """Tell whether a test was run, and not skipped."""
    return test is not None and test["outcome"] in RUN


def causes_of(backend: Backend, content: Content) -> dict[str, str]:
    """The causes by the tests of a backend that failed, in a line each."""
    name, found = backend["name"], {}
    for error in content["errors"]:
        if is_of(error["test"], name):
            found[label(error["test"], name)] = error["message"].partition("\n")[0]
    for group in content["failures"]:
        if group["backend"] == name:
            tests = (test for message in group["messages"] for test in message["tests"])
            found |= {label(test, name): group["cause"] for test in tests}
    return found


def known_in(tests: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The tests by the known failures that happened in them."""
    found: dict[str, list[str]] = {}
    for name, test in tests.items():
        for reason in test["known"]:
            found.setdefault(reason, []).append(name)
    return found


def grouped(causes: Mapping[str, str], tests: Iterable[str]) -> list[dict[str, Any]]:
    """Group tests by their causes."""
    groups: dict[str, list[str]] = {}
    for test in sorted(tests):
        groups.setdefault(causes.get(test, "no cause is told"), []).append(test)
    return [{"cause": cause, "tests": tests} for cause, tests in groups.items()]


def without(
    known: Mapping[str, list[str]], other: Mapping[str, list[str]], among: set[str]
) -> list[dict[str, Any]]:
    """Group tests by the known failures that another run does not have. among: the tests that count."""
    found = {
        reason: [t for t in tests if t in among] for reason, tests in known.items() if reason not in other
    }
    return [{"cause": f"{reason} (known)", "tests": tests} for reason, tests in found.items() if tests]


def other_bits(
    was: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> tuple[int, dict[str, int]]:
    """Count the cases that both have answered and, by test and dtype, those that have other bits."""
    total, other = 0, dict[str, int]()
    for test in now.keys() & was.keys():
        before = from_text(was[test]["digests"])
        for dtype, answers in from_text(now[test]["digests"]).items():
            same = before.get(dtype, {}).keys() & answers.keys()
            total += len(same)
            if differ := sum(answers[case] != before[dtype][case] for case in same):
                other[f"{test} {dtype}"] = differ
    return total, dict(sorted(other.items(), key=lambda item: (-item[1], item[0])))


def notes(before: Content, earlier: Backend, now: Content, backend: Backend) -> Iterator[str]:
    """Say why bits were not compared, and whether they were another machine's."""
    if not (before["same_cases"] and now["same_cases"]):
        yield "bits were not compared: both runs need --hypothesis-profile=ci"
    elif not any(test["digests"] for each in (earlier, backend) for test in each["tests"]):
        yield "bits were not compared: they change from run to run"
    if before["platform"] != now["platform"]:
        yield f"the earlier run was on {before['platform']}"


def told(change: Change, most: int = 5) -> Iterator[str]:
    """Tell of a change in lines: what it amounts to, and the first few of each kind, `most` of them."""
    yield f"{change['backend']} {change['now']} beside {change['before'] or 'nothing'}: {in_short(change)}"
    for kind in ("new", "mended"):
        for each in change[kind][:most]:
            yield f"  {kind}: {each['cause']}: {shortened(each['tests'])}"
        if (more := len(change[kind]) - most) > 0:
            yield f"  {kind}: {quantity(more, 'cause')} more"
    if change["other_bits"]:
        where = [f"{test} ({count})" for test, count in change["other_bits"].items()]
        yield f"  other bits: {shortened(where)}"
    for note in change["notes"]:
        yield f"  {note}"


def in_short(change: Change) -> str:
    """Say in a few words how much has changed."""
    other, same = sum(change["other_bits"].values()), change["same_cases"]
    counts = [f"{len(change['new'])} new", f"{len(change['mended'])} mended"]
    return ", ".join([*counts, f"other bits in {other:,} of {quantity(same, 'case')}"])


def shortened(names: list[str], most: int = 3) -> str:
    """List the first few of some names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
