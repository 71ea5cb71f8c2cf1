"""Backends are found by name, name:tag or package.module:Class; what is wrong is said in one line."""

import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rnn_lockstep.adapters import Facts, NotInstalled, UnknownBackend, find, known_backends, load
from rnn_lockstep.adapters.backends import registry
from rnn_lockstep.adapters.backends.registry import BUILT_IN
from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


class OfAThirdParty(NumpyAdapter):
    """An adapter that is installed by somebody else."""

    facts = Facts("theirs")


class WithoutGradients:
    """An adapter that declares gradients and has none."""

    facts = Facts("without", gradients=True)

    def run(self, case):
        raise NotImplementedError


class WithoutRun:
    """An adapter without its main method."""

    facts = Facts("no run")


class Broken:
    """An adapter that cannot be made."""

    def __init__(self):
        raise RuntimeError("no such device")


def test_names_tags_and_classes():
    assert {"numpy", "torch", "keras", "jax"} <= set(known_backends())
    assert load("numpy").facts.name == "numpy"
    assert load(f"{__name__}:OfAThirdParty").facts.name == "theirs"


def test_a_run_without_a_choice_tests_the_four_that_are_tested_by_default():
    assert [name for name, known in BUILT_IN.items() if known.by_default] == [
        "numpy",
        "torch",
        "keras",
        "jax",
    ]


def test_a_name_with_a_tag_may_have_a_class_of_its_own():
    target, arguments = find("torch:cells")
    assert target.endswith(":TorchCells")
    assert arguments == ("cells",)
    assert find("jax:nojit") == (BUILT_IN["jax"].target, ("nojit",))


def test_entry_points_are_known_by_name(monkeypatch):
    point = EntryPoint("theirs", f"{__name__}:OfAThirdParty", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    assert "theirs" in known_backends()
    assert load("theirs").facts.name == "theirs"
    with pytest.raises(UnknownBackend, match="theirs"):
        load("nobody's")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "pytorch",
            "unknown backend 'pytorch'; known: numpy, torch, keras, jax, tensorflow, sonnet, flax, equinox, ",
        ),
        ("flax", "backend flax needs a tag; it has: nnx, linen"),
        ("jax:fast", "backend jax has no tag 'fast'; it has: nojit"),
        ("numpy:x", "backend numpy has no tag 'x'; it has: none"),
        ("torch:x", "backend torch has no tag 'x'; it has: cuda, cells, compile, export"),
        ("", "unknown backend ''; known: numpy"),
        ("no_such_module:Class", "backend no_such_module:Class: there is no module no_such_module"),
        (f"{__name__}:NoSuchClass", "has no class NoSuchClass"),
        (f"{__name__}:Broken", "cannot be made: RuntimeError: no such device"),
        (
            f"{__name__}:WithoutRun",
            "is not an adapter: needs `facts` (rnn_lockstep.adapters.Facts) and `run(case)`",
        ),
        (f"{__name__}:WithoutGradients", "declares gradients but has no method `gradients`"),
        (f"{__name__}:pytest", "has no class pytest"),
        ("tests:", "unknown backend 'tests:'"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(name, message):
    with pytest.raises(UnknownBackend, match=re.escape(message)) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_what_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda module: None)
    install = re.escape("pip install 'rnn-lockstep[keras,tensorflow]'")
    with pytest.raises(NotInstalled, match=install) as caught:
        find("keras:eager")
    assert str(caught.value).startswith(
        "backend keras:eager needs keras and tensorflow, which is not installed"
    )


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("keras", "tensorflow", "tensorflow"),
        ("keras:jax", "jax", "jax"),
        ("keras:torch", "torch", "torch"),
        ("keras:torch", "keras", "keras"),
        ("torch:onnx", "onnxscript", "torch-onnx"),
        ("torch:onnx", "onnxruntime", "torch-onnx"),
        ("torch:onnx-legacy", "torch", "torch-onnx"),
        ("opencv", "cv2", "opencv"),
    ],
)
def test_the_extra_of_what_a_backend_needs_is_named(name, module, extra, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda asked: None if asked == module else asked)
    message = f"backend {name} needs {module}, which is not installed: pip install 'rnn-lockstep[{extra}]'"
    with pytest.raises(NotInstalled, match=re.escape(message)):
        find(name)
    if name in ("keras:jax", "keras:torch") and module != "keras":
        assert all(find(other) for other in {"keras", "keras:jax", "keras:torch"} - {name})


def test_every_extra_that_is_named_is_one_of_the_package(monkeypatch):
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    for name, known in BUILT_IN.items():
        for module in known.needs:
            monkeypatch.setattr(
                registry, "find_spec", lambda asked, it=module: None if asked == it else asked
            )
            with pytest.raises(NotInstalled) as caught:
                find(name)
            assert re.search(r"rnn-lockstep\[([a-z-]+)\]", str(caught.value))[1] in extras, name
