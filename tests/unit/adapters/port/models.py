"""Models whose weights nobody can read: a layer-normalised LSTM, and a cell with a matrix for each gate."""

import numpy as np
import torch
from torch import nn


class Normed(nn.Module):
    """A layer-normalised LSTM of 3 features and 4 units, written as a loop."""

    def __init__(self, epsilon=1e-5):
        super().__init__()
        torch.manual_seed(1)
        self.wx, self.wh = nn.Linear(3, 16, bias=False), nn.Linear(4, 16)
        self.norm = nn.LayerNorm(16, eps=epsilon)

    def begin(self, x, state):
        zeros = x.new_zeros(len(x), 4)
        return state if state is not None else (zeros, zeros)

    def sums(self, x_t, h):
        return self.norm(self.wx(x_t) + self.wh(h))

    def forward(self, x, state=None):
        h, c = self.begin(x, state)
        outputs = []
        for x_t in x.unbind(1):
            i, f, g, o = self.sums(x_t, h).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class Backward(Normed):
    def forward(self, x, state=None):
        outputs, state = super().forward(x.flip(1), state)
        return outputs.flip(1), state


class Ignoring(Normed):
    def begin(self, x, state):
        return super().begin(x, None)


class Swapping(Normed):
    def begin(self, x, state):
        return super().begin(x, state)[::-1]


class TimeFirst(Normed):
    def forward(self, x, state=None):
        return super().forward(x.transpose(0, 1), None)[0].transpose(0, 1)


class Late(Normed):
    def forward(self, x, state=None):
        outputs, final = super().forward(x, state)
        h, _ = self.begin(x, state)
        return torch.cat([h[:, None], outputs[:, :-1]], 1), final


class Keeping(Normed):
    """Right from zeros; of a given state only c is taken, so that what a caller hands over is half lost."""

    def begin(self, x, state):
        return super().begin(x, state and (torch.zeros_like(state[0]), state[1]))


class Unnormed(Normed):
    def sums(self, x_t, h):
        return self.wx(x_t) + self.wh(h)


class Failing(Normed):
    def forward(self, x, state=None):
        if x.shape[1] > 2:
            raise IndexError("two steps at most")
        return super().forward(x, state)


def normed_in_numpy(dtype="float32", factor=1.0):
    """The layer-normalised LSTM as a function on NumPy arrays, in some dtype whatever it is given."""
    weights = {name: tensor.numpy().astype(dtype) for name, tensor in Normed().state_dict().items()}

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def predict(inputs, initial_state=None):
        x = np.asarray(inputs)
        zeros = np.zeros((len(x), 4), x.dtype)
        h, c = initial_state if initial_state is not None else (zeros, zeros)
        outputs = []
        for t in range(x.shape[1]):
            z = x[:, t] @ weights["wx.weight"].T + h @ weights["wh.weight"].T + weights["wh.bias"]
            z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + z.dtype.type(1e-5))
            i, f, g, o = np.split(z, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c) * z.dtype.type(factor)
            outputs.append(h)
        return np.stack(outputs, 1), h, c

    return predict


class ByGate(nn.Module):
    """An LSTM with a matrix for each gate, under names of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        for gate in "ifco":
            for name, shape in (("U", (3, 4)), ("V", (4, 4)), ("b", (4,))):
                self.register_parameter(f"{name}_{gate}", nn.Parameter(torch.randn(shape) / 2))

    def forward(self, x, init_states=None):
        h, c = init_states if init_states is not None else [x.new_zeros(len(x), 4)] * 2
        outputs = []
        for x_t in x.unbind(1):
            z = {gate: self.sums(gate, x_t, h) for gate in "ifco"}
            c = z["f"].sigmoid() * c + z["i"].sigmoid() * z["c"].tanh()
            h = z["o"].sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)

    def sums(self, gate, x_t, h):
        U, V, b = (getattr(self, f"{name}_{gate}") for name in "UVb")
        return x_t @ U + h @ V + b

    def fused(self, order="ifco"):
        """The module of torch's own that computes the same, or has its gates in another order."""
        made = nn.LSTM(3, 4, batch_first=True)
        with torch.no_grad():
            for parameter, name in (
                (made.weight_ih_l0, "U"),
                (made.weight_hh_l0, "V"),
                (made.bias_ih_l0, "b"),
            ):
                parameter.copy_(torch.cat([getattr(self, f"{name}_{gate}").t() for gate in order]))
            made.bias_hh_l0.zero_()
        return made


class Loop(nn.Module):
    """A cell of torch's own, or two, run in a loop."""

    def __init__(self, *cells):
        super().__init__()
        self.cells = nn.ModuleList(cells)

    def forward(self, x):
        for cell in self.cells:
            state, outputs = None, []
            for x_t in x.unbind(1):
                state = cell(x_t, state)
                outputs.append(state[0] if isinstance(state, tuple) else state)
            x = torch.stack(outputs, 1)
        return x
