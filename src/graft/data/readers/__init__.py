"""Ways of finding labelled examples, one file each: a folder, or a table of paths and labels."""

from graft.data.readers._base import Reader
from graft.registry import Registry

REGISTRY: Registry[Reader] = Registry(__name__, "reader", Reader)

__all__ = ["REGISTRY", "Reader"]
