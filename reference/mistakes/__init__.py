"""The mistakes that are known: by name, the likeliest first."""

from reference.case import Case
from reference.mistakes import gates, layers, padding, sequence, weights
from reference.mistakes.mistake import SCOPES, Mistake

MODULES = (weights, sequence, gates, padding, layers)
MISTAKES: dict[str, Mistake] = {
    name: mistake
    for module in MODULES
    for name, mistake in vars(module).items()
    if isinstance(mistake, Mistake)
}


def possible(case: Case) -> list[Mistake]:
    """The mistakes that can be made with a case, those of weights also with some of its cells only."""
    of_cell = [mistake for mistake in MISTAKES.values() if case.cell in mistake.cells]
    count = 1 + len(case.more_weights)
    scopes = [name for name, among in SCOPES.items() if 0 < sum(among(case, k) for k in range(count)) < count]
    return of_cell + [mistake.scoped(name) for mistake in of_cell if mistake.weights for name in scopes]
