"""Ways of running fixed weights, one file each; extraction and serving both use them."""

from graft.runtimes._agree import Agreement, agreement
from graft.runtimes._base import Compiled, Runtime
from graft.runtimes._choose import REGISTRY, choose, default_batch, prepare, recall, resolve_device
from graft.runtimes._file import opened
from graft.runtimes._lengths import by_shape, whole
from graft.runtimes._memory import Choice
from graft.runtimes._threads import beside, limited, pool

__all__ = [
    "REGISTRY",
    "Agreement",
    "Choice",
    "Compiled",
    "Runtime",
    "agreement",
    "beside",
    "by_shape",
    "choose",
    "default_batch",
    "limited",
    "opened",
    "pool",
    "prepare",
    "recall",
    "resolve_device",
    "whole",
]
