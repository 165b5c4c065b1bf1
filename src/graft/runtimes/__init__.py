"""Ways of running fixed weights, one file each; extraction and serving both use them."""

from graft.registry import Registry
from graft.runtimes._base import Compiled, Runtime

REGISTRY: Registry[Runtime] = Registry(__name__, "runtime", Runtime)

__all__ = ["REGISTRY", "Compiled", "Runtime"]
