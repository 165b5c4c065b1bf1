"""ELMo, with the weights that were published for it (options.json and HDF5); the mean over words of its equal mix."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from graft.backbones._family import Network
from graft.backbones._nets.elmo import ElmoSizes, elmo
from graft.backbones._nets.elmo_file import read_elmo
from graft.backbones._nets.family import OwnFamily, network
from graft.preprocess import _text_own
from graft.preprocess._characters import Characters


@dataclass(frozen=True, kw_only=True)
class Elmo(OwnFamily):
    """``elmo``: weights are a folder with options and HDF5; without one, the smallest published sizes."""

    files: ClassVar[str] = "a folder with ELMo's options and weights"

    def names(self) -> tuple[str, ...]:
        """Return the one name; sizes are those of the options."""
        return ("elmo",)

    def build(self, name: str) -> Network:
        """Return the network of the smallest published sizes."""
        return _network(ElmoSizes())

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return a network of these sizes."""
        filters = tuple((int(width), int(count)) for width, count in settings["filters"])
        return _network(ElmoSizes(**{**settings, "filters": filters}))

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]]:
        """Return the network of the published files, and its tensors. Raises WeightsError, NotInstalledError."""
        tensors, sizes = read_elmo(path)
        return _network(sizes), tensors


def _network(sizes: ElmoSizes) -> Network:
    return network(elmo(sizes), _text_own.written(Characters(per_word=sizes.per_word)), asdict(sizes))
