"""Bug reports: a script agrees with a right framework, exits 1 for a wrong one, and stands alone."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnn_lockstep.adapters import known_backends
from rnn_lockstep.adapters.backends.array_memory import LAYOUTS, with_layout
from rnn_lockstep.adapters.bug_report import NoScript, script
from rnn_lockstep.adapters.bug_report.conventions import ENGINES as OF_ONNX
from rnn_lockstep.adapters.bug_report.conventions import engine_of_keras
from rnn_lockstep.adapters.bug_report.filling import FUNCTIONS
from rnn_lockstep.adapters.bug_report.source import (
    UNPACK,
    literal,
    numpy_dtype,
    packed,
    with_strides,
    wrapped,
)
from rnn_lockstep.reference import Case, Cotangents, Verdict, check, check_gradients
from rnn_lockstep.reference.bound.arithmetic import Arithmetic
from rnn_lockstep.reference.oracle.gradients import gradients
from tests.faults.faulty import run_layers
from tests.unit.adapters.shown_in_scripts import (
    ENGINES,
    EVERYTHING,
    JAX,
    KERAS,
    OTHER_KERAS,
    PADDLE,
    TORCH,
    Shown,
    case_of,
    cotangents_of,
    shown,
)

# Runs scripts in one process, so that the framework is imported once: first as it is, then with what the
# second argument does to it. Prints the exit codes, and what the scripts said.
RUNNER = """
import contextlib, io, json, runpy, sys
def codes(paths):
    for path in paths:
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                runpy.run_path(path, run_name="__main__")
            yield 0, said.getvalue()
        except SystemExit as error:
            yield error.code, said.getvalue()
        except Exception as error:
            yield repr(error), said.getvalue()
paths = json.loads(sys.argv[1])
found = list(codes(paths))
if sys.argv[2]:
    exec(sys.argv[2])
    found += list(codes(paths))
print(json.dumps(found))
"""
# torch with a mistake in all its layers: outputs that are too large, and states that are even larger.
WRONG_TORCH = """
import torch
def wrong(right):
    def called(*arguments):
        outputs, *states = right(*arguments)
        return outputs * 1.5, *(state * 2 for state in states)
    return called
functions = torch.nn.modules.rnn._VF
for name in ("rnn_tanh", "rnn_relu", "gru", "lstm"):
    setattr(functions, name, wrong(getattr(functions, name)))
