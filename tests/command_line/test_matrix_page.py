"""The page of the matrix in a real browser: at a phone's width too, and by keyboard."""

import pytest

from rnn_lockstep.tests.harness.matrix.page import page
from tests.command_line.test_report_page import BROWSER, CONTENT, seen

LOOK = """
const view = document.querySelector("iframe").contentWindow, root = view.document.documentElement;
const scroll = root.querySelector(".scroll"), first = root.querySelector("tbody th");
const outside = e => e.getBoundingClientRect().right > root.clientWidth + 1 && !scroll.contains(e);
const before = first.getBoundingClientRect().left;
scroll.scrollLeft = 10000;
const sticks = first.getBoundingClientRect().left == before, scrolled = scroll.scrollLeft;
const links = [...root.querySelectorAll("#matrix td a")];
links[0].focus();
document.title = JSON.stringify({
  width: root.clientWidth, needed: root.scrollWidth,
  wide: [...root.querySelectorAll("body *")].filter(outside).map(e => e.outerHTML.slice(0, 80)),
  sticks, scrolled, focused: view.document.activeElement == links[0], links: links.length,
  lost: links.filter(e => !root.querySelector(e.getAttribute("href"))).length,
});
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_and_its_first_column_stays(width, tmp_path):
    found = seen(tmp_path, width, text=page([CONTENT, CONTENT]), look=LOOK)
    assert found["needed"] == found["width"]
    assert found["wide"] == []
    assert found["sticks"]
    assert (found["scrolled"] > 0) == (width == 390)
    assert found["focused"]
    assert found["links"] > 60
    assert found["lost"] == 0
