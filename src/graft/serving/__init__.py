"""A model that answers; what is here needs no training code. Names are loaded on first use: the server has no torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.serving.model import Model, Prediction, SetAside, load
    from graft.serving.scores import Scores

_HOMES = {
    "Model": "graft.serving.model",
    "Prediction": "graft.serving.model",
    "Scores": "graft.serving.scores",
    "SetAside": "graft.serving.model",
    "load": "graft.serving.model",
}

__all__ = ["Model", "Prediction", "Scores", "SetAside", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'graft.serving' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
