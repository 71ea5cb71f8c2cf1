"""The plain data in a pickle that torch wrote: its operations are read, and none of them is run.

`pickletools` says what the operations are; only those that make plain containers are followed, and a
name of Python's in the pickle is never looked up: it stands for what is in the tables below, or the file is
refused. So nothing in a file can call anything.
"""

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

MOST_OPERATIONS = 2**20
ITEMSIZES = {
    **{"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1},
    **{"Byte": 1, "Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16},
}


class Storage(NamedTuple):
    """The place of a tensor's numbers: `size` of one kind, for example "Float", from number `start` on."""

    kind: str
    key: str
    size: int
    start: int = 0

    @property
    def itemsize(self) -> int:
        """The bytes of one number."""
        return ITEMSIZES[self.kind]


class Tensor(NamedTuple):
    """A view of a storage, in numbers; nothing of it is in memory."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Name:
    """A name of Python's in a pickle: a text, and no more."""

    text: str


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    if isinstance(shape, list | tuple) and isinstance(strides, list | tuple):
        shape, strides = tuple(shape), tuple(strides)
        whole = all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
        if isinstance(storage, Storage) and whole and len(shape) == len(strides) <= 8:
            return Tensor(storage, offset, shape, strides)
    raise ValueError("a tensor in it has no storage, shape or strides")


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return dict(items)


class Module(dict[Any, Any]):
    """The attributes of a scripted module, as `torch.jit.save` keeps it."""


# What the names that are called stand for. The last are of no use here, so they are nothing.
CALLED: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch.jit._pickle.restore_type_tag": lambda value, *_: value,
    **dict.fromkeys(
        [
            *("torch.Size", "torch.device", "torch.serialization._get_layout"),
            *("collections.Counter", "collections.defaultdict", "_codecs.encode"),
            *("torch._utils._rebuild_qtensor", "torch._utils._rebuild_sparse_tensor"),
            *("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
            *("__builtin__.set", "builtins.set", "builtins.complex", "builtins.bytearray"),
            *("argparse.Namespace", "types.SimpleNamespace", "datetime.datetime", "datetime.date"),
            *("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath"),
            *("pathlib._local.PosixPath", "pathlib._local.WindowsPath", "uuid.UUID"),
            *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
            *("torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist"),
            *("torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist"),
            *("pytorch_lightning.utilities.parsing.AttributeDict", "easydict.EasyDict"),
            *("lightning.pytorch.utilities.parsing.AttributeDict", "yacs.config.CfgNode"),
            *("lightning_fabric.utilities.data.AttributeDict", "torch.torch_version.TorchVersion"),
            *("lightning.fabric.utilities.data.AttributeDict", "fvcore.common.config.CfgNode"),
            *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig"),
            *("omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata"),
            *("omegaconf.nodes.AnyNode", "omegaconf.nodes.StringNode", "omegaconf.nodes.IntegerNode"),
            *("omegaconf.nodes.FloatNode", "omegaconf.nodes.BooleanNode"),
        ],
        lambda *_: None,
    ),
}
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
KNOWN = {
    *CALLED,
    *(f"torch.{kind}Storage" for kind in ITEMSIZES),
    *(f"torch.{name}" for name in DTYPES),
    *("numpy.ndarray", "typing.Any"),
    *("__builtin__.dict", "builtins.dict", "builtins.int", "builtins.float", "builtins.list"),
}
PUSHED = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {
    **{"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set},
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARK = object()
SCRIPTED = "__torch__."  # classes of scripted modules, which are in the file and have no Python's


def unpickled(file: BinaryIO, storages: dict[str, Storage] | None = None) -> Any:
    """The plain data, Tensors and Names of the pickle that begins here. Raises ValueError.

    storages: those that the pickle names are added to it, by their keys.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of texts that are spelt wrong
            for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
                if count > MOST_OPERATIONS:
                    raise ValueError(f"its pickle has more than {MOST_OPERATIONS} operations")
                if operation.name == "STOP":
                    return machine.stack.pop()
                machine.follow(operation.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError):
        raise ValueError("its pickle is damaged") from None
    raise ValueError("its pickle has no end")


class _Machine:
    """A pickle's stack and memo."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:
        """Do one operation. Raises ValueError for one that no state dict has."""
        stack = self.stack
        if name in PUSHED:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "MARK":
            stack.append(MARK)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(self.popped(TUPLES[name]))]
        elif name == "TUPLE":
            stack.append(tuple(self.to_mark()))
        elif name not in ("PROTO", "FRAME"):
            self.follow_more(name, argument)

    def follow_more(self, name: str, argument: Any) -> None:
        """Do one of the operations that are left."""
        stack = self.stack
        if name == "GLOBAL":
            stack.append(known(argument.replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            text = stack.pop()
            stack.append(known(f"{stack.pop()}.{text}"))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            text = stack.pop().text
            stack.append(Module() if text.startswith(SCRIPTED) else CALLED[text](*arguments))
        elif name == "BUILD":  # what an object has beside its contents
            state = stack.pop()
            if isinstance(stack[-1], Module) and isinstance(state, dict):
                stack[-1].update(state)
        elif name == "BINPERSID":
            stack.append(storage := storage_of(stack.pop()))
            self.storages[storage.key] = storage
        elif name in ("SETITEM", "SETITEMS"):
            items = self.to_mark() if name == "SETITEMS" else self.popped(2, drop=True)
            pairs = zip(items[::2], items[1::2], strict=True)
            if stack[-1] is not None:
                _need(stack[-1], dict).update(pairs)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [stack.pop()] if name == "APPEND" else self.to_mark()
            if isinstance(stack[-1], set):
                stack[-1].update(items)
            elif stack[-1] is not None:
                _need(stack[-1], list).extend(items)
        else:
            raise ValueError(f"its pickle has the operation {name}, which no state dict has")

    def popped(self, count: int, drop: bool = False) -> list[Any]:
        """The last `count` things on the stack, where they stay unless they are dropped."""
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError
        if drop:
            del self.stack[-count:]
        return items

    def to_mark(self) -> list[Any]:
        """The things above the last mark, taken off the stack with it."""
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]


def _need(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def known(text: str) -> Name:
    """A name that is in the tables. Raises ValueError for any other: it would have to be run."""
    if text not in KNOWN and not text.startswith(SCRIPTED):
        raise ValueError(
            f"it holds a pickled {text}, which is never run: it must hold tensors and plain data only; "
            "save a module's weights with torch.save(module.state_dict(), path)"
        )
    return Name(text)


def storage_of(told: Any) -> Storage:
    """The storage of a persistent id: ("storage", kind, key, device, size, and in old files a part of it)."""
    label, kind, key, _, size, *view = _need(told, tuple)
    kind = _need(kind, Name).text.removeprefix("torch.").removesuffix("Storage")
    start = view[0][1] if view and view[0] is not None else 0
    if label != "storage" or kind not in ITEMSIZES or type(key) is not str:
        raise TypeError
    if any(type(n) is not int or n < 0 for n in (size, start)):
        raise TypeError
    return Storage(kind, key, size, start)
