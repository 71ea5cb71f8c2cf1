"""Sources that can be asked and not read: right ports match, and wrong ones are told what is wrong."""

import pytest
import torch
from torch import nn

from rnn_lockstep.adapters import InvalidModel, lockstep_check
from rnn_lockstep.adapters.port.verdict import exit_code
from tests.unit.adapters.port.models import (
    Backward,
    ByGate,
    Failing,
    Ignoring,
    Keeping,
    Late,
    Loop,
    Normed,
    Swapping,
    TimeFirst,
    Unnormed,
    normed_in_numpy,
)
from tests.unit.adapters.ports import OutputsOnly, Whole, function_of, loaded, module
from tests.unit.adapters.test_port_check import reordered, transposed

UNUSED = "the oracle was not used"


def headline(verdict):
    return str(verdict).partition("\n")[0]


class Relu(OutputsOnly):
    """A layer with something after it that its weights do not tell of."""

    def forward(self, x):
        return torch.relu(super().forward(x))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Normed(), Normed()),
        (Normed(), normed_in_numpy()),
        (Normed(), normed_in_numpy("float64")),
        (normed_in_numpy(), Normed()),
        (normed_in_numpy("float64"), Normed()),
        (normed_in_numpy("float64"), normed_in_numpy()),
    ],
)
def test_right_ports_match_by_the_sources_own_answers(source, target):
    verdict = lockstep_check(source, target)
    assert exit_code(verdict) == 0, verdict
    assert headline(verdict) == "match"
    assert UNUSED in str(verdict)
    assert "each step from the source's own state: match" in str(verdict)
    assert "in two calls, the state handed over: match" in str(verdict)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Normed(epsilon=1e-3), "each step from the source's own state: outputs off by"),
        (normed_in_numpy(factor=1.00001), "each step from the source's own state: outputs off by"),
        (Unnormed(), "each step from the source's own state: outputs off by"),
        (Backward(), "the sequence is run backward, and the outputs put back in order"),
        (Ignoring(), "the initial state is ignored"),
        (Swapping(), "the initial states are swapped: h for c and c for h"),
        (TimeFirst(), "batch and time are mixed up"),
        (Late(), "the outputs are one step late"),
        (Keeping(), "each step from the source's own state: outputs off by"),
        (Failing(), "given inputs 2 x 3 x 3, it raised IndexError: two steps at most"),
        (
            lambda x: Normed()(torch.as_tensor(x))[0].detach()[..., :2],
            "has the shape (2, 3, 2), and (2, 3, 4) in the source",
        ),
    ],
)
def test_wrong_ports_never_match_and_are_told_what_is_wrong(target, says):
    verdict = lockstep_check(Normed(), target, examples=10)
    assert exit_code(verdict) == 1, verdict
    assert says in headline(verdict)


def test_the_first_wrong_place_is_named():
    verdict = lockstep_check(Normed(), Normed(epsilon=1e-3), examples=10)
    assert "first wrong at batch 0, time 0, unit" in headline(verdict)


def test_a_port_without_states_is_compared_from_zeros():
    def port(inputs):
        return normed_in_numpy()(inputs)[0]

    verdict = lockstep_check(Normed(), port)
    assert exit_code(verdict) == 0, verdict
    assert "it takes no initial state, so every sequence began at zeros" in str(verdict)
    assert exit_code(lockstep_check(Normed(), lambda x: 1.0001 * port(x))) == 1


class Dropped(Normed):
    def forward(self, x, state=None):
        outputs, final = super().forward(x, state)
        return nn.functional.dropout(outputs, 0.3), final


def test_what_is_random_is_told_of_either_end():
    says = "asked the same twice, it answers otherwise: dropout is left on, or something else is random"
    assert headline(lockstep_check(Normed(), Dropped())) == f"mismatch: {says}"
    with pytest.raises(InvalidModel, match=f"Dropped: the source, {says}"):
        lockstep_check(Dropped(), Normed())


