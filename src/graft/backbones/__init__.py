"""Pretrained networks as stages, one family a file."""

from graft.backbones._base import Backbone, Stage, WeightsInfo

__all__ = ["Backbone", "Stage", "WeightsInfo"]
