"""What the templates are filled with: a case's arrays, names and formulas in a framework's conventions."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnn_lockstep.adapters.backends.weight_layouts import LAYOUTS
from rnn_lockstep.adapters.bug_report.conventions import FRAMEWORKS, stored_weights
from rnn_lockstep.adapters.bug_report.formula import MERGED, Formula, functions, in_jax, in_numpy
from rnn_lockstep.adapters.bug_report.source import UNPACK, literal, packed, stored, with_strides
from rnn_lockstep.adapters.bug_report.target import LAST, PARTS, Target
from rnn_lockstep.reference import Case, Cotangents
from rnn_lockstep.reference.oracle.cells import GATES
from rnn_lockstep.reference.oracle.gradients import given_or_zeros
from rnn_lockstep.reference.oracle.validation import Array

LINE = 80  # characters of a source that does not fill a line


@dataclass(frozen=True)
class Filling:
    """A case in a framework's conventions, and the form that the script is to have.

    formula_shown: in NumPy; otherwise the number that it gives, or nothing to compare with.
    longest: how many characters the source of an array may have before it is compressed.
    """

    framework: str
    tag: str
    case: Case
    target: Target | None
    given_cotangents: Cotangents | None
    formula_shown: bool
    longest: int

    @cached_property
    def weights(self) -> list[list[Array]]:
        """The arrays of every cell, as the framework stores them."""
        return [
            stored_weights(self.framework, self.case, direction.weights)
            for layer in self.case.passes
            for direction in layer
        ]

    @property
    def names(self) -> list[str]:
        """Of a cell's weights."""
        names = FRAMEWORKS[self.framework].weights
        if self.framework == "jax":  # which has either bias alone
            return [name for name, w in zip(names, self.case.weights, strict=True) if w is not None]
        return list(names[: len(self.weights[0])])

    @property
    def layer(self) -> str:
        """The framework's name of it."""
        name: str = getattr(FRAMEWORKS[self.framework], self.case.cell)
        return name

    @property
    def cells(self) -> int:
        return len(self.weights)

    @property
    def of_cells(self) -> str:
        """Whose the weights are, where that is not clear."""
        words = ["of each layer"] if self.case.layers > 1 else []
        words += ["forward and backward"] if self.case.directions == 2 else []
        return "".join(f", {word}" for word in words)

    @property
    def gates(self) -> str:
        """In the order of the framework."""
        order = LAYOUTS[self.framework].gates if self.framework in LAYOUTS else {}
        return order.get(self.case.cell, "".join(GATES[self.case.cell]))

    @property
    def state(self) -> list[str]:
        return ["h", "c"][: len(self.case.start)]

    @property
    def sides(self) -> tuple[str, ...]:
        """What the script calls the outputs of each direction."""
        return ("forward", "backward") if self.case.directions == 2 else ("x",)

    @property
    def given(self) -> bool:
        """Whether there is an initial state, beside the default one."""
        return self.case.initial_state is not None

    def in_shape(self, states: tuple[Array, ...] | list[Array]) -> list[Array]:
        """States as the framework has them: of torch, always with an axis for cells."""
        return [self.case.by_cell(state) if self.framework == "torch" else state for state in states]

    @cached_property
    def start(self) -> dict[str, Array]:
        """The initial states."""
        return dict(zip(("h0", "c0"), self.in_shape(self.case.start), strict=False))

    @cached_property
    def cotangents(self) -> dict[str, Array]:
        """Of outputs, h and c; none without gradients."""
        if self.given_cotangents is None:
            return {}
        outputs, *states = given_or_zeros(self.case, self.given_cotangents)
        arrays = [outputs, *self.in_shape(states)]
        return dict(zip(("g_outputs", "g_h", "g_c"), arrays, strict=False))

    @cached_property
    def arrays(self) -> list[Array]:
        """All that the script holds."""
        others = [self.case.inputs, *self.start.values(), *self.cotangents.values()]
        return [*others, *(array for cell in self.weights for array in cell)]

    @property
    def numbers(self) -> int:
        """How many there are, apart from zeros."""
        return sum(array.size for array in self.arrays if array.any())

    @property
    def compressed(self) -> bool:
        """Whether some array is."""
        return any(len(literal(array)) > self.longest for array in self.arrays)

    @property
    def one_line(self) -> bool:
        """Whether every array of a cell is short in the source, so that they go together."""
        return self.longest <= LINE

    @property
    def unpack(self) -> str:
        return UNPACK.format(stored(self.case.dtype))

    def source(self, array: Array, strides: bool = False) -> str:
        """An array in Python; with its strides where the framework is handed them."""
        text = literal(array)
        if len(text) > self.longest:
            text = packed(array)
        return with_strides(text, array) if strides and self.framework == "torch" else text

    @property
    def padding(self) -> str:
        """The line that says which steps count."""
        case = self.case
        if self.framework == "torch":
            return f"lengths = {case.valid.sum(axis=1).tolist()}"
        if case.mask is not None:
            mask = f"np.array({case.mask.astype(int).tolist()}, dtype=bool)"
        else:
            mask = f"np.arange({case.time}) < np.array({case.valid.sum(axis=1).tolist()})[:, None]"
        return f"mask = {mask}  # which steps count"

    def steps(self, row: int | str) -> str:
        """The steps of a row that count, in the order of a cell that runs forwards."""
        if not self.case.padded:
            steps = f"range({self.case.time})"
        elif self.framework == "torch":
            steps = f"range(lengths[{row}])"
        else:
            steps = f"np.flatnonzero(mask[{row}])"
        return f"{steps}[::-1]" if self.case.reverse else steps

    def cell(self, layer: int, direction: int) -> str:
        """The index of a cell among states, with what follows."""
        several = self.framework == "torch" or self.cells > 1
        return f"{layer * self.case.directions + direction}, " if several else ""

    def run(
        self, layer: int, direction: int, row: int | str, *, shown: str = "", steps: str = "", x: str = "x"
    ) -> str:
        """The call of one cell's loop over a row."""
        cell = layer * self.case.directions + direction
        arguments = [x, f"weights[{cell}]" if self.cells > 1 else "weights"]
        arguments += [f"{name}[{self.cell(layer, direction)}{row}]" for name in self.start]
        arguments += [(steps or "steps") + ("[::-1]" if direction else ""), *([shown] if shown else [])]
        return f"run({', '.join(arguments)})"

    def merged(self, *outputs: str) -> str:
        return MERGED[self.case.merge_mode].format(*outputs)

    @property
    def observed(self) -> str:
        """The vector of the framework's answer that the target is in."""
        t = self.the_target
        if t.part == LAST:
            return f"outputs[{t.row}]"
        if t.part:
            name = "c_n" if t.part == "final_cell_state" else "h_n"
            return f"{name}[{self.cell(t.layer, t.direction or 0)}{t.row}]"
        return f"outputs[{t.row}, {t.time}{self.own_units}]"

    @property
    def own_units(self) -> str:
        """The last index of outputs, where a direction has only some of them."""
        direction, size = self.the_target.direction, self.case.hidden_size
        if self.case.merge_mode != "concat" or direction is None:
            return ""
        return f", {size * direction}:{size * (direction + 1)}"

    @property
    def own_outputs(self) -> str:
        """The outputs of the target's cell in its row, where each step starts from the one before."""
        t, units = self.the_target, self.own_units
        return f"outputs[{t.row}{', :' + units if units else ''}]" if t.shown else ""

    @property
    def part(self) -> int:
        """Which of the results of `run` the target is in."""
        return list(PARTS).index(self.the_target.part)

    @property
    def parameter(self) -> str:
        """The framework's name of the weights that the target is a gradient of."""
        t = self.the_target
        name = self.names[t.which]
        if self.framework != "torch":
            return name + (f" ({self.sides[t.direction or 0]})" if self.cells > 1 else "")
        return f"{name}_l{t.layer}{'_reverse' if t.direction or self.case.reverse else ''}"

    @property
    def words(self) -> str:
        """What and where the target is: weights by the framework's name."""
        t = self.the_target
        if not t.array.startswith("weights"):
            return t.words
        return f"the gradient of {self.parameter} at {list(t.at)}"

    @property
    def the_target(self) -> Target:
        assert self.target is not None
        return self.target

    @property
    def keras_start(self) -> list[str]:
        """The initial states as Keras wants them, cell by cell."""
        cells = [f"[{d}]" for d in range(self.cells)] if self.cells > 1 else [""]
        return [name + cell for cell in cells for name in self.start]

    @property
    def keras_variable(self) -> str:
        """Keras's name of the array that the target is an element of the gradient of."""
        if self.target is None:
            return "[arrays, layer.trainable_variables]"
        array, at = self.target.array, self.target.at
        if array.startswith("weights"):
            place = (self.target.direction or 0) * len(self.names) + self.target.which
            return f"layer.trainable_variables[{place}]"
        if array == "inputs":
            return "arrays[0]"
        cell = at[0] if self.cells > 1 else 0
        return f"arrays[{1 + cell * len(self.state) + list(self.start).index(array)}]"

    @property
    def keras_at(self) -> tuple[int, ...]:
        """The index in it: Keras has the initial states of several cells apart."""
        t = self.the_target
        return t.at[1:] if self.cells > 1 and t.array in self.start else t.at

    @property
    def functions(self) -> dict[str, str]:
        return functions(self.case, of_complex=bool(self.cotangents))

    @property
    def formula(self) -> Formula:
        return in_numpy(self.framework, self.case, self.names)

    @property
    def jax_formula(self) -> Formula:
        return in_jax(self.case, self.names)

    @property
    def headline(self) -> str:
        what = f"{self.layer} in {self.case.dtype}"
        if self.target is None:
            return f"{what}: its gradients raise an error." if self.cotangents else f"{what} raises an error."
        return f"{what}: {self.words} is wrong."

    @property
    def summary(self) -> str:
        if self.target is None:
            return "It should run."
        formula = "the same formula in NumPy, in float64"
        if self.target.array:
            formula = f"a complex-step derivative of {formula}"
        if not self.formula_shown:
            formula = "backpropagation through time in float64"
        return f"{self.target.note}Compared with {formula}. Exits 1 while they differ."

    @property
    def why(self) -> str:
        """What the bound is."""
        if self.the_target.bound == 0:
            return "nothing is rounded here"
        return "how far rounding can move a correct answer from it, whatever the order of sums"

    @property
    def has_nan(self) -> bool:
        return bool(np.isnan(self.case.inputs.astype(np.float64)).any())
