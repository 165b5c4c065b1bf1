"""The networks of timm: EfficientNet-Lite, Xception, ResNets, vision transformers and all others that can be cut."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import timm
import torch
from torch import nn

from graft.backbones._family import Family, Network, Normalise, Pretrained
from graft.backbones._weights import download, hub_file, no_weights, without_random_fill
from graft.preprocess.image import Image


@dataclass(frozen=True, kw_only=True)
class Timm(Family):
    """Networks by their timm names, with or without a tag, such as ``resnet50`` or ``resnet50.a1_in1k``."""

    modality: ClassVar[str] = "image"
    precedence: ClassVar[int] = 20

    def names(self) -> tuple[str, ...]:
        """Return the names of timm's networks without tags, sorted."""
        return tuple(sorted(timm.list_models()))

    def knows(self, name: str) -> bool:
        """Return whether timm has a network of that name and, where one is given, that tag."""
        if not timm.is_model(name):
            return False
        return "." not in name or timm.is_model_pretrained(name)

    def build(self, name: str) -> Network:
        """Return the network, and the preprocessing of its pretrained configuration."""
        model = timm.create_model(name).eval()
        wanted: dict[str, Any] = timm.data.resolve_model_data_config(model)
        height, width = wanted["input_size"][1:]
        # As timm's own evaluation: the side before cropping is rounded down.
        resize = max(math.floor(min(height, width) / wanted["crop_pct"]), height, width)
        known: dict[str, Literal["bilinear", "nearest"]] = {"bilinear": "bilinear", "nearest": "nearest"}
        return Network(
            model=model,
            classifier=_classifier(model),
            normalise=Normalise(tuple(wanted["mean"]), tuple(wanted["std"])),
            preprocess=Image(
                size=(height, width), resize=resize, interpolation=known.get(wanted["interpolation"], "bicubic")
            ),
            licence=_licence(model.pretrained_cfg.get("license")),
        )

    def pretrained(self, name: str) -> Pretrained:
        """Return the weights of the name's default tag from the hub's cache or the hub. Raises WeightsError."""
        about = timm.get_pretrained_cfg(name)
        if about is not None and about.hf_hub_id:
            source = f"hub:{about.hf_hub_id}"
            file = hub_file(about.hf_hub_id, about.hf_hub_filename or "model.safetensors", name)
        elif about is not None and about.url:
            source = f"hub:{about.url}"
            file = download(about.url, name)
        else:
            raise no_weights(name)
        # timm translates the names of foreign files itself while it loads them.
        overlay = {"file": str(file), "custom_load": str(file).endswith(".npz")}
        with without_random_fill():
            model: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
        return Pretrained(model.state_dict(), source)

    def renamed(self, network: Network, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return tensors of a foreign file as timm's own translator for this network names them."""
        translate = getattr(sys.modules[type(network.model).__module__], "checkpoint_filter_fn", None)
        if translate is None or tensors.keys() == network.model.state_dict().keys():
            return tensors
        try:
            translated: Mapping[str, torch.Tensor] = translate(dict(tensors), network.model)
        except (KeyError, ValueError, RuntimeError, AttributeError, TypeError, IndexError):
            return tensors  # not a file that timm knows: the check that follows says what is wrong with it
        return translated


def _classifier(model: Any) -> tuple[str, ...]:
    tops = model.get_classifier()
    wanted = {id(top) for top in (tops if isinstance(tops, (tuple, list)) else [tops])}
    return tuple(name for name, module in model.named_modules() if id(module) in wanted)


def _licence(given: str | None) -> str:
    spdx = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}
    return spdx.get((given or "").lower(), given or "unknown")
