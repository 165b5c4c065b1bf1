"""A network of four small stages and pictures made from a seed, as strategies get them."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

import quick_fit
from graft.backbones import Backbone, Stage, WeightsInfo
from graft.heads import REGISTRY as HEADS
from graft.preprocess.image import Image
from graft.strategies import Material
from graft.tasks.classification import Classification

SIDE = 16
N = 72


class Normalise(nn.Module):
    """uint8 to about -1..1."""

    def forward(self, inputs):
        return inputs.float() / 127.5 - 1


def _block(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(0.1)
    )


def make_backbone(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = (
            Stage("stem", _block(3, 8, 2), (8, 8, 8)),
            Stage("layer1", _block(8, 16, 2), (16, 4, 4)),
            Stage("layer2", _block(16, 24, 1), (24, 4, 4)),
            Stage("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (24,)),
        )
    for stage in stages:
        stage.module.eval().requires_grad_(False)
    weights = WeightsInfo("random:0", "0" * 64, "unknown")
    preprocess = Image(size=(SIDE, SIDE), resize=SIDE)
    return Backbone("tiny", "test", Normalise(), stages, nn.Identity(), preprocess, weights)


def make_pictures(views, seed=0):
    """uint8 (N, views, 3, SIDE, SIDE) of three kinds of stripes in noise, and their kinds (N,)."""
    draw = np.random.default_rng(seed)
    kinds = np.arange(N) % 3
    row, column = np.mgrid[:SIDE, :SIDE]
    patterns = np.stack([row % 4 < 2, column % 4 < 2, (row + column) % 4 < 2]).astype(np.float64)
    clean = 60 * patterns[kinds][:, None, None] + 100
    return np.clip(clean + draw.normal(0, 30, (N, views, 3, SIDE, SIDE)), 0, 255).astype(np.uint8), kinds


@dataclass
class Stored:
    """Activations in memory, counting what is read."""

    values: np.ndarray
    read_views: set = field(default_factory=set)

    @property
    def shape(self):
        return self.values.shape

    def read(self, rows, views=0):
        self.read_views |= set(np.unique(views).tolist())
        return self.values[rows, views]


def make_material(strategy, *, head="linear", backbone=None, seed=0, **more):
    """Material for a strategy on the tiny network; what is given in ``more`` replaces what is made."""
    backbone = (backbone or make_backbone()).ending_in(HEADS.get(head).takes)
    pictures, kinds = make_pictures(strategy.n_views)
    cut = strategy.cut(backbone)
    values = pictures
    if cut:
        with torch.inference_mode():
            flat = backbone.prefix(cut)(torch.from_numpy(pictures.reshape(-1, *pictures.shape[2:]))).numpy()
        values = flat.reshape(N, strategy.n_views, *flat.shape[1:])
    rows = np.random.default_rng(1).permutation(N)
    given = {
        "backbone": backbone,
        "head": HEADS.create(head),
        "task": Classification.learn(["rows", "columns", "slant"]),
        "activations": Stored(values),
        "targets": kinds.astype(np.int64),
        "train": np.sort(rows[:48]),
        "validation": np.sort(rows[48:]),
        "seed": seed,
    }
    return Material(**(given | more))


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they bring on nets as small as these, most of all beside other tests."""
    with quick_fit.one_thread():
        yield


@pytest.fixture
def material():
    return make_material


@pytest.fixture
def backbone():
    return make_backbone()
