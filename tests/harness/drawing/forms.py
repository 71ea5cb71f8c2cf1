"""The forms of a layer that a backend is shown which compiles each: few, with any two features in one."""

from collections.abc import Mapping, Sequence
from typing import Any

from allpairspy import AllPairs

FEATURES = ("shape", "dtype", "variant", "given_state", "reverse", "padding")  # what is compiled apart
Choices = Mapping[str, Sequence[Any]]  # the values to choose from, for each argument of `make_case`


def few_forms(choices: Choices) -> list[Choices]:
    """Split choices into forms, as few as have any two values of two features together in one of them.

    Each form has one value of a feature, and all others to choose from. Kinds of padding are one form.
    """
    features: dict[str, list[Sequence[Any]]] = {name: [[each] for each in choices[name]] for name in FEATURES}
    features["reverse"] = [[each] for each in dict.fromkeys(choices["reverse"])]
    kinds = list(dict.fromkeys(choices["padding"]))
    features["padding"] = [
        some for some in (["none"] * ("none" in kinds), [kind for kind in kinds if kind != "none"]) if some
    ]
    several = {name: values for name, values in features.items() if len(values) > 1}
    if len(several) > 1:  # by their places, as a variant has no hash
        rows = [list(row) for row in AllPairs([list(range(len(values))) for values in several.values()])]
    else:
        rows = [[k] for values in several.values() for k in range(len(values))] or [[]]
    single = {name: values[0] for name, values in features.items() if name not in several}
    return [
        {**choices, **single, **{name: several[name][k] for name, k in zip(several, row, strict=True)}}
        for row in rows
    ]
