"""Whole torch modules: asked by their forward, their recurrent layers watched by hooks."""

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.live import torch_module
from rnn_lockstep.adapters.models.live.calling import as_numpy
from rnn_lockstep.adapters.models.live.signature import signature_of
from rnn_lockstep.adapters.models.live.way import reset
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer
from rnn_lockstep.adapters.models.recurrent_layer import readable as readable_ones
from rnn_lockstep.adapters.port.whole.behind import behind
from rnn_lockstep.adapters.port.whole.inputs import Example, Input
from rnn_lockstep.adapters.port.whole.model import Call, Emitted, Inner, Recorder, Run, arrays_in, readable
from rnn_lockstep.reference.oracle.validation import Array


class TorchModel:
    """A torch.nn.Module as a whole. A compiled one is asked as it is; its layers are watched beside that.

    default: the dtype of what its code makes without saying which; None for torch's own.
    """

    inputs: tuple[Input, ...] = ()

    unread: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()

    def __init__(self, module: Any, default: Any = None) -> None:
        self.module, self.default = module, default
        self.watched = getattr(module, "_orig_mod", module)
        found = readable(
            torch_module.recurrent(self.watched),
            lambda name, m: torch_module.read(name, m, torch_module.wrapper_of(self.watched, m)),
        )
        if not found:  # of a scripted module, the names of its weights tell
            with suppress(InvalidModel):
                found = {layer.name: layer for layer in readable_ones(torch_module.layers(self.watched))}
        self.layers: Mapping[str, RecurrentLayer] = found

    def run(self, example: Example, emitted: Emitted | None = None) -> Run:
        """The answer to an example, the module being in evaluation mode."""
        reset(self.watched)
        if self.watched is self.module or emitted:
            return self.watched_run(example, emitted or {})
        calls = self.watched_run(example, {}).calls
        reset(self.watched)
        return Run(self.asked(self.module, example), calls)

    def again(self, example: Example) -> Run:
        """The outputs for an example, nothing being forgotten of what was asked before."""
        return Run(self.asked(self.module, example))

    def watched_run(self, example: Example, emitted: Emitted) -> Run:
        """The answer of the module that hooks can watch."""
        recorder = Recorder(emitted)
        with hooked(self.watched, self.layers, recorder):
            outputs = self.asked(self.watched, example)
        return Run(outputs, tuple(recorder.calls))

    def watched_inside(self, example: Example, recorder: Recorder) -> Run:
        """The same, of which a recorder keeps the answers of the modules that are not recurrent too."""
        reset(self.watched)
        with hooked(self.watched, self.layers, recorder, inner=True):
            outputs = self.asked(self.watched, example)
        return Run(outputs, tuple(recorder.calls))

    def asked(self, module: Any, example: Example) -> tuple[Array, ...]:
        """The answer of a module's forward; lengths are given where there is a parameter for them."""
        tensor = torch_module.tensors_of(self.watched)
        given, names = {}, signature_of(self.watched.forward)
        if example.lengths is not None and names.lengths:
            given[names.lengths] = tensor(example.lengths)
        elif example.lengths is not None and names.mask:
            steps = np.arange(example.arrays[0].shape[1])
            given[names.mask] = tensor(steps < example.lengths[:, None])
        with torch_module.evaluated(module), default_of(self.default):
            answer = module(*map(tensor, example.arrays), **given)
        return tuple(map(as_numpy, arrays_in(answer)))

    def in_float(self, bits: int) -> "TorchModel":
        """A copy in float32 or float64. Raises where the module cannot be copied."""
        import torch

        dtype = {32: torch.float32, 64: torch.float64}[bits]
        return TorchModel(deepcopy(self.watched).to(dtype), dtype)

    def inner(self, example: Example, emitted: Emitted | None = None) -> Sequence[Inner]:
        """The answers of the modules that are neither recurrent nor made of others."""
        recorder = Recorder(emitted or {})
        self.watched_inside(example, recorder)
        return recorder.inner

    def behind(self, example: Example, call: int | None, tensor: int) -> Collection[int] | None:
        """The numbers of the modules' answers that a tensor is made of, found by trying."""
        return behind(partial(self.watched_inside, example), call, tensor)

    def parameters(self) -> Mapping[str, Array]:
        """The parameters and buffers of the modules that are not recurrent."""
        recurrent = list(torch_module.recurrent(self.watched).values())
        modules = self.watched.named_modules()
        parts = {name: module for name, module in modules if not any(module is m for m in recurrent)}
        found = {n: torch_module.tensors_in(m) for n, m in parts.items()}
        return {
            f"{name}.{key}".lstrip("."): as_numpy(tensor)
            for name, tensors in found.items()
            for key, tensor in tensors.items()
        }

    def alone(self, layer: str) -> Any:
        """One of its recurrent modules."""
        return torch_module.recurrent(self.watched)[layer]

    def facts(self) -> Facts:
        """The facts of torch where the module is, or those that it states."""
        return torch_module.facts_of(self.watched)


