"""The forms of a layer that a backend is shown which compiles each: few, with any two features in one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

FEATURES = ("shape", "dtype", "variant", "given_state", "reverse", "padding")  # what is compiled apart
Choices = Mapping[str, Sequence[Any]]  # the values to choose from, for each argument of `make_case`
Pair = tuple[tuple[int, int], tuple[int, int]]  # two places of a row, each with its value


def few_forms(choices: Choices, pairs: bool = True) -> list[Choices]:
    """Split choices into forms, as few as have any two values of two features together in one of them.

    Each form has one value of a feature, and all others to choose from. Kinds of padding are one value.
    The plainest form comes first, as Hypothesis shrinks towards it.
    pairs: or else each value is in one of the forms, and no more is asked: for choices that have a feature
    in common which is in no others, and so come together with it.
    """
    values: dict[str, list[Sequence[Any]]] = {name: [[each] for each in choices[name]] for name in FEATURES}
    values["reverse"] = [[each] for each in sorted({*choices["reverse"]})]
    without = [kind for kind in choices["padding"] if kind == "none"]
    kinds = [kind for kind in choices["padding"] if kind != "none"]
    values["padding"] = [some for some in (without, kinds) if some]
    counts = [len(values[name]) for name in FEATURES]
    rows = with_all_pairs(counts) if pairs else with_each_value(counts)
    return [
        {**choices, **{name: values[name][k] for name, k in zip(FEATURES, row, strict=True)}} for row in rows
    ]


def with_each_value(counts: Sequence[int]) -> list[tuple[int, ...]]:
    """The fewest rows that have each value of each place, with many pairs. counts: of values, by place.

    Each row has most of the values that are still missing, then most new pairs, then values that are rare.
    """
    every, rows = list(product(*map(range, counts))), list[tuple[int, ...]]()
    values, pairs = Counter[tuple[int, int]](), set[Pair]()

    def gain(row: tuple[int, ...]) -> tuple[int, int, int]:
        uses = [values[value] for value in enumerate(row)]
        return uses.count(0), len(pairs_in(row) - pairs), -sum(uses)

    while len(values) < sum(counts):
        rows.append(max(every, key=gain))
        values.update(enumerate(rows[-1]))
        pairs |= pairs_in(rows[-1])
    return rows


def with_all_pairs(counts: Sequence[int]) -> list[tuple[int, ...]]:
    """Few rows in which any two values of two places are together in one. counts: of values, by place.

    Each row is, of all that there are, one that has most of the pairs that are still missing.
    """
    every, rows = list(product(*map(range, counts))), list[tuple[int, ...]]()
    missing = set().union(*map(pairs_in, every))
    while missing:
        rows.append(max(every, key=lambda row: len(missing & pairs_in(row))))
        missing -= pairs_in(rows[-1])
    return rows


def pairs_in(row: Sequence[int]) -> set[Pair]:
    """The values of every two places of a row."""
    return set(combinations(enumerate(row), 2))
