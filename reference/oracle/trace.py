"""A trace: the answer of a backend to a case."""

from dataclasses import dataclass, field

from rnn_lockstep.reference.oracle.validation import Array


@dataclass(frozen=True, eq=False)
class Trace:
    """A backend's answer to a case, in the case's dtype.

    outputs (batch, time, H), final_state (batch, H) and, of an LSTM, final_cell_state (batch, H).
    Of two directions, outputs have the case's `features` for H; of several cells, final states are
    (layers·directions, batch, H).
    final_state is None only where `check` is told that it is not observed; then so is final_cell_state.
    hidden_outputs: the outputs of each layer below the last, (batch, time, features), where the backend
    can give them; each layer is judged more sharply then.
    """

    outputs: Array
    final_state: Array | None
    final_cell_state: Array | None = None
    hidden_outputs: tuple[Array, ...] = field(default=(), kw_only=True)

    @property
    def states(self) -> tuple[Array, ...]:
        """The final states, (h,) or (h, c)."""
        return tuple(state for state in (self.final_state, self.final_cell_state) if state is not None)

    def arrays(self) -> dict[str, Array]:
        """The trace's arrays by name, without those it does not have."""
        arrays = {name: getattr(self, name) for name in ("outputs", "final_state", "final_cell_state")}
        arrays |= {f"hidden_outputs[{k}]": array for k, array in enumerate(self.hidden_outputs)}
        return {name: array for name, array in arrays.items() if array is not None}
