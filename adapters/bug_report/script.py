"""The script: which form of it fits, and how it is rendered."""

import re
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.bug_report.conventions import (
    ENGINES,
    FRAMEWORKS,
    NoScript,
    engine_of_keras,
    runs_whole,
)
from rnn_lockstep.adapters.bug_report.filling import filling
from rnn_lockstep.adapters.bug_report.source import wrapped
from rnn_lockstep.adapters.bug_report.target import Target, target_of
from rnn_lockstep.adapters.frameworks import paddle_cases, torch_adapter
from rnn_lockstep.reference import Case, Cotangents, Verdict

LINES = 59  # at most
LONGEST = (10_000, 300, 80)  # characters of an array that is not compressed, from readable to short
# What tells that a framework's layers cannot express a case.
REFUSALS: dict[str, Callable[[Case], str]] = {
    "torch": torch_adapter.refusal,
    "paddle": lambda case: paddle_cases.refusal(case, cells=False),
}
GAPS = ("(?!)", r"(?<!\n)\n\n(?!\n)", r"\n{2,}")  # closed: none, all but those between sections, all


def script(
    backend: str, case: Case, verdict: Verdict | None = None, cotangents: Cotangents | None = None
) -> str:
    """Write a standalone Python script that shows a backend's wrong answer to a case.

    It needs NumPy and the framework, nothing of this project: it runs the framework's own layer, prints
    its answer beside the formula in float64, and exits 1 while the first wrong element is further off
    than its bound, else 0.
    backend: as it is selected, such as "torch" or "keras:eager"; the place behind it is left out.
    verdict: a mismatch; without one the script only runs the layer, for an error that it raises or for an
    answer of a wrong shape.
    cotangents: of a verdict on gradients, or of gradients that raise the error.
    Raises NoScript, saying why in one line, where no script can show it.
    """
    framework, _, tag = backend.partition("@")[0].partition(":")
    if framework not in FRAMEWORKS or tag not in FRAMEWORKS[framework].tags:
        raise NoScript(f"scripts are for {', '.join(FRAMEWORKS)}; what {backend} runs is not known here")
    if case.projection is not None or (case.peepholes is not None and framework not in ("jax", *ENGINES)):
        raise NoScript(f"a script for {framework} does not know {case.kind}")
    if framework in ENGINES and not in_onnx(case):
        raise NoScript("a script's node of ONNX has no mask, stack, bfloat16 or other merge mode than concat")
    engine = engine_of_keras(tag)
    if framework in REFUSALS and (reason := REFUSALS[framework](case)):
        raise NoScript(reason)
    if (verdict is None or cotangents) and not runs_whole(framework, case):
        raise NoScript(f"several layers are not one in {framework}, and a script runs one")
    target: Target | None = None
    own = FRAMEWORKS[framework]
    named = {"tag": tag, "own": own, "engine": engine, "imports": own.imports.format(engine=engine)}
    if verdict is not None:
        target, case = target_of(framework, verdict, cotangents)
    # Beside a gradient that is too long for its formula stands the number that the formula gives.
    formulas = (True, False) if target and cotangents else (target is not None,)
    for formula, longest in product(formulas, LONGEST):
        values = filling(framework, case, cotangents, longest)
        whole = wrapped(template().render(t=target, formula=formula, **named, **values))
        for gaps in GAPS:
            text = re.sub(r"\n{3,}", "\n\n", re.sub(gaps, "\n", whole))
            if (lines := text.count("\n")) <= LINES:
                return text
    raise NoScript(f"the script would have {lines} lines, more than the {LINES} of a report")


def in_onnx(case: Case) -> bool:
    """Tell if a script can make a node of a case."""
    return (
        case.layers == 1
        and case.mask is None
        and case.merge_mode in (None, "concat")
        and case.dtype != "bfloat16"
    )


@cache
def template() -> Any:
    """Load the template; a name in it that is not filled raises an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("script.jinja")
