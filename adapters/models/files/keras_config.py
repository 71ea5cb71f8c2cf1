"""The recurrent layers in a Keras model's configuration, at any depth, and what they compute.

Found are SimpleRNN, GRU and LSTM, RNN of their cells or of several stacked ones, CuDNNGRU and CuDNNLSTM of
Keras 2, and Bidirectional ones of all these, in Sequential and functional models, nested and in wrappers
as TimeDistributed. Not part of what is compared, as it does not change the answer: dropout, which is for
training, `unroll`, `implementation`, `time_major`, and a policy's dtype to compute in.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnn_lockstep.adapters.frameworks.weight_layouts import unpack
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel, RecurrentLayer, UnreadLayer
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.reference.oracle.cells import CELLS, GATES, Weights
from rnn_lockstep.reference.oracle.validation import Array

CLASSES = {"SimpleRNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm", "CuDNNGRU": "gru", "CuDNNLSTM": "lstm"}
Config = dict[str, Any]
Classes = dict[str, tuple[str, str]]  # class and name by path


@dataclass(frozen=True)
class Place:
    """The place of a cell's weights.

    path: that of Keras 3's variables, as "layers/bidirectional/forward_layer/cell".
    names: of the layers around it, the outermost first, each with the names that it can have in a
    weight's name.
    """

    path: str
    names: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class LayerConfig:
    """The configuration of a recurrent layer: all of it but the weights.

    options: those of RecurrentLayer.  cells: the places of the weights, in RecurrentLayer's order.
    """

    name: str
    units: int
    use_bias: bool
    cudnn: bool
    options: dict[str, Any]
    cells: tuple[Place, ...]

    def with_weights(self, variables: Sequence[Sequence[Array]]) -> RecurrentLayer:
        """The layer with each cell's kernel, recurrent kernel and bias. Raises InvalidModel."""
        gates = len(GATES[self.options["cell"]]) * self.units
        two = self.options.get("reset_after", False)
        bias = (2 * gates,) if self.cudnn else (2, gates) if two else (gates,)
        for kernel, *others in variables:
            shapes = [kernel.shape[1:], *(array.shape for array in others)]
            needed = [(gates,), (self.units, gates), *([bias] if self.use_bias else [])]
            if kernel.ndim != 2 or shapes != needed:
                found = ", ".join(str(array.shape) for array in (kernel, *others))
                told = f"layer {self.name} has weights of shape {found}"
                raise InvalidModel(f"{told}, needs those of {self.units} units")
        return layer_of(self.name, variables, self.options, cudnn=self.cudnn)


def layer_of(
    name: str, variables: Sequence[Sequence[Array]], options: Config, cudnn: bool = False
) -> RecurrentLayer:
    """A layer of Keras's variables. Raises InvalidModel, naming it, when they do not fit together."""
    cell = options["cell"]
    try:
        cells = (weights_of(arrays, cell, cudnn) for arrays in variables)
        return RecurrentLayer(name, tuple(cells), **options)
    except ValueError as error:
        raise InvalidModel(f"layer {name}: {error}") from None


def weights_of(variables: Sequence[Array], cell: str, cudnn: bool) -> Weights:
    """A cell's weights from its kernel, recurrent kernel and bias, that of a GRU with reset_after (2, 3H)."""
    kernel, recurrent_kernel, *biases = variables
    if cudnn:  # each gate's part is as cuDNN has it, (H, in), whatever its shape says
        gates = len(GATES[cell])
        kernel = np.concatenate([k.reshape(k.shape[::-1]) for k in np.split(kernel, gates, axis=1)]).T
        recurrent_kernel = np.concatenate(np.split(recurrent_kernel, gates, axis=1)).T
        biases = [bias.reshape(2, -1) for bias in biases]
    both = [part for bias in biases for part in (bias if bias.ndim == 2 else [bias])]
    weights = unpack(Weights(kernel, recurrent_kernel, *both), cell, "keras")
    return Weights(*(None if w is None else np.ascontiguousarray(w) for w in weights))


def has_others(model: Any) -> bool:
    """Tell whether a configuration has layers beside recurrent ones and inputs. Raises InvalidModel."""
    children = class_and_config(model)[1].get("layers", [])
    usual = (*CLASSES, "RNN", "Bidirectional", "InputLayer")
    return any(class_and_config(child)[0] not in usual for child in children)


