"""Disputes: what each backend does where specifications are silent, asked of the backends themselves.

    python -m tests.benchmarks.disputes [BACKEND ...]

Nobody says which state a row without steps ends with, or what a layer without steps or rows answers. The
reference takes what is left where nothing happens: the initial state. "as here": a backend does the same.
"-": it has no lengths or masks. "ends": its process does.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from rnn_lockstep.adapters import Case, Refused, UnknownBackend, known_backends
from rnn_lockstep.adapters.backends.compare import judge
from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.workers.supervised import Lost, Raised, Supervised
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.reference.oracle.validation import Array


class Situation(NamedTuple):
    """A case about which specifications are silent.

    counts: bools (rows, steps), true for steps that count.  given_as: "lengths", "mask", or "" for neither.
    """

    counts: Array
    given_as: str = ""


TO_LENGTHS = np.arange(4) < np.array([4, 2, 0])[:, None]
SITUATIONS = {
    "row of\nlength 0": Situation(TO_LENGTHS, "lengths"),
    "row all\nmasked": Situation(TO_LENGTHS, "mask"),
    "padding\nin front": Situation(np.arange(4) >= np.array([0, 2, 1])[:, None], "mask"),
    "padding\nbetween": Situation(np.array([[True, False, False, True]] * 3), "mask"),
    "no steps": Situation(np.ones((3, 0), bool)),
    "no rows": Situation(np.ones((0, 4), bool)),
}


def case_of(situation: Situation, cell: str, facts: Facts) -> Case:
    """The case of a situation: random numbers, 2 features, 3 units, an initial state, NaN on padding."""
    rng, gates = np.random.default_rng(0), len(CELLS[cell].gates)
    dtype = "float32" if "float32" in facts.dtypes else facts.dtypes[0]
    rows = len(situation.counts)

    def drawn(*shape: int) -> Any:
        return rng.normal(size=shape).astype(dtype)

    inputs = drawn(*situation.counts.shape, 2)
    inputs[~situation.counts] = np.nan
    biases = {name: drawn(3 * gates) for name in ("b", "recurrent_b")[: max(facts.biases)]}
    if seeing := len(CELLS[cell].peepholes):
        biases["peepholes"] = drawn(3 * seeing)
    padding = {"lengths": situation.counts.sum(axis=1), "mask": situation.counts}
    return Case(
        inputs,
        drawn(3 * gates, 2),
        drawn(3 * gates, 3),
        **biases,
        cell=cell,
        reset_after=facts.reset_after[0],
        **{name: drawn(rows, 3) for name in CELLS[cell].states},
        **{name: value for name, value in padding.items() if name == situation.given_as},
    )


def asked(backend: Supervised, case: Case) -> tuple[str, str]:
    """What a backend does with a case: a word for the table, and what is to be added to it."""
    if backend.facts.undeclared(case):
        return "-", ""
    try:
        verdict = judge(backend, case, backend.run(case))
    except Refused as reason:
        return "refused", in_one_line(reason)
    except Raised as error:
        return "raises", in_one_line(error)
    except Lost as error:
        return "ends", in_one_line(error)
    if verdict.status == "mismatch":
        return "otherwise", in_one_line(verdict.reason)
    return "as here" if case.batch else "empty", ""


def answers_of(name: str) -> dict[str, list[tuple[str, str]]]:
    """What a backend does with each cell, in every situation, as `asked` has it."""
    backend = Supervised(name)
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        for cell in backend.facts.cells:
            found[cell] = [asked(backend, case_of(each, cell, backend.facts)) for each in SITUATIONS.values()]
    finally:
        backend.close()
    return found


def main(backends: list[str]) -> None:
    """Print the table of the backends, by default of all that are installed, and then what they said."""
    names = backends or [name for name, known in known_backends().items() if not known.missing]
    table, said = Table("backend", "cells", *SITUATIONS, box=None), {}
    for name in names:
        try:
            answers = answers_of(name)
        except UnknownBackend as error:
            said[str(error)] = [name]
            continue
        rows: dict[tuple[str, ...], list[str]] = {}
        for cell, found in answers.items():
            rows.setdefault(tuple(word for word, _ in found), []).append(cell)
            for title, (_, more) in zip(SITUATIONS, found, strict=True):
                if more:
                    said.setdefault(more, []).append(f"{name} {cell}, {title.replace(chr(10), ' ')}")
        for words, cells in rows.items():
            table.add_row(name, ", ".join(cells), *words)
    console = Console(width=110)
    console.print(table)
    for more, who in said.items():
        console.print(f"{more}: {'; '.join(who)}", markup=False, highlight=False)


if __name__ == "__main__":
    main(sys.argv[1:])
