"""The check of ports: right ones match, and of wrong ones the first line tells what is wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, lockstep_check
from rnn_lockstep.adapters.models.live import read_live
from rnn_lockstep.adapters.models.recurrent_layer import in_dtype
from rnn_lockstep.adapters.port.check import check_port
from tests.unit.adapters.ports import LastColumn, OutputsOnly, Whole, function_of, loaded, module


def first_line(*arguments, **options):
    return str(check_port(*arguments, **options)).splitlines()[0]


def by_gate(tensor, change):
    """Each gate's part of a tensor of an LSTM changed."""
    return torch.cat([change(part) for part in tensor.chunk(4)])


def transposed(state):
    state["weight_hh_l0"] = by_gate(state["weight_hh_l0"], lambda part: part.T)


def reordered(*order):
    def change(state):
        for name, tensor in state.items():
            parts = tensor.chunk(len(order))
            state[name] = torch.cat([parts[k] for k in order])

    return change


def biases_summed(state):
    state["bias_ih_l0"] += state["bias_hh_l0"]
    state["bias_hh_l0"].zero_()


def forget_plus_one(state):
    state["bias_ih_l0"][4:8] += 1


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_right_ports_match(kind, options):
    source = module(kind, **options)
    [layer] = read_live(source)
    ports = [loaded(source), loaded(source, batch_first=False), Whole(source), OutputsOnly(source), layer]
    for port in [*ports, function_of(source, takes="lengths")]:
        verdict = check_port(source, port, examples=12)
        assert verdict, verdict
        assert str(verdict).startswith("match\n")


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_right_ports_of_a_projection_match(options):
    source = module(nn.LSTM, sizes=(3, 6), proj_size=4, **options)
    [layer] = read_live(source)
    for port in (loaded(source, proj_size=4), Whole(source), layer, function_of(source, takes="lengths")):
        verdict = check_port(source, port, examples=12)
        assert verdict, verdict
        assert "3 -> 6, projected to 4" in str(verdict)
    assert "projection identical" in str(check_port(layer, source))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda projection: projection[1, 2].add_(1), "projection[1, 2] is"),
        (lambda projection: projection.copy_(projection.flip(0)), "projection has your rows 3, 2, 1, 0"),
        (lambda projection: projection.mul_(2), "projection is doubled"),
        (lambda projection: projection.normal_(), "projection not the source's (the largest difference"),
    ],
)
def test_a_wrong_projection_is_named(change, says):
    source = module(nn.LSTM, sizes=(3, 6), proj_size=4)
    port = loaded(source, lambda state: change(state["weight_hr_l0"]), proj_size=4)
    verdict = check_port(source, port)
    assert str(verdict).startswith(f"mismatch: {says}")
    assert verdict.weights[0].startswith("W identical; U identical; b identical; projection")
    assert not check_port(source, function_of(port))


def test_a_projection_that_is_missing_is_told_and_nothing_is_run():
    verdict = check_port(module(nn.LSTM, proj_size=2), module(nn.LSTM))
    assert verdict.cause == "projection_size is 0, and 2 in the source"
    assert verdict.asked == ""


def test_another_activation_is_named():
    [layer] = read_live(module(nn.LSTM))
    relu = replace(layer, activation="relu")
    assert check_port(relu, relu)
    assert "activation is tanh, and relu in the source" in str(check_port(relu, layer))
    untold = replace(layer, assumed=("activation",))
    assert check_port(untold, relu)
    assert check_port(untold, untold, options={"activation": "relu"})


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
def test_biases_that_are_summed_match_where_that_is_right(kind):
    source = module(kind)
    verdict = check_port(source, loaded(source, biases_summed))
    assert verdict
    assert "b identical (it is the sum of the source's two, rounded once)" in str(verdict)


