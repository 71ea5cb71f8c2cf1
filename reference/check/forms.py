"""The form of an answer, which may be anything: its types, shapes and dtypes, before a number is compared.

Arrays must be of numpy.ndarray itself. A class derived from it decides what a comparison of its numbers
says; that of a masked array says nothing of those that are masked.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from rnn_lockstep.reference.oracle.case import Case
from rnn_lockstep.reference.oracle.trace import Trace
from rnn_lockstep.reference.oracle.validation import Array, form

STATES = ("final_state", "final_cell_state")
LONGEST = 60  # characters of the name of a type or dtype


class WrongForm(Exception):
    """An answer has not the form that it needs. The message is one line: what is wrong."""


def trace_in_form(case: Case, answer: Any, unobserved: Collection[str]) -> Trace:
    """The answer as a Trace of what was checked, which is read once.

    unobserved: as for `reference.check`.
    Raises WrongForm for the first wrong type, shape or dtype.
    """
    if not isinstance(answer, Trace):
        raise WrongForm(f"the backend returned {type_name(answer)}, needs a Trace")
    outputs, final_state, final_cell_state, hidden = (
        read(lambda name=name: getattr(answer, name), name) for name in ("outputs", *STATES, "hidden_outputs")
    )
    if type(hidden) is not tuple:
        raise WrongForm(f"hidden_outputs is a {type_name(hidden)}, needs a tuple of arrays")
    if len(hidden) not in (0, case.layers - 1):
        needed = f"{case.layers - 1}, one for each layer but the last"
        raise WrongForm(f"hidden_outputs has {len(hidden)} arrays, needs {needed}")
    steps = (case.time,) if case.return_sequences else ()
    need_array(case, "outputs", outputs, (case.batch, *steps, case.features))
    for name, state, shape in zip(STATES, (final_state, final_cell_state), case.state_shapes, strict=False):
        if state is not None or name not in unobserved:
            need_array(case, name, state, shape)
    if len(case.state_shapes) == 1 and final_cell_state is not None:
        raise WrongForm(
            f"final_cell_state is {described(final_cell_state)}, needs None: only an LSTM has one"
        )
    for k, array in enumerate(hidden):
        need_array(case, f"hidden_outputs[{k}]", array, (case.batch, case.time, case.features))
    return Trace(outputs, final_state, final_cell_state, hidden_outputs=hidden)


def need_array(case: Case, name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise WrongForm unless a value is an array of that shape, in the case's dtype."""
    if type(value) is not np.ndarray:
        derived = " of no class derived from it" if isinstance(value, np.ndarray) else ""
        raise WrongForm(f"{name} is a {type_name(value)}, needs a NumPy array{derived}")
    if value.shape != shape:
        raise WrongForm(f"{name} has shape {value.shape}, needs {shape}{seen_before(value.shape, shape)}")
    if value.dtype != case.dtype:
        raise WrongForm(f"{name} has dtype {cut(value.dtype)}, needs {case.dtype}")


def arrays_in_form(answer: Any, arrays: Mapping[str, Array], what: str) -> dict[str, Array]:
    """The arrays of an answer by name, which are read once. Raises WrongForm for the first that is wrong.

    arrays: those whose names, shapes and dtypes the answer must have.
    what: the words for one array of the answer, with {} where its name goes.
    """
    if not isinstance(answer, Mapping):
        needed = f"{what.format('every array')} is needed in a dict by name"
        raise WrongForm(f"{needed}, not a {type_name(answer)}")
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        own = read(lambda name=name: answer.get(name), what.format(name))
        if type(own) is not np.ndarray or (own.shape, own.dtype) != (array.shape, array.dtype):
            raise WrongForm(f"{what.format(name)} is {described(own)}, needs {form(array)}")
        found[name] = own
    return found


def read(part: Any, name: str) -> Any:
    """The part of an answer that a function gives. Raises WrongForm where it fails."""
    try:
        return part()
    except Exception as error:  # of a class that is not ours
        raise WrongForm(f"{name} cannot be read: it raises {type_name(error)}") from None


def described(value: Any) -> str:
    """The dtype and shape of an array, or the type of anything else, in a few words."""
    if value is None:
        return "missing"
    return f"{cut(value.dtype)} {value.shape}" if type(value) is np.ndarray else f"a {type_name(value)}"


def type_name(value: Any) -> str:
    """The name of a value's type, short and printable."""
    return cut(type(value).__name__)


def cut(name: object) -> str:
    """A name, short and printable."""
    text = "".join(c if c.isprintable() else "?" for c in str(name)[:LONGEST])
    return text if len(text) < LONGEST else f"{text}..."


def seen_before(shape: tuple[int, ...], needed: tuple[int, ...]) -> str:
    """A hint where a wrong shape is one that layers are known to return."""
    seen = {
        (needed[1], needed[0], *needed[2:]): "the first two axes are swapped",
        (needed[0], needed[-1]): "the last output only",
        (*needed[:-1], 2 * needed[-1]): "two directions, or h and c, side by side",
        (1, *needed): "an axis too many",
        needed[1:]: "the first axis is missing",
    }
    return f": {seen[shape]}" if shape in seen else ""
