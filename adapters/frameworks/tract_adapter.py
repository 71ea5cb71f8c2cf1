"""Sonos's tract: models of one RNN, GRU or LSTM node, which hold their weights."""

from tempfile import NamedTemporaryFile
from typing import Any

from rnn_lockstep.adapters.backends.contract import Facts, Refused
from rnn_lockstep.adapters.frameworks.onnx_nodes import IN_ONNX, feeds, form_of, model_of, trace_of
from rnn_lockstep.reference import Case, FunctionError, Trace

WEIGHTS = ("W", "R", "B")
# A sigmoid is that of -14.4 below there, and a GRU's and an LSTM's tanh is made of such a one.
ERRORS: dict[str, Any] = {
    "functions": {
        "tanh": {"float32": FunctionError(5, 20 * 2.0**-24)},
        "sigmoid": {"float32": FunctionError(1, 10 * 2.0**-24)},
    },
}
# What it says where it cannot run a model.
REFUSALS = (
    "inconsistent fact: body input",  # no rows
    "Remove a non-1 axis",  # no steps
)


class Tract:
    """Drives a model made for each case, whose sizes are fixed.

    With the tag `layout` the rows of a batch come before the steps: the attribute layout is 1.
    """

    def __init__(self, tag: str = "") -> None:
        import tract

        self.tract, self.layout = tract, int(tag == "layout")
        self.facts = Facts(
            f"tract:{tag}" if tag else "tract",
            version=tract.version(),
            dtypes=("float32",),  # of others a GRU says "Output mismatch after rewiring expansion"
            **{**IN_ONNX, "lengths": False},  # it says "Non constant seq_len is not supported"
            **ERRORS,
        )

    def run(self, case: Case) -> Trace:
        """Run the case's node; see `Adapter.run`."""
        self.facts.need(case)
        given = feeds(case, self.layout)
        weights = {name: given.pop(name) for name in list(given) if name in WEIGHTS}
        try:
            model = self._read(model_of(form_of(case, self.layout), weights).SerializeToString())
            names = [model.input_name(k) for k in range(model.input_count())]
            for k, name in enumerate(names):
                model.set_input_fact(k, ",".join([*map(str, given[name].shape), "f32"]))
            answers = model.into_model().into_runnable().run([given[name] for name in names])
        except self.tract.TractError as error:
            said = next((reason for reason in REFUSALS if reason in str(error)), None)
            if said is None:
                raise
            raise Refused(said) from None
        found = (answer.to_numpy().copy() for answer in answers)
        return trace_of(case, *found, layout=self.layout)

    def _read(self, data: bytes) -> Any:
        """Read a model, which tract does from files alone."""
        with NamedTemporaryFile(suffix=".onnx") as file:
            file.write(data)
            file.flush()
            return self.tract.onnx().load(file.name)
