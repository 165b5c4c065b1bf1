"""Whether an exported file answers as the fitted model does: their outputs compared on the same inputs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from graft.exporters._base import OUTPUTS, Arrays, Opened
from graft.exporters._network import INPUT, Network

TOLERANCE = 1e-3
"""How far an output may be off, as a share of the largest value of that output: a hundred times the rounding of
float32 in a deep network, and a tenth of what bfloat16 makes of it."""


@dataclass(frozen=True)
class Parity:
    """How far an exported network's outputs are from those of the fitted model in float32."""

    logits: float
    """Largest difference as a share of the largest logit."""
    features: float
    """The same of the features."""
    n: int
    """Number of inputs compared."""
    inputs: str
    """What they were."""
    tolerance: float = TOLERANCE

    @property
    def good(self) -> bool:
        """Whether both stay within the tolerance."""
        return max(self.logits, self.features) <= self.tolerance

    def __str__(self) -> str:
        worst = max(self.logits, self.features)
        return f"within {worst:.1e} of the model (tolerance {self.tolerance:g}) on {self.n} inputs: {self.inputs}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


def compare(network: Network, opened: Opened, arrays: Arrays, used: list[tuple[int, ...]], inputs: str) -> Parity:
    """Ask the model in torch and the opened file for the same inputs: all at once, then a few alone, without padding.

    ``used`` says how much of each input is no padding. Raises RuntimeError where it cannot be run.
    """
    wanted = reference(network, arrays)
    found = [(opened.run(arrays), slice(None))]
    for row, shape in enumerate(used[:4]):
        alone = {name: array[row : row + 1] for name, array in arrays.items()}
        alone[INPUT] = alone[INPUT][:, *map(slice, shape[: network.open_axes])]
        found.append((opened.run(alone), slice(row, row + 1)))
    worst = {name: max(_off(wanted[name], one[name], rows) for one, rows in found) for name in OUTPUTS}
    return Parity(worst["logits"], worst["features"], len(used), inputs)


def reference(network: Network, arrays: Arrays) -> Mapping[str, np.ndarray]:
    """Return what the fitted model gives in torch, in float32."""
    with torch.inference_mode():
        outputs = network.module(*(torch.from_numpy(arrays[name]) for name in network.inputs))
    return {name: output.numpy() for name, output in zip(OUTPUTS, outputs, strict=True)}


def _off(wanted: np.ndarray, found: np.ndarray, rows: slice) -> float:
    if wanted[rows].shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    scale = float(np.abs(wanted).max())
    off = float(np.abs(wanted[rows] - found).max())
    return off / scale if scale else off
