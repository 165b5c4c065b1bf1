"""What a model's answers are worth: metrics with intervals, calibration, paired tests, learning curves, reports."""

from graft.evaluation.calibration import calibrate, fit_temperature, reliability
from graft.evaluation.judged import ClassScore, Evaluation, evaluate
from graft.evaluation.learning_curve import LearningCurve, learning_curve
from graft.evaluation.paired import Paired, paired_test

__all__ = [
    "ClassScore",
    "Evaluation",
    "LearningCurve",
    "Paired",
    "calibrate",
    "evaluate",
    "fit_temperature",
    "learning_curve",
    "paired_test",
    "reliability",
]
