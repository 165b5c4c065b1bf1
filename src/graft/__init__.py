"""Graft: transfer learning that people can trust. Public names are loaded on first use (PEP 562)."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.api import bench, compress, evaluate, export, fit, inspect, load, predict, show
    from graft.estimator import Classifier, Regressor
    from graft.serving import Model

__version__ = "0.1.0"

# GNU OpenMP, which torch computes with, lets a thread that waits for others spin for 15 ms, and so takes a core from
# whatever else a fit has going on. A thirtieth of that costs training nothing (a hundredth makes it a quarter slower)
# and shortens the ladder of 5,000 photos by a tenth. It is read when torch is first imported; a value given stays.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_HOMES = {
    "Classifier": "graft.estimator",
    "Model": "graft.serving",
    "Regressor": "graft.estimator",
    "bench": "graft.api",
    "compress": "graft.api",
    "evaluate": "graft.api",
    "export": "graft.api",
    "fit": "graft.api",
    "inspect": "graft.api",
    "load": "graft.api",
    "predict": "graft.api",
    "show": "graft.api",
}

__all__ = [
    "Classifier",
    "Model",
    "Regressor",
    "bench",
    "compress",
    "evaluate",
    "export",
    "fit",
    "inspect",
    "load",
    "predict",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'graft' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
