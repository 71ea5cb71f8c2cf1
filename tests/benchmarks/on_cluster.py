"""Blocks of work on a Dask cluster: handed out, and handed out again where a worker is lost."""

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar

Answer = TypeVar("Answer")
LOST = 2  # workers that one block may end, after which it is not handed out as it is
# Of a cluster that is started here. A worker has one task at a time: no other is accused when it ends.
CONFIGURATION = {
    "distributed.scheduler.allowed-failures": LOST - 1,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.deploy.lost-worker-timeout": "1 day",  # else one that ends twice is not started again
    "distributed.worker.preload": [__name__],
    "logging": {"distributed": "critical", "distributed.client": "critical"},  # we tell of a lost worker
}
AHEAD = 256  # blocks that are handed out at a time: a scheduler takes milliseconds for each
PATIENCE = 60.0  # seconds without any worker, after which the rest is given up
LOOK = 0.05  # seconds between two looks at what has come
SETTLED = 1.0  # seconds after which whoever supervises a worker knows that it is there
STARTED = [time.monotonic()]  # the last: when this worker came to be


class Unusable(Exception):
    """There is no cluster to be used, or not any more. The message says why, in a line."""


@contextmanager
def client_of(workers: int, scheduler: str | None = None) -> Iterator[Any]:
    """Give a client of a cluster: one at that address or, without one, of as many processes started here.

    Raises Unusable.
    """
    try:
        import dask
    except ImportError:
        raise Unusable("a cluster needs distributed: pip install 'rnn-lockstep[cluster]'") from None
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker is a processor's
    with dask.config.set(CONFIGURATION):
        from distributed import Client, LocalCluster

        started: Any = None
        try:
            if not scheduler:
                started = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
            client = Client(scheduler or started)
        except (OSError, ValueError) as error:
            raise Unusable(f"no scheduler answers at {scheduler or 'this host'}: {error}") from None
        try:
            yield client
        finally:
            for each in filter(None, (client, started)):
                with suppress(Exception):  # what was found is known by now
                    each.close(timeout=5)


def dask_setup(worker: Any) -> None:
    """Let a worker that was started here leave Ctrl-C, which comes to it too, to who started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    STARTED.append(time.monotonic())


def handed_out(
    client: Any,
    work: Callable[[range], Answer],
    blocks: Iterable[range],
    killed: Callable[[int, str], Answer],
) -> Generator[Answer, None, None]:
    """Give what `work` returns for each block, as they come; what is left in the end is called off.

    What was on a worker that is lost is handed out again. A block that ends one worker after another is
    halved until the number is known that does it, and `killed` says what is to be given for that.
    Raises Unusable where no worker is left, and what `work` raises.
    """
    from distributed import KilledWorker, as_completed

    waiting: dict[Any, range] = {}
    left, results = iter(blocks), as_completed(with_results=True, raise_errors=False)

    def hand_out(*some: range) -> None:
        for block in some:
            future = client.submit(partial(settled, work), block, pure=False)
            waiting[future] = block
            results.add(future)

    try:
        hand_out(*islice(left, AHEAD))
        while waiting:
            wait_for_one(results, client)
            future, answer = next(results)
            if future.status in ("pending", "lost") and client.status == "running":
                results.add(future)  # its answer was lost with its worker, and is being made again
                continue
            block = waiting.pop(future)
            hand_out(*islice(left, 1))
            if future.status == "finished":
                yield answer
            elif future.status != "error":
                raise Unusable("the scheduler is lost")
            elif not isinstance(error := future.exception(), KilledWorker):
                raise error
            elif middle := len(block) // 2:
                hand_out(block[:middle], block[middle:])
            else:
                yield killed(block.start, f"it ended {LOST} workers or more, one after another")
    finally:
        with suppress(Exception):  # the scheduler may be lost
            client.cancel(list(waiting))


def settled(work: Callable[[range], Answer], block: range) -> Answer:
    """Do the work, in a new worker a moment later: who ends at once is not started again by Dask."""
    time.sleep(max(0.0, SETTLED - (time.monotonic() - STARTED[-1])))
    return work(block)


def wait_for_one(results: Any, client: Any) -> None:
    """Wait until something has come. Raises Unusable where there is no worker for long."""
    seen = time.monotonic()
    looks = 0
    while not results.has_ready():
        time.sleep(LOOK)
        looks += 1
        if looks % 100 == 0 and client.nthreads():
            seen = time.monotonic()
        if time.monotonic() - seen > PATIENCE:
            raise Unusable(f"no worker has been there for {PATIENCE:.0f} s")
