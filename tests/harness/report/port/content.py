"""Content of the report of a port, as plain data: the same for a page, a summary and a program."""

import platform
import sys
from collections.abc import Mapping
from typing import Any

from rnn_lockstep.adapters.one_line import printable, printable_lines
from rnn_lockstep.adapters.port.verdict import PortVerdict
from rnn_lockstep.adapters.port.whole.verdict import Line, WholeVerdict

NOT_COMPARED, UNUSABLE = "not compared", "unusable"
WRONG = ("mismatch", "drift")
# Their versions are told where they are in use.
FRAMEWORKS = ("numpy", "torch", "keras", "tensorflow", "jax", "flax", "equinox", "haiku", "onnxruntime")


def finding(status: str, headline: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    """The finding on a port, of which `more` is what is known, by the names in schema.json."""
    names = {"source": one_line(source), "target": one_line(target)}
    texts = dict.fromkeys(("cause", "first_wrong", "text"), "")
    lists: dict[str, Any] = {name: [] for name in ("compared", "places", "weights", "notes")}
    nothing = {**texts, **lists, "worst_over_bound": None, "places_are": "places", "versions": versions()}
    return {"status": status, "headline": headline, **names, **nothing, **more}


def unusable(error: object, source: str, target: str) -> dict[str, Any]:
    """The finding where a model cannot be read or asked."""
    told = one_line(error)
    return finding(UNUSABLE, f"{UNUSABLE}: {told}", source, target, cause=told)


def found(verdict: PortVerdict | WholeVerdict) -> dict[str, Any]:
    """The finding that a verdict tells."""
    source, target = verdict.names
    weights: tuple[str, ...] = ()
    places_are = "places"
    if isinstance(verdict, PortVerdict):  # of one layer
        source, weights, places_are = f"{source}, {verdict.layer}", verdict.weights, "sequences"
    places = [place(line) for line in verdict.lines]
    ratios = [known for each in places if (known := each["worst_over_bound"]) is not None]
    text = printable_lines(verdict)
    return finding(
        verdict.status,
        text.partition("\n")[0],
        source,
        target,
        cause=one_line(cause_of(verdict)),
        compared=[line.strip().removeprefix("sequences: ") for line in lines(verdict.asked)],
        first_wrong=first_wrong(verdict),
        worst_over_bound=max(ratios, default=None),
        places_are=places_are,
        places=places,
        weights=list(map(one_line, weights)),
        notes=list(map(one_line, verdict.notes)),
        text=text,
    )


def cause_of(verdict: PortVerdict | WholeVerdict) -> str:
    """What a verdict that is no match says is the cause; empty where it is one."""
    if verdict.status == "match":
        return ""
    return (verdict.cause if isinstance(verdict, PortVerdict) else "") or verdict.reason


def first_wrong(verdict: PortVerdict | WholeVerdict) -> str:
    """The first place that is wrong, or in a layer the first element; empty where none is."""
    line = next((line for line in verdict.lines if line.status in WRONG), None)
    if line is None:
        return ""
    name = one_line(line.place)
    if isinstance(verdict, PortVerdict) and (first := verdict.first):
        where = ", ".join(f"{axis} {number}" for axis, number in first.index.items())
        return f"{name}: {where}"
    return name


def place(line: Line) -> dict[str, Any]:
    """One line of the table of places."""
    told = {"place": one_line(line.place), "status": line.status, "text": one_line(line.text)}
    return {**told, "worst_over_bound": None if line.ratio is None else float(line.ratio)}


def lines(text: object) -> list[str]:
    """The lines of a text, what would not be shown of them being question marks."""
    return printable_lines(text).splitlines()


def one_line(text: object) -> str:
    """A text on one line, what would not be shown of it being question marks."""
    return " ".join(" ".join(lines(text)).split())


def versions() -> dict[str, str]:
    """The versions of Python and of the frameworks that are in use, by name."""
    known = {name: getattr(sys.modules.get(name), "__version__", None) for name in FRAMEWORKS}
    in_use = {name: printable(version) for name, version in known.items() if version is not None}
    return {"Python": platform.python_version(), **in_use}


def with_weights(finding: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """A finding beside weights that differ, which are wrong whatever the answers are."""
    if not cause or finding["status"] in WRONG:
        return dict(finding)
    told = f"weights: {one_line(cause)}"
    return {**finding, "status": "mismatch", "headline": f"mismatch: {told}", "cause": told}


def properties(finding: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The properties of the test in pytest's --junitxml, with what is known of them."""
    names = ("cause", "source", "target", "first_wrong", "worst_over_bound")
    told = [("verdict", finding["status"]), *((name, finding[name]) for name in names)]
    return [(name, value) for name, value in told if value is not None]
