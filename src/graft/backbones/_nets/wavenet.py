"""WaveNet as a feature extractor: dilated causal gated convolutions over mu-law samples, their skips pooled.

van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio", sections 2.1 to 2.4; mu-law from ITU-T G.711.
The layer that predicts the next sample is left out, since features are taken before it.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from graft.backbones._nets.staged import Staged
from graft.backbones._nets.tokens import MeanPool


@dataclass(frozen=True, kw_only=True)
class WavenetSizes:
    """What the tensors' shapes and the receptive field depend on."""

    levels: int = 256
    """Values that a sample is quantised to."""
    residual: int = 32
    """Channels that go from layer to layer."""
    skip: int = 128
    """Channels that all layers add to."""
    layers: int = 10
    """Layers of a stack: their dilations are 1, 2, 4, ..., 2 ** (layers - 1)."""
    stacks: int = 2
    kernel: int = 2
    """Samples that a convolution sees."""
    sample_rate: int = 16_000
    """Samples a second."""

    @property
    def receptive_field(self) -> int:
        """The number of samples that one output depends on, its own included."""
        dilations: int = self.stacks * (2**self.layers - 1)
        return 1 + (self.kernel - 1) * (1 + dilations)

    @property
    def receptive_seconds(self) -> float:
        """The same in seconds."""
        return self.receptive_field / self.sample_rate


def mu_law(x: torch.Tensor, levels: int) -> torch.Tensor:
    """Return samples in -1..1 as whole numbers 0..levels-1, int64; louder ones are cut to that range."""
    mu = levels - 1
    x = x.clamp(-1, 1)
    pressed = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((pressed + 1) / 2 * mu + 0.5).floor().to(torch.int64)


def shifted(x: torch.Tensor, by: int) -> torch.Tensor:
    """Return (n, T, C) moved ``by`` places later, 0 before the beginning."""
    return functional.pad(x, (0, 0, by, 0))[:, : x.shape[1]] if by else x


class EmbedSamples(nn.Module):
    """Samples float (n, T) in -1..1 to (n, T, residual + skip + 1): a causal convolution over mu-law values.

    The skip channels begin at 0. The last channel is 1 up to the last sample that is not exactly 0, and 0 after it:
    digital silence at the end is taken for padding.
    """

    def __init__(self, sizes: WavenetSizes) -> None:
        super().__init__()
        self.skip = sizes.skip
        bound = 1 / math.sqrt(sizes.kernel * sizes.residual)
        # A convolution over one-hot values takes one row of its weight a tap.
        shape = (sizes.kernel, sizes.levels, sizes.residual)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(sizes.residual))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the residual channels, the skip channels and the mask."""
        taps, levels, _ = self.weight.shape
        values = mu_law(x, levels)
        rows = [shifted(functional.embedding(values, self.weight[tap]), taps - 1 - tap) for tap in range(taps)]
        residual = torch.stack(rows).sum(0) + self.bias
        after = x.abs().flip(1).cumsum(1).flip(1)
        mask = (after > 0).to(residual.dtype).unsqueeze(-1)
        skips = torch.zeros(*x.shape, self.skip, dtype=residual.dtype, device=x.device)
        return torch.cat([residual, skips, mask], dim=-1)


class GatedLayer(nn.Module):
    """One layer: (n, T, residual + skip + 1) to the same, more in the residual and in the skip channels."""

    def __init__(self, sizes: WavenetSizes, dilation: int) -> None:
        super().__init__()
        self.residual = sizes.residual
        self.past = (sizes.kernel - 1) * dilation
        self.filter = nn.Conv1d(sizes.residual, sizes.residual, sizes.kernel, dilation=dilation)
        self.gate = nn.Conv1d(sizes.residual, sizes.residual, sizes.kernel, dilation=dilation)
        self.onward = nn.Linear(sizes.residual, sizes.residual)
        self.aside = nn.Linear(sizes.residual, sizes.skip)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return residual + onward(z), skip + aside(z) and the mask, where z = tanh(filter) x sigmoid(gate)."""
        residual, skip, mask = x[..., : self.residual], x[..., self.residual : -1], x[..., -1:]
        padded = functional.pad(residual.transpose(1, 2), (self.past, 0))
        gated = (torch.tanh(self.filter(padded)) * torch.sigmoid(self.gate(padded))).transpose(1, 2)
        return torch.cat([residual + self.onward(gated), skip + self.aside(gated), mask], dim=-1)


class AfterSkips(nn.Module):
    """(n, T, residual + skip + 1) to (n, T, skip + 1): the first layer of the published top, on the skips."""

    def __init__(self, sizes: WavenetSizes) -> None:
        super().__init__()
        self.residual = sizes.residual
        self.linear = nn.Linear(sizes.skip, sizes.skip)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return relu(linear(relu(skips))) and the mask."""
        skip, mask = x[..., self.residual : -1], x[..., -1:]
        return torch.cat([functional.relu(self.linear(functional.relu(skip))), mask], dim=-1)


def wavenet(sizes: WavenetSizes) -> Staged:
    """Return the network with random weights: samples float (n, T) in -1..1 to (n, skip)."""
    dilations = [2**index for _ in range(sizes.stacks) for index in range(sizes.layers)]
    layers = [(f"layer{index}", GatedLayer(sizes, dilation)) for index, dilation in enumerate(dilations)]
    return Staged([("embed", EmbedSamples(sizes)), *layers, ("skips", AfterSkips(sizes)), ("pool", MeanPool())])
