"""The command `rnn-lockstep matrix`: the suite on other versions, what changed between them, and the page."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.tests.harness.matrix.environments import (
    NotMade,
    backends_of,
    environment,
    packages_of,
    requirements,
)
from rnn_lockstep.tests.harness.matrix.page import page
from rnn_lockstep.tests.harness.matrix.table import table
from rnn_lockstep.tests.harness.report.changes import Change, change, earlier_of
from rnn_lockstep.tests.harness.report.content import Content
from rnn_lockstep.tests.harness.report.reading import InvalidReport, read_report

FOLDER = Path(".lockstep", "matrix")
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the command. The exit code is 0 where nothing fails anew from one version to the next.

    It is 1 where something does, or where an environment or a report could not be had.
    """
    ours, theirs = parted(arguments)
    asked = parser().parse_args(ours)
    if not asked.versions and not asked.reports:
        parser().error("needs --with PACKAGE==VERSION, or reports")
    if asked.versions and os.name == "nt":
        parser().error("--with needs a system like Unix; reports that were made elsewhere can be shown")
    try:
        made = [run_version(text, asked.backend, asked.folder, theirs) for text in asked.versions]
        reports = [report for report in made if report] + [read_report(path) for path in asked.reports]
        found = list(each_beside_the_last(reports))
        print(table(found), end="")
        if asked.page:
            write(asked.page, page(reports).encode(errors="backslashreplace"))
            print(f"page: {printable(asked.page)}")
    except (InvalidReport, OSError) as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; environments and reports that were made are kept", file=sys.stderr)
        return INTERRUPTED
    return int(None in made or any(each["new"] for each in found))


def each_beside_the_last(reports: Sequence[Content]) -> Iterator[Change]:
    """Set each backend of each report beside the same in the last report before that has it."""
    for k, report in enumerate(reports):
        for backend in report["backends"]:
            for before in reversed(reports[:k]):
                if earlier := earlier_of(backend, before):
                    yield change(before, earlier, report, backend)
                    break


def parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the command's arguments from pytest's, which are behind "--"."""
    given = [*arguments]
    place = given.index("--") if "--" in given else len(given)
    return given[:place], given[place + 1 :]


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command's own arguments."""
    made = argparse.ArgumentParser(
        prog="rnn-lockstep matrix",
        description="Run the suite on other versions, and show what changed from each to the next. Arguments "
        "behind -- are pytest's, as in: -- -k simple_rnn --max-examples 20",
    )
    made.add_argument(
        "reports", type=Path, nargs="*", metavar="REPORT", help="reports of earlier runs (.json)"
    )
    made.add_argument(
        "--with",
        dest="versions",
        action="append",
        default=[],
        metavar="PACKAGES",
        help="packages to install in an environment of their own, as in keras==3.12 or 'keras==3.12 "
        "tensorflow-cpu==2.20'; repeatable",
    )
    made.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="the backend to test in each; repeatable (default: that of the packages' names)",
    )
    made.add_argument("--page", type=Path, metavar="FILE", help="write the matrix of all reports (.html)")
    made.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="where reports of versions are written (default: %(default)s)",
    )
    return made


def run_version(text: str, backends: Sequence[str], folder: Path, options: Sequence[str]) -> Content | None:
    """Run the suite on the packages of `--with`, and return the report.

    Where there is none, a line has told why, and None is returned.
    """
    told = printable(text)
    try:
        packages = packages_of(text)
        names = [*backends] or backends_of(packages)
        if not names:
            raise NotMade("no backend has these names; say which, --backend NAME")
        print(f"{told}: making its environment, or finding it made", flush=True)
        python = environment(requirements(packages, names))
        report = folder / f"{python.parents[1].name}.json"
        folder.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        print(f"{told}: testing {', '.join(names)}", flush=True)
        code = subprocess.run(command([f"{name}@{python}" for name in names], report, options)).returncode
        if not report.exists():
            raise NotMade(f"the suite has made no report, and ended with code {code}")
        content = read_report(report)
        if not content["backends"]:
            raise NotMade(why_nothing_ran(content))
        return content
    except (NotMade, OSError) as error:
        print(f"{told}: not tested: {in_one_line(error)}", file=sys.stderr, flush=True)
        return None


def command(backends: Sequence[str], report: Path, options: Sequence[str]) -> list[str]:
    """The command that tests backends on the same cases each time, and writes a report."""
    suite = [sys.executable, "-m", "rnn_lockstep.adapters", "test", "--hypothesis-profile=ci"]
    asked = [f"--backend={name}" for name in backends]
    return [*suite, *asked, f"--lockstep-report={report.resolve()}", *options]


def why_nothing_ran(content: dict[str, Any]) -> str:
    """Say why no backend is in a report: the first error, if there is one."""
    errors = [error["message"] for error in content["errors"]]
    return errors[0].partition("\n")[0] if errors else "no test was run"
