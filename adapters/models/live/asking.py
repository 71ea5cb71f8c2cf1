"""The first question to a live model, which shows what it takes, what it returns, and in which dtype."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.live.model import INITIAL_STATE, LENGTHS, Live, Misfit, joined
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, in_dtype
from rnn_lockstep.adapters.safe_files import in_one_line
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.bound.arithmetic import DTYPES
from rnn_lockstep.reference.diagnosis.mistakes.mistake import with_states
from rnn_lockstep.reference.oracle.validation import Array

BATCH, TIME = 2, 3  # of the first question; not the same, so that they are not mixed up
STATES = ("final_state", "final_cell_state")


@dataclass(frozen=True, eq=False)
class Port:
    """A live model that answers in the form of a layer's answers.

    layer: what it should be, in the dtype and with the return_sequences that its answers have.
    unobserved: the final states that it does not return.
    before: why it could not be asked in a way that would have shown more.
    """

    live: Live
    facts: Facts
    layer: RecurrentLayer
    unobserved: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def run(self, case: Case) -> Trace:
        """The answer to a case of the layer; what it holds on padding is not looked at."""
        with np.errstate(all="ignore"):
            outputs, *states = self.live.call(case)
        if case.return_sequences and outputs.ndim == 3:
            if self.layer.outputs_reversed:
                outputs = outputs[:, ::-1]
            if case.padded and outputs.shape[:2] == case.valid.shape:
                outputs = np.where(case.valid[..., None], outputs, outputs.dtype.type(0))
        observed = [name for name in STATES if name not in self.unobserved]
        found = dict(zip(observed, joined(case, states), strict=False))
        return Trace(outputs, found.get("final_state"), found.get("final_cell_state"))

    def notes(self) -> Iterator[str]:
        """What cannot be compared."""
        if INITIAL_STATE not in self.live.takes:
            yield "it takes no initial state, so every sequence began at zeros"
        if LENGTHS not in self.live.takes:
            yield "it takes no lengths, so no sequence was padded"
        yield from self.before
        if self.unobserved:
            names = " and ".join(name.replace("_", " ") for name in self.unobserved)
            yield f"it does not return its {names}, so that was not compared"


def meet(ways: Iterable[Live], layer: RecurrentLayer) -> Port:
    """The first way to ask a model that gives answers in the form of a layer's.

    Raises InvalidModel where none of them answers at all, and Misfit where one does in another form.
    """
    failed: list[tuple[Live, str]] = []
    misfit = ""
    for live in ways:
        what = f"{live.name}{', given an initial state' * (INITIAL_STATE in live.takes)},"
        try:
            port = met(live, layer)
        except Misfit as error:
            failed.append((live, f"{what} does not fit: {error}"))
            misfit = misfit or failed[-1][1]
        except Exception as error:  # whatever is wrong with a model
            failed.append((live, f"{what} raised {type(error).__name__}: {in_one_line(error)}"))
        else:
            more = [why for other, why in failed if live.takes < other.takes or live.bare]
            return replace(port, before=tuple(dict.fromkeys(more)))
    if misfit:
        raise Misfit(misfit)
    raise InvalidModel(failed[-1][1] if failed else "it has no recurrent layer that can be asked")


def met(live: Live, layer: RecurrentLayer) -> Port:
    """The model as its first answer shows it. Raises Misfit, and whatever the model raises."""
    case = first_question(live, layer)
    answer = live.call(case)
    if not answer:
        raise Misfit("it returned nothing")
    outputs, *states = answer
    whole = form_of(case, outputs)
    layer = in_dtype(replace(layer, return_sequences=whole), outputs.dtype)
    found, kinds = len(joined(case, states)), len(case.start)  # a wrong shape is for the check to find
    return Port(live, live.facts(), layer, STATES[found if found <= kinds else 0 : kinds])


def first_question(live: Live, layer: RecurrentLayer) -> Case:
    rng = np.random.default_rng(0)
    dtype = layer.dtype
    case = layer.case(rng.normal(size=(BATCH, TIME, layer.input_size)).astype(dtype))
    if INITIAL_STATE not in live.takes:
        return case
    return with_states(case, *(np.zeros(case.state_shape, dtype) for _ in case.start))


def form_of(case: Case, outputs: Array) -> bool:
    """Whether outputs are of all steps. Raises Misfit where they are neither these nor the last ones."""
    every, last = (BATCH, TIME, case.features), (BATCH, case.features)
    if outputs.shape not in (every, last):
        asked = f"for inputs {case.inputs.shape} its outputs are {outputs.shape}"
        raise Misfit(f"{asked}, needs {every}, or {last} of the last step")
    if outputs.dtype.name not in DTYPES:
        raise Misfit(f"its outputs are {outputs.dtype}, needs {' or '.join(DTYPES)}")
    return outputs.ndim == 3
