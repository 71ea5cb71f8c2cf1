"""Recurrent layers moved from one model file to another framework's, which is kept only where it is right."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnn_lockstep.adapters import safe_files
from rnn_lockstep.adapters.models.files.table import WRITABLE, format_of, of_suffix, read_model
from rnn_lockstep.adapters.models.options import assumptions, with_options
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, readable, stacked
from rnn_lockstep.adapters.one_line import in_one_line, printable, with_type
from rnn_lockstep.adapters.port.check import check_port
from rnn_lockstep.adapters.port.endpoint import Endpoint, of_file
from rnn_lockstep.adapters.port.weights import weights_diff


def convert(
    source: Path | Sequence[Path],
    target: Path,
    *,
    layer: str | Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
) -> list[str]:
    """Write the layers of `source` to `target`, in the format of its suffix; return lines on each layer.

    The new file is read back, loaded by the framework itself and checked as a port of the source's layers;
    only then does it get its name.
    source: a file, or several whose layers are put together; those of one name get their file's before it.
    layer: the name of the only one to write, or several.  options: those that the source does not tell.
    force: replace a file that is there.
    Raises InvalidModel, with one line, and leaves everything as it was.
    """
    if os.path.exists(target) and not force:
        raise InvalidModel(f"{printable(str(target))} is there already; --force replaces it")
    written = of_suffix(target)  # whatever is in a file that is there
    write = written.write if written else None
    if write is None:
        raise InvalidModel(f"{printable(str(target))}: cannot be written; there are {', '.join(WRITABLE)}")
    ends = [of_file(path) for path in ([source] if isinstance(source, Path) else source)]
    names = [layer] if isinstance(layer, str) else [*(layer or ())]
    layers = layers_to_write(ends, names, options or {})
    data = write(layers)
    try:
        with safe_files.replacing(target) as new:  # of the target's name, whose suffix tells the format
            new.write_bytes(data)
            proved = [line for each in prove(new, layers) for line in each]
            return [*proved, *([] if names else [line for end in ends for line in end.left_out()])]
    except OSError as error:
        raise InvalidModel(f"{printable(str(target))}: {in_one_line(error)}") from None


def layers_to_write(
    sources: Sequence[Endpoint], names: Sequence[str], options: Mapping[str, Any]
) -> list[RecurrentLayer]:
    """The layers of those names, or all, with the options that they assumed. Raises InvalidModel."""
    found = [named(sources, name) for name in names]
    found = found or [(end, layer) for end in sources for layer in readable(end.found, end.name)]
    for name in options:
        if not any(name in each.assumed for _, each in found):
            told = ", ".join(dict.fromkeys(end.name for end, _ in found))
            raise InvalidModel(f"option {name}: {printable(told)} itself tells it")
    count = Counter(layer.name for _, layer in found) if len(sources) > 1 else Counter[str]()
    return [
        with_options(replace(layer, name=f"{stem(end)}.{layer.name}"), options)
        if count[layer.name] > 1
        else with_options(layer, options)
        for end, layer in found
    ]


def named(sources: Sequence[Endpoint], name: str) -> tuple[Endpoint, RecurrentLayer]:
    """The layer of that name with the source that has it. Raises InvalidModel where not exactly one has."""
    found, errors = [], []
    for end in sources:
        try:
            found.append((end, end.layer(name)))
        except InvalidModel as error:
            errors.append(error)
    if not found:
        raise errors[0]
    if len(found) > 1:
        told = " and ".join(end.name for end, _ in found)
        raise InvalidModel(printable(f"{told} have a layer {name} each: convert them one at a time"))
    return found[0]


def stem(end: Endpoint) -> str:
    """What goes before a suffix in the name of a source."""
    return end.name.partition(".")[0]


def prove(path: Path, layers: Sequence[RecurrentLayer]) -> Iterator[list[str]]:
    """Lines on each layer that was written to a file. Raises InvalidModel for the first that is not right."""
    try:
        again = read_back(path, layers)
        live = format_of(path).loaded(path, layers) or again
    except InvalidModel:
        raise
    except Exception as error:  # a framework's, whatever it is
        what = with_type(error)
        raise InvalidModel(f"nothing was written: what was to be cannot be loaded again ({what})") from None
    for layer, copy, model in zip(layers, again, live, strict=True):
        where = printable(layer.name)
        diff = weights_diff(layer, replace(copy, name=layer.name))
        verdict = check_port(layer, model)
        if diff.cause or not verdict:
            why = diff.cause or verdict.cause or verdict.reason
            raise InvalidModel(f"nothing was written: {where} would not be what it is in the source: {why}")
        told = (*diff.lines(), verdict.asked, *verdict.notes, *assumptions(layer, "source"))
        yield [f"{where}: {line}" for line in dict.fromkeys(told)]


def read_back(path: Path, layers: Sequence[RecurrentLayer]) -> list[RecurrentLayer]:
    """The layers in a file that was written: by name, or in order where a stack became several."""
    left = list(read_model(path))
    named = {layer.name: layer for layer in left}
    if all(layer.name in named and named[layer.name].layers == layer.layers for layer in layers):
        return [named[layer.name] for layer in layers]
    found = []
    for layer in layers:
        parts = [left.pop(0)]
        while left and sum(part.layers for part in parts) < layer.layers:
            parts.append(left.pop(0))
        found.append(stacked(parts))
    return found
