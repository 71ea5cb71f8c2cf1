"""HDF5 files of Keras: whole models and weights in Keras 2's layout, and weights in Keras 3's.

In Keras 2's layout, which Keras 3 writes too when a model is saved as `.h5`, each top-level layer has a
group, with the names of its weights in order in the attribute `weight_names`: `lstm_1/kernel:0`,
`lstm_1/lstm_cell/kernel:0`, `bi/forward_lstm/lstm_cell/kernel:0` or `encoder/lstm_1/lstm_cell/kernel`.
"""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from rnn_lockstep.adapters.models.files import hdf5, keras_models, keras_variables, reading
from rnn_lockstep.adapters.models.files.format import Format
from rnn_lockstep.adapters.models.files.keras_config import (
    LayerConfig,
    class_and_config,
    has_others,
    layer_configs,
)
from rnn_lockstep.adapters.models.files.keras_export import (
    KERAS_VERSION,
    in_keras_order,
    keras_layers,
    model_config,
    variables_of,
)
from rnn_lockstep.adapters.models.files.keras_variables import from_shapes
from rnn_lockstep.adapters.models.recurrent_layer import (
    Found,
    InvalidModel,
    RecurrentLayer,
    UnreadLayer,
    read_or_reason,
)
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.reference.oracle.validation import Array

MOST_CELLS = 1000  # in one layer; they are looked up by name, each among all
ORDER = ("kernel", "recurrent_kernel", "bias")
Cells = dict[str, list[Array]]


def read(path: Path) -> list[Found]:
    """The recurrent layers of a `.h5` or `.weights.h5` file. Raises InvalidModel."""
    with reading.refusing(path):
        file = hdf5.contents(reading.contents(path))
        if model := file.text("", "model_config"):
            found = whole_model(file, model)
        else:
            by_name = file.texts("", "layer_names")
            found = weights_only(file) if by_name else keras_variables.by_shapes(file)
        return reading.need_layers(found, file.arrays)


def config_in(path: Path) -> str:
    """The text of the configuration in a file; empty where it is of weights alone. Raises InvalidModel."""
    with reading.refusing(path):
        return hdf5.contents(reading.contents(path)).text("", "model_config")


def around(path: Path) -> bool:
    """Tell whether a file has a model with layers beside its recurrent ones. Raises InvalidModel."""
    config = config_in(path)
    with reading.refusing(path):
        return bool(config) and has_others(json.loads(config))


def whole_model(file: hdf5.Contents, model: str) -> list[Found]:
    """The recurrent layers in a file's configuration, with their weights. Raises InvalidModel."""
    config = json.loads(model)
    class_and_config(config)
    version = file.text("", "keras_version") or file.text("model_weights", "keras_version") or "1"
    found: dict[str, list[LayerConfig]] = {}
    layers: list[Found] = []
    for one in layer_configs(config, keras2=version[:2] in ("1", "1.", "2."), once=False):
        if isinstance(one, UnreadLayer):
            layers.append(one)
        else:
            found.setdefault(one.cells[0].names[0][0], []).append(one)
    names = file.texts("model_weights", "layer_names")
    layers += [UnreadLayer(name, f"layer {name} has no weights in it") for name in found if name not in names]
    told = {name for layer in layers for name in (layer.name, layer.name.split("/")[0])}
    for name in names:
        own = found.get(name, [])
        try:
            in_it = in_group(cells_in(file, f"model_weights/{name}"), own, name)
        except ValueError as error:
            in_it = [UnreadLayer(each, in_one_line(error)) for each in {o.name: 0 for o in own} or [name]]
        layers += [layer for layer in in_it if layer.name not in told]
    return layers


def in_group(cells: Cells, found: Sequence[LayerConfig], name: str) -> list[Found]:
    """The layers of a top-level layer's group, each cell the one that its names tell. Raises InvalidModel.

    One more is unread where cells are left over: then each of the others needs a name of its own.
    """
    places = [place for one in found for place in one.cells]
    if len(cells) > MOST_CELLS:
        raise InvalidModel(f"layer {name} has {len(cells)} recurrent cells, more than {MOST_CELLS}")
    counts = f"{len(cells)} recurrent cells in its weights and {len(places)} of known classes"
    told = f"layer {name} has {counts} in its configuration"
    if len(places) > len(cells):
        raise InvalidModel(told)
    more = len(cells) - len(places)
    own = [prefix_for(place.names, list(cells), more > 0) for place in places]
    if None in own or len(set(own)) < len(own):
        raise InvalidModel(f"layer {name}: its weights' names do not tell which cell they are of")
    arrays = iter([cells[prefix] for prefix in own if prefix is not None])
    each = [(one, [next(arrays) for _ in one.cells]) for one in found]
    layers = [read_or_reason(one.name, one.with_weights, own) for one, own in each]
    return [*layers, *([UnreadLayer(name, told)] if more else [])]