class Padded(Normed):
    """Takes lengths; `sorts` its rows by them, and does not put these back."""

    def __init__(self, sorts=False):
        super().__init__()
        self.sorts = sorts

    def forward(self, x, lengths):
        if self.sorts:
            lengths, order = torch.sort(lengths, descending=True)
            x = x[order]
        counts = torch.arange(x.shape[1]) < lengths[:, None]
        return super().forward(x)[0] * counts[..., None]


def test_rows_in_the_order_of_their_lengths_are_named():
    assert lockstep_check(Padded(), Padded())
    says = "mismatch: the rows are in the order of their lengths: sorted by length, and not put back ("
    assert headline(lockstep_check(Padded(), Padded(sorts=True))).startswith(says)


def test_where_only_the_port_runs_in_float64_its_rounding_tells():
    def source(inputs):
        return torch.from_numpy(normed_in_numpy()(inputs.numpy())[0]).float()

    verdict = lockstep_check(source, Normed())
    assert exit_code(verdict) == 0, verdict
    assert "how far the two may be apart is by the port's rounding" in str(verdict)
    wrong = lockstep_check(source, Normed(epsilon=1e-3))
    assert exit_code(wrong) == 1
    assert "first wrong at batch 0, time 0, unit" in headline(wrong)


def test_where_neither_runs_in_float64_what_is_beyond_ulps_is_inconclusive():
    def source(inputs):
        return torch.from_numpy(normed_in_numpy()(inputs.numpy())[0]).float()

    assert exit_code(lockstep_check(source, source)) == 0
    verdict = lockstep_check(source, lambda inputs: 1.0001 * source(inputs))
    assert exit_code(verdict) == 5
    assert "the source cannot be run in float64 to tell how far it may be" in headline(verdict)


@pytest.mark.parametrize("as_file", [False, True])
def test_a_target_that_can_be_read_gives_the_oracle_its_weights(as_file, tmp_path):
    def given(model):
        if not as_file:
            return model
        torch.save(model.state_dict(), tmp_path / "port.pt")
        return tmp_path / "port.pt"

    source = ByGate()
    right = lockstep_check(source, given(source.fused()))
    assert headline(right) == "match"
    assert right
    assert "by the oracle it computes with the target's" in str(right)
    assert "worst/bound" in str(right)
    wrong = lockstep_check(source, given(source.fused("cfio")))
    # the same as the other way round, where the weights are beside those that are known
    assert headline(wrong) == "mismatch: the gates are taken in the order g, f, i, o for i, f, g, o"
    assert headline(lockstep_check(source.fused("cfio"), source)) == headline(wrong)


def test_a_target_whose_own_code_is_wrong_does_not_match_by_its_weights():
    source = ByGate()
    assert exit_code(lockstep_check(source, OutputsOnly(source.fused()))) == 0
    assert exit_code(lockstep_check(source, Relu(source.fused()))) == 1


def test_what_the_source_has_and_the_port_has_not_is_told_of_the_right_one():
    source, port = module(nn.LSTM), module(nn.LSTM)

    def forget_minus_one(state):
        state["bias_ih_l0"][4:8] -= 1

    port = loaded(source, forget_minus_one)
    verdict = lockstep_check(function_of(source, takes="states"), port)
    assert (
        headline(verdict)
        == "mismatch: in the source 1 is added to the forget gate's bias, and not in the port"
    )


@pytest.mark.parametrize("wrap", [OutputsOnly, Whole])
def test_a_function_is_a_source_too(wrap):
    source = module(nn.GRU)
    assert lockstep_check(function_of(source, takes="states"), wrap(source))
    wrong = wrap(loaded(source, reordered(1, 0, 2)))
    says = "the gates are taken in the order z, r, n (Keras's and ONNX's) for r, z, n"
    assert headline(lockstep_check(function_of(source, takes="states"), wrong)) == f"mismatch: {says}"


