"""The report for people: one page that needs nothing beside it."""

from pathlib import Path
from typing import Any

from rnn_lockstep.tests.harness.guarantees import COLUMNS, NOTHING, row
from rnn_lockstep.tests.harness.report.changes import in_short, told
from rnn_lockstep.tests.harness.report.content import Content, headline, quantity, ratio, refusals, short

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.jinja"


def templates(*folders: Path) -> Any:
    """The templates in some folders, which escape what is not ours. Imports Jinja2."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(quantity=quantity, ratio=ratio)
    return environment


def page(content: Content) -> str:
    """Make the page, its plots drawn and its styles inside. Imports Jinja2 and matplotlib."""
    from rnn_lockstep.tests.harness.report.plots import AXES, MARKERS, plot

    environment = templates(FOLDER)
    environment.filters.update(short=short)
    environment.globals.update(told=told, in_short=in_short)
    environment.globals.update(refusals=refusals, row=row, columns=COLUMNS, nothing=NOTHING)
    plots = {
        backend["name"]: [plot(backend["name"], backend["trends"], axis) for axis in AXES]
        for backend in content["backends"]
        if backend["trends"]
    }
    template = environment.get_template(TEMPLATE)
    return str(template.render(**content, headline=headline(content), plots=plots, markers=MARKERS))
