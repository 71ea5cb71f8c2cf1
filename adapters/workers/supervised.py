"""A backend in a process of its own, as an adapter like any other."""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from rnn_lockstep.adapters.backends import registry
from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.backends.registry import NotMade, UnknownBackend
from rnn_lockstep.adapters.workers.output import Output
from rnn_lockstep.adapters.workers.place import place_of
from rnn_lockstep.adapters.workers.process import Ended, NoPython, Process, TimeOver
from rnn_lockstep.adapters.workers.wire import opened, packed_case, unpacked_answer, unpacked_facts
from rnn_lockstep.reference import Case, Cotangents, Trace

CASE_TIMEOUT = 60.0  # seconds for a case
FIRST_CALL = 10.0  # seconds more for the first case of a process
COMPILING = 60.0  # seconds more for the first case of a form, of a backend that compiles
MAKING = 60.0  # seconds more to make the backend, in which its framework is imported


class Lost(Exception):
    """The backend's process ended, or had to be ended, while it ran a case. The message says how.

    seconds: how long that took.
    """

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Raised(Exception):
    """The backend raised an exception in its process. The message says what and, in further lines, where.

    what: the exception's type and message, in one line.
    """

    def __init__(self, what: str, frames: list[str]) -> None:
        super().__init__("\n  ".join([what, *frames]))
        self.what = what


@cache
def raised_as(name: str) -> type[Raised]:
    """A kind of its own for each type of exception: Hypothesis tells failures apart by their types."""
    return type(f"Raised {name}", (Raised,), {})


class Supervised:
    """An adapter that asks another one, in a process that is replaced when it ends or does not answer.

    complaints: what the other did beside answering.  warned: how often it warned of what.
    Both are added to until somebody clears them.
    """

    def __init__(self, name: str, case_timeout: float = CASE_TIMEOUT, live: bool = False) -> None:
        """Start the process and make the backend. Raises UnknownBackend, or NotMade where it cannot be made.

        name: with a place, see `place.py`.  live: show what the process prints as it comes.
        """
        self.name, self.case_timeout, self.live = name, case_timeout, live
        self.backend, self.place = place_of(name)
        if self.place.is_this_interpreter:
            registry.find(self.backend)
        self.most = math.inf  # seconds, whatever else is allowed
        self.complaints: list[str] = []
        self.warned: Counter[str] = Counter()
        self.output = Output(live)
        self.process: Process | None = None
        try:
            self.facts = self._start()
        except UnknownBackend:
            self.close()
            raise

    def run(self, case: Case) -> Trace:
        """Ask for an answer; see `Adapter.run`. Raises Lost or Raised where there is none."""
        __tracebackhide__ = True
        return self._ask(case, None)  # type: ignore[no-any-return]

    def gradients(self, case: Case, cotangents: Cotangents) -> Any:
        """Ask for gradients; see `Adapter`. Raises Lost or Raised where there are none."""
        __tracebackhide__ = True
        return self._ask(case, cotangents)

    def anew(self) -> "Supervised":
        """Make the same backend in another process."""
        return Supervised(self.name, self.case_timeout, self.live)

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let no case take longer than this, for a while."""
        before, self.most = self.most, seconds
        try:
            yield
        finally:
            self.most = before

    def printed(self) -> str:
        """The text that the process has printed since this was called last."""
        return self.output.take()

    def rest(self) -> None:
        """End the process, until another is needed."""
        self._end()

    def close(self) -> None:
        """End the process, for good."""
        self._end()
        self.output.close()

    def _start(self) -> Facts:
        """Start a process, and return the facts of the backend that it makes. Raises UnknownBackend."""
        self.seen: set[Any] = set()  # the forms of cases that this process has been given
        try:
            self.process = Process(self.backend, self.place, self.output)
            kind, *content = self.process.made(self.case_timeout + MAKING)
        except NoPython as error:
            raise NotMade(f"backend {self.name} cannot be made: {error}") from None
        except (Ended, TimeOver) as error:
            how = str(error) or f"was ended: it took more than {self.case_timeout + MAKING:g} s"
            self._end()
            raise NotMade(f"backend {self.name} cannot be made: its process {how}") from None
        if kind == "made":
            return self._facts(*content)
        self._end()
        if self.place.is_this_interpreter:
            raise getattr(registry, content[0])(content[1])
        raise NotMade(content[1].replace(f"backend {self.backend}", f"backend {self.name}", 1))

    def _facts(self, packed: str, python: str, host: str) -> Facts:
        """The facts of the backend, with its place, the version of its Python and the host's name there."""
        facts = unpacked_facts(packed)
        if self.place.is_this_interpreter:
            return facts
        there = f"Python {python}" if self.place.is_this_host else f"Python {python} on {host}"
        settings = ", ".join(filter(None, (facts.settings, there)))
        return replace(facts, name=facts.name + self.name.removeprefix(self.backend), settings=settings)

    def _end(self) -> None:
        process, self.process = self.process, None
        if process:
            process.end()

    def _ask(self, case: Case, cotangents: Cotangents | None) -> Any:
        """Send a case, in a new process where there is none, and return what the adapter answers."""
        __tracebackhide__ = True
        start = time.perf_counter()
        try:
            kind, content = self._exchange(case, cotangents)
        except UnknownBackend as error:
            how = f"cannot be started again: {error}"
        except (Ended, TimeOver) as error:
            how = str(error)
        except BaseException:  # Ctrl-C: the answer may come, and would be taken for the next one
            self._end()
            raise
        else:
            if kind == "refused":
                raise Refused(content)
            if kind == "raised":
                raise raised_as(content[0].partition(":")[0])(*content)
            return content
        self._end()
        raise Lost(f"the backend's process {how}", time.perf_counter() - start)

    def _exchange(self, case: Case, cotangents: Cotangents | None) -> tuple[str, Any]:
        """Send a case and receive what became of it, and its content.

        Raises Ended or TimeOver, or UnknownBackend where there is no process and none can be started.
        """
        message = packed_case(case, cotangents)
        if self.process is None:
            self._start()
        assert self.process is not None
        limit = self._limit(case, cotangents)
        try:
            (kind, content, complaints, warned), data = opened(self.process.ask(message, limit))
        except Ended as error:
            raise Ended(f"{error} while it ran this case") from None
        except TimeOver:
            raise TimeOver(f"was ended: it ran this case for more than {limit:g} s") from None
        self.complaints += complaints
        self.warned.update(warned)
        return kind, unpacked_answer(content, data) if kind == "answer" else content

    def _limit(self, case: Case, cotangents: Cotangents | None) -> float:
        """The seconds that a case may take; more of them for one that a framework may compile for."""
        form = form_of(case, cotangents) if self.facts.compiles else ()
        allowed = 0.0 if form in self.seen else COMPILING if self.facts.compiles else FIRST_CALL
        self.seen.add(form)
        return min(self.case_timeout + allowed, self.most)


def form_of(case: Case, cotangents: Cotangents | None) -> tuple[Any, ...]:
    """All of a case but its numbers: what a framework may have to compile anew for."""
    arrays = case.arrays()
    shapes = tuple((name, array.shape, array.dtype.str) for name, array in arrays.items())
    return case.kind, shapes, case.lengths is None, case.mask is None, cotangents is None
