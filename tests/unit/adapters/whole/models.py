"""A tagger of four layers in torch, and ports of it, right and wrong."""

import torch
from torch import nn

TOKENS = "tokens:int(0..19) (batch,time)"


class Tagger(nn.Module):
    """Tokens to scores: an embedding, an LSTM, on top of it one that begins with its state, dense."""

    batch_first = True

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 6)
        self.encoder = nn.LSTM(6, 6, batch_first=self.batch_first)
        self.decoder = nn.LSTM(6, 6, batch_first=self.batch_first)
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn_like(parameter))

    def encoded(self, tokens):
        return self.encoder(self.embedding(tokens))

    def decoded(self, outputs, state):
        return self.decoder(outputs, state)[0]

    def forward(self, tokens):
        return self.head(self.decoded(*self.encoded(tokens)))


class TimeFirst(Tagger):
    """The same with time first inside."""

    batch_first = False

    def encoded(self, tokens):
        return self.encoder(self.embedding(tokens).transpose(0, 1))

    def forward(self, tokens):
        return super().forward(tokens).transpose(0, 1)


class ByStep(Tagger):
    """The same, the encoder asked step by step."""

    def encoded(self, tokens):
        outputs, state = [], None
        for x in self.embedding(tokens).split(1, dim=1):
            output, state = self.encoder(x, state)
            outputs.append(output)
        return torch.cat(outputs, dim=1), state


class BatchFirstForgotten(Tagger):
    batch_first = False


class Shifted(Tagger):
    def __init__(self):
        super().__init__()
        self.embedding.weight.data = self.embedding.weight.data.roll(1, 0)


class ReluBetween(Tagger):
    def encoded(self, tokens):
        outputs, state = super().encoded(tokens)
        return torch.relu(outputs), state


class StatesExchanged(Tagger):
    def encoded(self, tokens):
        outputs, (h, c) = super().encoded(tokens)
        return outputs, (c, h)


class StateForgotten(Tagger):
    def encoded(self, tokens):
        return super().encoded(tokens)[0], None


class Late(Tagger):
    def encoded(self, tokens):
        outputs, state = super().encoded(tokens)
        return nn.functional.pad(outputs, (0, 0, 1, 0))[:, :-1], state


class Squashed(Tagger):
    def forward(self, tokens):
        return super().forward(tokens).tanh()


class FirstStep(Tagger):
    def decoded(self, outputs, state):
        found = super().decoded(outputs, state)
        return found[:, :1].expand_as(found)


class GatesReordered(Tagger):
    def __init__(self):
        super().__init__()
        for tensor in (self.decoder.weight_ih_l0.data, self.decoder.weight_hh_l0.data):
            i, f, g, o = tensor.chunk(4)
            tensor.copy_(torch.cat([i, g, f, o]))
        for tensor in (self.decoder.bias_ih_l0.data, self.decoder.bias_hh_l0.data):
            i, f, g, o = tensor.chunk(4)
            tensor.copy_(torch.cat([i, g, f, o]))


class Dropping(Tagger):
    def decoded(self, outputs, state):
        return nn.functional.dropout(super().decoded(outputs, state), 0.2)


class Keeping(Tagger):
    def __init__(self):
        super().__init__()
        self.state = None

    def encoded(self, tokens):
        outputs, self.state = self.encoder(self.embedding(tokens), self.state)
        return outputs, self.state


class Reset(Keeping):
    """Keeps its state between calls too, and can forget it."""

    def reset(self):
        self.state = None


class Cancelling(Tagger):
    """What is large cancels out, so that rounding shows."""

    large = 2.0**12

    def forward(self, tokens):
        return (super().forward(tokens) + self.large) - self.large


class OrderByCall(Cancelling):
    """The same, added up in another order at every call, as threads may do."""

    def forward(self, tokens):
        self.large = 2.0**12 + 2.0**13 - self.large
        return super().forward(tokens)


class OnceOnly(Tagger):
    """Answers the first call for each batch size."""

    def __init__(self):
        super().__init__()
        self.asked = set()

    def forward(self, tokens):
        if tokens.shape in self.asked:
            raise RuntimeError("used up")
        self.asked.add(tokens.shape)
        return super().forward(tokens)


class LargerHead(Tagger):
    def forward(self, tokens):
        return super().forward(tokens) * 1.0001


class TokensOnly(Tagger):
    """Cannot be asked with more than two rows."""

    def forward(self, tokens):
        if len(tokens) > 2:
            raise ValueError("at most two")
        return super().forward(tokens)


class LayersExchanged(Tagger):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = self.decoder, self.encoder


class DecoderMissing(Tagger):
    def decoded(self, outputs, state):
        return outputs


class Residual(Tagger):
    def forward(self, tokens):
        embedded = self.embedding(tokens)
        outputs, state = self.encoder(embedded)
        return self.head(self.decoded(outputs + embedded, state))


class HeadWithoutBias(Tagger):
    def forward(self, tokens):
        return super().forward(tokens) - self.head.bias


class FeaturesReversed(Tagger):
    def encoded(self, tokens):
        return self.encoder(self.embedding(tokens).flip(-1))


class FeaturesPermuted(Tagger):
    def encoded(self, tokens):
        return self.encoder(self.embedding(tokens)[..., [1, 0, 2, 5, 4, 3]])


class NormBetween(Tagger):
    def encoded(self, tokens):
        outputs, state = super().encoded(tokens)
        return nn.functional.layer_norm(outputs, outputs.shape[-1:]), state


class Scaled(Tagger):
    def encoded(self, tokens):
        return self.encoder(self.embedding(tokens) * torch.arange(1, 7) + 1)


class Logarithms(Tagger):
    def forward(self, tokens):
        return super().forward(tokens).log_softmax(-1)


class HeadReversed(Tagger):
    def __init__(self):
        super().__init__()
        self.head.weight.data = self.head.weight.data.flip(0)


class HeadOfAnother(Tagger):
    def __init__(self):
        super().__init__()
        self.head.weight.data = self.head.weight.data.sin()
