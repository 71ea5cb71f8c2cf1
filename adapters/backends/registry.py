"""The backends by name: the known ones, their needs, and the making of one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from rnn_lockstep.adapters.backends.contract import Adapter, Facts
from rnn_lockstep.adapters.backends.declarations import mistake_in
from rnn_lockstep.adapters.one_line import with_type

ENTRY_POINTS = "lockstep.adapters"


class UnknownBackend(Exception):
    """A name of no backend, or of something that is not an adapter; the message says what would do."""


class NotMade(UnknownBackend):
    """A backend that cannot be made: its framework cannot be imported, or its adapter raises."""


class NotInstalled(NotMade):
    """A known backend whose framework is not installed; the message says how to get it."""


@dataclass(frozen=True)
class KnownBackend:
    """A backend that can be selected by name.

    target: package.module:Class, called with no argument, or with the tag of a name:tag.
    needs: the modules that must be installed.
    extra: what installs them, where that is not the extras of the modules, or of the name.
    by_default: where no backend is asked for, it is tested if it is installed; others only if asked for.
    """

    target: str
    needs: tuple[str, ...] = ()
    by_default: bool = True
    extra: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that it needs and that are not installed. Imports nothing."""
        return tuple(module for module in self.needs if find_spec(module) is None)


def row(module: str, adapter: str, *needs: str, by_default: bool = False, extra: str = "") -> KnownBackend:
    """Make a row of the table below. module: of adapters/frameworks.  adapter: its class."""
    return KnownBackend(f"rnn_lockstep.adapters.frameworks.{module}:{adapter}", needs, by_default, extra)


BUILT_IN = {
    "numpy": row("numpy_adapter", "NumpyAdapter", by_default=True),
    "torch": row("torch_adapter", "TorchAdapter", "torch", by_default=True),
    "torch:cuda": row("torch_adapter", "TorchAdapter", "torch"),
    "torch:cells": row("torch_cells", "TorchCells", "torch"),
    "torch:compile": row("torch_cells", "TorchCells", "torch"),
    "torch:export": row("torch_export", "TorchExport", "torch"),
    "torch:onnx": row("torch_onnx", "TorchOnnx", "torch", "onnxruntime", "onnxscript", extra="torch-onnx"),
    "torch:onnx-legacy": row("torch_onnx", "TorchOnnx", "torch", "onnx", "onnxruntime", extra="torch-onnx"),
    "torch:time_major": row("torch_time_major", "TorchTimeMajor", "torch"),
    "keras": row("keras_adapter", "KerasAdapter", "keras", "tensorflow", by_default=True),
    "keras:eager": row("keras_adapter", "KerasAdapter", "keras", "tensorflow"),
    "keras:jit": row("keras_adapter", "KerasAdapter", "keras", "tensorflow"),
    "keras:unroll": row("keras_adapter", "KerasAdapter", "keras", "tensorflow"),
    "keras:zeros": row("keras_adapter", "KerasAdapter", "keras", "tensorflow"),
    "keras:predict": row("keras_predict", "KerasPredict", "keras", "tensorflow"),
    "keras:stateful": row("keras_predict", "KerasPredict", "keras", "tensorflow"),
    "keras:jax": row("keras_adapter", "KerasAdapter", "keras", "jax"),
    "keras:jax-unroll": row("keras_adapter", "KerasAdapter", "keras", "jax"),
    "keras:jax-zeros": row("keras_adapter", "KerasAdapter", "keras", "jax"),
    "keras:jax-predict": row("keras_predict", "KerasPredict", "keras", "jax"),
    "keras:jax-stateful": row("keras_predict", "KerasPredict", "keras", "jax"),
    "keras:torch": row("keras_adapter", "KerasAdapter", "keras", "torch"),
    "keras:torch-unroll": row("keras_adapter", "KerasAdapter", "keras", "torch"),
    "keras:torch-zeros": row("keras_adapter", "KerasAdapter", "keras", "torch"),
    "keras:torch-predict": row("keras_predict", "KerasPredict", "keras", "torch"),
    "keras:torch-stateful": row("keras_predict", "KerasPredict", "keras", "torch"),
    "keras:numpy": row("keras_adapter", "KerasAdapter", "keras"),
    "tensorflow": row("tensorflow_adapter", "TensorFlowAdapter", "tensorflow"),
    "tensorflow:cells": row("tensorflow_adapter", "TensorFlowAdapter", "tensorflow"),
    "tensorflow:gru-cell": row("tensorflow_adapter", "TensorFlowAdapter", "tensorflow"),
    "sonnet": row("sonnet_adapter", "SonnetAdapter", "sonnet", "tensorflow", extra="sonnet"),
    "jax": row("jax_adapter", "JaxAdapter", "jax", by_default=True),
    "jax:nojit": row("jax_adapter", "JaxAdapter", "jax"),
    "flax:nnx": row("flax_adapter", "FlaxAdapter", "flax", "jax"),
    "flax:linen": row("flax_adapter", "FlaxAdapter", "flax", "jax"),
    "equinox": row("equinox_adapter", "EquinoxAdapter", "equinox", "jax"),
    "haiku": row("haiku_adapter", "HaikuAdapter", "haiku", "jax"),
    "onnx": row("onnx_adapter", "OnnxReference", "onnx"),
    "onnx:layout": row("onnx_adapter", "OnnxReference", "onnx"),
    "onnxruntime": row("onnxruntime_adapter", "OnnxRuntime", "onnx", "onnxruntime"),
    "onnxruntime:constants": row("onnxruntime_adapter", "OnnxRuntime", "onnx", "onnxruntime"),
    "openvino": row("openvino_adapter", "OpenVino", "onnx", "openvino"),
    "openvino:constants": row("openvino_adapter", "OpenVino", "onnx", "openvino"),
    "openvino:static": row("openvino_adapter", "OpenVino", "onnx", "openvino"),
    "opencv": row("opencv_adapter", "OpenCv", "onnx", "cv2"),
    "tract": row("tract_adapter", "Tract", "onnx", "tract"),
    "tract:layout": row("tract_adapter", "Tract", "onnx", "tract"),
    "ncnn": row("ncnn_adapter", "Ncnn", "ncnn"),
    "mnn": row("mnn_adapter", "Mnn", "onnx", "MNN"),
    "mnn:layers": row("mnn_adapter", "Mnn", "onnx", "MNN"),
    "tvm": row("tvm_adapter", "Tvm", "torch", "tvm"),
    "tvm:whole": row("tvm_adapter", "Tvm", "torch", "tvm"),
    "executorch": row("executorch_adapter", "ExecuTorch", "torch", "executorch"),
    "executorch:portable": row("executorch_adapter", "ExecuTorch", "torch", "executorch"),
    "litert": row("litert_adapter", "LiteRt", "ai_edge_litert", "keras", "tensorflow"),
    "litert:builtin": row("litert_adapter", "LiteRt", "ai_edge_litert", "keras", "tensorflow"),
    "mlx": row("mlx_adapter", "MlxAdapter", "mlx"),
    "paddle": row("paddle_adapter", "PaddleAdapter", "paddle"),
    "paddle:time_major": row("paddle_adapter", "PaddleAdapter", "paddle"),
    "paddle:cells": row("paddle_adapter", "PaddleAdapter", "paddle"),
    "mindspore:cells": row("mindspore_adapter", "MindSporeCells", "mindspore"),
    "tinygrad": row("tinygrad_adapter", "TinygradAdapter", "tinygrad"),
}


