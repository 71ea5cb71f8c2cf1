"""The inputs that both models of a pair are given: drawn from a specification, or a person's own arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.one_line import in_one_line, printable
from rnn_lockstep.reference.oracle.validation import Array

# Batch and time of the first examples, never the same where they tell something; later ones are drawn.
SMALL = ((2, 3), (1, 1), (3, 5), (4, 2), (2, 9), (5, 4), (1, 7), (3, 14))
MOST = (5, 20)
# Batch and time of further ones, which give every integer that these do not, and how many there are at most.
LARGE = (128, 32)
LARGE_ONES = 64
# Those of one that shows what goes wrong late; of some, the times of the first input and of the others.
LONG = (2, 70)
UNEQUAL = ((3, 5, 3), (2, 4, 7))
SYNTAX = '"tokens:int(0..999) (batch,time); x:float (batch,time,8)", or a file .npz with the arrays'
INPUT = re.compile(
    r"(?:(?P<name>\w+)\s*:)?\s*(?P<kind>int|float)\s*(?:\((?P<low>-?\d+)\.\.(?P<high>-?\d+)\))?\s*"
    r"\((?P<shape>[\w\s,]*)\)"
)


@dataclass(frozen=True)
class Input:
    """One input of a model.

    shape: "batch", "time" and sizes; another name is of a size that is not known.
    whole: the lowest and the highest integer; None for floats, and for integers of an unknown range.
    padded: whether zeros at a row's end are padding, and are no other value.
    dtype: of floats; integers of a known range are int64, which every framework takes.
    """

    name: str
    shape: tuple[str | int, ...]
    whole: tuple[int, int] | None = None
    padded: bool = False
    dtype: str = "float32"

    def __str__(self) -> str:
        kind = f"int({self.whole[0]}..{self.whole[1]})" if self.whole else "float"
        return f"{self.name}:{kind} ({','.join(map(str, self.shape))}){' padded by zeros' * self.padded}"

    @property
    def lowest(self) -> int:
        """The lowest integer that is no padding; 0 of floats."""
        low = self.whole[0] if self.whole else 0
        return max(low, 1) if self.padded else low

    def drawn(self, rng: Any, sizes: dict[str, int], lengths: Array | None) -> Array:
        """An array of the input. sizes: of batch and time.  lengths: of its rows, where they are padded."""
        shape = tuple(size if isinstance(size, int) else sizes[size] for size in self.shape)
        if self.whole:
            high = self.whole[1]
            array = rng.integers(self.lowest, high + 1, shape)
            array.flat[: min(2, array.size)] = [high, self.lowest][
                : array.size
            ]  # mistakes by one are seen there
        else:
            array = rng.normal(size=shape)
        if lengths is not None and self.padded and self.shape[:2] == ("batch", "time"):
            array[np.arange(shape[1]) >= lengths[:, None]] = 0
        return np.asarray(array.astype("int64" if self.whole else self.dtype))


@dataclass(frozen=True, eq=False)
class Example:
    """The inputs of one question.

    arrays: one for each input of the source.  lengths: of the rows (batch,), where they are padded.
    """

    arrays: tuple[Array, ...]
    lengths: Array | None = None

    @property
    def size(self) -> str:
        """The shape of the first input, in words."""
        return " x ".join(map(str, self.arrays[0].shape))


def lacking(inputs: Sequence[Input]) -> str:
    """What a specification leaves open so that nothing can be drawn, in words; empty where it tells all."""
    for each in inputs:
        name = printable(each.name)
        if each.whole is None and np.dtype(each.dtype).kind in "iub":
            return f"input {name} is of {each.dtype}, and its range is not known: needs --inputs"
        if free := [s for s in each.shape if isinstance(s, str) and s not in ("batch", "time")]:
            return f"input {name} has the free size {printable(free[0])} too: needs --inputs"
    return ""


def fixed(size: str, inputs: Sequence[Input], *others: Sequence[Input]) -> int | None:
    """The number that another specification has where this one has "batch" or "time"; None where none has."""
    for theirs in others:
        for mine, its in zip(inputs, theirs, strict=False):
            for one, other in zip(mine.shape, its.shape, strict=False):
                if one == size and isinstance(other, int):
                    return other
    return None


def parsed_inputs(text: str) -> tuple[Input, ...]:
    """Inputs as a person writes them, for example "tokens:int(0..999) (batch,time)". Raises InvalidModel."""
    found = []
    for k, part in enumerate(filter(None, map(str.strip, text.split(";")))):
        match = INPUT.fullmatch(part)
        sizes = [size.strip() for size in match["shape"].split(",") if size.strip()] if match else []
        if not match or not all(size in ("batch", "time") or size.isdigit() for size in sizes):
            raise InvalidModel(f"inputs {printable(part)!r}: needs the form {SYNTAX}")
        kind, low, high = match["kind"], match["low"], match["high"]
        if (kind == "int") != (low is not None) or (low is not None and int(low) > int(high)):
            raise InvalidModel(f"inputs {printable(part)!r}: int needs a range, int(0..999), float none")
        shape = tuple(int(size) if size.isdigit() else size for size in sizes)
        whole = (int(low), int(high)) if kind == "int" else None
        found.append(Input(match["name"] or f"input{k}", shape, whole))
    if not found:
        raise InvalidModel(f"inputs {printable(text)!r}: needs the form {SYNTAX}")
    return tuple(found)


def brought(path: Path) -> Example:
    """A person's own arrays, in the order of the file. Raises InvalidModel where it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = tuple(np.asarray(file[name]) for name in file.files)
    except Exception as error:  # of a damaged file, anything
        raise InvalidModel(f"{printable(path)}: no arrays can be read: {in_one_line(error)}") from None
    if not arrays:
        raise InvalidModel(f"{printable(path)}: holds no arrays")
    return Example(arrays)