def prefix_for(names: Sequence[Sequence[str]], prefixes: Sequence[str], more: bool = False) -> str | None:
    """The only one of the prefixes with these names in it, each in one of its forms.

    The outer names are left out, one by one, where no prefix has them.
    more: whether some prefixes are of other layers, so that one without any of the names may be.
    """
    for k in range(len(names) + (not more)):
        fitting = [p for p in prefixes if has_all(p.split("/"), names[k:])]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def has_all(parts: Sequence[str], names: Sequence[Sequence[str]]) -> bool:
    """Tell whether the names are among the parts, in their order."""
    left = iter(parts)
    return all(any(part in forms for part in left) for forms in names)


def cells_in(file: hdf5.Contents, group: str) -> Cells:
    """The recurrent cells in a top-level layer's group: kernel, recurrent kernel, bias by their prefix."""
    cells: dict[str, dict[str, Array]] = {}
    for name in file.texts(group, "weight_names"):
        prefix, _, last = name.rpartition("/")
        last = last.partition(":")[0]
        if last in ORDER:
            array = file.arrays.get(f"{group}/{name}")
            if array is None:
                raise InvalidModel(f"it has no array {group}/{name}, which it lists")
            cells.setdefault(prefix, {})[last] = array
    return {
        prefix: [own[last] for last in ORDER if last in own]
        for prefix, own in cells.items()
        if "recurrent_kernel" in own and "kernel" in own
    }


def weights_only(file: hdf5.Contents) -> list[Found]:
    """The layers of a file without a configuration: what it does not tell is assumed.

    Before Keras 2.3, the default of the gates was hard_sigmoid. TensorFlow's versions, 2.2.4-tf, had both.
    """
    layers: list[Found] = []
    version = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(\.\d+)*", file.text("", "keras_version") or "")
    old = version is not None and (int(version[1]), int(version[2])) < (2, 3)
    usual = {"recurrent_activation": "hard_sigmoid_keras2"} if old else {}
    for group in file.texts("", "layer_names"):
        named: dict[str, list[tuple[str, list[Array]]]] = {}
        for prefix, own in cells_in(file, group).items():
            name, direction = layer_and_direction(group, prefix)
            named.setdefault(name, []).append((direction, own))
        for name, cells in named.items():
            cells.sort(key=lambda cell: cell[0], reverse=True)  # forward before backward
            both = [direction for direction, _ in cells] == ["forward", "backward"]
            if not both and any(direction for direction, _ in cells):
                reason = f"layer {name}: its weights' names do not tell its directions"
                layers.append(UnreadLayer(name, reason))
                continue
            arrays = [own for _, own in cells]
            layers.append(read_or_reason(name, from_shapes, name, arrays, both, usual))
    return layers


def layer_and_direction(group: str, prefix: str) -> tuple[str, str]:
    """The layer's name that a cell's prefix tells, and "forward", "backward" or ""."""
    parts = prefix.split("/")
    if re.fullmatch(r".*_cell(_\d+)?", parts[-1]):
        parts.pop()
    if parts and re.fullmatch(r"stacked_rnn_cells(_\d+)?", parts[-1]):
        parts.pop()
    direction = ""
    if parts and (match := re.match("(forward|backward)_", parts[-1])):
        direction, parts = match[1], parts[:-1]
    again = [k for k, part in enumerate(parts) if re.fullmatch(rf"{re.escape(group)}(_\d+)?", part)]
    return "/".join([group, *parts[again[-1] + 1 if again else 0 :]]), direction


def write(layers: Sequence[RecurrentLayer]) -> bytes:
    """A whole model that `keras.saving.load_model` loads: see keras_export. Raises InvalidModel."""
    reading.need_package("h5py")
    import h5py

    stacks = keras_layers(layers)
    if bfloat16 := [layer.name for layer in layers if layer.dtype.name == "bfloat16"]:
        raise InvalidModel(f"layer {bfloat16[0]}: Keras reads no bfloat16 from .h5, write a .keras file")
    model = model_config(stacks)
    legacy = {"class_name": model["class_name"], "config": model["config"]}
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        group = root.create_group("model_weights")
        for place in (root, group):
            place.attrs.update(keras_version=KERAS_VERSION, backend="tensorflow")
        root.attrs["model_config"] = json.dumps(legacy).encode()
        group.attrs["layer_names"] = [layer.name.encode() for layer in in_keras_order(stacks)]
        for layer in in_keras_order(stacks):
            own = named_weights(layer)
            for name, array in own.items():
                group[f"{layer.name}/{name}"] = array
            group[layer.name].attrs["weight_names"] = [name.encode() for name in own]
    return file.getvalue()


def named_weights(layer: RecurrentLayer) -> dict[str, Array]:
    """A layer's variables by the names of their weights."""
    inner = [f"{word}_{layer.name}/" for word in ("forward", "backward")] if layer.merge_mode else [""]
    return {
        f"{layer.name}/{direction}{layer.cell}_cell/{name}": array
        for direction, weights in zip(inner, layer.cells, strict=True)
        for name, array in zip(ORDER, variables_of(layer, weights), strict=False)
    }


FORMAT = Format(
    (".h5", ".hdf5"),
    read,
    write,
    begins=re.compile(rb"\x89HDF\r\n\x1a\n"),
    around=around,
    backend="keras",
    framework="keras",
    load=keras_models.load,
)