def known_backends() -> dict[str, KnownBackend]:
    """Every backend with a name: the built-in ones and those of the entry-point group."""
    others = {point.name: KnownBackend(point.value) for point in entry_points(group=ENTRY_POINTS)}
    return {**others, **BUILT_IN}


def find(name: str) -> tuple[str, tuple[str, ...]]:
    """The target of a backend's name and the arguments to call it with. Imports nothing.

    name: a known name, name:tag, or package.module:Class; one of these with @ and a place behind it, where
    alone its needs must be met, see `adapters/workers/place.py`.
    Raises UnknownBackend or NotInstalled with a one-line message.
    """
    known = known_backends()
    name, elsewhere, _ = name.partition("@")
    base, _, rest = name.partition(":")
    if name not in known:
        tags = [other.partition(":")[2] for other in known if other.startswith(f"{base}:")]
        if rest and (base in known or tags):
            raise UnknownBackend(f"backend {base} has no tag {rest!r}; it has: {_listed(tags)}")
        if rest:
            return name, ()
        if tags:
            raise UnknownBackend(f"backend {base} needs a tag; it has: {_listed(tags)}")
        first = sorted(known, key=lambda other: not known[other].by_default)
        names = dict.fromkeys(other.partition(":")[0] for other in first)
        raise UnknownBackend(f"unknown backend {name!r}; known: {_listed(names)}, or package.module:Class")
    if (missing := known[name].missing) and not elsewhere:
        bases = {other.partition(":")[0] for other in BUILT_IN}
        own = known[name].extra
        extras = [own] if own else [module for module in missing if module in bases] or [base]
        raise NotInstalled(
            f"backend {name} needs {' and '.join(missing)}, which is not installed: "
            f"pip install 'rnn-lockstep[{','.join(extras)}]'"
        )
    return known[name].target, (rest,) if rest else ()


def load(name: str) -> Adapter:
    """Make the adapter `name`, as `find` reads it. Imports its framework.

    Raises UnknownBackend or NotInstalled; an error inside an import or a constructor becomes NotMade.
    """
    target, arguments = find(name)
    if "@" in name:
        raise UnknownBackend(f"backend {name} runs in a process of its own only")
    module, _, attribute = target.partition(":")
    if not is_found(module):
        raise UnknownBackend(f"backend {name}: there is no module {module}")
    try:
        found = import_module(module)
        factory: Callable[..., Any] | None = getattr(found, attribute, None)
        if not callable(factory):
            raise UnknownBackend(f"backend {name}: the module {module} has no class {attribute}")
        return checked(name, factory(*arguments))
    except UnknownBackend:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too
        raise NotMade(f"backend {name} cannot be made: {with_type(error)}") from error


def checked(name: str, adapter: Any) -> Adapter:
    """The adapter, if it is one, and if what it declares means something. Raises NotMade."""
    if not isinstance(getattr(adapter, "facts", None), Facts) or not callable(getattr(adapter, "run", None)):
        raise NotMade(
            f"backend {name} is not an adapter: needs `facts` (rnn_lockstep.adapters.Facts) and `run(case)`"
        )
    if mistake := mistake_in(adapter.facts):
        raise NotMade(f"backend {name} {mistake}")
    if adapter.facts.gradients and not callable(getattr(adapter, "gradients", None)):
        raise NotMade(f"backend {name} declares gradients but has no method `gradients`")
    return adapter  # type: ignore[no-any-return]


def is_found(module: str) -> bool:
    """Tell whether there is a module of this name; one whose package cannot be imported is taken to be."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
    except BaseException:
        return True


def _listed(names: Iterable[str]) -> str:
    """The names with commas, or "none"."""
    return ", ".join(names) or "none"
