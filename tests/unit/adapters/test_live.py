"""Live models are read and asked, given what they take, and tell what is not compared."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters.models.live import connect, read_live, ways
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS, WrongForm
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.port.sequences import sequences
from rnn_lockstep.reference import Arithmetic, check
from tests.unit.adapters.ports import Classifier, LastColumn, OutputsOnly, Whole, function_of, loaded, module

BOTH = {INITIAL_STATE, LENGTHS}


def layer_of(model):
    [layer] = read_live(model)
    return layer


def asked(model, layer):
    """Connect a model to a layer, and assert that its answers to a few cases are right."""
    port = connect(ways(model), layer)
    given = {name: name in port.way.takes for name in BOTH}
    for case in sequences(port.layer, 6, 0, **given):
        verdict = check(case, port.run(case), Arithmetic(case.dtype), unobserved=port.unobserved)
        assert verdict.status == "match", verdict
    return port


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_torchs_modules_are_read_and_asked(kind, options):
    model = module(kind, sizes=(3, 4), **options)
    layer = layer_of(model)
    assert (layer.input_size, layer.hidden_size, layer.layers) == (3, 4, options.get("num_layers", 1))
    assert layer.biases == (0 if "bias" in options else 2)
    port = asked(model, layer)
    assert (port.way.takes, port.unobserved, port.way.bare) == (BOTH, (), True)


def test_a_module_that_has_time_first_is_asked_in_its_own_order():
    source = module(nn.LSTM)
    asked(loaded(source, batch_first=False), layer_of(source))


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_a_projection_is_read_and_asked_with_states_of_two_sizes(options):
    model = module(nn.LSTM, sizes=(3, 6), proj_size=4, **options)
    layer = layer_of(model)
    assert (layer.hidden_size, layer.projection_size) == (6, 4)
    for port in (model, Whole(model), OutputsOnly(model), function_of(model, takes="lengths")):
        asked(port, layer)


def test_final_states_of_each_cell_are_put_together_by_kind():
    """As functions and Keras return them: h and c of each cell, of two sizes here."""
    source = module(nn.LSTM, sizes=(3, 6), proj_size=4, num_layers=2)

    def port(inputs):
        outputs, *states = function_of(source, takes="states")(inputs)
        return outputs, *(state[k] for k in range(2) for state in states)

    assert asked(port, layer_of(source)).unobserved == ()


def test_a_nonlinearity_is_read():
    assert layer_of(module(nn.RNN, nonlinearity="relu")).activation == "relu"


def test_asking_leaves_a_module_as_it_was():
    model = module(nn.LSTM, num_layers=2, dropout=0.5)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    case = layer_of(model).case(np.ones((2, 3, 4), np.float32))
    first, second = (connect(ways(model), layer_of(model)).run(case) for _ in range(2))
    assert (first.outputs == second.outputs).all()  # nothing was dropped out
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all((model.state_dict()[name] == tensor).all() for name, tensor in before.items())


@pytest.mark.parametrize(
    ("wrap", "takes", "unobserved"),
    [
        (Whole, {INITIAL_STATE}, ()),
        (OutputsOnly, set(), ("final_state", "final_cell_state")),
    ],
)
def test_a_module_of_ones_own_is_asked_as_a_whole(wrap, takes, unobserved):
    source = module(nn.LSTM)
    port = asked(wrap(source), layer_of(source))
    assert (port.way.takes, port.unobserved, port.way.bare) == (takes, unobserved, False)
    notes = list(port.notes())
    assert any("no lengths" in note for note in notes)
    assert any("no initial state" in note for note in notes) == (not takes)
    assert any("does not return" in note for note in notes) == bool(unobserved)


def test_the_layer_of_a_model_with_more_around_it_is_asked_alone_and_that_is_said():
    source = module(nn.GRU)
    port = asked(Classifier(source), layer_of(source))
    assert port.way.bare
    assert "Classifier.forward" in next(port.notes())


def test_last_outputs_are_recognised():
    source = module(nn.GRU)
    port = asked(LastColumn(source), layer_of(source))
    assert not port.layer.return_sequences


@pytest.mark.parametrize(
    ("takes", "given"), [("nothing", set()), ("states", {INITIAL_STATE}), ("lengths", BOTH)]
)
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
def test_functions_are_given_what_they_have_parameters_for(kind, takes, given):
    source = module(kind)
    assert asked(function_of(source, takes=takes), layer_of(source)).way.takes == given


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_functions_get_the_arrays_that_they_need(framework):
    source = module(nn.RNN)
    W, U, b, c = (parameter.detach() for parameter in source.parameters())
    if framework == "torch":
        matrices, bias, xp = (W.T, U.T), b + c, torch
        zeros, stack = (lambda x: x.new_zeros(len(x), 4)), torch.stack
    else:
        import jax.numpy as xp

        matrices, bias = (W.T.numpy(), U.T.numpy()), (b + c).numpy()
        zeros, stack = (lambda x: xp.zeros((len(x), 4)).at[0].set(0)), xp.stack

    def port(inputs):
        h, outputs = zeros(inputs), []
        for t in range(inputs.shape[1]):
            h = xp.tanh(inputs[:, t] @ matrices[0] + h @ matrices[1] + bias)
            outputs.append(h)
        return stack(outputs, 1), h

    found = asked(port, layer_of(source))
    assert found.facts.name == framework
    assert found.unobserved == ()


def test_a_wider_port_is_judged_in_its_own_dtype():
    source = module(nn.GRU)
    port = asked(loaded(source).double(), layer_of(source))
    assert port.layer.dtype == np.float64


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "a int is no model"),
        (lambda x: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_port_is_told_in_one_line(model, message):
    with pytest.raises(InvalidModel, match=message) as error:
        connect(ways(model), layer_of(module(nn.LSTM)))
    assert "\n" not in str(error.value)


def test_outputs_of_another_shape_are_of_the_wrong_form():
    with pytest.raises(WrongForm, match=r"its outputs are \(2, 3, 1\), needs \(2, 3, 4\)"):
        connect(ways(lambda x: x[..., :1]), layer_of(module(nn.LSTM)))


def test_a_mask_is_not_dropped():
    """What is masked is compared with nothing: an answer of which all is masked could not be wrong."""
    with pytest.raises(WrongForm, match="it returned a MaskedArray, needs arrays without a mask"):
        connect(ways(lambda x: np.ma.MaskedArray(x, mask=True)), layer_of(module(nn.LSTM)))


def test_names_from_a_model_do_nothing_to_a_terminal():
    """A name of a field of its dtype, and its own."""

    def port(x):
        return np.zeros((2, 3, 4), [("\x1b[2J" * 1000, "f4")])

    port.__name__ = "\x1b[2J"
    with pytest.raises(WrongForm, match="its outputs are ") as error:
        connect(ways(port), layer_of(module(nn.LSTM)))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500
