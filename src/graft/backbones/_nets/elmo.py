"""ELMo: a convolution over characters with highway layers, LSTM layers in both directions, and a mix of all layers.

Peters et al. 2018, "Deep contextualized word representations". Numbers follow the published TensorFlow code (bilm-tf)
and AllenNLP's ``Elmo``, but for one thing: those carry the LSTMs' state from one batch to the next, and here every
text begins at zero, so that its features depend on nothing but itself.

A text is int (tokens, characters): each row one word as the published vocabulary of bytes numbers it (see
``preprocess/_characters.py``), the first row the sign for the beginning, the last for the end, rows of -1 after it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from graft.backbones._nets.staged import Staged
from graft.backbones._nets.tokens import MeanPool, marked, parted


@dataclass(frozen=True, kw_only=True)
class ElmoSizes:
    """What the tensors' shapes and the sums depend on; the default is the smallest published network."""

    filters: tuple[tuple[int, int], ...] = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
    """Width in characters and number of each kind of filter."""
    character: int = 16
    """Channels of a character."""
    characters: int = 262
    """Rows of the table of characters; row 0 is that of padding."""
    per_word: int = 50
    """Characters of a word, its begin and end included."""
    highways: int = 1
    projection: int = 128
    """Channels of a word, and of each direction of each layer."""
    cell: int = 1024
    layers: int = 2
    cell_clip: float = 3.0
    """The cells' values are kept within this of 0; 0 leaves them."""
    projection_clip: float = 3.0
    """The same for the projected states."""
    activation: str = "relu"
    """Of the filters: ``relu`` or ``tanh``."""


class Highway(nn.Module):
    """(n, C) to (n, C): a gate between a layer and its input (Srivastava et al. 2015)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.transform = nn.Linear(channels, channels)
        self.carry = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return gate x relu(layer) + (1 - gate) x input."""
        gate = torch.sigmoid(self.carry(x))
        return gate * functional.relu(self.transform(x)) + (1 - gate) * x


class EmbedCharacters(nn.Module):
    """Characters int (n, tokens, per word), -1 for padding, to marked words (n, tokens, projection + 1)."""

    def __init__(self, sizes: ElmoSizes) -> None:
        super().__init__()
        self.relu = sizes.activation == "relu"
        table = torch.empty(sizes.characters, sizes.character).normal_()
        table[0] = 0
        self.table = nn.Parameter(table)
        self.convolutions = nn.ModuleList(nn.Conv1d(sizes.character, count, width) for width, count in sizes.filters)
        channels = sum(count for _, count in sizes.filters)
        self.highways = nn.ModuleList(Highway(channels) for _ in range(sizes.highways))
        self.project = nn.Linear(channels, sizes.projection)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the words' vectors."""
        real = ids[..., 0] >= 0
        characters = functional.embedding(ids.clamp(min=0), self.table).flatten(0, 1).transpose(1, 2)
        found = [convolution(characters).amax(-1) for convolution in self.convolutions]
        x = torch.cat([functional.relu(one) if self.relu else torch.tanh(one) for one in found], dim=-1)
        for highway in self.highways:
            x = highway(x)
        return marked(self.project(x).unflatten(0, ids.shape[:2]), real)


class Direction(nn.Module):
    """One direction of one layer: an LSTM whose state is projected, and whose cell and state are clipped.

    (n, tokens, C) and its mask (n, tokens, 1) to (n, tokens, projection); gates in torch's order: input, forget,
    candidate, output.
    """

    def __init__(self, sizes: ElmoSizes, *, backward: bool) -> None:
        super().__init__()
        self.backward = backward
        self.clips = (sizes.cell_clip or math.inf, sizes.projection_clip or math.inf)
        self.input = nn.Linear(sizes.projection, 4 * sizes.cell, bias=False)
        self.state = nn.Linear(sizes.projection, 4 * sizes.cell)
        self.project = nn.Linear(sizes.cell, sizes.projection, bias=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the states; at padding they are 0, so that the backward direction begins at the last real token.

        Raises RuntimeError while it is traced: a trace would hold this loop for one length of texts only.
        """
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if tracing or torch.compiler.is_exporting():
            raise RuntimeError("ELMo runs over the tokens of a text one by one, which cannot be traced")
        cell_clip, projection_clip = self.clips
        inputs = self.input(x)
        state = torch.zeros(x.shape[0], self.project.out_features, dtype=x.dtype, device=x.device)
        cell = torch.zeros(x.shape[0], self.project.in_features, dtype=x.dtype, device=x.device)
        order = range(x.shape[1])
        states: list[torch.Tensor] = []
        for place in reversed(order) if self.backward else order:
            enter, forget, candidate, leave = (inputs[:, place] + self.state(state)).chunk(4, dim=-1)
            cell = torch.sigmoid(enter) * torch.tanh(candidate) + torch.sigmoid(forget) * cell
            cell = cell.clamp(-cell_clip, cell_clip) * mask[:, place]
            state = self.project(torch.sigmoid(leave) * torch.tanh(cell))
            state = state.clamp(-projection_clip, projection_clip) * mask[:, place]
            states.append(state)
        return torch.stack(states[::-1] if self.backward else states, dim=1)


class BothDirections(nn.Module):
    """One layer in both directions, beside all that came before it.

    In and out are marked tokens: the word's vector, then the outputs (forward, backward) of each layer so far. Every
    layer but the first adds its input to its output.
    """

    def __init__(self, sizes: ElmoSizes, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.width = sizes.projection
        self.forwards = Direction(sizes, backward=False)
        self.backwards = Direction(sizes, backward=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input with two more states of ``projection`` channels before the mask."""
        before, mask = parted(x)
        if self.first:
            ahead = self.forwards(before, mask)
            back = self.backwards(before, mask)
        else:
            into_ahead, into_back = before[..., -2 * self.width : -self.width], before[..., -self.width :]
            ahead = self.forwards(into_ahead, mask) + into_ahead
            back = self.backwards(into_back, mask) + into_back
        return torch.cat([before, ahead, back, mask], dim=-1)


class Mix(nn.Module):
    """The weighted mean of all layers, without the signs for the beginning and the end of the text.

    (n, tokens, projection x (1 + 2 layers) + 1) to (n, tokens - 2, 2 x projection + 1). Published weights hold no
    mix, since it is learned with the task: all layers begin equal.
    """

    def __init__(self, sizes: ElmoSizes) -> None:
        super().__init__()
        self.width = sizes.projection
        self.weights = nn.Parameter(torch.zeros(sizes.layers + 1))
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return gamma x the sum of softmax(weights) x layers; the word's vector stands for both directions."""
        channels, mask = parted(x)
        words = channels[..., : self.width]
        places = range(self.width, channels.shape[-1] + 1, 2 * self.width)
        layers = [torch.cat([words, words], dim=-1), *(channels[..., a:b] for a, b in pairwise(places))]
        shares = torch.softmax(self.weights, dim=0)
        mixed = self.gamma * sum(share * layer for share, layer in zip(shares, layers, strict=True))
        # A word is real where the sign for the end, or another word, follows it.
        return marked(mixed[:, 1:-1], mask[:, 2:, 0])


def elmo(sizes: ElmoSizes) -> Staged:
    """Return the network with random weights: characters int (n, tokens, per word) to (n, 2 x projection)."""
    layers = [(f"layer{index}", BothDirections(sizes, first=index == 0)) for index in range(sizes.layers)]
    return Staged([("embed", EmbedCharacters(sizes)), *layers, ("mix", Mix(sizes)), ("pool", MeanPool())])
