"""A small problem on maps, as the training loop gets it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from graft.training import Problem


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they bring on nets as small as these, most of all beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_modules(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = nn.Sequential(
            nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        head = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 3))
    return stages.eval(), head.eval()


def make_problem(rows=96, views=2, seed=0, **more):
    """Three classes that differ in which channel is bright, on maps (4, 6, 6)."""
    draw = np.random.default_rng(seed)
    targets = np.arange(rows) % 3
    values = draw.normal(size=(rows, views, 4, 6, 6)).astype(np.float32)
    values[np.arange(rows), :, targets] += 0.7
    order = draw.permutation(rows)
    stages, head = make_modules()
    given = {
        "stages": stages,
        "head": head,
        "read": lambda chosen, view: values[chosen, view],
        "views": views,
        "targets": targets,
        "train": np.sort(order[: rows * 2 // 3]),
        "validation": np.sort(order[rows * 2 // 3 :]),
        "loss": lambda logits, right, smoothing: functional.cross_entropy(logits, right, label_smoothing=smoothing),
        "soft": lambda right: functional.one_hot(right, 3).float(),
        "score": lambda logits, right: float((logits.argmax(1) == right).mean()),
        "chance": 1 / 3,
    }
    return Problem(**(given | more))


@pytest.fixture
def problem():
    return make_problem


@pytest.fixture
def modules():
    return make_modules
