"""The fingerprints of backends: what their arithmetic looks like, and why two versions differ in bits.

    python -m tests.benchmarks.fingerprint [BACKEND ...]

Nothing here is a mistake: all of it is allowed for.
"""

import sys

from rnn_lockstep.adapters import load
from rnn_lockstep.adapters.backends.fingerprint import lines


def main(backends: list[str]) -> None:
    """Print the fingerprint of each backend."""
    for name in backends or ["numpy", "torch", "keras", "jax"]:
        adapter = load(name)
        print(adapter.facts)
        for line in lines(adapter):
            print(f"  {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