@contextmanager
def default_of(dtype: Any) -> Iterator[None]:
    """Let torch make tensors in a dtype where code does not say which; None leaves it."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype or before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def hooked(module: Any, readable: Container[str], recorder: Recorder, inner: bool = False) -> Iterator[None]:
    """Watch the recurrent modules in a module that can be read, by their names.

    inner: watch the others too, but for those that are made of any.
    """
    found = [(name, m) for name, m in torch_module.recurrent(module).items() if name in readable]
    hooks = [m.register_forward_hook(hook_of(name, recorder), with_kwargs=True) for name, m in found]
    for name, each in module.named_modules() if inner else ():
        if not any(each is m for _, m in found) and not any(each.children()):
            keep = partial(recorder.add_inner, name)
            hooks.append(each.register_forward_hook(lambda m, given, answer, keep=keep: keep(answer)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def hook_of(name: str, recorder: Recorder) -> Callable[..., Any]:
    """The hook that tells a recorder what a module of that name got and gave."""

    def hook(module: Any, args: tuple[Any, ...], named: dict[str, Any], answer: Any) -> Any:
        given = [*args, *(named[key] for key in ("input", "hx") if key in named), None]
        call = call_of(name, module, given[0], given[1], answer)
        instead = recorder.add(call)
        return answer if instead is None else emitting(module, answer, instead)

    return hook


def call_of(name: str, module: Any, inputs: Any, initial: Any, answer: Any) -> Call:
    """A call in the reference's form."""
    outputs, final = answer
    steps, lengths = batch_first(module, inputs)
    emitted, _ = batch_first(module, outputs)
    return Call(
        name,
        steps,
        states_of(initial),
        emitted,
        final=states_of(final),
        lengths=lengths,
    )


def batch_first(module: Any, sequence: Any) -> tuple[Array, Array | None]:
    """The array (batch, time, size) of a sequence as a module has it, and lengths where it is packed."""
    import torch

    if isinstance(sequence, torch.nn.utils.rnn.PackedSequence):
        padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(sequence, batch_first=True)
        return as_numpy(padded).copy(), np.asarray(lengths)
    array = as_numpy(sequence).copy()
    if array.ndim == 2:
        return array[None], None
    return array if module.batch_first else array.swapaxes(0, 1), None


def states_of(states: Any) -> tuple[Array, ...]:
    """States of each kind, (cells, batch, H)."""
    found = [as_numpy(state).copy() for state in arrays_in(states)]
    return tuple(state[:, None] if state.ndim == 2 else state for state in found)


def emitting(module: Any, answer: Any, instead: Call) -> Any:
    """The answer of a module with another's outputs and final states, where there are any."""
    import torch

    rnn = torch.nn.utils.rnn
    outputs, final = answer
    if instead.outputs is not None and isinstance(outputs, rnn.PackedSequence):
        like = rnn.pad_packed_sequence(outputs, batch_first=True)
        longest = int(like[1].max())
        made = torch.as_tensor(instead.outputs[:, :longest]).to(like[0])
        outputs = rnn.pack_padded_sequence(made, like[1], batch_first=True, enforce_sorted=False)
    elif instead.outputs is not None:
        made = torch.as_tensor(instead.outputs)
        made = made[0] if outputs.ndim == 2 else made if module.batch_first else made.transpose(0, 1)
        outputs = made.to(outputs).contiguous()
    if instead.final:
        like = list(arrays_in(final))
        pairs = zip(instead.final, like, strict=True)
        states = [torch.as_tensor(array).to(own).reshape(own.shape) for array, own in pairs]
        final = tuple(states) if isinstance(final, tuple) else states[0]
    return outputs, final
