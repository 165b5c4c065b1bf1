"""Networks of sound as stages: what turns a wave or a spectrogram into frames, one stage a layer, and the pooling.

Inputs are (n, time, channels + 1), activations between the stages (n, frames, C + 1): the last channel is 1 where there
is sound and 0 behind it. So each stage makes its own attention mask and takes one tensor.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from graft.backbones._transformer_stages import Pool, marked


class Floats(nn.Module):
    """Preprocessed recordings to what the first stage takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, time, channels + 1) float32."""
        return x.to(torch.float32)


def begun(mark: torch.Tensor) -> torch.Tensor:
    """Return which frames are heard, bool (n, frames); the first always is: a mean over nothing is not a number."""
    return torch.cat([torch.ones_like(mark[:, :1]), mark[:, 1:]], dim=1) > 0


class WaveFrames(nn.Module):
    """Waves (n, samples, 2) to marked frames: the convolutions of wav2vec 2.0 and HuBERT.

    A frame is heard where all samples that it is made of are.
    """

    def __init__(self, extractor: Any, kernels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        # In training the library would ask for the gradient of the wave.
        extractor._requires_grad = False
        self.extractor = extractor
        self.step = prod(strides)
        self.field = 1 + sum((kernel - 1) * prod(strides[:place]) for place, kernel in enumerate(kernels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, frames, C + 1)."""
        frames = self.extractor(x[..., 0]).transpose(1, 2)
        last = x[:, self.field - 1 :: self.step, 1]
        return marked(frames, begun(last[:, : frames.shape[1]]))


class Placed(nn.Module):
    """Frames brought to the width of the layers, and what a convolution over them says of their places added."""

    def __init__(self, projection: nn.Module, encoder: Any, *, masked: bool, norm: nn.Module | None) -> None:
        super().__init__()
        self.projection = projection
        self.places = encoder.pos_conv_embed
        self.dropout = encoder.dropout
        self.norm = norm
        self.masked = masked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, frames, C + 1)."""
        mark = x[..., -1:]
        found = self.projection(x[..., :-1])
        # wav2vec 2.0 returns the normalised frames beside it, for its codebook.
        hidden = found if isinstance(found, torch.Tensor) else found[0]
        if self.masked:
            hidden = torch.where(mark > 0, hidden, torch.zeros_like(hidden))
        hidden = hidden + self.places(hidden)
        hidden = self.dropout(hidden if self.norm is None else self.norm(hidden))
        return torch.cat([hidden, mark], dim=-1)


class Patches(nn.Module):
    """Filter banks (n, frames, bands + 1) to AST's patches behind its two class tokens; all of them count."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, C + 1)."""
        hidden = self.embeddings(x[..., :-1])
        return torch.cat([hidden, torch.ones_like(hidden[..., :1])], dim=-1)


class MelFrames(nn.Module):
    """Log-mel spectrograms (n, frames, bands + 1) to half as many marked frames: Whisper's two convolutions."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.conv1 = encoder.conv1
        self.conv2 = encoder.conv2
        self.embed_positions = encoder.embed_positions
        self.dropout = float(encoder.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, frames / 2, C + 1)."""
        hidden = functional.gelu(self.conv1(x[..., :-1].transpose(1, 2)))
        hidden = functional.gelu(self.conv2(hidden)).permute(0, 2, 1) + self.embed_positions.weight
        hidden = functional.dropout(hidden, self.dropout, training=self.training)
        return marked(hidden, begun(x[:, ::2, -1]))


