"""One training loop over stored activations; it knows no files, tasks or backbones."""

from graft.training.loop import train
from graft.training.problem import Conditions, Problem, Trained
from graft.training.settings import Numerics, Optimisation, Regularisation

__all__ = ["Conditions", "Numerics", "Optimisation", "Problem", "Regularisation", "Trained", "train"]