def test_a_port_in_another_dtype_matches():
    source = module(nn.GRU)
    assert check_port(source, loaded(source).double())
    assert check_port(in_dtype(read_live(source)[0], np.dtype("float64")), source)


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (nn.LSTM, transposed, "U is transposed"),
        (nn.LSTM, reordered(0, 3, 1, 2), "the gates are taken in the order i, o, f, g (ONNX's)"),
        (nn.GRU, reordered(1, 0, 2), "the gates are taken in the order z, r, n (Keras's and ONNX's)"),
        (nn.GRU, biases_summed, "recurrent_b is added to b: that of the candidate n belongs inside"),
        (nn.LSTM, forget_plus_one, "1 is added to the forget gate's bias"),
        (
            nn.RNN,
            lambda state: state["bias_ih_l0"].add_(1),
            "b not the source's (the largest difference is 1",
        ),
        (nn.RNN, lambda state: state["weight_ih_l0"][2, 1].add_(1), "W[2, 1] is"),
    ],
)
def test_wrong_weights_are_named(kind, change, says):
    source = module(kind)
    verdict = check_port(source, loaded(source, change))
    assert str(verdict).startswith(f"mismatch: {says}")
    assert says in verdict.weights[0]


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (nn.LSTM, transposed, "U is transposed"),
        (nn.GRU, reordered(1, 0, 2), "the gates are taken in the order z, r, n (Keras's and ONNX's)"),
        (nn.GRU, biases_summed, "recurrent_b is added to b"),
        (nn.LSTM, forget_plus_one, "1 is added to the forget gate's bias"),
    ],
)
def test_wrong_weights_that_cannot_be_read_are_named_by_what_they_answer(kind, change, says):
    source = module(kind)
    verdict = check_port(source, function_of(loaded(source, change)))
    assert str(verdict).startswith(f"mismatch: {says}")
    assert "weights: not compared: the target's cannot be read" in str(verdict)


def test_batch_first_that_is_forgotten_is_named_though_states_do_not_fit():
    source = module(nn.LSTM)
    for wrap in (Whole, OutputsOnly):
        assert "batch_first is missing" in first_line(source, wrap(loaded(source, batch_first=False)))


def test_the_last_column_for_the_backward_direction_is_named():
    source = module(nn.LSTM, bidirectional=True)
    assert "outputs[:, -1]; it is outputs[:, 0]" in first_line(source, LastColumn(source))


def test_lengths_that_are_ignored_are_named():
    source = module(nn.LSTM)
    right = function_of(source, takes="lengths")

    def port(inputs, lengths=None):
        return right(inputs)

    assert check_port(source, right)
    assert "the final state is that after the padding" in first_line(source, port)


def test_the_nearest_hard_sigmoid_is_named():
    [layer] = read_live(module(nn.LSTM))
    layers = {name: replace(layer, recurrent_activation=name) for name in ("hard_sigmoid", "sigmoid")}
    verdict = check_port(layers["hard_sigmoid"], layers["sigmoid"])
    assert "recurrent_activation is sigmoid, and hard_sigmoid in the source" in str(verdict)
    other = replace(layer, recurrent_activation="hard_sigmoid_keras2")

    def port(inputs):
        from rnn_lockstep.adapters.frameworks.numpy_adapter import NumpyAdapter

        return NumpyAdapter().run(other.case(inputs)).outputs

    says = "mismatch: the gates' activation is the hard_sigmoid of Keras 2 (z/5 + 1/2)"
    assert first_line(layers["hard_sigmoid"], port) == says


def test_sizes_that_differ_are_told_and_nothing_is_run():
    verdict = check_port(module(nn.GRU), module(nn.GRU, sizes=(4, 5)))
    assert verdict.status == "mismatch"
    assert verdict.cause == "hidden_size is 5, and 4 in the source"
    assert verdict.asked == ""


def test_a_port_that_fails_on_some_sequences_is_a_mismatch():
    source = module(nn.RNN)

    def port(inputs):
        if len(inputs) == 1:
            raise IndexError("no batch of one")
        return function_of(source)(inputs)

    assert first_line(source, port) == "mismatch: it raised IndexError: no batch of one"


