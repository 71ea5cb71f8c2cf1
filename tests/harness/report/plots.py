"""Plots of deviation against bound, as SVG that takes its colours from the page around it."""

import io
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

AXES = {"time": ("from", "time step, from"), "hidden_size": ("hidden_size", "hidden size")}
MARKERS = {"float64": "o", "float32": "s", "float16": "^", "bfloat16": "D"}
# Stand-ins, which the page's own colours take the place of; the page has a dark form and a light one.
INK, LIMIT, *SERIES = (f"#00000{k}" for k in range(1, 3 + len(MARKERS)))
COLOURS = {INK: "var(--ink)", LIMIT: "var(--wrong)"} | {
    stand_in: f"var(--{dtype})" for stand_in, dtype in zip(SERIES, MARKERS, strict=True)
}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lockstep",  # the same names each time
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"],  # to measure text by; the page has its own
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
}
LEAST, MOST = 1e-4, 1e6  # of the ratios that are told apart
TINY, HUGE = 1e-18, 1e3  # of the deviations and bounds


def plot(backend: str, trends: list[dict[str, Any]], axis: str) -> str:
    """Draw the worst deviation as a fraction of its bound, and below it usual deviations beside usual bounds.

    trends: as schema.json describes them.  axis: "time" or "hidden_size".
    """
    key, label = AXES[axis]
    places = sorted({point[key] for trend in trends for point in trend[axis]})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for trend, colour in ((trend, SERIES[list(MARKERS).index(trend["dtype"])]) for trend in trends):
            points = trend[axis]
            x = [places.index(point[key]) for point in points]
            look = {"color": colour, "marker": MARKERS[trend["dtype"]], "markersize": 3.5, "linewidth": 1.2}
            above.plot(x, clipped(points, "worst_over_bound", LEAST, MOST), **look)
            below.plot(x, clipped(points, "deviation", TINY, HUGE), **look)
            below.plot(x, clipped(points, "bound", TINY, HUGE), linestyle="--", **look | {"marker": ""})
        above.axhline(1.0, color=LIMIT, linewidth=1.2)
        above.set_title("worst deviation / its bound")
        below.set_title("median deviation (solid) and bound (dashed)")
        below.set_xlabel(label)
        below.set_xticks(range(len(places)), [str(place) for place in places])
        for axes in (above, below):
            logarithmic(axes)
        low, high = above.get_ylim()
        above.set_ylim(min(low, 0.1), max(high, 3.0))
        return inlined(figure, f"{backend}: deviation against bound over {axis.replace('_', ' ')}")


def clipped(points: list[dict[str, Any]], name: str, least: float, most: float) -> list[float]:
    """Clip numbers to those that a logarithmic axis can show."""
    return [min(max(point[name], least), most) for point in points]


def logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}" if 0.01 <= value <= 100 else f"{value:.0e}")
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.grid(axis="y", alpha=0.15, color=INK)


def inlined(figure: Figure, title: str, colours: Mapping[str, str] = COLOURS) -> str:
    """Make a figure an SVG part of a page: named, as wide as there is room for, in the page's colours."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # would hold for the whole page
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same in every plot, and needed by none
    svg = re.sub(r' (width|height)="[0-9.]+pt"', "", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    for stand_in, colour in colours.items():
        svg = svg.replace(stand_in, colour)
    return svg