class SoundLayer(nn.Module):
    """One layer, marked frames in and out; the last one brings the network's closing norm."""

    def __init__(self, layer: nn.Module, *, masked: bool, norm: nn.Module | None) -> None:
        super().__init__()
        self.layer = layer
        self.masked = masked
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, frames, C + 1)."""
        mark = x[..., -1:]
        mask = (mark[..., 0] > 0)[:, None, None, :] if self.masked else None
        out = self.layer(x[..., :-1], attention_mask=mask)
        out = out if isinstance(out, torch.Tensor) else out[0]
        return torch.cat([out if self.norm is None else self.norm(out), mark], dim=-1)


class ClassTokens(nn.Module):
    """Marked tokens to the mean of the first two, AST's class token and its distillation token: (n, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vectors that AST's own classifier takes."""
        return (x[:, 0, :-1] + x[:, 1, :-1]) / 2


Stages = Iterator[tuple[str, nn.Module]]


def _layers(layers: Sequence[nn.Module], name: str, *, masked: bool, norm: nn.Module | None) -> Stages:
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        yield f"{name}.{number}", SoundLayer(layer, masked=masked, norm=norm if last else None)


def _masked(config: Any) -> bool:
    """Return whether a network of waves was trained with an attention mask: those with layer norms were."""
    return bool(config.feat_extract_norm == "layer")


def _wave_stages(model: Any) -> Stages:
    config, encoder, masked = model.config, model.encoder, _masked(model.config)
    yield "features", WaveFrames(model.feature_extractor, config.conv_kernel, config.conv_stride)
    first, last = (None, encoder.layer_norm) if config.do_stable_layer_norm else (encoder.layer_norm, None)
    yield "embed", Placed(model.feature_projection, encoder, masked=masked, norm=first)
    yield from _layers(encoder.layers, "encoder.layers", masked=masked, norm=last)


def _wave_forward(model: Any, x: torch.Tensor) -> torch.Tensor:
    mask = x[..., 1].to(torch.int64) if _masked(model.config) else None
    hidden = model(x[..., 0], attention_mask=mask).last_hidden_state
    kernels, strides = model.config.conv_kernel, model.config.conv_stride
    lengths = (x[..., 1] > 0).sum(1)
    for kernel, stride in zip(kernels, strides, strict=True):
        lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
    heard = torch.arange(hidden.shape[1], device=x.device)[None] < lengths.clamp(min=1)[:, None]
    return marked(hidden, heard)


def _ast_stages(model: Any) -> Stages:
    yield "embed", Patches(model.embeddings)
    yield from _layers(model.layers, "layers", masked=False, norm=model.layernorm)


def _ast_forward(model: Any, x: torch.Tensor) -> torch.Tensor:
    hidden = model(x[..., :-1]).last_hidden_state
    return marked(hidden, torch.ones_like(hidden[..., 0]))


def _whisper_stages(model: Any) -> Stages:
    yield "embed", MelFrames(model)
    yield from _layers(model.layers, "layers", masked=False, norm=model.layer_norm)


def _whisper_forward(model: Any, x: torch.Tensor) -> torch.Tensor:
    hidden = model(x[..., :-1].transpose(1, 2)).last_hidden_state
    return marked(hidden, begun(x[:, ::2, -1]))


@dataclass(frozen=True)
class Kind:
    """How one kind of network is run whole, and how it is cut."""

    forward: Callable[[Any, torch.Tensor], torch.Tensor]
    """The library's own forward: inputs (n, time, channels + 1) to marked hidden states (n, frames, C + 1)."""
    stages: Callable[[Any], Stages]
    """All but the pooling."""
    pool: Callable[[], nn.Module]
    """The pooling where none is named."""


def _mean() -> nn.Module:
    return Pool("mean", normalised=False)


KINDS = {
    "wav2vec2": Kind(_wave_forward, _wave_stages, _mean),
    "hubert": Kind(_wave_forward, _wave_stages, _mean),
    "audio-spectrogram-transformer": Kind(_ast_forward, _ast_stages, ClassTokens),
    "whisper": Kind(_whisper_forward, _whisper_stages, _mean),
}
"""The kinds of networks (``model_type``) that are cut between their layers; tests compare each with the original."""


class WholeSound(nn.Module):
    """The original network and its pooling: what the stages together must give."""

    def __init__(self, model: Any, kind: str, pool: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return vectors (n, C) of inputs (n, time, channels + 1)."""
        vector: torch.Tensor = self.pool(KINDS[self.kind].forward(self.model, x))
        return vector

    def stages(self) -> Stages:
        """Yield the named stages."""
        yield from KINDS[self.kind].stages(self.model)
        yield "pool", self.pool
