"""The picture of a port: deviation against allowance along the model, or over the sequences of a layer."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.tests.harness.report.content import ratio
from rnn_lockstep.tests.harness.report.plots import COLOURS, INK, LEAST, LIMIT, MOST, STYLE, inlined

MOST_BARS = 60  # of more places or sequences, the worst are drawn
LONGEST = 32  # characters of a name
BEGIN = LEAST / 2  # where bars begin, so that of the smallest something is seen
RIGHT, UNCLEAR = "#000007", "#000008"  # stand-ins, as in ../plots.py
BARS = {"match": RIGHT, "mismatch": LIMIT, "drift": LIMIT}  # any other status is unclear


def plot(places: list[dict[str, Any]]) -> str:
    """Draw a bar for each place, in order from the top: its worst deviation as a fraction of what is allowed.

    places: as schema.json describes them. Where the fraction is not known there is no bar, only the status.
    """
    shown = worst(places)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.24 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for number, place in enumerate(shown):
            if (known := place["worst_over_bound"]) is not None:
                length = min(max(known, LEAST), MOST) - BEGIN
                colour = BARS.get(place["status"], UNCLEAR)
                axes.barh(number, length, left=BEGIN, height=0.62, color=colour)
            beside = axes.get_yaxis_transform()  # at the right, whatever the length
            axes.text(1.02, number, in_words(place), va="center", transform=beside)
        axes.axvline(1.0, color=LIMIT, linewidth=1.2)
        names = [shortened(place["place"]) for place in shown]
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(BEGIN, MOST)
        axes.set_xticks([1e-4, 1e-2, 1, 1e2, 1e4, 1e6], ["1e-4", "0.01", "1", "100", "1e4", "1e6"])
        axes.minorticks_off()
        axes.set_title("worst deviation / what is allowed")
        axes.grid(axis="x", alpha=0.15, color=INK)
        axes.set_axisbelow(True)
        colours = COLOURS | {RIGHT: "var(--right)", UNCLEAR: "var(--faint)"}
        return inlined(figure, "deviation against what is allowed, along the model", colours)


def worst(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The places to draw, in order: of too many, those that are no match and those that are furthest off."""

    def badness(place: dict[str, Any]) -> tuple[bool, float]:
        return place["status"] != "match", place["worst_over_bound"] or 0.0

    drawn = sorted(range(len(places)), key=lambda k: badness(places[k]), reverse=True)[:MOST_BARS]
    return [places[k] for k in sorted(drawn)]


def in_words(place: dict[str, Any]) -> str:
    """The status of a place, and the figure where it is known."""
    known = place["worst_over_bound"]
    return place["status"] if known is None else f"{ratio(known)} {place['status']}"


def shortened(name: str) -> str:
    """A name that leaves room for the bars, of letters that any font has."""
    name = printable(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
