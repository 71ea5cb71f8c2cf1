"""The script: which form of it fits, and how it is rendered."""

import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters.backends import torch_adapter
from rnn_lockstep.adapters.bug_report.conventions import FRAMEWORKS
from rnn_lockstep.adapters.bug_report.filling import LINE, Filling
from rnn_lockstep.adapters.bug_report.source import wrapped
from rnn_lockstep.adapters.bug_report.target import NoScript, Target, target_of
from rnn_lockstep.reference import Case, Cotangents, Verdict

TEMPLATES = Path(__file__).parent / "templates"
LINES = 59  # at most
NUMBERS = 200  # beyond which arrays are compressed
LONGEST = (10_000, 300, LINE)  # characters of an array that is not


def script(
    backend: str, case: Case, verdict: Verdict | None = None, cotangents: Cotangents | None = None
) -> str:
    """A standalone Python script that shows what `verdict` found wrong with a backend's answer to `case`.

    It needs NumPy and the framework, nothing of this project: it runs the framework's own layer, prints
    its answer beside the formula in float64, and exits 1 while the first wrong element is further off
    than its bound, else 0.
    backend: as it is selected, such as "torch" or "keras:eager".
    verdict: a mismatch; without one the script only runs the layer, for an error that it raises.
    cotangents: of a verdict on gradients, or of gradients that raise the error.
    Raises NoScript, saying why in one line, where no script can show it.
    """
    framework, _, tag = backend.partition(":")
    if framework not in FRAMEWORKS:
        raise NoScript(f"scripts are for {', '.join(FRAMEWORKS)}; what {backend} runs is not known here")
    if framework == "torch" and (reason := torch_adapter.refusal(case)):
        raise NoScript(reason)
    target: Target | None = None
    if verdict is not None:
        target, case = target_of(framework, verdict, cotangents)
    elif case.layers > 1 and not (framework == "torch" and case.merge_mode in (None, "concat")):
        raise NoScript(f"several layers are not one in {framework}, and a script runs one")
    return shortest(framework, tag, case, target, cotangents)


def shortest(
    framework: str, tag: str, case: Case, target: Target | None, cotangents: Cotangents | None
) -> str:
    """The first form of the script that fits: from the most readable to the shortest.

    Arrays as literals, or the long ones compressed; blank lines or few; beside a gradient the formula,
    or the number that it gives.
    """
    formulas = (True, False) if target and target.array else (target is not None,)
    for formula, longest, tight in product(formulas, LONGEST, (False, True)):
        filling = Filling(framework, tag, case, target, cotangents, formula, longest)
        if not filling.compressed and filling.numbers > NUMBERS:
            continue
        text = rendered(filling, tight)
        if (lines := text.count("\n")) <= LINES:
            return text
    raise NoScript(f"the script would have {lines} lines, more than the {LINES} of a report")


@cache
def environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    return Environment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def rendered(filling: Filling, tight: bool) -> str:
    """The script; a tight one has one blank line where there would be two, and none between imports."""
    template = environment().get_template(f"{filling.framework}.jinja")
    text = wrapped(template.render(s=filling, t=filling.target))
    text = re.sub(r"\n{3,}", "\n\n" if tight else "\n\n\n", text)
    return re.sub(r"^(import .*)\n\n(?=import )", r"\1\n", text, flags=re.MULTILINE) if tight else text