def layer_configs(
    model: Any, keras2: bool, classes: Classes | None = None, once: bool = True
) -> Iterator[LayerConfig | UnreadLayer]:
    """The recurrent layers in a model's configuration, {"class_name": ..., "config": ...}.

    keras2: whether the file is of Keras 1 or 2, whose hard_sigmoid is another function.
    classes: gets the class and the name of every layer, recurrent or not, by the path of its variables.
    once: whether a layer that is found in several places is listed in the first only.
    One that cannot be checked is given with the reason. Raises InvalidModel where it is no configuration.
    """
    classes = {} if classes is None else classes
    yield from _Walk(keras2, classes, set() if once else None).layer(model, "", ())


@dataclass
class _Walk:
    """A walk through a model's layers in Keras's order, which finds paths as Keras makes them."""

    keras2: bool
    classes: Classes
    seen: set[Any] | None

    def layer(self, item: Any, path: str, names: tuple[str, ...]) -> Iterator[LayerConfig | UnreadLayer]:
        """The recurrent layers in a layer or model, itself among them."""
        kind, config = class_and_config(item)
        shared = item.get("shared_object_id")
        if self.seen is not None and isinstance(shared, int):
            if shared in self.seen:
                return
            self.seen.add(shared)
        children = config.get("layers")
        if path:  # the model's own name is no part of its layers'
            own = config.get("name") or item.get("name") or snake_case(kind)
            names = (*names, text(own, "a layer's name"))
        self.classes[path] = kind, "/".join(names)
        if kind in (*CLASSES, "RNN", "Bidirectional") and built_in(item):
            try:
                yield self.recurrent(kind, config, path, names)
            except InvalidModel as error:
                yield UnreadLayer("/".join(names), in_one_line(error))
        elif kind.startswith("ConvLSTM"):
            name = "/".join(names)
            yield UnreadLayer(name, f"layer {name} is a {kind}, whose kernels are convolved: not checked")
        elif isinstance(children, list):
            groups = group_names([class_and_config(child)[0] for child in children])
            for child, group in zip(children, groups, strict=True):
                yield from self.layer(child, f"{path}/layers/{group}".lstrip("/"), names)
        elif isinstance(config.get("layer"), dict):  # a wrapper
            yield from self.layer(config["layer"], f"{path}/layer", names)

    def recurrent(self, kind: str, config: Config, path: str, names: tuple[str, ...]) -> LayerConfig:
        """A recurrent layer of one or both directions. Raises InvalidModel."""
        name, chain = "/".join(names), tuple((own,) for own in names)
        if kind != "Bidirectional":
            return self.one(kind, config, name, path, chain)
        inner, back = config.get("layer"), config.get("backward_layer") or config.get("layer")
        directions = []
        for word, item in (("forward", inner), ("backward", back)):
            inner_kind, inner_config = class_and_config(item)
            if inner_kind not in (*CLASSES, "RNN") or not built_in(item or {}):
                raise InvalidModel(f"layer {name} is Bidirectional of {inner_kind}, which is not known")
            own = text(inner_config.get("name") or snake_case(inner_kind), f"layer {name}: the name inside")
            around = (*chain, (f"{word}_{own}", own))
            directions.append(self.one(inner_kind, inner_config, name, f"{path}/{word}_layer", around))
        forward, backward = directions
        options = {**forward.options, "reverse": False, "outputs_reversed": False}
        if config.get("merge_mode", "concat") is None:
            raise InvalidModel(f"layer {name} has merge_mode None: two outputs, which are not checked")
        options["merge_mode"] = text(config.get("merge_mode", "concat"), f"layer {name}: merge_mode")
        if forward.options["reverse"] or not (backward.options["reverse"] or back is inner):
            raise InvalidModel(f"layer {name}: its forward layer goes backwards, or both go one way")
        one_way = {"reverse": False, "outputs_reversed": False}
        alike = replace(backward, cells=forward.cells, options={**backward.options, **one_way})
        if alike != replace(forward, options={**forward.options, **one_way}) or len(forward.cells) > 1:
            raise InvalidModel(f"layer {name}: its directions differ, or have several cells each")
        return replace(forward, options=options, cells=forward.cells + backward.cells)

    def one(
        self, kind: str, config: Config, name: str, path: str, chain: tuple[tuple[str, ...], ...]
    ) -> LayerConfig:
        """A recurrent layer of one direction. Raises InvalidModel."""
        cells = [(kind, config, Place(f"{path}/cell", chain))]
        if kind == "RNN":
            cells = list(cells_of(config.get("cell"), name, f"{path}/cell", chain))
        backwards = flag(config, "go_backwards", False, name)
        sequences = flag(config, "return_sequences", False, name)
        common = {
            "reverse": backwards,
            "return_sequences": sequences,
            "outputs_reversed": backwards and sequences,
            "stateful": flag(config, "stateful", False, name),
        }
        found = [
            LayerConfig(
                name,
                units_of(own, name),
                flag(own, "use_bias", True, name),
                kind.startswith("CuDNN"),
                {**self.options(kind, own, name), **common},
                (place,),
            )
            for kind, own, place in cells
        ]
        first = found[0]
        if any(
            (d.units, d.use_bias, d.options) != (first.units, first.use_bias, first.options) for d in found
        ):
            raise InvalidModel(f"layer {name} has cells of several kinds or sizes, which is not checked")
        return replace(first, cells=tuple(place for _, _, place in cells))

    def options(self, kind: str, config: Config, name: str) -> dict[str, Any]:
        """The options that decide what a cell computes."""
        options: dict[str, Any] = {"cell": CLASSES[kind]}
        for option, (usual, *_) in CELLS[CLASSES[kind]].options.items():
            if kind.startswith("CuDNN"):
                options[option] = usual
            elif option == "reset_after":  # files from before there was a choice do not tell
                options[option] = flag(config, option, False, name)
            else:
                function = activation(config, option, name)
                old = self.keras2 and function == "hard_sigmoid"
                options[option] = "hard_sigmoid_keras2" if old else function
        return options


