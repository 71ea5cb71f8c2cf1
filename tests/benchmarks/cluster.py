"""What more workers would bring: overheads of the hunt on a cluster, measured, and what follows from them.

    python -m tests.benchmarks.cluster [--backend NAME] [--block N] [--cases N]

Measured here: a block without Dask, handing out and merging a block, the start of workers, and a hunt with 2
of them. Estimated: the time, speed-up and cost of --cases with 1 to 64 workers, each with a free processor
like those here. So the estimate takes the processor's seconds and not the clock's, which tell of what else
runs here; of a backend with a process of its own it can only take the clock's.
"""

import argparse
import os
import pickle
import time
from collections.abc import Callable
from functools import partial
from math import ceil

from rnn_lockstep.tests.harness.hunting import Found, hunted
from tests.benchmarks.on_cluster import client_of, handed_out

WORKERS = (1, 2, 4, 8, 16, 32, 64)
BLOCKS = 4  # that are measured
EMPTY = 500  # blocks that take no time, to measure handing out


def seconds(call: Callable[[], object], times: int = 1) -> tuple[float, float]:
    """The seconds that one of some calls takes, by the clock and of the processor in this process."""
    start, own = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - start) / times, (time.process_time() - own) / times


def return_it(found: Found, block: range) -> Found:
    """Work that takes no time, and whose answer is as large as that of a block."""
    return found


def estimated(workers: int, blocks: int, block: float, hand_out: float, merge: float, start: float) -> float:
    """The seconds that some blocks take: a worker's share, or what one process does for all workers."""
    return start + max(ceil(blocks / workers) * (block + hand_out), blocks * (hand_out + merge))


def main() -> None:
    """Measure, and print what is measured and what is estimated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="numpy", metavar="NAME")
    parser.add_argument("--block", type=int, default=200, metavar="N")
    parser.add_argument("--cases", type=int, default=1_000_000, metavar="N")
    given = parser.parse_args()
    blocks = [range(k * given.block, (k + 1) * given.block) for k in range(BLOCKS)]
    work, found = partial(hunted, given.backend, 0), Found()
    hunted(given.backend, 0, range(1))  # imports
    alone, own = seconds(lambda: [found.add(work(block)) for block in blocks], BLOCKS)
    _, merge = seconds(lambda: [Found().add(found) for _ in range(100)], 100)
    began = time.perf_counter()
    with client_of(2) as client:
        next(handed_out(client, partial(return_it, Found()), [range(1)], print))
        start = time.perf_counter() - began
        give = partial(return_it, found)
        clock, hand_out = seconds(lambda: list(handed_out(client, give, [range(1)] * EMPTY, print)), EMPTY)
        two, _ = seconds(lambda: list(handed_out(client, work, blocks, print)), BLOCKS)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{given.backend}, measured here ({os.cpu_count()} processors, load {load}), clock and processor:")
    print(f"  a block of {given.block} cases without Dask: {alone:.2f} s, {own:.2f} s")
    print(f"  handing it out and receiving what is found: {1000 * clock:.1f} ms, {1000 * hand_out:.1f} ms")
    print(f"  merging that: {1000 * merge:.2f} ms; it travels as {len(pickle.dumps(found)):,} bytes")
    print(f"  the start of 2 workers, with what they import: {start:.1f} s")
    print(f"  a block with 2 workers: {two:.2f} s, {alone / two:.2f} times as fast as without Dask")
    block, count = own if given.backend == "numpy" else alone, ceil(given.cases / given.block)
    print(
        f"estimated, not measured: {given.cases:,} cases in {count:,} blocks, each worker on a free processor"
    )
    print("  workers    hours  speed-up  processor hours")
    for workers in WORKERS:
        needed = estimated(workers, count, block, hand_out, merge, start)
        hours = needed / 3600
        print(f"  {workers:7d}  {hours:7.2f}  {count * block / needed:8.1f}  {workers * hours:15.2f}")
    print(f"  one process keeps up with {(block + hand_out) / (hand_out + merge):,.0f} workers at most")


if __name__ == "__main__":
    main()
