"""Which layers a tensor within a model is made of, found by trying: another answer of theirs changes it."""

from collections.abc import Callable

from rnn_lockstep.adapters.port.whole.model import Recorder, Run
from rnn_lockstep.adapters.port.whole.plain_causes import is_near
from rnn_lockstep.reference.oracle.validation import Array

MOST = 40  # layers that are tried


def behind(run: Callable[[Recorder], Run], call: int | None, tensor: int) -> set[int] | None:
    """The numbers of the answers that a tensor is made of, of layers that follow the recurrent one before it.

    None where there are too many to try.

    run: runs the model, which tells the recorder.  call, tensor: as in `WholeModel.behind`.
    """
    recorder = Recorder({})
    own = run(recorder)
    segment = len(own.calls) if call is None else call
    near = [number for number, inner in enumerate(recorder.inner) if inner.calls == segment]
    if len(near) > MOST:
        return None
    before = tensor_of(own, call, tensor)
    tried = {number: run(Recorder({}, upset=number)) for number in near}
    return {number for number, made in tried.items() if not is_near(tensor_of(made, call, tensor), before)}


def tensor_of(run: Run, call: int | None, tensor: int) -> Array:
    """A tensor of a run: what a recurrent layer is given, the sequence before its states, or an output."""
    if call is None:
        return run.outputs[tensor]
    return (run.calls[call].inputs, *run.calls[call].initial)[tensor]