def cells_of(
    item: Any, name: str, path: str, chain: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[str, Config, Place]]:
    """The cell of an RNN layer, or those that are stacked in it: its class, configuration and place."""
    kind, config = class_and_config(item)
    if kind == "StackedRNNCells" and built_in(item) and isinstance(config.get("cells"), list):
        inner = [class_and_config(cell) for cell in config["cells"]]
        groups = group_names([cell_kind for cell_kind, _ in inner])
        for cell, (cell_kind, own), group in zip(config["cells"], inner, groups, strict=True):
            own_name = text(own.get("name") or snake_case(cell_kind), f"layer {name}: a cell's name")
            yield from cells_of(cell, name, f"{path}/cells/{group}", (*chain, (own_name,)))
        return
    if kind.removesuffix("Cell") not in CLASSES or not kind.endswith("Cell") or not built_in(item):
        raise InvalidModel(f"layer {name} has a cell of class {kind}, which is not known")
    yield kind.removesuffix("Cell"), config, Place(path, chain)


def class_and_config(item: Any) -> tuple[str, Config]:
    """The class and configuration of a layer. Old Sequential models have a list of layers for the latter."""
    config = item.get("config") if isinstance(item, dict) else None
    if isinstance(config, list):
        config = {"layers": config}
    if not isinstance(config, dict):
        raise InvalidModel("its configuration has a layer without a class or configuration")
    return text(item.get("class_name"), "the class of a layer"), config


def built_in(item: Config) -> bool:
    """Tell whether a layer is of a class of Keras's own."""
    module = item.get("module") or ""
    of_keras = isinstance(module, str) and module.split(".")[0] in ("", "keras", "tf_keras")
    return of_keras and item.get("registered_name") is None


def text(value: Any, what: str) -> str:
    """The value, which must be a text. Raises InvalidModel, naming what is none."""
    if not isinstance(value, str) or not value:
        raise InvalidModel(f"{what} is no text in its configuration")
    return value


def flag(config: Config, key: str, default: bool, name: str) -> bool:
    """An option of layer `name` that is true or false. Raises InvalidModel for anything else."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise InvalidModel(f"layer {name}: {key} is neither true nor false")
    return value


def units_of(config: Config, name: str) -> int:
    """The hidden size of layer `name`. Raises InvalidModel where there is none."""
    if "output_dim" in config:
        raise InvalidModel(f"layer {name} is of Keras 1: open the file with Keras 2 and save it anew")
    units = config.get("units")
    if type(units) is not int or units < 1:
        raise InvalidModel(f"layer {name}: units is no positive number")
    return units


def activation(config: Config, key: str, name: str) -> str:
    """The name of a function of Keras's own. Raises InvalidModel for one from elsewhere."""
    value = config.get(key)
    if isinstance(value, dict):
        own = value.get("registered_name") or value.get("config")
        raise InvalidModel(f"layer {name}: {key} is a function from outside Keras, {own}")
    return text(value, f"layer {name}: {key}")


def group_names(classes: Sequence[str]) -> list[str]:
    """The names of the groups of variables of layers, numbered where a class comes again: lstm, lstm_1."""
    used: Counter[str] = Counter()
    names = []
    for name in map(snake_case, classes):
        names.append(f"{name}_{used[name]}" if used[name] else name)
        used[name] += 1
    return names


def snake_case(name: str) -> str:
    """The name of a class as Keras has it in paths: lstm, simple_rnn, gru_cell."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", re.sub(r"\W", "", name))
    return words.lower()
