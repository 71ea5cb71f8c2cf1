"""The import arrows: in `reference` each folder imports only those before it, and nothing goes in circles."""

import ast
import graphlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "rnn_lockstep."
# The folders that the modules of each folder may import beside their own.
MAY_IMPORT = {
    "reference.bound": (),
    "reference.oracle": ("reference.bound",),
    "reference.check": ("reference.bound", "reference.oracle"),
    "reference.diagnosis": ("reference.bound", "reference.oracle", "reference.check"),
    "adapters.backends": ("reference",),
    "adapters.frameworks": ("reference", "adapters.backends"),
    "adapters.workers": ("reference", "adapters.backends"),
    "adapters.models": ("reference", "adapters.backends", "adapters.frameworks", "adapters.saved_cases"),
    "adapters.saved_cases": ("reference", "adapters.backends"),
    "adapters.bug_report": ("reference", "adapters.backends", "adapters.frameworks"),
    "adapters.port": ("reference", "adapters.backends", "adapters.frameworks", "adapters.models"),
}
# Small tools that every folder of adapters may use.
TOOLS = ("adapters.safe_files", "adapters.one_line")


@cache
def modules() -> dict[str, Path]:
    """Every module of reference and adapters by its name, without that of the package."""
    files = [path for top in ("reference", "adapters") for path in (ROOT / top).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}


def imported(path: Path, anywhere: bool) -> Iterator[str]:
    """The modules of ours that a file imports: at its top level, or anywhere, as in a function too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(PACKAGE):
            inner = [f"{node.module}.{name.name}".removeprefix(PACKAGE) for name in node.names]
            yield from (name for name in inner if name in modules())
            if not all(name in modules() for name in inner):  # something that the module itself defines
                yield node.module.removeprefix(PACKAGE)


@cache
def arrows(anywhere: bool) -> dict[str, set[str]]:
    """The modules that each module imports, packages among them."""
    known = {*modules(), *(name.removesuffix(".__init__") for name in modules())}
    return {name: known & set(imported(path, anywhere)) for name, path in modules().items()}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_those_before_it(folder):
    allowed = (folder, *MAY_IMPORT[folder], *TOOLS)
    wrong = {
        f"{name} imports {module}"
        for name, its in arrows(anywhere=True).items()
        for module in its
        if name.startswith(folder) and not module.startswith(allowed)
    }
    assert not wrong
    assert any(name.startswith(folder) for name in modules())


def test_no_module_imports_itself_by_way_of_others():
    inner = {name: its & modules().keys() for name, its in arrows(anywhere=False).items()}
    graphlib.TopologicalSorter(inner).prepare()  # raises on a circle, and names it


def test_the_reference_imports_numpy_and_scipy_only():
    allowed = {"numpy", "scipy", "rnn_lockstep", *__import__("sys").stdlib_module_names}
    for path in (ROOT / "reference").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path
