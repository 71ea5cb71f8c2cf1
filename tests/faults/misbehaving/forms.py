"""Backends whose answers or facts are of no form that anybody expects."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters import Case, Facts, Trace
from tests.faults.misbehaving.misbehaviour import GRADIENTS, Correct, declaring, misbehaviour, when_answering

FORM = "wrong form"


@when_answering(FORM)
def answers_none(case: Case, right: Trace) -> Any:
    return None


@when_answering(FORM)
def answers_a_text(case: Case, right: Trace) -> Any:
    return "h" * 2**24


@when_answering(FORM)
def answers_a_list(case: Case, right: Trace) -> Any:
    return [right]


@when_answering(FORM)
def answers_a_dict(case: Case, right: Trace) -> Any:
    return right.arrays()


@when_answering(FORM)
def answers_a_generator(case: Case, right: Trace) -> Any:
    return (output for output in right.outputs)


@misbehaviour(FORM)
class answers_a_coroutine(Correct):  # noqa: N801
    async def run(self, case: Case) -> Any:
        return None


@when_answering(FORM)
def answers_lists_for_arrays(case: Case, right: Trace) -> Any:
    return Trace(right.outputs.tolist(), right.final_state.tolist())


class Hollow(tuple):
    """A tuple without an end."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 0


class Deep(Mapping[str, Any]):
    """A mapping without an end, of mappings like itself."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        while True:
            yield "outputs"

    def __getitem__(self, name: str) -> Any:
        return self


@when_answering(FORM)
def answers_an_endless_tuple(case: Case, right: Trace) -> Any:
    limit_memory()
    return Hollow((0,))


@when_answering(FORM)
def answers_an_endless_mapping(case: Case, right: Trace) -> Any:
    limit_memory()
    return Deep()


@when_answering(FORM)
def answers_tuples_in_tuples(case: Case, right: Trace) -> Any:
    inner: Any = ()
    for _ in range(10**5):
        inner = (inner, inner)
    return Trace(inner, inner)


def limit_memory() -> None:
    """Let this process have a gigabyte at most, whatever it does."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


@when_answering(FORM)
def answers_masked_arrays(case: Case, right: Trace) -> Any:
    return Trace(np.ma.masked_all(right.outputs.shape, case.dtype), right.final_state)


@when_answering(FORM)
def answers_objects(case: Case, right: Trace) -> Any:
    return Trace(right.outputs.astype(object), right.final_state)


@when_answering(FORM)
def answers_complex_numbers(case: Case, right: Trace) -> Any:
    return Trace(right.outputs.astype(complex), right.final_state)


@when_answering(FORM)
def answers_in_another_byte_order(case: Case, right: Trace) -> Any:
    return Trace(right.outputs.astype(case.dtype.newbyteorder()), right.final_state)


@when_answering(FORM)
def answers_in_another_dtype(case: Case, right: Trace) -> Any:
    return Trace(right.outputs.astype("float16"), right.final_state)


@when_answering(FORM)
def answers_dates(case: Case, right: Trace) -> Any:
    return Trace(np.zeros(right.outputs.shape, "M8[s]"), right.final_state)


@when_answering(FORM)
def answers_records(case: Case, right: Trace) -> Any:
    return Trace(np.zeros(right.outputs.shape, [("a", "f4"), ("b", "O")]), right.final_state)


@when_answering(FORM)
def answers_a_number(case: Case, right: Trace) -> Any:
    return Trace(right.outputs[0, 0, 0], right.final_state[0, 0])


@when_answering(FORM)
def answers_a_giant(case: Case, right: Trace) -> Any:
    """Answer with an array that has 10¹⁸ elements and takes no memory."""
    return Trace(np.broadcast_to(case.dtype.type(1), (10**6, 10**6, 10**6)), right.final_state)


@when_answering(FORM)
def answers_300_megabytes(case: Case, right: Trace) -> Any:
    return Trace(np.zeros((300, 2**18), "float32"), right.final_state)


@when_answering("wrong final_state")
def answers_final_states_of_nan(case: Case, right: Trace) -> Any:
    return replace(right, final_state=np.full_like(right.final_state, np.nan))


@when_answering("wrong outputs")
def answers_nan(case: Case, right: Trace) -> Any:
    return replace(right, outputs=np.full_like(right.outputs, np.nan))


class Lying(np.ndarray):
    """An array that says that it equals anything, and hides its numbers."""

    def __eq__(self, other: object) -> Any:
        return True

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        return np.zeros(1)

    def tobytes(self, order: Any = None) -> bytes:
        return b""


