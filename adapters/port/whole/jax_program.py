"""A function of JAX as a program: traced once, run equation by equation, its scans watched, in any float.

What is traced has no more Python in it. So whatever a function is written with, in Flax, Equinox, Haiku or
plain JAX, its recurrences are the same equation, `scan`, and its constants are there to be cast.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_lockstep.reference.oracle.validation import Array

# Parameters of an equation that say in which dtype it computes.
DTYPES = ("dtype", "new_dtype", "preferred_element_type")
# Parameters of an equation that does nothing but call another program.
CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat2",
    "checkpoint",
    "custom_jvp_call",
    "custom_vjp_call",
)


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan that is run: its equation, and what it got and gave. The time is the first axis of steps."""

    equation: Any
    constants: Sequence[Any]
    begin: Sequence[Any]
    steps: Sequence[Any]
    end: Sequence[Any]
    given: Sequence[Any]


# Is told of a scan, and says which final carries and outputs are to come out of it; None for its own.
Watch = Callable[[Scan], tuple[Sequence[Any], Sequence[Any]] | None]


class Program:
    """What a function does with arrays of some shapes. Raises what it raises where it cannot be traced.

    function: from arrays to a list of arrays.
    """

    def __init__(
        self, function: Callable[..., list[Any]], arrays: Sequence[Any], more: Mapping[str, Any]
    ) -> None:
        import jax

        self.traced = jax.make_jaxpr(function)(*arrays, **more)
        self.others: dict[Cast, Any] = {}

    def run(self, arrays: Sequence[Any], watch: Watch, cast: "Cast") -> list[Array]:
        """The outputs for arrays of those shapes, those that were given by name last."""
        with cast.enabled():
            inputs = [cast.array(array) for array in arrays]
            traced = self.traced_in(cast, inputs)
            return [np.asarray(a) for a in evaluated(traced.jaxpr, traced.consts, inputs, Cast(), watch)]

    def traced_in(self, cast: "Cast", inputs: Sequence[Any]) -> Any:
        """The program in another float."""
        import jax

        if not cast.changes:
            return self.traced
        if cast not in self.others:
            self.others[cast] = jax.make_jaxpr(function_of(self.traced, cast))(*inputs)
        return self.others[cast]


@dataclass(frozen=True)
class Cast:
    """The float that a program is run in, in place of another; both the same to leave it as it is."""

    old: str = "float32"
    new: str = "float32"

    @property
    def changes(self) -> bool:
        """Whether there is anything to cast."""
        return self.old != self.new

    def enabled(self) -> Any:
        """Let JAX have float64 where that is asked for."""
        import jax

        return jax.enable_x64(True) if "float64" in (self.old, self.new) else nullcontext()

    def array(self, array: Any) -> Any:
        """An array in the new float, where it has the old one."""
        return array.astype(self.new) if self.changes and array.dtype == self.old else array

    def parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of an equation that computes in the new float, where it did in the old one."""
        changed = {
            name: np.dtype(self.new)
            for name in DTYPES
            if self.changes and parameters.get(name) is not None and parameters[name] == np.dtype(self.old)
        }
        return {**parameters, **changed}


def evaluated(
    program: Any, constants: Sequence[Any], inputs: Sequence[Any], cast: Cast, watch: Watch | None = None
) -> list[Any]:
    """The outputs of a program, each equation computed after the one before."""
    values = dict(zip((*program.constvars, *program.invars), (*constants, *inputs), strict=True))

    def value(variable: Any) -> Any:
        if hasattr(variable, "val"):  # a literal
            return cast.array(np.asarray(variable.val, variable.aval.dtype))
        return values[variable]

    for equation in program.eqns:
        found = computed(equation, [value(v) for v in equation.invars], cast, watch)
        values.update(zip(equation.outvars, found, strict=True))
    return [value(v) for v in program.outvars]


def computed(equation: Any, given: Sequence[Any], cast: Cast, watch: Watch | None) -> Sequence[Any]:
    """What an equation gives. Only scans that no other loop is around are watched."""
    import jax

    name, parameters = equation.primitive.name, equation.params
    if (inner := called(equation)) is not None:
        return evaluated(inner[0], [cast.array(c) for c in inner[1]], given, cast, watch)
    if name == "scan":
        return scanned(equation, given, cast, watch)
    if name == "while" and cast.changes:
        return looped(parameters, given, cast)
    if name == "cond" and cast.changes:
        branches = [function_of(branch, cast) for branch in parameters["branches"]]
        return list(jax.lax.switch(given[0], branches, *given[1:]))
    found = equation.primitive.bind(*given, **cast.parameters(parameters))
    return found if equation.primitive.multiple_results else [found]


def called(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """The program that an equation does nothing but call, and its constants; None where it does more."""
    if equation.primitive.name not in CALLS:
        return None
    inner = next(equation.params[name] for name in CALLED if name in equation.params)
    return (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())


def function_of(closed: Any, cast: Cast) -> Callable[..., list[Any]]:
    """A function that runs an inner program."""
    return lambda *given: evaluated(closed.jaxpr, [cast.array(c) for c in closed.consts], given, cast)


def looped(parameters: Mapping[str, Any], given: Sequence[Any], cast: Cast) -> list[Any]:
    """What a loop gives that goes on while a condition holds."""
    import jax

    goes_on, body = (function_of(parameters[name], cast) for name in ("cond_jaxpr", "body_jaxpr"))
    first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
    mine, its, begin = given[:first], given[first : first + second], list(given[first + second :])
    return list(jax.lax.while_loop(lambda c: goes_on(*mine, *c)[0], lambda c: body(*its, *c), begin))


def scanned(equation: Any, given: Sequence[Any], cast: Cast, watch: Watch | None) -> Sequence[Any]:
    """What a scan gives, or is made to give."""
    import jax

    parameters = equation.params
    constants, begin, steps = parts_of(equation, given)
    if cast.changes:
        body, carries = function_of(parameters["jaxpr"], cast), len(begin)

        def step(carry: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            found = body(*constants, *carry, *x)
            return found[:carries], found[carries:]

        ways = {"length": parameters["length"], "reverse": parameters["reverse"]}
        end, outputs = jax.lax.scan(step, list(begin), list(steps), **ways)
    else:
        found = equation.primitive.bind(*given, **parameters)
        end, outputs = found[: len(begin)], found[len(begin) :]
    instead = watch and watch(Scan(equation, constants, begin, steps, end, outputs))
    return [*end, *outputs] if instead is None else [*instead[0], *instead[1]]


def parts_of(equation: Any, variables: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """What goes into a scan, or into its body: constants, carries, and what there is of every step."""
    first = equation.params["num_consts"]
    second = first + equation.params["num_carry"]
    return variables[:first], variables[first:second], variables[second:]