"""


def mismatch(one: Shown, case: Case, cotangents: Cotangents | None) -> Verdict:
    """The verdict on an answer that is wrong in the last element that counts of one array."""
    if cotangents is not None:
        exact = gradients(case, cotangents)
        answer = {name: exact[name].astype(case.dtype) for name in case.arrays()}
        verdict = check_gradients(case, cotangents, answer, Arithmetic(case.dtype))
    else:
        trace = run_layers(case)
        if one.backend in ("torch", "paddle") and case.merge_mode in (None, "concat"):
            trace = replace(trace, hidden_outputs=())
        verdict = check(case, trace, Arithmetic(case.dtype))
    assert verdict.status != "mismatch"
    (compared,) = [c for c in verdict.comparisons if c.name == one.array]
    observed = compared.observed.copy()
    is_output = observed.ndim == 3 and not compared.axes
    counts = case.valid[..., None] if is_output else True
    observed[tuple(np.argwhere(np.broadcast_to(counts, observed.shape))[-1])] += 1
    others = [c for c in verdict.comparisons if c is not compared]
    return replace(verdict, status="mismatch", comparisons=(replace(compared, observed=observed), *others))


def text_of(one: Shown) -> str:
    """The script that shows a wrong answer."""
    case = case_of(one)
    cotangents = cotangents_of(one, case)
    return script(one.backend, case, mismatch(one, case, cotangents), cotangents)


def exits(tmp_path: Path, texts: list[str], then: str = "") -> list[tuple[Any, str]]:
    """The exit codes of the scripts and what they said; once more after the framework was changed."""
    paths = [tmp_path / f"report{k}.py" for k in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    command = [sys.executable, "-I", "-c", RUNNER, json.dumps([str(path) for path in paths]), then]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=quiet)
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout.splitlines()[-1])]


def need(framework: str) -> None:
    """Skip the test where a framework is not installed."""
    if known_backends()[framework].missing:
        pytest.skip(f"{framework} is not installed")


@pytest.mark.parametrize("one", EVERYTHING, ids=lambda one: f"{one.backend} {one.cell} {one.array}".strip())
def test_a_script_is_short_and_stands_alone(one: Shown) -> None:
    text = text_of(one)
    assert text.count("\n") < 60
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        assert not isinstance(node, ast.ImportFrom)
    framework, _, tag = one.backend.partition(":")
    own = {"opencv": {"cv2"}, "mnn": {"MNN", "_tools"}}.get(framework, {framework})
    beside = {"keras": engine_of_keras(tag), **dict.fromkeys(OF_ONNX, "onnx")}
    own |= {"numpy", beside.get(framework, "numpy")}
    assert imported - {"base64", "os", "sys", "zlib"} == own
    assert "sys.exit(1)" in text
    assert text == text_of(one)


def test_torch_agrees_and_a_wrong_torch_does_not(tmp_path: Path) -> None:
    need("torch")
    found = exits(tmp_path, [text_of(one) for one in TORCH], then=WRONG_TORCH)
    right, wrong = found[: len(TORCH)], found[len(TORCH) :]
    assert [code for code, _ in right] == [0] * len(TORCH), right
    assert [code for code, _ in wrong] == [1] * len(TORCH), wrong
    assert "the output at batch 2, time 2, unit 1: " in right[0][1]
    assert right[0][1].endswith("They agree.\n")
    assert "They agree" not in wrong[0][1]


@pytest.mark.parametrize(
    ("framework", "several"),
    [
        ("keras", KERAS + [one for one in OTHER_KERAS if one.backend in ("keras:unroll", "keras:zeros")]),
        ("keras:jax", [one for one in OTHER_KERAS if one.backend.startswith("keras:jax")]),
        ("keras:torch", [one for one in OTHER_KERAS if one.backend.startswith("keras:torch")]),
        ("jax", JAX),
        ("paddle", PADDLE),
    ],
    ids=["keras", "keras:jax", "keras:torch", "jax", "paddle"],
)
def test_others_agree(framework: str, several: list[Shown], tmp_path: Path) -> None:
    need(framework)
    found = exits(tmp_path, [text_of(one) for one in several])
    assert [code for code, _ in found] == [0] * len(several), found


# An engine whose outputs, first, are too large.
WRONG_ENGINES = """
import cv2, MNN, numpy as np, onnx.reference, onnxruntime, openvino, tract
def wrong(right):
    def called(*arguments):
        found = right(*arguments)
        if not isinstance(found, list):
            return dict(enumerate(wrong(lambda: list(found.values()))()))
        return [found[0] * 1.5, *(state * 2 for state in found[1:])]
    return called
onnx.reference.ReferenceEvaluator.run = wrong(onnx.reference.ReferenceEvaluator.run)
onnxruntime.InferenceSession.run = wrong(onnxruntime.InferenceSession.run)
openvino.CompiledModel.__call__ = wrong(openvino.CompiledModel.__call__)
class Net:
    def __init__(self, net):
        self.setInput, self.forward = net.setInput, wrong(lambda names: list(net.forward(names)))
read = cv2.dnn.readNetFromONNX
cv2.dnn.readNetFromONNX = lambda data: Net(read(data))
right = tract.Tensor.to_numpy
tract.Tensor.to_numpy = lambda tensor: right(tensor) * 1.5
load = MNN.nn.load_module_from_file
class Answer:
    def __init__(self, answer):
        self.read = lambda: np.array(answer.read()) * 1.5
class Module:
    def __init__(self, *arguments, **options):
        module = load(*arguments, **options)
        self.forward = lambda given: list(map(Answer, module.forward(given)))
