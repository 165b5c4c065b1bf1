"""The classifiers of torchvision: AlexNet, VGG, GoogLeNet, ResNet, MobileNet and all others that can be cut.

The auxiliary branches of GoogLeNet and Inception work in training only and are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torchvision import models
from torchvision.models import Weights

from graft.backbones._family import Family, Network, Normalise, Pretrained, last_classifier
from graft.backbones._weights import download, read_tensors
from graft.preprocess.image import Image

BRANCHED = ("googlenet", "inception_v3")
"""Their published weights were made with inputs scaled inside (``transform_input``) and have auxiliary branches."""
DENSE = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$")
"""Old names in the published DenseNet weights; from ``torchvision/models/densenet.py``."""


@dataclass(frozen=True, kw_only=True)
class Torchvision(Family):
    """Networks by their torchvision names, such as ``resnet50``; weights are the library's default ones."""

    modality: ClassVar[str] = "image"
    precedence: ClassVar[int] = 10

    def names(self) -> tuple[str, ...]:
        """Return the names of torchvision's image classifiers, sorted."""
        return tuple(sorted(models.list_models(module=models)))

    def knows(self, name: str) -> bool:
        """Return whether torchvision has an image classifier of that name."""
        return name in self.names()

    def build(self, name: str) -> Network:
        """Return the network without auxiliary branches, and its default weights' preprocessing."""
        settings: dict[str, Any] = {}
        if name in BRANCHED:
            settings = {"aux_logits": False, "transform_input": True, "init_weights": True}
        model = models.get_model(name, weights=None, **settings).eval()
        recipe = self._weights(name).transforms()
        (size,), (resize,) = recipe.crop_size, recipe.resize_size
        preprocess = Image(size=(size, size), resize=resize, interpolation=recipe.interpolation.value)
        return Network(
            model=model,
            classifier=last_classifier(model),
            normalise=Normalise(tuple(recipe.mean), tuple(recipe.std)),
            preprocess=preprocess,
            licence=self._weights(name).meta.get("license", "BSD-3-Clause"),
            left_out=("aux1.", "aux2.", "AuxLogits.") if name in BRANCHED else (),
        )

    def pretrained(self, name: str) -> Pretrained:
        """Return torchvision's default weights from torch's hub cache or its download host. Raises WeightsError."""
        url = str(self._weights(name).url)
        return Pretrained(_new_names(read_tensors(download(url, name))), f"hub:{url}")

    def renamed(self, network: Network, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return the tensors of published DenseNet files under the names of today."""
        return _new_names(tensors)

    def _weights(self, name: str) -> Weights:
        return cast(Weights, models.get_model_weights(name).DEFAULT)


def _new_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {DENSE.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}
