"""What runs a model without being a backend here: the facts of ONNX Runtime, and of an unknown arithmetic."""

from typing import Any

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.backends.declarations import mistake_in
from rnn_lockstep.reference import FunctionError
from rnn_lockstep.reference.bound.arithmetic import FORMATS, UNMEASURED_ULPS

# Its sigmoid is off by up to 1.8e-7 near x = 16 and x = -16, where it should be nearly 1 or 0, and its tanh
# likewise: both are quotients of polynomials. A GRU's reset gate is off by 3.01e-7 at x = -19.6, the worst of
# all numbers from -21 to -16: 5.05 roundoffs.
ONNX_RUNTIME = Facts("ONNX Runtime", function_error=6 * 2.0**-24)

# The absolute error of tanh and sigmoid beside UNMEASURED_ULPS where nobody knows what computes them, in
# roundoffs of the dtype of sums. Runtimes for inference have quotients of polynomials, whose error is
# absolute where the value is nearly zero; ONNX Runtime's is 5.05 roundoffs.
UNKNOWN_ABSOLUTE = 6.0


def unknown_errors() -> dict[str, FunctionError]:
    """The error that tanh and sigmoid may have where nobody knows what computes them, by dtype."""
    bits = {name: FORMATS["float32" if f.stored_only else name].bits for name, f in FORMATS.items()}
    return {n: FunctionError(UNMEASURED_ULPS[n], UNKNOWN_ABSOLUTE * 2.0**-count) for n, count in bits.items()}


OF_UNKNOWN = {name: unknown_errors() for name in ("tanh", "sigmoid")}
UNKNOWN = Facts("a function", recomputes=True, functions=OF_UNKNOWN)


def stated(model: Any) -> Facts | None:
    """The facts that a user's function or model states in its attribute `facts`; None where it has none.

    Raises ValueError where they are no Facts, or mean nothing.
    """
    facts = getattr(model, "facts", None)
    if facts is None:
        return None
    if not isinstance(facts, Facts):
        raise ValueError(
            f"its attribute facts is a {type(facts).__name__}, needs rnn_lockstep.adapters.Facts"
        )
    if mistake := mistake_in(facts):
        raise ValueError(f"its attribute facts {mistake}")
    return facts