@when_answering("wrong")
def answers_lying_arrays(case: Case, right: Trace) -> Any:
    return replace(right, outputs=np.full_like(right.outputs, 3).view(Lying))


class Strange(Trace):
    """A trace that cannot be read."""

    @property
    def outputs(self) -> Any:
        raise SystemExit(0)


@when_answering("SystemExit: 0")
def answers_what_cannot_be_read(case: Case, right: Trace) -> Any:
    return object.__new__(Strange)


@misbehaviour("is not an adapter", saved=False)
class has_no_run:  # noqa: N801
    facts = Correct.facts


@misbehaviour("TypeError", "takes 1 positional argument but 2 were given")
class takes_no_case(Correct):  # noqa: N801
    def run(self) -> Any:
        return None


@misbehaviour("is not an adapter", saved=False)
class is_anything:  # noqa: N801
    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


@misbehaviour("no gradients today", tests=GRADIENTS)
class raises_in_its_gradients(Correct):  # noqa: N801
    facts = replace(Correct.facts, gradients=True)

    def gradients(self, *_: Any) -> Any:
        raise ArithmeticError("no gradients today")


@misbehaviour("declares gradients but has no method", saved=False)
class has_no_gradients(Correct):  # noqa: N801
    facts = replace(Correct.facts, gradients=True)


# What facts say that mean nothing, and what is told of it.
NONSENSE: dict[str, tuple[Callable[[], Any], str]] = {
    "facts_are_a_dict": (lambda: {"name": "facts"}, "is not an adapter"),
    "facts_are_a_class": (lambda: Facts, "is not an adapter"),
    "facts_of_unknown_dtypes": (
        lambda: Facts("facts", dtypes=("float8", "int4")),
        "declares dtypes=('float8'",
    ),
    "facts_of_unknown_cells": (lambda: Facts("facts", cells=("transformer",)), "declares cells=('trans"),
    "facts_of_no_cells": (lambda: Facts("facts", cells=()), "declares cells=(), needs"),
    "facts_of_no_dtypes": (lambda: Facts("facts", dtypes=()), "declares dtypes=(), needs"),
    "facts_of_a_text_of_dtypes": (lambda: Facts("facts", dtypes="float32"), "declares dtypes=float32, needs"),
    "facts_of_negative_layers": (lambda: Facts("facts", layers=-1), "declares layers=-1, needs"),
    "facts_of_no_steps": (lambda: Facts("facts", most_steps=0), "declares most_steps=0, needs"),
    "facts_of_seven_biases": (lambda: Facts("facts", biases=(7,)), "declares biases=(7,), needs"),
    "facts_of_unknown_activations": (lambda: Facts("facts", activations=("gelu",)), "declares activations="),
    "facts_of_unknown_merge_modes": (lambda: Facts("facts", merge_modes=("max",)), "declares merge_modes="),
    "facts_of_nan_ulps": (lambda: Facts("facts", tanh_ulps={"float32": math.nan}), "declares tanh_ulps="),
    "facts_of_infinite_ulps": (
        lambda: Facts("facts", tanh_ulps={"float32": math.inf}),
        "declares tanh_ulps=",
    ),
    "facts_of_negative_ulps": (lambda: Facts("facts", tanh_ulps={"float32": -2}), "declares tanh_ulps="),
    "facts_of_ulps_in_words": (lambda: Facts("facts", tanh_ulps={"float32": "two"}), "declares tanh_ulps="),
    "facts_of_functions_in_words": (lambda: Facts("facts", functions={"tanh": 1}), "declares functions="),
    "facts_of_arrays": (lambda: Facts("facts", biases=np.arange(2)), "declares biases=[0 1], needs"),
    "facts_of_perhaps": (lambda: Facts("facts", gradients="perhaps"), "declares gradients=perhaps, needs"),
}
FACTS = [declaring(told, name=name, facts=make, saved=False) for name, (make, told) in NONSENSE.items()]


@misbehaviour(red=False)
class facts_of_objects(Correct):  # noqa: N801
    facts = Facts(object(), version=b"\xff", settings=[object()])  # type: ignore[arg-type]


@misbehaviour(red=False)
class facts_of_a_billion_layers(Correct):  # noqa: N801
    facts = replace(Correct.facts, layers=10**9)


@misbehaviour("every case was inconclusive", red=False)
class facts_of_vast_ulps(Correct):  # noqa: N801
    facts = replace(Correct.facts, tanh_ulps={"float32": 1e30, "float64": 1e30})
