"""One specification a modality, and its augmentations: bytes in, the backbone's input out."""

from graft.preprocess._base import Facts, Preprocess
from graft.preprocess._sheet import sheet
from graft.registry import Registry

REGISTRY: Registry[Preprocess] = Registry(__name__, "modality", Preprocess)

__all__ = ["REGISTRY", "Facts", "Preprocess", "sheet"]
