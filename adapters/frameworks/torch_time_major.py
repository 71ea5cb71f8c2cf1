"""PyTorch's modules with arrays (time, batch, size), and rows of lengths as `pack_sequence` packs a list."""

from dataclasses import replace
from typing import Any

from rnn_lockstep.adapters.frameworks.torch_adapter import TorchAdapter
from rnn_lockstep.reference import Case


class TorchTimeMajor(TorchAdapter):
    """Drives modules without batch_first.

    Rows of different lengths are given without padding, sorted as `enforce_sorted` needs them.
    """

    batch_first = False

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.facts = replace(self.facts, name=f"torch:{tag}")

    def _apply(self, module: Any, inputs: Any, start: Any) -> Any:
        """Call a module on what has no padding."""
        outputs, final = module(inputs.transpose(0, 1), start)
        return outputs.transpose(0, 1), final

    def _apply_packed(self, module: Any, inputs: Any, start: Any, case: Case) -> Any:
        """Call a module on rows sorted by their lengths, and put them back into their order."""
        torch, rnn = self.torch, self.torch.nn.utils.rnn
        lengths = torch.from_numpy(case.valid.sum(axis=1))
        order = torch.argsort(lengths, descending=True, stable=True)
        back = torch.argsort(order)
        rows = [inputs[row, : lengths[row]] for row in order]
        outputs, final = module(rnn.pack_sequence(rows), of_rows(start, order))
        padded = rnn.pad_sequence(rnn.unpack_sequence(outputs), batch_first=True)[back]
        missing = case.time - padded.shape[1]
        return torch.nn.functional.pad(padded, (0, 0, 0, missing)), of_rows(final, back)


def of_rows(states: Any, rows: Any) -> Any:
    """The states (layers·directions, batch, size) of these rows; None where there are none."""
    if states is None:
        return None
    single = not isinstance(states, list | tuple)
    return states[:, rows] if single else tuple(state[:, rows] for state in states)
