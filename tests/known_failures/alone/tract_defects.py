"""Bugs of Sonos's tract, on a node of ONNX alone. One that is mended fails here, strictly.

What the operators should do is said on onnx.ai/onnx/operators, of RNN, GRU and LSTM. Those of these bugs that
a case of the suite can show are in tests/known_failures/ too.
"""

import signal
import subprocess
import sys

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
tract = pytest.importorskip("tract")

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
UNITS, ROWS, STEPS = 3, 2, 4


def inputs_for(op_type, state=True):
    """Random numbers for the inputs of a node, and its weights, by name."""
    rng, gates = np.random.default_rng(0), GATES[op_type] * UNITS
    shapes = {"X": (STEPS, ROWS, 2), "W": (1, gates, 2), "R": (1, gates, UNITS), "B": (1, 2 * gates)}
    if state:
        names = ("initial_h", "initial_c")[: 2 if op_type == "LSTM" else 1]
        shapes |= dict.fromkeys(names, (1, ROWS, UNITS))
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def answers(op_type, inputs, path, rows=str(ROWS), **attributes):
    """The outputs of tract for a model of one node, which holds its weights. rows: how many, or a name."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c")
    used = [name if name in inputs else "" for name in names if name in inputs or "initial_h" in inputs]
    used = used[:-1] if not used[-1] else used
    outputs = ["Y", "Y_h", "Y_c"][: 3 if op_type == "LSTM" else 2]
    given = [name for name in inputs if name not in ("W", "R", "B")]
    graph = helper.make_graph(
        [helper.make_node(op_type, used, outputs, hidden_size=UNITS, **attributes)],
        op_type,
        [helper.make_tensor_value_info(name, kind, [None] * 3) for name in given],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(inputs[name], name) for name in ("W", "R", "B")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    read = tract.onnx().load(path)
    for k, name in enumerate(given):
        read.set_input_fact(k, f"{len(inputs[name])},{rows},{inputs[name].shape[2]},f32")
    made = read.into_model().into_runnable().run([inputs[name] for name in given])
    return [answer.to_numpy().copy() for answer in made]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.xfail(raises=AssertionError, reason="tract 0.23.9 ignores the direction; not reported")
def test_in_reverse_is_the_same_as_forward_on_steps_in_reverse(op_type, path):
    inputs = inputs_for(op_type)
    backward = answers(op_type, inputs, path, direction="reverse")
    forward = answers(op_type, {**inputs, "X": inputs["X"][::-1].copy()}, path)
    np.testing.assert_allclose(backward[0], forward[0][::-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("op_type", "activations"),
    [
        ("RNN", ["Relu"]),
        ("GRU", ["HardSigmoid", "Tanh"]),
        ("GRU", ["Sigmoid", "Relu"]),
        ("LSTM", ["HardSigmoid", "Tanh", "Tanh"]),
        ("LSTM", ["Sigmoid", "Relu", "Relu"]),
    ],
    ids=str,
)
@pytest.mark.xfail(raises=AssertionError, reason="tract 0.23.9: https://github.com/sonos/tract/issues/2751")
def test_activations_change_the_answer(op_type, activations, path):
    inputs = inputs_for(op_type)
    with_them = answers(op_type, inputs, path, activations=activations)
    assert not np.allclose(with_them[0], answers(op_type, inputs, path)[0])


@pytest.mark.parametrize(
    "op_type",
    [
        "RNN",
        "GRU",
        pytest.param(
            "LSTM",
            marks=pytest.mark.xfail(
                raises=tract.TractError,
                reason='tract 0.23.9: "Clashing resolution for expression. 1=1 != 2."; not reported',
            ),
        ),
    ],
)
def test_no_initial_state_is_one_of_zeros(op_type, path):
    inputs = inputs_for(op_type)
    zeros = {name: np.zeros_like(array) for name, array in inputs.items() if name.startswith("initial")}
    without = answers(op_type, inputs_for(op_type, state=False), path)
    np.testing.assert_allclose(without[0], answers(op_type, {**inputs, **zeros}, path)[0], rtol=1e-5)


@pytest.mark.parametrize(
    "steps",
    [
        3,
        pytest.param(
            4,
            marks=pytest.mark.xfail(
                raises=tract.TractError, reason='tract 0.23.9: "xw not contiguous"; not reported'
            ),
        ),
    ],
)
def test_a_gru_of_one_feature_is_one_of_two_of_which_one_is_zero(steps, path):
    inputs = inputs_for("GRU")
    X = np.resize(inputs["X"], (steps, ROWS, 2))
    X[:, :, 1] = 0
    both = answers("GRU", {**inputs, "X": X}, path, linear_before_reset=1)
    one = {**inputs, "X": X[:, :, :1].copy(), "W": inputs["W"][:, :, :1].copy()}
    np.testing.assert_allclose(answers("GRU", one, path, linear_before_reset=1)[0], both[0], rtol=1e-5)


ABORTS = """
import pathlib
from {module} import answers, inputs_for
answers("{op_type}", inputs_for("{op_type}", state=False), pathlib.Path(r"{path}"), rows="N")
"""


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.xfail(
    raises=AssertionError,
    reason="tract 0.23.9 panics (rec/common.rs: UndeterminedSymbol) and ends the process; not reported",
)
def test_a_free_number_of_rows_without_an_initial_state_does_not_end_the_process(op_type, path):
    code = ABORTS.format(op_type=op_type, path=path, module=__name__.rpartition(".")[2])
    here = __file__.rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here)
    assert done.returncode != -signal.SIGABRT
    if done.returncode:
        raise RuntimeError(done.stderr)
