"""Blocks of work on a Dask cluster: handed out, and handed out again where a worker is lost."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

Answer = TypeVar("Answer")
# Of a cluster that is started here. A worker has one task only, so that no other is accused when it dies.
CONFIGURATION = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": False,
    "distributed.admin.log-format": "%(message)s",
    "logging": {"distributed": "critical"},  # a worker that is lost is told of by who asked it
}


class Unusable(Exception):
    """There is no cluster to be used. The message says why, in a line."""


@contextmanager
def client_of(workers: int, scheduler: str | None = None) -> Iterator[Any]:
    """Give a client of a cluster: one at that address or, without one, of as many processes started here.

    Raises Unusable.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise Unusable("a cluster needs distributed: pip install 'rnn-lockstep[cluster]'") from None
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker is a processor's
    with dask.config.set(CONFIGURATION):
        try:
            if scheduler:
                started, client = None, Client(scheduler)
            else:
                started = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
                client = Client(started)
        except (OSError, ValueError) as error:
            raise Unusable(f"no scheduler answers at {scheduler}: {error}") from None
        try:
            yield client
        finally:
            for each in filter(None, (client, started)):
                with suppress(Exception):  # what was found is known by now
                    each.close(timeout=5)


def handed_out(
    client: Any,
    work: Callable[[range], Answer],
    blocks: Iterable[range],
    killed: Callable[[int, str], Answer],
) -> Generator[Answer, None, None]:
    """Give what `work` returns for each block, as they come. Blocks that are left are called off in the end.

    What was on a worker that is lost is handed out again. A block that ends one worker after another is
    halved until the number is known that does it, and `killed` says what is to be given for that.
    """
    from distributed import KilledWorker, as_completed

    waiting: dict[Any, range] = {}

    def hand_out(block: range) -> Any:
        future = client.submit(work, block, pure=False)
        waiting[future] = block
        return future

    try:
        results = as_completed([hand_out(block) for block in blocks])
        for future in results:
            block = waiting.pop(future)
            try:
                yield future.result()
            except KilledWorker as error:
                if len(block) == 1:
                    yield killed(
                        block.start, f"ended {error.allowed_failures + 1} workers, one after another"
                    )
                    continue
                middle = len(block) // 2
                results.update([hand_out(block[:middle]), hand_out(block[middle:])])
    finally:
        client.cancel(list(waiting))
