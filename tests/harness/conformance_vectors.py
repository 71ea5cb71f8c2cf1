"""Conformance vectors: cases with what any backend should answer, as `--save-cases` writes them.

What is expected, and how far off is allowed, is the oracle's whole answer with its error carried along,
for a backend of which nothing is known; no backend is asked. So the files are always the same, and any
program can be compared with them.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Cotangents
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN
from rnn_lockstep.adapters.saved_cases.manifest import SUFFIX, write_manifest
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase, save
from rnn_lockstep.reference import gradients
from rnn_lockstep.reference.check.answers import whole_answer
from rnn_lockstep.reference.check.comparison import Comparison, comparison
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness import features
from rnn_lockstep.tests.harness.drawing.vector_cases import vector_cases


def write_vectors(folder: Path) -> list[str]:
    """Write all vectors and the list of them, `manifest.json`; return their names in its order.

    Raises OSError when the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass  # it can be written to
    listed: dict[str, list[str]] = {}
    for vector in vectors():
        save(folder / name_of(vector), vector)
        listed[name_of(vector)] = needed(vector)
    write_manifest(folder, listed)
    return list(listed)


def vectors() -> Iterator[SavedCase]:
    """All vectors, cell by cell, always the same ones in the same order."""
    for cell in CELLS:
        for case, cotangents in vector_cases(cell):
            yield vector_of(case, cotangents)


def vector_of(case: Case, cotangents: Cotangents | None) -> SavedCase:
    """The case with what any backend should answer. Raises ValueError where too little is known of that."""
    compared = expected_of(case, cotangents)
    if wide := [name for name, each in compared.items() if each.vacuous]:
        raise ValueError(f"{case!r}: the bound on {wide[0]} proves nothing")
    return SavedCase(
        case,
        cotangents,
        expected={name: each.expected for name, each in compared.items()},
        bound={name: each.bound for name, each in compared.items()},
        versions={},
    )


def expected_of(case: Case, cotangents: Cotangents | None) -> dict[str, Comparison]:
    """What is expected of any backend, and how far off is allowed, by the names in a saved case."""
    arithmetic = UNKNOWN.arithmetic(case.dtype)
    if cotangents is None:
        found, only, prefix = whole_answer(case, arithmetic), None, ""
    else:
        found, only, prefix = gradients(case, cotangents, arithmetic), case.arrays(), "gradients."
    return {
        f"{prefix}{name}": comparison(
            name,
            np.zeros(array.shape, case.dtype),
            array,
            bounded=case.bounded and cotangents is None and name != "final_cell_state",
        )
        for name, array in found.items()
        if only is None or name in only
    }


def name_of(vector: SavedCase) -> str:
    """The name of a vector's file."""
    words = [vector.case.cell, vector.case.dtype.name, "" if vector.cotangents is None else "gradients"]
    return "-".join([*filter(None, words), vector.digest]) + SUFFIX


def needed(vector: SavedCase) -> list[str]:
    """What a program must be able to do to answer a vector, as words; more than `features` tell apart."""
    case = vector.case
    more: dict[str, Any] = {
        "one bias": case.b is not None and case.recurrent_b is None,
        f"merge_mode {case.merge_mode}": case.merge_mode,
        f"gates {case.recurrent_activation}": case.recurrent_activation != "sigmoid",
    }
    of = "" if vector.cotangents is None else features.GRADIENTS
    return [*features.features(case, of), *(name for name, has in more.items() if has)]