def test_a_source_that_does_not_compute_what_its_weights_say_is_told_of():
    class Doubled(nn.GRU):
        def forward(self, *arguments):
            outputs, state = super().forward(*arguments)
            return 2 * outputs, state

    source = module(nn.GRU)
    wrong = Doubled(4, 4, batch_first=True)
    wrong.load_state_dict(source.state_dict())
    verdict = check_port(wrong, source)
    assert verdict
    assert any("the source itself does not compute what its weights say" in note for note in verdict.notes)


def test_layers_are_chosen_by_name_and_can_be_stacked():
    source, stack = nn.Module(), module(nn.LSTM, num_layers=2)
    source.low, source.high = module(nn.LSTM, seed=1), module(nn.LSTM, seed=2)
    stack = loaded(stack, lambda state: state.update(stacked_state(source)))
    assert check_port(source, source.low, layer="low")
    assert check_port(source, stack, layer="low+high")
    assert not check_port(source, source.low, source_layer="high")
    with pytest.raises(
        InvalidModel, match="has several recurrent layers, and needs the name of one: low, high"
    ):
        check_port(source, source.low)
    with pytest.raises(InvalidModel, match="has no recurrent layer middle; it has: low, high"):
        check_port(source, source.low, layer="middle")


def stacked_state(model):
    low, high = model.low.state_dict(), model.high.state_dict()
    return low | {name.replace("l0", "l1"): tensor for name, tensor in high.items()}


def test_what_is_not_told_is_taken_from_the_other_end_or_the_user_or_noted():
    [layer] = read_live(module(nn.RNN, nonlinearity="relu"))
    untold = replace(layer, activation="tanh", assumed=("activation",))
    assert check_port(untold, layer)
    assert check_port(untold, untold, options={"activation": "relu"})
    verdict = check_port(untold, untold)
    assert "the source does not tell, so this is assumed: activation=tanh" in verdict.notes
    with pytest.raises(InvalidModel, match="option activation: the models themselves tell it"):
        check_port(layer, layer, options={"activation": "tanh"})


def test_what_float32_cannot_show_is_shown_in_float64():
    source = module(nn.LSTM, num_layers=3, scale=2, sizes=(16, 16))
    verdict = check_port(source, loaded(source))
    assert verdict
    assert "where the proven bound is too wide" in verdict.asked
    assert "in float64" in verdict.asked


@pytest.mark.parametrize(("factor", "status"), [(1, "match"), (1.0002, "drift")])
def test_what_the_bound_cannot_show_is_judged_by_what_rounding_does(factor, status):
    source = module(nn.LSTM, num_layers=3, bidirectional=True, sizes=(32, 64))

    def port(x):
        return factor * source(torch.tensor(x))[0].detach().numpy()

    verdict = check_port(source, port, examples=6)
    assert verdict.status == status
    by_rounding = "no further off than float32 rounding is, where the proven bound is too wide"
    too_large = "right to the proven bound, but"
    assert str(verdict).startswith(f"{status}: {by_rounding if factor == 1 else too_large}")


def test_a_match_that_drifts_has_a_note():
    source = module(nn.GRU, sizes=(16, 48), scale=0.2)

    def larger(state):
        state["weight_hh_l0"] *= 1 + 3e-6

    [layer] = read_live(source)
    note = "drift: right to the proven bound, but U acts as if it were 1.000003 times as large"
    for change, notes in ((larger, 1), (None, 0)):
        verdict = check_port(layer, OutputsOnly(loaded(source, change)), target_layer="rnn")
        assert sum(note in line for line in verdict.notes) == notes, verdict


def test_the_same_seed_asks_the_same():
    source = module(nn.LSTM)
    wrong = loaded(source, transposed)
    assert str(check_port(source, wrong, seed=3)) == str(check_port(source, wrong, seed=3))
    assert str(check_port(source, wrong, seed=3)) != str(check_port(source, wrong, seed=4))


def test_a_mismatch_is_printed_for_pytest_to_show(capsys):
    source = module(nn.LSTM)
    assert lockstep_check(source, loaded(source))
    assert capsys.readouterr().err == ""
    assert not lockstep_check(source, loaded(source, transposed))
    assert capsys.readouterr().err.startswith("mismatch: U is transposed\n")
