"""The hunt for false alarms: random cases of every kind, of which a correct backend may fail none.

    python -m tests.benchmarks.hunt [--backend NAME ...] [--cases N] [--seed SEED] [--first NUMBER] [--drift]
                                    [--workers N | --scheduler tcp://HOST:PORT] [--block N] [--save DIR]

Cases are made as those of the suite are, by the tables and functions of `tests/harness/drawing`, but
in all combinations and without Hypothesis, whose search takes longer than most cases do. Each has a
number: SEED and NUMBER, and `--cases 1`, show it again. With --drift, cases of random numbers must not drift
either.

Blocks of cases are handed out to the workers of a Dask cluster (`pip install 'rnn-lockstep[cluster]'`): as
many as there are processors, unless --workers says how many or --scheduler where the cluster is; with
--workers 0 all is done here, without Dask. What is wrong is saved as failing cases of the suite are, to be
run again with --replay.

Ends with 1 if any case is a mismatch, drifts or is not answered, with 2 if nothing can be asked, and with 130
if it was interrupted before anything was found; what was found until then is told.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rnn_lockstep.adapters import UnknownBackend, known_backends
from rnn_lockstep.adapters.safe_files import write
from rnn_lockstep.reference import Verdict
from rnn_lockstep.tests.harness.failure import Crash
from rnn_lockstep.tests.harness.hunting import Find, Found, drawn_case, find_of, hunted, made
from rnn_lockstep.tests.harness.saving import FOLDER
from rnn_lockstep.tests.harness.scores import render_table
from tests.benchmarks.on_cluster import Unusable, client_of, handed_out

Results = Generator[Found, None, None]
WIDTH = 150
BLOCK = 200  # cases: seconds of work, beside which handing it out takes no time
EVERY = 60.0  # seconds between two lines of progress, where there is no terminal
FINISHED, ANY_WRONG, UNUSABLE, INTERRUPTED = 0, 1, 2, 130  # the last is a shell's for an end by Ctrl-C


def blocks_of(numbers: range, size: int) -> list[range]:
    """Split the numbers of cases into blocks."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def results(client: Any, backend: str, given: argparse.Namespace) -> Results:
    """Give what is found in each block, as it comes: in order here, in any order from a cluster."""
    work = partial(hunted, backend, given.seed, drift=given.drift)
    blocks = blocks_of(range(given.first, given.first + given.cases), given.block)
    if client is None:
        return (work(block) for block in blocks)
    return handed_out(client, work, blocks, partial(killed, backend, given.seed))


def killed(backend: str, seed: int, number: int, how: str) -> Found:
    """What is found in a case that no worker survives."""
    adapter, found = made(backend), Found()
    verdict = Verdict(drawn_case(adapter.facts, seed, number), "error", how)
    found.counts["error"] += 1
    found.keep(find_of(Crash(backend, adapter, verdict, None), number))
    return found


def gather(some: Iterable[Found], whole: Found, backend: str, given: argparse.Namespace, client: Any) -> None:
    """Add what is found to the whole, and show and save it, as it comes."""
    start = last = time.monotonic()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(backend, total=given.cases)
        for found in some:
            for find in whole.add(found):
                show(find, backend, given)
            now = time.monotonic()
            line = f"{backend}: {whole.done:,} of {given.cases:,} cases, {whole.done / (now - start):.0f}/s"
            line += f", {len(client.nthreads())} workers" if client else ""
            line += f", {whole.wrong:,} wrong"
            progress.update(bar, completed=whole.done, description=line)
            if not console.is_terminal and now - last > EVERY:
                print(line, file=sys.stderr, flush=True)
                last = now


def show(find: Find, backend: str, given: argparse.Namespace) -> None:
    """Print a find, and write its files, each of them whole."""
    print(f"{backend}, seed {given.seed}, case {find.number}: {find.words}")
    for name, data in find.files.items():
        path = given.save / name
        try:
            write(path, data)
        finally:  # what is there is told, where Ctrl-C comes just then
            if path.exists():
                print(f"  saved: {path}")
    sys.stdout.flush()


def told(backend: str, found: Found, asked: int) -> Iterator[str]:
    """Tell what was found in the cases of a backend, and what was not asked."""
    yield from found.facts
    if len(found.facts) > 1:
        yield f"{backend} is not the same on all workers"
    if found.scores:
        yield render_table({backend: found.scores}, WIDTH)
    counts = found.scores.total.counts
    statuses = {"mismatches": counts["mismatch"], "drift": counts["drift"], **found.counts}
    words = [f"{count:,} {status}" for status, count in statuses.items() if count or status == "mismatches"]
    yield f"{backend}: {found.scores.compared:,} cases compared, {', '.join(words)}"
    if left := asked - found.done:
        yield f"{backend}: the hunt was ended, {left:,} of {asked:,} cases were not asked"


def options() -> argparse.Namespace:
    """Read the options on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", metavar="NAME", help="default: as the suite's")
    parser.add_argument("--cases", type=int, default=25_000, metavar="N", help="of each backend")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the first case's number")
    parser.add_argument("--drift", action="store_true", help="judge cases of random numbers by rounding too")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count(),
        metavar="N",
        help="processes of a cluster on this host (default: %(default)s, its processors); 0 for none",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a cluster that is there: tcp://HOST:PORT")
    parser.add_argument("--block", type=int, default=BLOCK, metavar="N", help="cases handed out at once")
    parser.add_argument("--save", type=Path, default=Path(FOLDER), metavar="DIR", help="default: %(default)s")
    given = parser.parse_args()
    if min(given.seed, given.first, given.workers) < 0 or min(given.cases, given.block) < 1:
        parser.error("--cases and --block need at least 1, --seed, --first and --workers at least 0")
    given.backend = given.backend or [
        name for name, known in known_backends().items() if known.by_default and not known.missing
    ]
    return given


def main() -> int:
    """Hunt on each backend and print what was found, and return the exit code."""
    given, whole, end = options(), dict[str, Found](), FINISHED
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    cluster = client_of(given.workers, given.scheduler) if given.workers or given.scheduler else nullcontext()
    try:
        with cluster as client:
            for name in given.backend:
                print(f"{name}: seed {given.seed}, {given.cases:,} cases from {given.first}", flush=True)
                whole[name] = Found()
                with closing(results(client, name, given)) as some:
                    gather(some, whole[name], name, given, client)
    except (UnknownBackend, Unusable) as error:
        print(error, file=sys.stderr)
        end = UNUSABLE
    except KeyboardInterrupt:
        end = INTERRUPTED
    for name, found in whole.items():
        print("\n".join(told(name, found, given.cases)), flush=True)
    return ANY_WRONG if any(found.wrong for found in whole.values()) else end


if __name__ == "__main__":
    sys.exit(main())
