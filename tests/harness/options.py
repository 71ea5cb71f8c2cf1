"""The options that the harness adds to pytest."""

import pytest

from rnn_lockstep.adapters.workers.supervised import CASE_TIMEOUT
from rnn_lockstep.tests.harness import port_run
from rnn_lockstep.tests.harness.profiles import DEFAULT_EXAMPLES


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, those that check a port in a group of their own."""
    group = parser.getgroup("lockstep")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a backend to test: a known name, name:tag or package.module:Class; repeatable "
        "(default: every known one that is installed). With @PYTHON, @ssh:USER@HOST:PYTHON or "
        "@socket:HOST:PORT behind it, it runs there",
    )
    group.addoption(
        "--in-process",
        action="store_true",
        help="run backends in pytest's own process, for a debugger; one that crashes or hangs takes the "
        "run with it",
    )
    group.addoption(
        "--case-timeout",
        type=float,
        default=CASE_TIMEOUT,
        metavar="SECONDS",
        help="the time that a backend has for a case, first calls and compilations allowed for "
        "(default: %(default)g)",
    )
    group.addoption(
        "--max-examples",
        type=int,
        metavar="N",
        help=f"cases drawn in a parity test; some tests draw a fraction (default: {DEFAULT_EXAMPLES})",
    )
    group.addoption(
        "--lockstep-report",
        action="append",
        default=[],
        metavar="PATH",
        help="write a report at the end: a page (.html), data (.json) or a job's summary (.md); repeatable",
    )
    group.addoption(
        "--shard",
        metavar="N/M",
        help="run the Nth of M parts of the tests, which are the same on every host; with a .json report "
        "of each, --merge-reports makes one of all",
    )
    group.addoption(
        "--merge-reports",
        nargs="+",
        action="extend",
        default=[],
        metavar="REPORT",
        help="run nothing: add up the .json reports of shards; --lockstep-report says where to",
    )
    group.addoption(
        "--against",
        metavar="REPORT",
        help="set this run beside an earlier one, of which this is the report (.json): what fails anew, what "
        "is mended, and, of cases that are the same, whose answers have other bits",
    )
    group.addoption(
        "--replay",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="run these saved cases and nothing else: files, as failures are saved in .lockstep/, or "
        "folders, of which every file that manifest.json lists must be there and unchanged",
    )
    group.addoption(
        "--save-cases",
        metavar="DIR",
        help="write conformance vectors, cases of every feature with what any backend should answer, and "
        "manifest.json; then run these, as --replay does, and nothing else",
    )
    group.addoption(
        "--known-failures",
        metavar="FILE",
        help="failures that are known (TOML): each must still fail, as its case shows; others like it pass "
        "(default: those that are kept in tests/known_failures; none for none)",
    )
    group.addoption(
        "--write-known-failures",
        metavar="FILE",
        help="draft such a file of what fails in this run",
    )
    port_run.add_options(parser.getgroup("lockstep: check a port"))