MNN.nn.load_module_from_file = Module
"""


def test_engines_of_onnx_agree_and_wrong_ones_do_not(tmp_path: Path) -> None:
    for engine in OF_ONNX:
        need(engine)
    found = exits(tmp_path, [text_of(one) for one in ENGINES], then=WRONG_ENGINES)
    assert [code for code, _ in found] == [0] * len(ENGINES) + [1] * len(ENGINES), found


def test_without_a_verdict_the_error_of_the_layer_is_shown(tmp_path: Path) -> None:
    need("torch")
    one = shown("torch", "lstm", "gradient of W")
    case = case_of(one)
    texts = [script("torch", case), script("torch", case, None, cotangents_of(one, case))]
    raising = "import torch\ndef fails(*_): raise RuntimeError('no LSTM today')\n"
    raising += "torch.nn.modules.rnn._VF.lstm = fails"
    (answer, _), (gradient, _), *failed = exits(tmp_path, texts, then=raising)
    assert (answer, gradient) == (0, 0)
    assert all("no LSTM today" in code for code, _ in failed)
    cut = "import torch\nlstm = torch.nn.modules.rnn._VF.lstm\n"
    cut += "torch.nn.modules.rnn._VF.lstm = lambda *given: tuple(array[:, :1] for array in lstm(*given))"
    assert [code for code, _ in exits(tmp_path, texts[:1], then=cut)] == [0, 1]


def test_a_small_array_can_be_read_and_a_large_one_is_compressed() -> None:
    small, large = text_of(TORCH[0]), text_of(TORCH[3])
    assert "weights = [  # weight_ih, weight_hh\n    np.array([[" in small
    assert "base64" not in small
    assert "unpack(" in large


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (shown("my_backend:Port", "gru", ""), "what my_backend:Port runs is not known"),
        (shown("numpy", "gru", ""), "scripts are for torch, keras, jax, paddle"),
        (shown("onnx", "gru", "", padding="scattered"), "has no mask, stack, bfloat16"),
        (shown("keras:predict", "gru", ""), "what keras:predict runs is not known"),
        (shown("torch", "gru", "", reset_after=False), "it has no other form"),
        (shown("jax", "gru", "outputs", return_sequences=False), "has no last output"),
        (shown("keras", "gru", "gradient of W", layers=2), "several layers are not one in keras"),
        (shown("torch", "lstm", "layer 39", layers=40), r"more than the 59 of"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.backend,
)
def test_where_there_is_no_script_the_reason_is_one_line(one: Shown, reason: str) -> None:
    with pytest.raises(NoScript, match=reason) as raised:
        text_of(one)
    assert "\n" not in str(raised.value)


def test_a_right_answer_has_no_script() -> None:
    case = case_of(TORCH[0])
    with pytest.raises(NoScript, match="no element is wrong"):
        script("torch", case, check(case, run_layers(case), Arithmetic(case.dtype)))


@given(data=st.data())
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_an_array_is_made_again_bit_for_bit(dtype: str, data: st.DataObject) -> None:
    kind = np.dtype(numpy_dtype(np.dtype(dtype)))
    shape = data.draw(st.sampled_from([(1,), (2, 3), (2, 1, 5), (7, 9), (0, 3)]))
    array = data.draw(arrays(kind, shape)).astype(dtype)
    array = with_layout(array, data.draw(st.sampled_from(LAYOUTS)))
    for source in (literal(array), packed(array)):
        text = wrapped(f"made = {with_strides(source, array)}")
        made: dict[str, Any] = {}
        exec(f"import base64, zlib, numpy as np\n{UNPACK.format(kind)}\n{text}", made)
        assert made["made"].dtype == kind
        np.testing.assert_array_equal(made["made"], array.astype(kind))
        numbers = ~np.isnan(array)
        np.testing.assert_array_equal(np.signbit(made["made"])[numbers], np.signbit(array)[numbers])
        if array.size > 1:
            in_items = [[step // a.itemsize for step in a.strides] for a in (made["made"], array)]
            assert in_items[0] == in_items[1]


def test_a_sigmoid_is_finite_where_it_is_saturated():
    """Of complex numbers, as the formula for a gradient has them; 1 / (1 + exp(1000)) is NaN there."""
    z = np.array([-1000, 0, 1000]) + 1e-30j
    with np.errstate(all="ignore"):
        found = eval(FUNCTIONS["sigmoid"], {"np": np, "z": z})
    np.testing.assert_array_equal(found.real, [0, 0.5, 1])


def test_where_a_backend_ran_is_no_matter():
    case = case_of(TORCH[0])
    assert script("torch@../old/bin/python", case) == script("torch", case)
