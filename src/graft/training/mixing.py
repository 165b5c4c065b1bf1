"""Mixup and CutMix on stored activations."""

import numpy as np
import torch


def mix(
    inputs: torch.Tensor, targets: torch.Tensor, draw: np.random.Generator, *, mixup: float, cutmix: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch blended with a shuffled copy of itself, and its soft targets blended alike.

    ``inputs`` (n, ...), ``targets`` (n, outputs). CutMix (Yun et al. 2019) needs (n, C, H, W); elsewhere mixup (Zhang
    et al. 2018) takes its place if it is on. Where both are on, each batch takes one of them at random.
    """
    spatial = inputs.ndim == 4 and min(inputs.shape[2:]) > 1
    cut = spatial and cutmix > 0 and (mixup <= 0 or draw.random() < 0.5)
    if len(inputs) < 2 or not (cut or mixup > 0):
        return inputs, targets
    alpha = cutmix if cut else mixup
    share = float(draw.beta(alpha, alpha))
    partner = torch.from_numpy(draw.permutation(len(inputs))).to(inputs.device)
    if cut:
        top, left, high, wide = _box(draw, share, inputs.shape[2], inputs.shape[3])
        rows, columns = slice(top, top + high), slice(left, left + wide)
        mixed = inputs.clone()
        mixed[:, :, rows, columns] = inputs[partner][:, :, rows, columns]
        share = 1 - high * wide / (inputs.shape[2] * inputs.shape[3])
    else:
        floats = inputs.float()
        mixed = torch.lerp(floats[partner], floats, share)
    return mixed, torch.lerp(targets[partner], targets, share)


def _box(draw: np.random.Generator, share: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a box that leaves about ``share`` of the map; it lies wholly inside."""
    side = np.sqrt(1 - share)
    high, wide = round(height * side), round(width * side)
    return int(draw.integers(0, height - high + 1)), int(draw.integers(0, width - wide + 1)), high, wide
