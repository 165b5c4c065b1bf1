"""A model that answers; what is here needs no training code."""

from graft.serving.model import Model, Prediction, SetAside, load
from graft.serving.scores import Scores

__all__ = ["Model", "Prediction", "Scores", "SetAside", "load"]
