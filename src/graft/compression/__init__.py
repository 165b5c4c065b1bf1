"""How a fitted model is made smaller or faster, one method a file; each gives a new model."""

from graft.compression._base import Compressed, Material, Method
from graft.registry import Registry

REGISTRY: Registry[Method] = Registry(__name__, "compression", Method)

__all__ = ["REGISTRY", "Compressed", "Material", "Method"]
