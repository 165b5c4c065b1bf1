"""AWD-LSTM, the network of ULMFiT: word embeddings and three LSTM layers with five kinds of dropout.

Merity, Keskar and Socher 2017, "Regularizing and Optimizing LSTM Language Models"; Howard and Ruder 2018, "Universal
Language Model Fine-tuning for Text Classification"; sizes and dropouts as in fastai's ``AWD_LSTM``. fastai keeps the
state of one batch for the next; here every text begins at zero, so that its features depend on nothing but itself.
"""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from graft.backbones._nets.staged import Staged
from graft.backbones._nets.tokens import ConcatPool, marked, parted


@dataclass(frozen=True, kw_only=True)
class Dropouts:
    """The five dropouts while stages are trained: fastai's for a classifier, at its usual half strength."""

    embedding: float = 0.025
    """Share of words whose vector is 0 throughout a batch."""
    input: float = 0.2
    """Share of an embedding's channels, the same ones for all tokens of a text."""
    weight: float = 0.25
    """Share of the recurrent weights, the same ones for all tokens of a batch."""
    hidden: float = 0.15
    """Share of the channels between layers, the same ones for all tokens of a text."""
    output: float = 0.2
    """Share of the pooled channels."""


@dataclass(frozen=True, kw_only=True)
class AwdLstmSizes:
    """What the tensors' shapes depend on."""

    words: int
    """Rows of the vocabulary."""
    embedding: int = 400
    """Channels of a word, and of the last layer."""
    hidden: int = 1152
    """Channels of the layers before the last."""
    layers: int = 3
    padding: int = 1
    """Row of the padding word."""


def locked(x: torch.Tensor, share: float, *, training: bool) -> torch.Tensor:
    """Return (n, tokens, C) with a share of the channels of each text set to 0 at all its tokens."""
    if not training or share == 0:
        return x
    keep = torch.empty(x.shape[0], 1, x.shape[2], dtype=x.dtype, device=x.device).bernoulli_(1 - share)
    return x * keep / (1 - share)


class EmbedWords(nn.Module):
    """Word numbers int (n, tokens), -1 for padding, to marked embeddings (n, tokens, C + 1)."""

    def __init__(self, sizes: AwdLstmSizes, dropouts: Dropouts) -> None:
        super().__init__()
        self.padding = sizes.padding
        self.dropouts = dropouts
        self.weight = nn.Parameter(torch.empty(sizes.words, sizes.embedding).uniform_(-0.1, 0.1))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings."""
        real = ids >= 0
        weight: torch.Tensor = self.weight
        if self.training and self.dropouts.embedding:
            keep = torch.empty(len(weight), 1, dtype=weight.dtype, device=weight.device)
            weight = weight * keep.bernoulli_(1 - self.dropouts.embedding) / (1 - self.dropouts.embedding)
        x = functional.embedding(torch.where(real, ids, self.padding), weight)
        return marked(locked(x, self.dropouts.input, training=self.training), real)


class DroppedLstm(nn.Module):
    """One LSTM layer over marked tokens: (n, tokens, C + 1) to (n, tokens, hidden + 1), its recurrent weights dropped.

    Padding stands at the end, so it cannot change what comes out for real tokens.
    """

    def __init__(self, channels: int, hidden: int, *, weight_dropout: float, dropout: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_dropout = weight_dropout
        self.dropout = dropout
        bound = 1 / math.sqrt(hidden)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

        # The names that torch.nn.LSTM gives them.
        self.weight_ih_l0 = drawn(4 * hidden, channels)
        self.weight_hh_l0 = drawn(4 * hidden, hidden)
        self.bias_ih_l0 = drawn(4 * hidden)
        self.bias_hh_l0 = drawn(4 * hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs."""
        channels, mask = parted(x)
        recurrent = functional.dropout(self.weight_hh_l0, self.weight_dropout, training=self.training)
        weights = [self.weight_ih_l0, recurrent, self.bias_ih_l0, self.bias_hh_l0]
        start = torch.zeros(1, x.shape[0], self.hidden, dtype=x.dtype, device=x.device)
        with warnings.catch_warnings():
            # cuDNN would like the weights in one piece; weights with dropout are made anew for every batch.
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
            outputs = torch.lstm(channels, (start, start), weights, True, 1, 0.0, self.training, False, True)[0]
        return marked(locked(outputs, self.dropout, training=self.training), mask.squeeze(-1))


def awd_lstm(sizes: AwdLstmSizes, dropouts: Dropouts | None = None) -> Staged:
    """Return the network with random weights: words int (n, tokens), -1 for padding, to (n, 3 x embedding)."""
    drop = dropouts or Dropouts()
    stages: list[tuple[str, nn.Module]] = [("embed", EmbedWords(sizes, drop))]
    for index in range(sizes.layers):
        final = index == sizes.layers - 1
        layer = DroppedLstm(
            sizes.hidden if index else sizes.embedding,
            sizes.embedding if final else sizes.hidden,
            weight_dropout=drop.weight,
            dropout=0.0 if final else drop.hidden,
        )
        stages.append((f"layer{index}", layer))
    return Staged([*stages, ("pool", ConcatPool(dropout=drop.output))])
