"""The record of one format of model files: all that the rest of the tree knows about it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.models.recurrent_layer import Found, InvalidModel, RecurrentLayer


@dataclass(frozen=True, eq=False)
class Format:
    """A format of model files.

    suffixes: the ends of its files' names, for example (".pt", ".pth").
    begins: the first bytes of its files, for those whose suffix is unknown; None where they tell nothing.
    read: finds the recurrent layers in a file. Imports no framework and runs nothing that the file holds.
    One that cannot be read is given with the reason. Raises InvalidModel with one line for the file itself.
    write: makes a file's bytes of layers. Raises InvalidModel for layers that the format cannot hold. None
    for a format that is only read.
    around: tells whether a model file has more than its recurrent layers, which `read` leaves out. Raises
    InvalidModel. None for formats of weights alone.
    backend: runs the layers of a file; "numpy" where the format is no framework's own.
    framework: the module that `load` needs.
    load: loads a file of these layers as its framework does, and gives a live model of each, to prove what
    was written. None where no framework reads the format: then what `read` finds proves it.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path], Sequence[Found]]
    write: Callable[[Sequence[RecurrentLayer]], bytes] | None = None
    begins: re.Pattern[bytes] | None = None
    around: Callable[[Path], bool] | None = None
    backend: str = "numpy"
    framework: str = ""
    load: Callable[[Path, Sequence[RecurrentLayer]], list[Any]] | None = None

    def loaded(self, path: Path, layers: Sequence[RecurrentLayer]) -> list[Any]:
        """A live model of each layer that was written to a file; none where no framework reads the format.

        Raises InvalidModel where the framework is not installed, and whatever the framework raises.
        """
        if self.load is None:
            return []
        try:
            import_module(self.framework)
        except ImportError:
            what = "what is written is tried with it"
            raise InvalidModel(f"{self.framework} is not installed, and {what}") from None
        return self.load(path, layers)
