"""Heads on top of the features, one file each."""

from graft.heads._applied import Applied, applied
from graft.heads._base import Head
from graft.registry import Registry

REGISTRY: Registry[Head] = Registry(__name__, "head", Head)

__all__ = ["REGISTRY", "Applied", "Head", "applied"]
