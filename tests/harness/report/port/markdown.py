"""The report of a port for a job's summary on GitHub."""

from collections.abc import Iterator

from rnn_lockstep.tests.harness.report.content import Content, ratio
from rnn_lockstep.tests.harness.report.markdown import escaped, fenced, fitting


def markdown(content: Content) -> str:
    """Write headline, places and the verdict's text, as much of these as there is room for."""
    return fitting(blocks(content))


def blocks(content: Content) -> Iterator[str]:
    """Write the parts that can be left off one by one."""
    yield f"## Lockstep: {escaped(content['target'])} beside {escaped(content['source'])}\n\n"
    yield f"**{escaped(content['headline'])}**\n\n"
    for error in content["errors"]:
        yield f"- `{error['test']}`\n\n{fenced(error['message'])}\n"
    if content["places"]:
        yield f"| {content['places_are'][:-1]} | worst/allowed | status | found |\n|---|--:|---|---|\n"
    for place in content["places"]:
        known = place["worst_over_bound"]
        cells = [
            place["place"],
            "not known" if known is None else ratio(known),
            place["status"],
            place["text"],
        ]
        yield f"| {' | '.join(map(escaped, cells))} |\n"
    if content["text"]:
        yield f"\n{fenced(content['text'])}"
    told = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    yield f"\n{escaped(told)}; {content['seconds']:.0f} s.\n"
