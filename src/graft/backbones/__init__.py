"""Pretrained networks as stages, one family a file; the catalogue is read without importing torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graft.backbones._catalog import DEFAULT, Listed, listing

if TYPE_CHECKING:
    from graft.backbones._base import Backbone, Stage, WeightsInfo
    from graft.backbones._family import Family
    from graft.backbones._load import REGISTRY, load, skeleton, tensors_of, with_tensors
    from graft.backbones._resize import reshaped, resized
    from graft.backbones._tokens import averaged, real_tokens
    from graft.backbones._weights import sha256_of

_LATER = {
    "Backbone": "_base",
    "Stage": "_base",
    "WeightsInfo": "_base",
    "Family": "_family",
    "REGISTRY": "_load",
    "load": "_load",
    "skeleton": "_load",
    "tensors_of": "_load",
    "with_tensors": "_load",
    "reshaped": "_resize",
    "resized": "_resize",
    "averaged": "_tokens",
    "real_tokens": "_tokens",
    "sha256_of": "_weights",
}

__all__ = [
    "DEFAULT",
    "REGISTRY",
    "Backbone",
    "Family",
    "Listed",
    "Stage",
    "WeightsInfo",
    "averaged",
    "listing",
    "load",
    "real_tokens",
    "reshaped",
    "resized",
    "sha256_of",
    "skeleton",
    "tensors_of",
    "with_tensors",
]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): whoever only lists the catalogue pays for no torch."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
