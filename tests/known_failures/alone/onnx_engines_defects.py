"""Attributes, inputs and outputs of ONNX's recurrent operators, in engines that leave some of them out.

Those of these bugs that a case of the suite can show are in tests/known_failures/ too. One that is mended
fails here, strictly. What they mean is said on onnx.ai/onnx/operators, of RNN, GRU and LSTM. ONNX Runtime
heeds clip and input_forget: onnx_defects.py.
"""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
UNITS, ROWS, STEPS = 5, 2, 4
WEIGHTS = ("W", "R", "B", "P")


def inputs_for(op_type, directions=1, peepholes=False):
    """Random numbers for the inputs of a node by name; what it starts from is given too."""
    rng, gates = np.random.default_rng(0), GATES[op_type] * UNITS
    shapes = {
        "X": (STEPS, ROWS, 3),
        "W": (directions, gates, 3),
        "R": (directions, gates, UNITS),
        "B": (directions, 2 * gates),
        "initial_h": (directions, ROWS, UNITS),
    }
    if op_type == "LSTM":
        shapes["initial_c"] = shapes["initial_h"]
    if peepholes:
        shapes["P"] = (directions, 3 * UNITS)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def model(op_type, inputs, outputs, **attributes):
    """A model of one node, which holds its weights. outputs: those that it has, the others being empty."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
    placed = [name if name in inputs else "" for name in names]
    while not placed[-1]:
        placed.pop()
    graph = helper.make_graph(
        [helper.make_node(op_type, placed, outputs, hidden_size=UNITS, **attributes)],
        op_type,
        [
            helper.make_tensor_value_info(name, kind, x.shape)
            for name, x in inputs.items()
            if name not in WEIGHTS
        ],
        [helper.make_tensor_value_info(n, kind, [None] * (4 if n == "Y" else 3)) for n in outputs if n],
        [onnx.numpy_helper.from_array(x, name) for name, x in inputs.items() if name in WEIGHTS],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def openvino(made, given, _):
    """The outputs of OpenVINO."""
    core = pytest.importorskip("openvino").Core()
    compiled = core.compile_model(core.read_model(made), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled(given)
    return [np.array(answers[output]) for output in compiled.outputs]


def opencv(made, given, names):
    """The outputs of OpenCV."""
    net = pytest.importorskip("cv2").dnn.readNetFromONNX(np.frombuffer(made, np.uint8))
    for name, array in given.items():
        net.setInput(array, name)
    return [np.array(answer) for answer in net.forward(names)]


def onnxruntime(made, given, _):
    """The outputs of ONNX Runtime."""
    module = pytest.importorskip("onnxruntime")
    return module.InferenceSession(made, providers=["CPUExecutionProvider"]).run(None, given)


def tract(made, given, _, folder):
    """The outputs of tract."""
    module = pytest.importorskip("tract")
    path = folder / "model.onnx"
    path.write_bytes(made)
    try:
        runnable = module.onnx().load(path).into_model().into_runnable()
    except module.TractError as error:
        raise RuntimeError(str(error)) from None
    return [answer.to_numpy().copy() for answer in runnable.run(list(given.values()))]


def answers(engine, folder, op_type, inputs, outputs=None, **attributes):
    """The outputs of an engine for a node."""
    outputs = outputs or ["Y", "Y_h", "Y_c"][: 3 if op_type == "LSTM" else 2]
    made = model(op_type, inputs, outputs, **attributes).SerializeToString()
    given = {name: array for name, array in inputs.items() if name not in WEIGHTS}
    more = (folder,) if engine is tract else ()
    return engine(made, given, [name for name in outputs if name], *more)


VERSIONS = {openvino: "OpenVINO 2026.4.1", opencv: "OpenCV 5.0.0", tract: "tract 0.23.9"}
TRACT = "https://github.com/sonos/tract/issues/2751"
LAYOUT = "https://github.com/openvinotoolkit/openvino/issues/37820"


def known(engine, *values, link="not reported", raises=AssertionError):
    """A row of a table of what is known to be wrong."""
    mark = pytest.mark.xfail(raises=raises, reason=f"{VERSIONS[engine]}; {link}")
    name = "-".join([engine.__name__, *map(str, values)])
    return pytest.param(engine, *values, marks=mark, id=name)


@pytest.mark.parametrize(
    ("engine", "op_type", "attributes"),
    [
        *((openvino, op_type, {"clip": 0.3}) for op_type in GATES),
        known(openvino, "LSTM", {"input_forget": 1}),
        *(known(opencv, op_type, {"clip": 0.3}) for op_type in ("GRU", "LSTM")),
        known(opencv, "LSTM", {"input_forget": 1}),
        *(known(tract, op_type, {"clip": 0.3}, link=TRACT) for op_type in GATES),
        known(tract, "LSTM", {"input_forget": 1}, link=TRACT),
    ],
)
def test_an_attribute_changes_the_answer(engine, op_type, attributes, tmp_path):
    inputs = inputs_for(op_type)
    with_it = answers(engine, tmp_path, op_type, inputs, **attributes)
    assert not np.allclose(with_it[0], answers(engine, tmp_path, op_type, inputs)[0])


@pytest.mark.parametrize("engine", [known(openvino), tract])
def test_peepholes_change_the_answer(engine, tmp_path):
    with_them, without = (
        answers(engine, tmp_path, "LSTM", inputs_for("LSTM", peepholes=given)) for given in (True, False)
    )
    assert not np.allclose(with_them[0], without[0])


@pytest.mark.parametrize("engine", [tract, known(opencv, link="https://github.com/opencv/opencv/pull/29931")])
def test_peepholes_are_those_of_onnx_runtime(engine, tmp_path):
    """They are right there: ONNX's formulas in NumPy give the same."""
    inputs = inputs_for("LSTM", peepholes=True)
    found = answers(engine, tmp_path, "LSTM", inputs)
    np.testing.assert_allclose(found[0], answers(onnxruntime, tmp_path, "LSTM", inputs)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("engine", "op_type", "directions"),
    [
        *(known(openvino, op_type, directions, link=LAYOUT) for op_type in GATES for directions in (1, 2)),
        known(opencv, "LSTM", 2),
        *((tract, op_type, 1) for op_type in GATES),
        *(known(tract, op_type, 2, raises=RuntimeError) for op_type in GATES),
    ],
)
def test_with_layout_1_rows_come_first(engine, op_type, directions, tmp_path):
    """As many rows as steps, so that an engine that takes one for the other says nothing of it."""
    inputs = inputs_for(op_type, directions)
    inputs["X"] = np.concatenate([inputs["X"], inputs["X"][::-1]], axis=1)  # four rows and four steps
    inputs = {name: x for name, x in inputs.items() if not name.startswith("initial")}
    if engine is tract:  # whose LSTM needs states
        rows = {name: np.zeros((directions, 4, UNITS), np.float32) for name in ("initial_h", "initial_c")}
        inputs |= dict(list(rows.items())[: 2 if op_type == "LSTM" else 1])
    options = {"direction": "bidirectional"} if directions == 2 else {}
    steps_first = answers(engine, tmp_path, op_type, inputs, **options)
    moved = {n: x if n in WEIGHTS else np.ascontiguousarray(x.swapaxes(0, 1)) for n, x in inputs.items()}
    rows_first = answers(engine, tmp_path, op_type, moved, layout=1, **options)
    np.testing.assert_allclose(rows_first[0], steps_first[0].transpose(2, 0, 1, 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("engine", "op_type", "outputs"),
    [
        *((openvino, op_type, outputs) for op_type in GATES for outputs in (["Y"], ["", "Y_h"])),
        *((tract, op_type, outputs) for op_type in GATES for outputs in (["Y"], ["", "Y_h"])),
        known(opencv, "GRU", ["Y"]),
        (opencv, "GRU", ["", "Y_h"]),
        (opencv, "LSTM", ["Y"]),
        (opencv, "LSTM", ["", "Y_h"]),
        known(opencv, "LSTM", ["", "", "Y_c"]),
    ],
)
def test_one_output_alone_is_the_same_as_among_others(engine, op_type, outputs, tmp_path):
    inputs = inputs_for(op_type)
    [alone] = answers(engine, tmp_path, op_type, inputs, outputs)
    np.testing.assert_allclose(alone, answers(engine, tmp_path, op_type, inputs)[len(outputs) - 1], rtol=1e-5)
