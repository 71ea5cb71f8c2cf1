"""The page of a report in a real browser, as narrow as a phone and as wide as a desk, light and dark."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from math import inf

import jsonschema
import pytest

from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.tests.harness.guarantees import COLUMNS
from rnn_lockstep.tests.harness.report.as_json import SCHEMA, strict
from rnn_lockstep.tests.harness.report.page import page

BROWSER = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
LONG = "their_package.with_a_long_name.backends:TheirBackendWithAnEvenLongerName"
COUNTS = {
    "cases": 345_678,
    "match": 345_000,
    "mismatch": 678,
    "drift": 12_345,
    "inconclusive": 99_999,
    "refused": 99_999,
}
POINT = {"cases": 12, "deviation": 3e-9, "bound": 2e-7, "worst_over_bound": 0.4}
WORST = {**POINT, "deviation": inf, "worst_over_bound": inf}
CONTENT = {
    "lockstep_report": 2,
    "created": "2026-01-31T23:59:59+00:00",
    "seconds": 3600.0,
    "exit_status": 1,
    "max_examples": 20_000,
    "same_cases": True,
    "platform": "Linux x86_64, Python 3.11.7, numpy 2.4.6",
    "tests": {"passed": 1000, "failed": 34, "skipped": 1},
    "backends": [
        {
            "name": LONG,
            "facts": "mine <b> 1.0, cpu",
            "not_tested": "gru, lstm",
            "version": "1.0",
            "tests": [],
            "features": {"lengths": {"match": 345_000, "known": 3}, "gru": {"wrong": 34}},
            "known": [
                {
                    **{"reason": "it ignores lengths <b>", "ignores": True, "versions": "<2", "cases": 3},
                    **{
                        "case": "<Case " + "c" * 200 + ">",
                        "saved": "cases/" + "d" * 200,
                        "features": ["lengths"],
                    },
                }
            ],
            "scores": [
                {
                    **{"cell": "simple_rnn", "dtype": dtype, "of": "gradients", **COUNTS},
                    **{"worst_over_bound": inf, "median_bound": bound, "cases_per_second": 1234.5},
                    "worst_at": "lstm/concat/3layers/last_output B129 T1025 D64 H257 final_cell_state",
                    "refusals": {"no such layer " * 20: 7},
                }
                for dtype, bound in zip(DTYPES, (None, 1e-30, inf, 0.1), strict=True)
            ],
            "trends": [
                {
                    "dtype": dtype,
                    "time": [{"from": 2**k - 1, **point} for k, point in enumerate([POINT] * 10 + [WORST])],
                    "hidden_size": [{"hidden_size": 257, **POINT}],
                }
                for dtype in DTYPES
            ],
            "guarantees": [
                {
                    **{"cell": "simple_rnn", "dtype": "bfloat16", "hidden_size": 257, "cases": 10},
                    "errors": [{"in": name, "bound": None, "drift": 5e-7} for name in COLUMNS],
                    "ways": [{"in": "sums in bfloat16", "seen_by": "nothing"}],
                }
            ],
            "fingerprint": {"sums": "64 terms are added up in an order of its own: " + "64, " * 20},
        }
    ],
    "not_installed": ["torch"],
    "failures": [
        {
            "backend": LONG,
            "cause": "U is transposed & <not> as it should be",
            "count": 34,
            "messages": [
                {
                    "message": f"{k}\n" + "wide " * 50 + "x" * 300,
                    "tests": [f"tests/a.py::b[{LONG}]"],
                    "saved": ["/tmp/" + "y" * 200],
                    "features": ["gru"],
                }
                for k in range(3)
            ],
        }
    ],
    "errors": [{"test": f"tests/a.py::c[{LONG}]", "message": "RuntimeError: " + "z" * 300}],
    "faults": [{"family": "gru", "killed": 3, "planted": 4}],
    "diagnosed": [{"family": "gru", "named": 2, "planted": 4}],
    "against": [
        {
            **{"backend": LONG, "before": "1.0", "now": "2.0 (of something " + "w" * 100 + ")"},
            "new": [{"cause": "U is transposed " * 20, "tests": ["test_a[gru]" + "x" * 200]}],
            **{"mended": [], "same_cases": 12_345, "other_bits": {"test_b[lstm] float32": 345}},
            "notes": ["1 test not run in both"],
        }
    ],
}
LOOK = """
const view = document.querySelector("iframe").contentWindow, root = view.document.documentElement;
const outside = e => e.getBoundingClientRect().right > root.clientWidth + 1;
const wide = [...root.querySelectorAll("body *")].filter(outside);
document.title = JSON.stringify({
  width: root.clientWidth, needed: root.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)),
  paper: view.getComputedStyle(view.document.body).backgroundColor,
  lines: [...root.querySelectorAll("svg path")].filter(e => view.getComputedStyle(e).stroke != "none").length,
});
"""


def seen(folder, width, *options, text, look=LOOK):
    """Look at a page in a browser, in a frame so wide; its own windows are never as narrow as a phone.

    text: the page.  look: a script that leaves what it sees in the title, as JSON.
    """
    style = f"width: {width}px; height: 800px; border: 0"
    frame = f'<iframe srcdoc="{escape(text)}" style="{style}"></iframe>'
    (folder / "frame.html").write_text(
        f"<!doctype html><meta charset=utf-8><body>{frame}<script>onload = () => {{{look}}}</script>"
    )
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    run = subprocess.run(
        [*command, "--enable-logging=stderr", *options, "--dump-dom", str(folder / "frame.html")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert not re.findall(r".*CONSOLE.*", run.stderr)
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", run.stdout)[1]))


def test_the_page_tried_here_is_one_that_could_be():
    jsonschema.validate(strict(CONTENT), json.loads(SCHEMA.read_text()))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize(
    ("width", "options", "paper"),
    [(390, ("--blink-settings=preferredColorScheme=0",), "dark"), (1200, (), "light")],
)
def test_it_fits_and_is_drawn(width, options, paper, tmp_path):
    found = seen(tmp_path, width, *options, text=page(CONTENT))
    assert found["width"] in range(width - 20, width + 1)  # without its scroll bar
    assert found["needed"] == found["width"]
    assert found["wide"] == []
    assert found["lines"] > 50
    brightness = sum(map(int, re.findall(r"\d+", found["paper"])[:3])) / 3
    assert ("dark" if brightness < 128 else "light") == paper
