"""Cases for Hypothesis: small shapes that trace few graphs, values that leave faults nowhere to hide.

The lattice is small because compiled backends trace every shape anew. Values come from drawn bytes, on
a grid exact in every dtype, or from a drawn seed, with full mantissas: drawing them one by one takes
ten times as long. Both are independent and non-zero, so that no transposition or swap goes unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from rnn_lockstep.adapters import Cotangents, Facts
from rnn_lockstep.adapters.backends.array_memory import LAYOUTS
from rnn_lockstep.adapters.backends.contract import EVERYTHING
from rnn_lockstep.reference import Case
from rnn_lockstep.reference.oracle.activations import ACTIVATIONS
from rnn_lockstep.reference.oracle.layer import MERGE_MODES
from rnn_lockstep.tests.harness.drawing.forms import few_forms
from rnn_lockstep.tests.harness.drawing.make_case import REGIMES, Shape, Variant, make_case

# Shapes by purpose. From small to large, so that Hypothesis shrinks towards the first. Few pairs of
# input_size and hidden_size: less, as many and more inputs than units, sizes that fill a processor's
# registers and sizes that do not.
SHAPES: dict[str, Sequence[Shape]] = {
    "usual": (
        (1, 2, 3, 3),
        (3, 3, 1, 1),
        (2, 4, 5, 4),
        (3, 6, 8, 17),
        (1, 100, 32, 64),  # the seed notebook's
    ),
    "variants": ((2, 4, 5, 4), (1, 1, 8, 3), (9, 17, 1, 8)),
    "several steps": ((3, 6, 8, 17),),
    "half": ((3, 6, 8, 17),),
    "gradients": ((2, 4, 5, 4),),
    "gradients over many steps": ((2, 40, 3, 3),),
    "stacked": ((3, 5, 5, 4), (3, 4, 4, 4), (1, 1, 5, 4), (2, 3, 8, 17), (5, 3, 3, 3), (1, 12, 3, 3)),
    "few stacks": ((2, 4, 5, 4), (1, 5, 8, 3)),
    "empty and single": ((1, 1, 3, 3), (2, 0, 3, 3), (1, 0, 5, 4), (1, 3, 5, 1), (0, 3, 3, 3)),
    "long": ((1, 1025, 3, 3), (2, 520, 8, 17)),
}
# Those of the cells with gates, which have more variants to trace, where they are fewer or smaller.
SHAPES_OF_GATED_CELLS: dict[str, Sequence[Shape]] = {
    "usual": ((2, 4, 5, 4), (3, 6, 8, 17)),
    "half": ((2, 4, 5, 4),),
    "empty and single": ((1, 1, 3, 3), (2, 0, 3, 3), (1, 0, 5, 4), (0, 3, 3, 3)),
    "long": ((2, 257, 3, 3),),
}

VARIANTS: dict[str, Sequence[Variant]] = {  # the usual ones
    "simple_rnn": ({"activation": "tanh"}, {"activation": "relu"}),
    "gru": ({"biases": 2},),
    "lstm": ({"biases": 2},),
    "peephole_lstm": ({"biases": 2},),
}
HARD_SIGMOIDS = [
    {"biases": 2, "recurrent_activation": name} for name in ("hard_sigmoid", "hard_sigmoid_keras2")
]
OTHER_ACTIVATIONS = [{"biases": 2, "activation": name} for name in ("relu", "softsign", "elu", "linear")]
CLIP = {"biases": 2, "clip": 0.5}  # within which some sums are, and some are not
INPUT_FORGET = {"biases": 2, "input_forget": True}
# Another limit, for what is kept of the first, and with other options.
OTHER_CLIPS: dict[str, Variant] = {
    "simple_rnn": {"biases": 1, "clip": 1.0, "activation": "relu"},
    "gru": {"biases": 1, "clip": 1.0, "reset_after": False, "recurrent_activation": "hard_sigmoid"},
    "lstm": {"biases": 1, "clip": 1.0, "input_forget": True, "activation": "softsign"},
    "peephole_lstm": {"biases": 0, "clip": 1.0, "input_forget": True},
}
ALL_VARIANTS: dict[str, Sequence[Variant]] = {
    "simple_rnn": [
        *({"biases": n, "activation": a} for n in (1, 2, 0) for a in ("tanh", "relu")),
        *({"activation": name} for name in ACTIVATIONS if name not in ("tanh", "relu")),
        CLIP,
        OTHER_CLIPS["simple_rnn"],
    ],
    "gru": [
        *({"biases": n, "reset_after": after} for n in (1, 2, 0) for after in (True, False)),
        *HARD_SIGMOIDS,
        *OTHER_ACTIVATIONS,
        CLIP,
        OTHER_CLIPS["gru"],
    ],
    "lstm": [
        *({"biases": n} for n in (1, 2, 0)),
        *HARD_SIGMOIDS,
        *OTHER_ACTIVATIONS,
        {"biases": 2, "projection": True},
        CLIP,
        INPUT_FORGET,
        OTHER_CLIPS["lstm"],
    ],
    "peephole_lstm": [
        *({"biases": n} for n in (1, 2, 0)),
        *HARD_SIGMOIDS,
        *OTHER_ACTIVATIONS,
        CLIP,
        INPUT_FORGET,
        OTHER_CLIPS["peephole_lstm"],
    ],
}
# Several layers and directions, reverse, last outputs. A backend that compiles gets these few; any other gets
# every combination of the choices.
GATED_STACKS: Sequence[Variant] = (
    {"layers": 2, "biases": 2},
    {"layers": 3, "biases": 2, "merge_mode": "concat"},
    {"layers": 2, "shape": (3, 4, 4, 4), "biases": 0},  # whose layers have weights of the same shapes
    {"merge_mode": "ave"},
    {"merge_mode": "mul", "biases": 2},
    {"merge_mode": "concat", "return_sequences": False},
    {"layers": 2, "merge_mode": "sum", "biases": 2, "return_sequences": False},
)
STACKS: dict[str, Sequence[Variant]] = {
    "simple_rnn": (
        {"layers": 2, "shape": (3, 4, 4, 4), "activation": "relu"},
        {"merge_mode": "concat"},
        {"layers": 3, "biases": 2},
        {"layers": 2, "merge_mode": "concat", "biases": 2},
        {"merge_mode": "sum"},
        {"merge_mode": "mul", "activation": "relu"},
        {"layers": 2, "merge_mode": "ave"},
        {"return_sequences": False},
        {"layers": 2, "merge_mode": "concat", "return_sequences": False},
    ),
    "gru": GATED_STACKS,
    "lstm": (*GATED_STACKS, {"layers": 2, "biases": 2, "merge_mode": "concat", "projection": True}),
    "peephole_lstm": GATED_STACKS,
}
CHOICES: dict[str, Sequence[Any]] = {
    "layers": (1, 2, 3),
    "merge_mode": (None, *MERGE_MODES),
    "return_sequences": (True, False),
}
LAST_OUTPUT = {"return_sequences": False}
DIFFERENTIATED: dict[str, Sequence[Variant]] = {  # those of them whose gradients are tested, dealt out
    "simple_rnn": (
        {"layers": 2, "biases": 2, "merge_mode": "concat"},
        {"merge_mode": "mul"},
        {"reverse": True},
    ),
    "gru": (
        {"layers": 2, "return_sequences": False},
        {"merge_mode": "ave"},
        {"biases": 2, "recurrent_activation": "hard_sigmoid"},
    ),
    "lstm": (
        {"layers": 2, "biases": 2, "merge_mode": "concat"},
        {"biases": 2, "activation": "elu"},
        {"biases": 2, "projection": True},
    ),
    "peephole_lstm": (
        {"layers": 2, "biases": 2, "merge_mode": "concat"},
        {"biases": 2, "recurrent_activation": "hard_sigmoid"},
        {"reverse": True, "activation": "elu"},
    ),
}
ALL = Facts("a backend that can do everything", **EVERYTHING)

HALF_TYPES = ("float16", "bfloat16")
# Their regimes, whose bounds are wide: where states are strong nothing would be known.
HALF_REGIMES = tuple(regime for regime in REGIMES if regime != "growing")
# The kinds of padding that `tests.harness.drawing.make_case.drawn_padding` draws.
LENGTHS = ("none", "ragged", "none", "equal", "one full, one empty", "shorter", "empty")
MASKS = ("scattered", "in front", "scattered, one empty")
FEW = 8  # combinations for a backend whose facts rule out every variant of `STACKS`
GRID_VALUES = 300  # drawn bytes for smaller cases; Hypothesis's own limit is 8 KB a case


def fewer(divisor: int) -> settings:
    """Hypothesis settings with the run's number of examples divided by `divisor`."""
    return settings(max_examples=max(1, settings().max_examples // divisor))


@cache
def choices(
    cell: str = "simple_rnn",
    shapes: str = "usual",
    regimes: Sequence[str] = tuple(REGIMES),
    variants: str = "usual",
    padded: bool = False,
    masked: bool = False,
    backwards: bool = False,
    dtypes: Sequence[str] = ("float32", "float64"),
    facts: Facts = ALL,
) -> Mapping[str, Sequence[Any]]:
    """The values to choose from, for each argument of `make_case` but `source`.

    Cases of a cell in the given shapes, regimes and dtypes; any initial state and memory layout.
    variants: "usual"; "two layers", these and a stack of two; "all" biases and activations; "last output",
    the usual ones that return no more; "stacked", of several layers and directions; or "differentiated",
    the few of these whose gradients are tested.
    padded: most cases have lengths, and padding full of NaN.  masked: all have masks, and such padding.
    backwards: most layers run in reverse.  facts: what the backend can do; no other cases are drawn, so
    cases are less than was asked where it cannot.
    """
    own = {} if cell == "simple_rnn" else SHAPES_OF_GATED_CELLS
    if variants in ("stacked", "differentiated"):
        padded, masked, backwards = shapes != "empty and single", shapes != "empty and single", True
    paddings = (*(LENGTHS if padded and facts.lengths else ()), *(MASKS if masked and facts.masks else ()))
    dtypes = [dtype for dtype in dtypes if dtype in facts.dtypes] or facts.dtypes
    return {
        "cell": (cell,),
        "shape": own.get(shapes, SHAPES[shapes]),
        "dtype": dtypes,
        "variant": possible_variants(cell, variants, facts),
        "regime": regimes,
        "layout": LAYOUTS,
        "given_state": (False, True),
        "reverse": (True, False, True) if backwards and facts.reverse else (False,),
        "padding": paddings or ("none",),
    }


@cache
def cases(*which: str, pairs: bool = True, **options: Any) -> st.SearchStrategy[Case]:
    """Cases of the `choices` with these arguments. pairs: as for `few_forms`, of a backend that compiles."""
    found = choices(*which, **options)
    forms = few_forms(found, pairs) if options.get("facts", ALL).compiles else [found]
    source = st.binary(min_size=GRID_VALUES, max_size=GRID_VALUES) | st.integers(0, 2**32 - 1)
    drawn = ({name: st.sampled_from(values) for name, values in form.items()} for form in forms)
    return st.one_of([st.builds(make_case, **form, source=source) for form in drawn])


def combinations(cell: str) -> list[Variant]:
    """Every variant of a cell with every combination of the choices."""
    several = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]
    return [{**variant, **choice} for variant in ALL_VARIANTS[cell] for choice in several]


def can_do(facts: Facts, cell: str, variant: Variant) -> bool:
    """Tell whether a backend with these facts can do a variant."""
    padding = variant.get("padding", "none")
    return (
        variant.get("biases", 1) in facts.biases
        and variant.get("layers", 1) <= facts.layers
        and variant.get("merge_mode") in (None, *facts.merge_modes)
        and (variant.get("return_sequences", True) or facts.last_output)
        and (padding == "none" or (facts.masks if padding in MASKS else facts.lengths))
        and (facts.reverse or not variant.get("reverse"))
        and facts.takes(cell, variant.get("activation", "tanh"))
        and (facts.projection or not variant.get("projection"))
        and (facts.clip or not variant.get("clip"))
        and (facts.input_forget or not variant.get("input_forget"))
        and (cell != "gru" or variant.get("reset_after", True) in facts.reset_after)
    )


def plain(facts: Facts, cell: str) -> dict[str, Any]:
    """The plainest variant of a cell that a backend has: what it is where another variant says nothing."""
    biases: dict[str, Any] = {"biases": 1 if 1 in facts.biases else facts.biases[0]}
    return {**biases, "reset_after": facts.reset_after[0]} if cell == "gru" else biases


def possible_variants(cell: str, variants: str, facts: Facts) -> Sequence[Variant]:
    """The variants of a kind that a backend can do; of the usual ones, or else its simplest."""
    if variants == "stacked" and not facts.compiles:
        of_kind: Sequence[Variant] = combinations(cell)
    elif variants == "differentiated":
        of_kind = DIFFERENTIATED[cell]
    elif variants == "two layers":
        of_kind = [*VARIANTS[cell], {"layers": 2, "biases": 2}]
    elif variants == "last output":
        return [{**variant, **LAST_OUTPUT} for variant in possible_variants(cell, "usual", facts)]
    else:
        of_kind = {"usual": VARIANTS, "all": ALL_VARIANTS, "stacked": STACKS}[variants][cell]
    own = plain(facts, cell)
    found = [each for each in ({**own, **variant} for variant in of_kind) if can_do(facts, cell, each)]
    if variants in ("stacked", "differentiated") and not any(map(is_stacked, found)):
        stacked = ({**own, **variant} for variant in combinations(cell) if is_stacked(variant))
        found = [each for each in stacked if can_do(facts, cell, each)][:FEW]
    return found or [own]


def is_stacked(variant: Variant) -> bool:
    """Tell a variant of several layers, two directions or the last output from a plain one."""
    directions = variant.get("merge_mode") is not None
    return variant.get("layers", 1) > 1 or directions or not variant.get("return_sequences", True)


def without_nan(case: Case) -> Case:
    """The case with numbers in its padding."""
    return replace(case, inputs=np.where(np.isnan(case.inputs), case.dtype.type(7), case.inputs))


def targets(case: Case) -> st.SearchStrategy[np.ndarray]:
    """Targets of the outputs, for training: uniform in [-1, 1)."""
    steps = (case.time,) if case.return_sequences else ()
    shape = (case.batch, *steps, case.features)
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(lambda seed: np.random.default_rng(seed).uniform(-1, 1, shape).astype(case.dtype))


def cotangents(case: Case) -> st.SearchStrategy[Cotangents]:
    """The derivatives of L by an answer: random, by outputs and final states together or by one of them."""
    names = ["outputs", "final_state", "final_cell_state"][: 1 + len(case.start)]
    steps = (case.time,) if case.return_sequences else ()
    shapes: dict[str, tuple[int, ...]] = dict(
        zip(names, ((case.batch, *steps, case.features), *case.state_shapes), strict=True)
    )

    def drawn(some: str, seed: int) -> Cotangents:
        """Random cotangents of all arrays of an answer, or of the named one."""
        rng = np.random.default_rng(seed)
        arrays = {name: rng.normal(size=shape).astype(case.dtype) for name, shape in shapes.items()}
        return Cotangents(**{name: arrays[name] for name in names if some in ("all", name)})

    return st.builds(drawn, st.sampled_from(["all", *names]), st.integers(0, 2**32 - 1))
