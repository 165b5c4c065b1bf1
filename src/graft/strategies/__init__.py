"""How a backbone is adapted, one file each."""

from graft.registry import Registry
from graft.strategies._base import Activations, Fitted, Material, Strategy

REGISTRY: Registry[Strategy] = Registry(__name__, "strategy", Strategy)

__all__ = ["REGISTRY", "Activations", "Fitted", "Material", "Strategy"]
