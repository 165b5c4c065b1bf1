"""The class whose mean features are nearest: needs only a few examples a class and no training."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from graft.backbones import Backbone
from graft.strategies import _material
from graft.strategies._base import Fitted, Material, Strategy
from graft.types import LabelForm


@dataclass(frozen=True, kw_only=True)
class NearestMean(Strategy):
    """Nearest class mean, as a linear head."""

    linear: ClassVar[bool] = True
    forms: ClassVar[tuple[LabelForm, ...]] = ("class",)
    rung: ClassVar[int | None] = 20

    whitening: float = 0.5
    """How far features are levelled: 0 leaves their scale, 1 divides them by their spread within classes."""

    def cut(self, backbone: Backbone) -> int:
        """Return the cut after the last stage."""
        return backbone.n_stages

    @property
    def n_views(self) -> int:
        """One: the plain view."""
        return 1

    def fit(self, material: Material) -> Fitted:
        """Return the head; its scale is the one with the lowest leave-one-out log loss.

        Squared distances differ between classes only in what is linear in the input, so that
        ``-scale / 2 * |x - m_c|^2`` is a linear head: weight ``scale * m_c``, bias ``-scale / 2 * |m_c|^2``.
        """
        outputs, train, validation = material.task.outputs, material.train, material.validation
        table = _material.features(material, np.concatenate([train, validation]))[0]
        targets = material.targets[np.concatenate([train, validation])]
        alone = _Means.of(table[: len(train)], targets[: len(train)], outputs, self.whitening)
        both = _Means.of(table, targets, outputs, self.whitening)
        rows = np.concatenate([train, validation])
        units = np.arange(len(rows)) if material.units is None else material.units[rows]
        left = alone.left_out(table[: len(train)], targets[: len(train)], units[: len(train)])
        scale = _scale(left, targets[: len(train)], material)
        training_head = alone.head(material, scale)
        return Fitted(
            cut=self.cut(material.backbone),
            suffix=nn.Sequential().eval(),
            head=both.head(material, scale),
            training_head=training_head,
            validation_logits=_material.logits(training_head, table[len(train) :]),
            development_logits=np.asarray(scale * both.left_out(table, targets, units), dtype=np.float32),
            resolved={"scale": scale, "whitening": self.whitening},
        )


@dataclass(frozen=True)
class _Means:
    """Class means on centred, levelled features."""

    means: np.ndarray
    """(outputs, features)"""
    counts: np.ndarray
    centre: np.ndarray
    level: np.ndarray
    """(features,), multiplied."""

    @classmethod
    def of(cls, table: np.ndarray, targets: np.ndarray, outputs: int, whitening: float) -> "_Means":
        counts = np.bincount(targets, minlength=outputs)
        sums = np.zeros((outputs, table.shape[1]))
        np.add.at(sums, targets, table)
        means = sums / np.maximum(counts, 1)[:, None]
        centre = sums.sum(0) / len(table)
        within = np.zeros(table.shape[1])
        for begin in range(0, len(table), 1024):
            chunk = slice(begin, begin + 1024)
            within += np.square(table[chunk] - means[targets[chunk]]).sum(0)
        spread = np.sqrt(within / len(table))
        level = np.maximum(spread + 1e-3 * spread.mean(), 1e-12) ** -whitening
        return cls((means - centre) * level, counts, centre, level)

    def left_out(self, table: np.ndarray, targets: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Return logits (n, outputs) at scale 1, every row and the rest of its unit left out of its class's mean."""
        mates = _Mates.of(table, targets, units)
        found = np.empty((len(table), len(self.means)))
        half = 0.5 * np.square(self.means).sum(1)
        for begin in range(0, len(table), 1024):
            own = targets[begin : begin + 1024]
            rows = (table[begin : begin + 1024] - self.centre) * self.level
            found[begin : begin + 1024] = rows @ self.means.T - half
            size, together = mates.sums(np.arange(begin, begin + len(rows)), table)
            away = (together - size * self.centre) * self.level
            others = self.counts[own, None] - size
            without = (self.counts[own, None] * self.means[own] - away) / np.maximum(others, 1)
            value = (rows * without).sum(1) - 0.5 * np.square(without).sum(1)
            # A class of one unit has no mean without it; it then counts as far as its neighbours' average.
            fallback = found[begin : begin + 1024].mean(1)
            found[np.arange(begin, begin + len(rows)), own] = np.where(others[:, 0] > 0, value, fallback)
        return found

    def head(self, material: Material, scale: float) -> nn.Module:
        """Return the linear head on raw features."""
        weight = scale * self.means * self.level
        bias = -0.5 * scale * np.square(self.means).sum(1) - weight @ self.centre
        # A class without training rows must not win by lying at the centre.
        bias[self.counts == 0] = -1e4
        return _material.linear_head(material.head, torch.from_numpy(weight), torch.from_numpy(bias))


@dataclass(frozen=True)
class _Mates:
    """Rows of one class and one unit, added up where there are several."""

    key: np.ndarray
    """(n,), equal for rows of one class and one unit."""
    sizes: np.ndarray
    """By key."""
    slot: np.ndarray
    """By key: where its sum is, -1 for a row alone."""
    added: np.ndarray
    """(slots, features)"""

    @classmethod
    def of(cls, table: np.ndarray, targets: np.ndarray, units: np.ndarray) -> "_Mates":
        pairs = np.stack([units, targets], axis=1)
        _, key, sizes = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
        key = key.reshape(-1)
        slot = np.where(sizes > 1, np.cumsum(sizes > 1) - 1, -1)
        added = np.zeros((int((sizes > 1).sum()), table.shape[1]))
        several = np.flatnonzero(sizes[key] > 1)
        np.add.at(added, slot[key[several]], table[several])
        return cls(key, sizes, slot, added)

    def sums(self, rows: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many rows each one's mates are with itself, (n, 1), and their sums (n, features)."""
        key = self.key[rows]
        found = table[rows].astype(np.float64)
        several = self.slot[key] >= 0
        found[several] = self.added[self.slot[key[several]]]
        return self.sizes[key][:, None], found


def _scale(logits: np.ndarray, targets: np.ndarray, material: Material) -> float:
    """Return the scale with the lowest log loss of leave-one-out logits."""
    spread = float(np.abs(logits - logits.mean(1, keepdims=True)).mean()) or 1.0
    judge, goal = _material.loss(material), torch.from_numpy(targets)
    tried = [float(10**power / spread) for power in np.arange(-1.5, 2.01, 0.125)]
    losses = [
        judge(torch.from_numpy(np.float32(scale) * logits.astype(np.float32)), goal.long(), 0.0).item()
        for scale in tried
    ]
    return tried[int(np.argmin(losses))]
