"""The saved model: manifest, weights and migrations."""

from graft.artifact.folder import Assembled, adapted, check, check_target, describe, doubting, load, put, save
from graft.artifact.manifest import NAME, Manifest
from graft.artifact.storage import Storage

__all__ = [
    "NAME",
    "Assembled",
    "Manifest",
    "Storage",
    "adapted",
    "check",
    "check_target",
    "describe",
    "doubting",
    "load",
    "put",
    "save",
]
