"""A tiny backbone and a tiny preprocessing, made from a seed, for tests of extraction; also used by subprocesses."""

import time
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from torch import nn

from graft.backbones import Backbone, Stage, WeightsInfo
from graft.backbones._base import frozen
from graft.errors import SettingError, UnreadableInputError
from graft.preprocess import Facts, Preprocess
from graft.types import Example


@dataclass(frozen=True, kw_only=True)
class Tiny(Preprocess):
    """Raw uint8 values in, an array of ``side`` x ``side`` out."""

    modality = "tiny"

    side: int = 8
    delay: float = 0.0
    """Seconds that decoding takes; no part of what it computes, so no part of its JSON."""
    version: int = 1

    def inspect(self, content, source):
        return Facts("RAW", (self.side, self.side))

    def decode(self, content):
        time.sleep(self.delay)
        if content.startswith(b"broken"):
            raise UnreadableInputError("The input must be whole. Got half of it. Copy it again.")
        return np.random.default_rng(list(content[:8])).integers(0, 256, self.shape, dtype=np.uint8)

    def fit(self, decoded):
        return decoded

    @staticmethod
    def check_augmentation(text):
        if text not in ("none", "photos", "turn"):
            raise SettingError(f"augmentation must be one of Tiny's. Got {text!r}. Take photos.")
        return ("turn",) if text == "photos" else (text,)

    def augmented(self, decoded, augmentation, seed):
        return np.random.default_rng(seed).permuted(decoded, axis=-1)

    @property
    def shape(self):
        return (3, self.side, self.side)

    @property
    def dtype(self):
        return "uint8"

    def miniature(self, fitted):
        return fitted

    @staticmethod
    def perceptual_hashes(miniatures):
        return np.array([int.from_bytes(sha256(one.tobytes()).digest()[:8], "big") for one in miniatures], np.uint64)

    def simple_features(self, fitted):
        return fitted.reshape(3, -1).mean(axis=1).astype(np.float32)

    def picture(self, content, side):
        return content

    def noise(self, seed):
        return np.random.default_rng(seed).integers(0, 256, self.shape, dtype=np.uint8)

    def to_json(self):
        return {"modality": self.modality, "side": self.side, "version": self.version}

    @classmethod
    def from_json(cls, data):
        return cls(side=data["side"], version=data["version"])


class Scale(nn.Module):
    """Stands for a normalisation."""

    def __init__(self, divisor=255.0):
        super().__init__()
        self.divisor = divisor

    def forward(self, x):
        return x.float() / self.divisor - 0.5


def backbone(*, seed=0, gain=1.0, name="tiny", divisor=255.0, sha=None, **settings):
    """Return three stages: two maps and a vector."""
    torch.manual_seed(seed)
    preprocess = Tiny(**settings)
    half, quarter = preprocess.side // 2, preprocess.side // 4
    modules = [
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ]
    with torch.no_grad():
        modules[0][0].weight *= gain
    frozen(modules)
    shapes = [(4, half, half), (6, quarter, quarter), (6,)]
    stages = tuple(Stage(f"stage{i}", m, s) for i, (m, s) in enumerate(zip(modules, shapes, strict=True)))
    info = WeightsInfo("random:0", sha or sha256(f"{seed} {gain}".encode()).hexdigest(), "unknown")
    return Backbone(name, "tiny", Scale(divisor), stages, nn.Identity(), preprocess, info)


def examples(n, start=0):
    """Return inputs of 8 bytes each, and their hashes."""
    contents = [i.to_bytes(8, "big") for i in range(start, start + n)]
    found = [Example(source=f"array {i}", content=content) for i, content in enumerate(contents)]
    return found, [sha256(content).hexdigest() for content in contents]


def broken():
    """Return an input that cannot be decoded, and its hash."""
    content = b"broken!!"
    return Example(source="broken.raw", content=content), sha256(content).hexdigest()
