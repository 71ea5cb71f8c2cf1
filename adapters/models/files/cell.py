"""One cell as a file has it: its weights, and what the file tells about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnn_lockstep.reference import Weights


@dataclass(frozen=True)
class Cell:
    """A cell that was found.

    cell: its kind.  weights: in the reference layout.
    options: those that the file or its framework tells.  assumed: those that it does not.
    """

    cell: str
    weights: Weights
    options: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ("activation", "recurrent_activation")