def examples_of(
    inputs: Sequence[Input], count: int, seed: int, batch: int | None = None, time: int | None = None
) -> list[Example]:
    """As many examples as `count`, every second of them with padding where an input has it.

    After them some that give every integer which these do not: a single wrong row of an embedding is seen.
    batch, time: where these are fixed.
    """
    rng = np.random.default_rng(seed)
    later = zip(*(rng.integers(1, most + 1, count) for most in MOST), strict=True)
    examples = []
    for k, (rows, steps) in enumerate([*SMALL, *later][:count]):
        sizes = {"batch": batch or int(rows), "time": time or int(steps)}
        lengths = None
        if any(each.padded for each in inputs):
            lengths = np.full(sizes["batch"], sizes["time"])
            if k % 2 == 0:
                lengths = rng.integers(1, sizes["time"] + 1, sizes["batch"])
        examples.append(Example(tuple(each.drawn(rng, sizes, lengths) for each in inputs), lengths))
    large = {"batch": batch or LARGE[0], "time": time or LARGE[1]}
    return [*examples, *covering(inputs, examples, large, rng)]


def optional_examples(
    inputs: Sequence[Input], seed: int, batch: int | None = None, time: int | None = None
) -> list[Example]:
    """Examples that a source may refuse: a long one, and some whose inputs have not the same time."""
    if time is not None or not any("time" in each.shape for each in inputs):
        return []
    rng = np.random.default_rng(seed)
    several = sum("time" in each.shape for each in inputs) > 1
    examples = []
    for rows, *times in [(*LONG, LONG[1]), *(UNEQUAL if several else ())]:
        given = [times.pop(0) if "time" in each.shape and len(times) > 1 else times[-1] for each in inputs]
        rows = batch or rows
        lengths = np.full(rows, given[0]) if any(each.padded for each in inputs) else None
        sizes = [{"batch": rows, "time": steps} for steps in given]
        arrays = (each.drawn(rng, size, None) for each, size in zip(inputs, sizes, strict=True))
        examples.append(Example(tuple(arrays), lengths))
    return examples


def covering(
    inputs: Sequence[Input], examples: Sequence[Example], sizes: dict[str, int], rng: Any
) -> list[Example]:
    """Examples that give the integers which others do not, without padding; LARGE_ONES at most."""
    missing = [missing_of(n, each, examples) for n, each in enumerate(inputs)]
    found: list[Example] = []
    lengths = np.full(sizes["batch"], sizes["time"]) if any(each.padded for each in inputs) else None
    while any(map(len, missing)) and len(found) < LARGE_ONES:
        arrays = [each.drawn(rng, sizes, lengths) for each in inputs]
        for n, array in enumerate(arrays):
            now, missing[n] = missing[n][: array.size], missing[n][array.size :]
            array.flat[: len(now)] = now
        found.append(Example(tuple(arrays), lengths))
    return found


def missing_of(number: int, given: Input, examples: Sequence[Example]) -> Array:
    """The integers of an input, by its number, that no example gives; none of floats, a million at most."""
    if given.whole is None:
        return np.arange(0)
    every = np.arange(given.lowest, min(given.whole[1], given.lowest + 10**6) + 1)
    return np.setdiff1d(every, np.concatenate([example.arrays[number].ravel() for example in examples]))


def not_given(inputs: Sequence[Input], examples: Sequence[Example]) -> list[str]:
    """A line on each input of which some integers are in no example."""
    lines = []
    for number, each in enumerate(inputs):
        if each.whole and len(missing_of(number, each, examples)):
            seen = len(np.unique(np.concatenate([example.arrays[number].ravel() for example in examples])))
            count = each.whole[1] - each.lowest + 1
            lines.append(
                f"of the {count:,} integers of {each.name}, {seen:,} were given: others may be wrong"
            )
    return lines
