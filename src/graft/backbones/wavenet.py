"""WaveNet on mu-law samples, its skip activations pooled; it hears an eighth of a second before each sample.

Weights are a safetensors file whose tensors are named as the network names them (``embed.weight``,
``layer0.filter.weight``, ..., ``skips.linear.bias``). Its sizes are JSON, ``{"graft": "wavenet", "levels": 256, ...}``
with the fields of ``WavenetSizes``: as ``config`` in the file's metadata, or in a ``config.json`` beside it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from graft.backbones._family import Family, Network, Piece, Pretrained
from graft.backbones._nets.staged import Staged
from graft.backbones._nets.wavenet import WavenetSizes, wavenet
from graft.backbones._published import json_of
from graft.backbones._weights import read_tensors
from graft.errors import SettingError, WeightsError, must
from graft.preprocess._audio_waves import Waves
from graft.registry import build

NAME = "wavenet"
CONFIG = "config"
"""Where the metadata of a file holds its sizes, and how the file beside it is called."""


class Samples(nn.Module):
    """Waves (n, samples, 2) to what the first stage takes: samples (n, samples), exactly 0 behind the sound."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return float32 (n, samples) in -1..1."""
        x = x.to(torch.float32)
        return x[..., 0] * x[..., 1]


@dataclass(frozen=True, kw_only=True)
class Wavenet(Family):
    """``wavenet``: weights are a file of a person's, with its sizes inside or beside it."""

    modality: ClassVar[str] = "audio"
    precedence: ClassVar[int] = 60

    def names(self) -> tuple[str, ...]:
        """Return the one name; sizes are those of the weights."""
        return (NAME,)

    def knows(self, name: str) -> bool:
        """Return whether it is that name."""
        return name == NAME

    def build(self, name: str) -> Network:
        """Return the network of the default sizes."""
        return _network(WavenetSizes())

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return the network of saved sizes."""
        return _network(build(WavenetSizes, settings["sizes"], NAME))

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]]:
        """Return the network of a file's sizes, and its tensors. Raises WeightsError."""
        tensors = read_tensors(path)
        return _network(_sizes(path)), tensors

    def pretrained(self, name: str) -> Pretrained:
        """Raise WeightsError: nobody has published weights in this layout."""
        do = "Give the path by --weights FILE, or take --weights random"
        raise WeightsError(must(f"weights of {name}", "a safetensors file with its sizes", "none", do))

    def cut(self, network: Network) -> tuple[tuple[Piece, ...], nn.Module]:
        """Return the network's own stages."""
        stages = cast(Staged, network.model).cut(network.preprocess.shape[:1], torch.float32)
        return tuple(Piece(one.name, one.module, one.shape) for one in stages), nn.Identity()

    def check(self, network: Network, stages: Sequence[nn.Module], classifier: nn.Module, name: str) -> None:
        """Compare stages and network on two waves. Raises SettingError where they differ."""
        x = torch.rand(2, 3000) * 2 - 1
        x[1, 2000:] = 0
        if not torch.equal(nn.Sequential(*stages, classifier)(x), network.model(x)):
            do = "Take one of `graft list backbones --modality audio`"
            raise SettingError(must("backbone", "a network whose stages give what it gives", name, do))


def _network(sizes: WavenetSizes) -> Network:
    field = {"samples": sizes.receptive_field, "seconds": sizes.receptive_seconds}
    return Network(
        model=wavenet(sizes).eval(),
        classifier=(),
        normalise=Samples(),
        preprocess=Waves(rate=sizes.sample_rate, normalised=False),
        licence="unknown",
        settings={"sizes": asdict(sizes), "receptive_field": field},
    )


def _sizes(path: Path) -> WavenetSizes:
    """Return the sizes in the metadata of a file, else in the ``config.json`` beside it. Raises WeightsError."""
    do = f"Write the sizes as JSON into the metadata, under {CONFIG!r}, or into {CONFIG}.json beside it"
    beside = path.with_name(f"{CONFIG}.json")
    wanted = 'sizes that begin with {"graft": "wavenet"}'
    inside = _metadata(path).get(CONFIG)
    if inside is None and not beside.is_file():
        raise WeightsError(must(str(path), f"a file with {wanted}", "none in it or beside it", do))
    try:
        told = json_of(beside) if inside is None else json.loads(inside)
        if not isinstance(told, dict) or told.pop("graft", None) != NAME:
            raise WeightsError(must(str(path), f"a file with {wanted}", "those of something else", do))
        sizes = build(WavenetSizes, told, NAME)
    except (ValueError, SettingError) as error:
        raise WeightsError(must(f"the sizes of {path}", "those of a wavenet", f"others ({error})", do)) from error
    if min(asdict(sizes).values()) < 1:
        raise WeightsError(must(f"the sizes of {path}", "positive", asdict(sizes), do))
    return sizes


def _metadata(path: Path) -> Mapping[str, str]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(must(str(path), "a safetensors file", str(error), "Fetch it again")) from error
