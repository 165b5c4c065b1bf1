"""Ways of running fixed weights, one file each; extraction and serving use them. Names are loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.runtimes._agree import Agreement, agreement
    from graft.runtimes._base import Compiled, Runtime
    from graft.runtimes._choose import REGISTRY, choose, default_batch, prepare, recall, resolve_device
    from graft.runtimes._file import opened
    from graft.runtimes._lengths import by_shape, whole
    from graft.runtimes._lent import keeping_ready
    from graft.runtimes._memory import Choice
    from graft.runtimes._rough import rough_products
    from graft.runtimes._threads import at_once, beside, blas_on_one_thread, limited, pool

_HOMES = {
    "_agree": ("Agreement", "agreement"),
    "_base": ("Compiled", "Runtime"),
    "_choose": ("REGISTRY", "choose", "default_batch", "prepare", "recall", "resolve_device"),
    "_file": ("opened",),
    "_lengths": ("by_shape", "whole"),
    "_lent": ("keeping_ready",),
    "_memory": ("Choice",),
    "_rough": ("rough_products",),
    "_threads": ("at_once", "beside", "blas_on_one_thread", "limited", "pool"),
}

__all__ = [
    "REGISTRY",
    "Agreement",
    "Choice",
    "Compiled",
    "Runtime",
    "agreement",
    "at_once",
    "beside",
    "blas_on_one_thread",
    "by_shape",
    "choose",
    "default_batch",
    "keeping_ready",
    "limited",
    "opened",
    "pool",
    "prepare",
    "recall",
    "resolve_device",
    "rough_products",
    "whole",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            # Kept, so that the next to ask does not come here: an answer to one photo asks several times.
            found = globals()[name] = getattr(import_module(f"graft.runtimes.{home}"), name)
            return found
    raise AttributeError(f"module 'graft.runtimes' has no attribute {name!r}")
