"""A live model connected to a layer, by a first question: it shows what the model takes and returns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.frameworks.runtimes import UNKNOWN
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS, Way, WrongForm, final_states
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, in_dtype
from rnn_lockstep.adapters.one_line import in_one_line, with_type
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states
from rnn_lockstep.reference.oracle.validation import Array

BATCH, TIME = 2, 3  # of the first question; not the same, so that they are not mixed up
STATES = ("final_state", "final_cell_state")


@dataclass(frozen=True, eq=False)
class LiveLayer:
    """A live model that answers in the form of a layer's answers.

    way: how it is asked.  facts: the declared errors of its framework.
    layer: the one that it should be, in the dtype and with the return_sequences that its answers have.
    unobserved: the final states that it does not return.
    before: why it could not be asked in a way that would have shown more.
    """

    way: Way
    facts: Facts
    layer: RecurrentLayer
    unobserved: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def run(self, case: Case) -> Trace:
        """The answer to a case of the layer, the model having forgotten all others.

        There are zeros on padding, whatever the model left there. The case's initial state and lengths are
        given where the model takes them, and final states are None where it does not return them.
        """
        self.way.reset()
        return self.run_next(case)

    def run_next(self, case: Case) -> Trace:
        """The same, but the model may remember the call before."""
        with np.errstate(all="ignore"):
            outputs, *states = (narrowed(array, self.layer.dtype) for array in self.way.call(case))
        if case.return_sequences and outputs.ndim == 3:
            if self.layer.outputs_reversed:
                outputs = outputs[:, ::-1]
            if case.padded and outputs.shape[:2] == case.valid.shape:
                outputs = np.where(case.valid[..., None], outputs, outputs.dtype.type(0))
        observed = [name for name in STATES if name not in self.unobserved]
        found = dict(zip(observed, final_states(case, states), strict=False))
        return Trace(outputs, found.get("final_state"), found.get("final_cell_state"))

    def notes(self) -> Iterator[str]:
        """Lines that tell what cannot be compared."""
        if INITIAL_STATE not in self.way.takes:
            yield "it takes no initial state, so every sequence began at zeros"
        if LENGTHS not in self.way.takes:
            yield "it takes no lengths, so no sequence was padded"
        yield from self.before
        yield from self.way.remarks
        if self.facts is UNKNOWN:
            error = UNKNOWN.arithmetic(self.layer.dtype).error_of("sigmoid")
            yield (
                "what computes its tanh and sigmoid is not known, so they may be off by "
                f"{error.ulps:g} ulps and {error.absolute:.2g}; its attribute facts can tell"
            )
        if self.unobserved:
            names = " and ".join(name.replace("_", " ") for name in self.unobserved)
            yield f"it does not return its {names}, so that was not compared"


def connect(ways: Iterable[Way], layer: RecurrentLayer) -> LiveLayer:
    """The model asked in the first way in which it answers in the form of a layer's answers.

    Raises InvalidModel where it answers in no way at all, and WrongForm where it does in another form.
    """
    failed: list[tuple[Way, str]] = []
    wrong_form = ""
    for way in ways:
        what = f"{way.name}{', given an initial state' * (INITIAL_STATE in way.takes)},"
        try:
            live = connect_by(way, layer)
        except WrongForm as error:
            failed.append((way, f"{what} does not fit: {in_one_line(error)}"))
            wrong_form = wrong_form or failed[-1][1]
        except Exception as error:  # whatever is wrong with a model
            failed.append((way, f"{what} raised {with_type(error)}"))
        else:
            more = [why for other, why in failed if way.takes < other.takes or way.bare]
            return replace(live, before=tuple(dict.fromkeys(more)))
    if wrong_form:
        raise WrongForm(wrong_form)
    raise InvalidModel(failed[-1][1] if failed else "it has no recurrent layer that can be asked")


def connect_by(way: Way, layer: RecurrentLayer) -> LiveLayer:
    """The model as its first answer shows it. Raises WrongForm, and whatever the model raises."""
    case = first_question(way, layer)
    way.reset()
    answer = way.call(case)
    if not answer:
        raise WrongForm("it returned nothing")
    outputs, *states = answer
    outputs = narrowed(outputs, layer.dtype)
    whole = returns_sequences(case, outputs)
    layer = in_dtype(replace(layer, return_sequences=whole), outputs.dtype)
    found, kinds = len(final_states(case, states)), len(case.start)  # a wrong shape is for the check to find
    return LiveLayer(way, way.facts(), layer, STATES[found if found <= kinds else 0 : kinds])


def narrowed(array: Array, dtype: np.dtype[Any]) -> Array:
    """An answer in a dtype where that loses nothing: a list of float32 numbers is float64 to NumPy."""
    if array.dtype != np.float64 or dtype != np.float32:
        return array
    with np.errstate(all="ignore"):
        narrow = array.astype(dtype)
    return narrow if np.array_equal(narrow, array, equal_nan=True) else array


def first_question(way: Way, layer: RecurrentLayer) -> Case:
    """A small case of a layer, with an initial state of zeros where the model takes one."""
    rng = np.random.default_rng(0)
    dtype = layer.dtype
    case = layer.case(rng.normal(size=(BATCH, TIME, layer.input_size)).astype(dtype))
    if INITIAL_STATE not in way.takes:
        return case
    return with_states(case, *(np.zeros(shape, dtype) for shape in case.state_shapes))


def returns_sequences(case: Case, outputs: Array) -> bool:
    """Tell whether outputs are of all steps. Raises WrongForm where they are neither these nor the last."""
    every, last = (BATCH, TIME, case.features), (BATCH, case.features)
    if outputs.shape not in (every, last):
        asked = f"for inputs {case.inputs.shape} its outputs are {outputs.shape}"
        raise WrongForm(f"{asked}, needs {every}, or {last} of the last step")
    if outputs.dtype.name not in DTYPES:
        raise WrongForm(f"its outputs are {outputs.dtype}, needs {' or '.join(DTYPES)}")
    return outputs.ndim == 3