def test_a_source_that_does_more_than_its_weights_say_is_compared_with_itself():
    layer = module(nn.LSTM)
    same = lockstep_check(Relu(layer), Relu(layer))
    assert exit_code(same) == 0, same
    assert "the model itself computes something else than they say" in str(same)
    for port in (layer, OutputsOnly(layer)):
        verdict = lockstep_check(Relu(layer), port)
        assert exit_code(verdict) == 1
        assert "the source has relu of it: the port applies another function, or none" in headline(verdict)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_cells_in_a_loop_are_read_by_their_names(kind):
    torch.manual_seed(0)
    source = Loop(kind(3, 4))
    verdict = lockstep_check(source, Loop(source.cells[0]))
    assert verdict
    assert "weights: W identical; U identical; b identical" in str(verdict)
    stack = Loop(source.cells[0], kind(4, 4))
    assert lockstep_check(stack, Loop(*stack.cells))
    assert "one layer on top of another" in str(lockstep_check(stack, Loop(*stack.cells)))
    assert exit_code(lockstep_check(stack, Loop(source.cells[0], kind(4, 4)))) == 1


def test_a_wrong_weight_of_a_cell_in_a_loop_is_named_by_the_weights():
    torch.manual_seed(0)
    source, port = Loop(nn.LSTMCell(4, 4)), Loop(nn.LSTMCell(4, 4))
    state = {name.partition(".")[2].partition(".")[2]: t.clone() for name, t in source.state_dict().items()}
    moved = {f"{name}_l0": tensor for name, tensor in state.items()}
    transposed(moved)
    port.cells[0].load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in moved.items()})
    verdict = lockstep_check(source, port)
    assert headline(verdict) == "mismatch: U is transposed"


class Misnamed(nn.Module):
    """Weights under torch's names, which are used in another order."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight_ih, self.weight_hh = (nn.Parameter(torch.randn(16, n) / 2) for n in (3, 4))

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        outputs = []
        for x_t in x.unbind(1):
            f, i, g, o = (x_t @ self.weight_ih.T + h @ self.weight_hh.T).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1)


def test_names_that_mislead_are_not_believed_of_either_end():
    right = nn.LSTM(3, 4, batch_first=True, bias=False)
    named = Misnamed()
    with torch.no_grad():
        for mine, its in ((right.weight_ih_l0, named.weight_ih), (right.weight_hh_l0, named.weight_hh)):
            f, i, g, o = its.chunk(4)
            mine.copy_(torch.cat([i, f, g, o]))
    assert lockstep_check(named, right)
    assert lockstep_check(right, named)
    assert lockstep_check(named, Misnamed())


def test_a_source_that_answers_in_another_form_is_compared_as_a_whole_model():
    class Flat(Normed):
        def forward(self, x):
            return super().forward(x)[0].reshape(len(x), -1)[:, None, None]

    verdict = lockstep_check(Flat(), Flat())
    assert exit_code(verdict) == 0, verdict
    assert "x:float (batch,time,3)" in str(verdict)


def test_a_source_that_cannot_be_asked_either_is_told_in_one_line():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(9, 3)

        def forward(self, tokens):
            return self.embedding(tokens)

    with pytest.raises(InvalidModel, match=r"Tokens has no recurrent layer.*--inputs tells what it takes"):
        lockstep_check(Tokens(), Tokens())


class OnlyZeros(OutputsOnly):
    """A port that has a parameter for an initial state and does not look at it."""

    def forward(self, x, hx=None):
        return super().forward(x)


def test_a_port_that_ignores_its_initial_state_and_returns_none_is_compared_from_zeros():
    source = module(nn.LSTM)
    verdict = lockstep_check(source, OnlyZeros(source))
    says = "it takes an initial state and ignores it, and returns none to go on from"
    assert headline(verdict) == f"match: from zeros alone; {says}"
    assert exit_code(verdict) == 5
    assert exit_code(lockstep_check(source, OnlyZeros(loaded(source, transposed)))) == 1
