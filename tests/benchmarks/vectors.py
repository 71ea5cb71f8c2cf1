"""What vectors catch: the planted faults that ours kill, beside those that ONNX's node tests kill.

    python -m tests.benchmarks.vectors [BACKEND ...]

Each fault of `tests.faults.catalogue` is asked every vector of a cell that it can express, in one process.
Ours kill it by |observed - expected| <= bound; ONNX's by its own comparison, at its own rtol and atol. Faults
that make no difference to any node test, which lack what they need, survive these, and are counted apart.
Then each correct BACKEND, by default numpy, is asked our vectors. The exit status is 1 where an answer is
wrong or there is none.
"""

import argparse
import sys
from collections.abc import Sequence

from rnn_lockstep.adapters import Refused, load
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.saved_cases.saved_case import SavedCase
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.reference.oracle.cells import CELLS
from rnn_lockstep.tests.harness.conformance_vectors import vectors
from tests.faults.catalogue import FAULTS
from tests.vectors.killing import answer, declares, expressed_by_onnx, fails_of, first_wrong, wrong
from tests.vectors.onnx_nodes import NodeCase, node_cases, read

HEAD = ("cell", "faults", "killed by ours", "killed by ONNX's", "of no feature of ONNX's")
SECONDS = 60.0  # for a case of a correct backend


def main() -> int:
    """Print the table, the survivors by family, and how correct backends answer."""
    parser = argparse.ArgumentParser(description="What vectors catch, ours and ONNX's.")
    parser.add_argument("backends", nargs="*", metavar="BACKEND", default=["numpy"])
    chosen, ours, nodes = parser.parse_args().backends, list(vectors()), [read(name) for name in node_cases()]
    print(f"{len(ours)} vectors of ours, {len(nodes)} node tests of ONNX\n")
    survivors = table(ours, nodes)
    for whose, names in survivors.items():
        print(f"\nsurvive {whose}:")
        for family in dict.fromkeys(FAULTS[name].family for name in names):
            print(f"  {family}: {', '.join(n for n in dict.fromkeys(names) if FAULTS[n].family == family)}")
    return max([correct(name, ours) for name in chosen])


def table(ours: Sequence[SavedCase], nodes: Sequence[NodeCase]) -> dict[str, list[str]]:
    """Print the kill-rates of each cell; return the names of the faults that survive, by whose vectors."""
    survivors: dict[str, list[str]] = {"ours": [], "ONNX's": []}
    print("  ".join(HEAD))
    for cell in CELLS:
        faults = [fault for fault in FAULTS.values() if cell in fault.cells]
        own = [vector for vector in ours if vector.case.cell == cell]
        theirs = [node for node in nodes if node.case.cell == cell]
        alive = [fault for fault in faults if not first_wrong(fault(), own)]
        spared = [fault for fault in faults if not fails_of(fault(), theirs)]
        lacking = [fault for fault in spared if not expressed_by_onnx(fault, theirs)]
        row = (cell, len(faults), len(faults) - len(alive), len(faults) - len(spared), len(lacking))
        print("  ".join(f"{part!s:>{len(word)}}" for part, word in zip(row, HEAD, strict=True)), flush=True)
        survivors["ours"] += [fault.name for fault in alive]
        survivors["ONNX's"] += [fault.name for fault in spared]
    return survivors


def correct(name: str, ours: Sequence[SavedCase]) -> int:
    """Print how a backend answers our vectors; return 1 where an answer is wrong or there is none."""
    adapter = load(name) if name == "numpy" else Supervised(name, SECONDS)
    asked = [vector for vector in ours if declares(adapter, vector)]
    right, refused, bad = 0, 0, list[str]()
    for vector in asked:
        try:
            array = wrong(vector, answer(adapter, vector))
        except Refused:
            refused += 1
        except Exception as error:  # whatever a backend raises, or how its process ended
            bad.append(f"{vector.case!r}: {in_one_line(error)}")
        else:
            right += not array
            bad += [f"{vector.case!r}: wrong {array}"] * bool(array)
    print(f"\n{adapter.facts}:\n  {right} right, {len(bad)} not, {refused} refused", end="")
    print(f", {len(ours) - len(asked)} not asked, needing what it does not declare")
    print("".join(f"    {each}\n" for each in bad), end="", flush=True)
    if isinstance(adapter, Supervised):
        adapter.close()
    return int(bool(bad) or not right)


if __name__ == "__main__":
    sys.exit(main())
