"""What every family of backbones promises: which networks it knows, how one is built, and where its weights are."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from graft.errors import SettingError, must
from graft.preprocess import Preprocess


class Normalise(nn.Module):
    """Preprocessed images to what a network takes: (x / 255 - mean) / std."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, C, H, W) float32 from uint8 or float values in 0..255."""
        return (x.to(torch.float32) / 255.0 - self.mean) / self.std


@dataclass(frozen=True)
class Network:
    """A network as its library builds it, with what the weights' metadata says of its input."""

    model: nn.Module
    """In eval mode; its output is the class scores."""
    classifier: tuple[str, ...]
    """Qualified names of the modules that make the class scores; empty where there are none."""
    normalise: nn.Module
    preprocess: Preprocess
    licence: str
    """Of the weights: SPDX name where known, else ``unknown``."""
    left_out: tuple[str, ...] = ()
    """Beginnings of tensor names that published weights have for branches that only work in training."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What ``rebuild`` needs beside the name, as plain JSON data; saved with a model."""


@dataclass(frozen=True)
class Piece:
    """One stage as it was cut out."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    """Of its output, without the batch axis."""


@dataclass(frozen=True)
class Pretrained:
    """Published weights, under the names that the network gives its tensors."""

    tensors: Mapping[str, torch.Tensor]
    source: str


@dataclass(frozen=True, kw_only=True)
class Family(ABC):
    """One library of networks."""

    modality: ClassVar[str]
    """What its networks take, such as ``image``."""
    precedence: ClassVar[int] = 100
    """Where several families know a bare name that the catalogue does not, the lowest wins."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the names of all networks of the family, sorted."""

    @abstractmethod
    def knows(self, name: str) -> bool:
        """Return whether ``build`` takes that name; it may take more than ``names`` lists."""

    @abstractmethod
    def build(self, name: str) -> Network:
        """Return the network with its library's random initialisation, drawn from torch's global generator."""

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return the network that ``build`` gave with these settings; neither weights nor the network are read."""
        return self.build(name)

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]] | None:
        """Return the network that a person's file of weights describes, and its tensors; None where it does not.

        For families whose sizes and vocabulary lie beside the weights. Raises WeightsError.
        """
        return None

    def cut(self, network: Network) -> tuple[tuple[Piece, ...], nn.Module]:
        """Return the stages of a network and its classifier. Raises SettingError where it cannot be cut."""
        from graft.backbones._trace import cut_into_stages

        return cut_into_stages(network.model, network.preprocess.shape, network.classifier)

    def check(self, network: Network, stages: Sequence[nn.Module], classifier: nn.Module, name: str) -> None:
        """Compare stages and network on one input. Raises SettingError where they differ."""
        x = torch.rand(1, *network.preprocess.shape)
        if not torch.equal(nn.Sequential(*stages, classifier)(x), network.model(x)):
            do = "Take another backbone; `graft list backbones` names some that can be cut"
            raise SettingError(must("backbone", "a network whose stages give what it gives", name, do))

    @abstractmethod
    def pretrained(self, name: str) -> Pretrained:
        """Return the weights that the library publishes, from its local cache or downloaded into it.

        Raises WeightsError that names the file to fetch where it is neither here nor within reach.
        """

    def renamed(self, network: Network, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return a person's tensors under the network's names, where they have those of an older or foreign file."""
        return tensors


def last_classifier(model: nn.Module) -> tuple[str, ...]:
    """Return the name of the last linear layer, or of the last convolution where there is none."""
    for kind in (nn.Linear, nn.Conv2d):
        found = [name for name, module in model.named_modules() if isinstance(module, kind)]
        if found:
            return (found[-1],)
    return ()


def natural(name: str) -> list[str | int]:
    """Return a sorting key that puts ``resnet18`` before ``resnet101``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
