"""The backends by name: the known ones, their needs, and the making of one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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

    target: package.module:Class, called with no argument, or with the tag for name:tag.
    needs: the modules that must be installed.  tags: its other configurations, with what each needs.
    by_default: where no backend is asked for, it is tested if it is installed; others only if asked for.
    """

    target: str
    needs: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_default: bool = True

    def missing(self, tag: str = "") -> tuple[str, ...]:
        """The modules that it needs, with this tag, and that are not installed. Imports nothing."""
        needs = self.tags.get(tag, self.needs)
        return tuple(module for module in needs if find_spec(module) is None)


HERE = "rnn_lockstep.adapters.backends"
BUILT_IN = {
    "numpy": KnownBackend(f"{HERE}.numpy_adapter:NumpyAdapter"),
    "torch": KnownBackend(f"{HERE}.torch_adapter:TorchAdapter", needs=("torch",)),
    "keras": KnownBackend(
        f"{HERE}.keras_adapter:KerasAdapter",
        needs=("keras", "tensorflow"),
        tags={"eager": ("keras", "tensorflow"), "jax": ("keras", "jax"), "torch": ("keras", "torch")},
    ),
    "jax": KnownBackend(f"{HERE}.jax_adapter:JaxAdapter", needs=("jax",), tags={"nojit": ("jax",)}),
    # Names with a tag that have a class of their own.
    "torch:cells": KnownBackend(f"{HERE}.torch_cells:TorchCells", needs=("torch",), by_default=False),
    "torch:compile": KnownBackend(f"{HERE}.torch_cells:TorchCells", needs=("torch",), by_default=False),
    "torch:export": KnownBackend(f"{HERE}.torch_export:TorchExport", needs=("torch",), by_default=False),
    "flax:nnx": KnownBackend(f"{HERE}.flax_adapter:FlaxAdapter", needs=("flax", "jax"), by_default=False),
    "flax:linen": KnownBackend(f"{HERE}.flax_adapter:FlaxAdapter", needs=("flax", "jax"), by_default=False),
    "equinox": KnownBackend(
        f"{HERE}.equinox_adapter:EquinoxAdapter", needs=("equinox", "jax"), by_default=False
    ),
    "onnxruntime": KnownBackend(
        f"{HERE}.onnxruntime_adapter:OnnxRuntime",
        needs=("onnx", "onnxruntime"),
        tags={"constants": ("onnx", "onnxruntime")},
        by_default=False,
    ),
    "onnx": KnownBackend(f"{HERE}.onnx_adapter:OnnxReference", needs=("onnx",), by_default=False),
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
    tagged = [f"{base}:{tag}" for base, entry in known.items() for tag in entry.tags]
    names = [*known, *tagged]
    if name not in names:
        tags = [other.partition(":")[2] for other in names if other.startswith(f"{base}:")]
        if rest and (base in known or tags):
            raise UnknownBackend(f"backend {base} has no tag {rest!r}; it has: {_listed(tags)}")
        if rest:
            return name, ()
        raise UnknownBackend(f"unknown backend {name!r}; known: {_listed(names)}, or package.module:Class")
    entry = known.get(name) or known[base]
    if (missing := entry.missing(rest)) and not elsewhere:
        bases = {other.partition(":")[0] for other in BUILT_IN}
        extras = [module for module in missing if module in bases] or [base]
        raise NotInstalled(
            f"backend {name} needs {' and '.join(missing)}, which is not installed: "
            f"pip install 'rnn-lockstep[{','.join(extras)}]'"
        )
    return entry.target, (rest,) if rest else ()


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
