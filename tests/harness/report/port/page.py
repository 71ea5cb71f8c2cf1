"""The report of a port for people: one page that needs nothing beside it."""

from pathlib import Path

from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.page import FOLDER, templates

TEMPLATE = "page.html.jinja"


def page(content: Content) -> str:
    """Make the page, its picture drawn and its styles inside. Imports Jinja2 and matplotlib."""
    from rnn_lockstep.tests.harness.report.port.plot import MOST_BARS, plot

    places = content["places"]
    drawn = min(len(places), MOST_BARS)
    template = templates(Path(__file__).parent, FOLDER).get_template(TEMPLATE)
    return str(template.render(**content, picture=plot(places) if places else "", drawn=drawn))
