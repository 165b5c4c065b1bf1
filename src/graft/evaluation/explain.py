"""Where a network looked for its answer: Grad-CAM laid over a picture, and the weight of each word of a text."""

import io
from collections.abc import Iterator, Sequence
from math import isqrt

import numpy as np
import torch
from PIL import Image, features
from torch import nn

from graft.errors import DataError, must

_BATCH = 2
"""The maps of more photos outgrow the caches: on one core 12 photos in EfficientNet-Lite0 take 0.21 s by twos, 0.24
by fours and 0.31 at once."""
_NUMBERS = 512
"""Numbers in the inputs of one batch where an input has few: of texts, tokens. On one core twelve short texts without
each of their words take MiniLM 0.5 s so, and 1.1 by twos."""
_TRIES = 3
"""How many stages are looked at from the end: the last block of a ViT has no gradient but at its class token."""

_COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Five points of the colour map "inferno": even in lightness, so that it reads in greyscale too."""


def grad_cam(
    stages: Sequence[nn.Module], head: nn.Module, inputs: np.ndarray, targets: np.ndarray, *, windows: bool = False
) -> np.ndarray | None:
    """Return heat maps (n, h, w) float32 in 0..1 for the classes ``targets`` (n,), h x w being the map's own size.

    With ``windows`` the second axis of ``inputs`` and of what the stages give counts windows, such as the frames of a
    video, until they are pooled: the heat is (n, windows, h, w), the warmest place of all windows being 1.

    ``inputs`` (n, ...) is what the first stage takes; the map is the output of the last stage that gives one, (n, C,
    H, W), (n, H, W, C) or tokens of a square grid (n, tokens, C). Stages before it run without gradients. None where
    no stage gives a map. All modules must be in eval mode; they are left as they were.
    Source: Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks".
    """
    if len(inputs) != len(targets):
        raise DataError(must("targets", f"{len(inputs)} classes", len(targets), "Give one class an input"))
    device = next((one.device for module in (head, *stages) for one in module.parameters()), torch.device("cpu"))
    found = []
    size = max(1, _BATCH // inputs.shape[1]) if windows else _BATCH
    for start in range(0, len(inputs), size):
        rows = slice(start, start + size)
        batch = torch.as_tensor(np.ascontiguousarray(inputs[rows]), device=device)
        chosen = torch.as_tensor(np.asarray(targets[rows], np.int64), device=device)
        heat = _heat(stages, head, batch, chosen, windows=windows)
        if heat is None:
            return None
        found.append(heat)
    return np.concatenate(found) if found else None


def erasure(
    stages: Sequence[nn.Module], head: nn.Module, inputs: np.ndarray, without: np.ndarray, target: int
) -> np.ndarray:
    """Return how much the score of class ``target`` falls without each part, float32 (m,), the most being 1 or -1.

    ``inputs`` (1, ...) is the whole, ``without`` (m, ...) the same without each of its m parts.
    Source: Li, Monroe and Jurafsky 2016, "Understanding neural networks through representation erasure".
    """
    scores: list[np.ndarray] = []
    every = np.concatenate([inputs, without])
    size = max(_BATCH, _NUMBERS // max(every[0].size, 1))
    with torch.inference_mode():
        for start in range(0, len(every), size):
            value = torch.from_numpy(every[start : start + size])
            for stage in stages:
                value = stage(value)
            scores.append(head(value)[:, target].float().numpy())
    said = np.concatenate(scores)
    falls = said[0] - said[1:]
    found: np.ndarray = (falls / max(float(np.abs(falls).max(initial=0.0)), 1e-12)).astype(np.float32)
    return found


def _heat(
    stages: Sequence[nn.Module], head: nn.Module, batch: torch.Tensor, targets: torch.Tensor, *, windows: bool
) -> np.ndarray | None:
    heat = None
    for index, seen in _maps(stages, batch, windows=windows):
        with torch.enable_grad():
            leaf = seen.float().detach().requires_grad_()
            # A copy, since the next stage may begin with an in-place activation.
            value = leaf.clone()
            for stage in stages[index:]:
                value = stage(value)
            chosen = head(value).gather(1, targets[:, None]).sum()
            (slope,) = torch.autograd.grad(chosen, leaf)
        areas, slopes = _as_map(leaf.detach(), windows=windows), _as_map(slope, windows=windows)
        if areas is None or slopes is None:
            return heat
        weights = slopes.mean(dim=(2, 3), keepdim=True)
        summed = torch.relu((weights * areas).sum(dim=1))
        if windows:
            summed = summed.reshape(len(batch), -1, *summed.shape[1:])
        top = summed.amax(dim=tuple(range(1, summed.ndim)), keepdim=True)
        heat = (summed / top.clamp(min=torch.finfo(torch.float32).tiny)).cpu().numpy()
        if bool(slopes.abs().amax() > 0):
            return heat
    return heat


def _maps(stages: Sequence[nn.Module], batch: torch.Tensor, *, windows: bool) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the last few maps of one pass without gradients, last first, each with the number of stages behind it."""
    kept: list[tuple[int, torch.Tensor]] = []
    value = batch
    if value.is_floating_point() and _as_map(value, windows=windows) is not None:
        kept.append((0, value.clone()))
    if value.ndim == 4:
        value = value.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for index, stage in enumerate(stages, start=1):
            value = stage(value)
            if _as_map(value, windows=windows) is not None:
                # A copy, since the next stage may change its input in place.
                kept = [*kept[1 - _TRIES :], (index, value.clone())]
    yield from reversed(kept)


def _as_map(value: torch.Tensor, *, windows: bool = False) -> torch.Tensor | None:
    """Return activations as (n, C, H, W), or None where they have no two-dimensional places.

    Of activations with windows, (n, windows, ...), it is (n * windows, C, H, W).
    """
    if windows:
        return _as_map(value.flatten(0, 1)) if value.ndim > 3 else None
    if value.ndim == 4:
        _, first, second, third = value.shape
        if first == second != third:
            value = value.permute(0, 3, 1, 2)
        return value if min(value.shape[2:]) > 1 else None
    if value.ndim == 3:
        # Class, distillation and register tokens stand before those of the grid.
        for extra in range(6):
            side = isqrt(max(value.shape[1] - extra, 0))
            if side > 1 and side * side == value.shape[1] - extra:
                grid = value[:, extra:].reshape(len(value), side, side, value.shape[2])
                return grid.permute(0, 3, 1, 2)
    return None


def overlay(picture: bytes | np.ndarray, heat: np.ndarray, *, side: int = 256, quality: int = 80) -> bytes:
    """Return the picture with the heat (h, w) laid over it, as WebP (JPEG where Pillow has no WebP).

    ``picture`` is an encoded image or uint8 (H, W, 3); the longest side becomes at most ``side`` pixels. The heat is
    stretched over all of the picture, so give what the network saw.
    """
    base = _picture(picture, side)
    scaled = Image.fromarray(np.asarray(heat, np.float32)).resize(base.size, Image.Resampling.BICUBIC)
    warm = np.clip(np.asarray(scaled), 0.0, 1.0)[..., None]
    points = np.linspace(0, 1, len(_COLOURS))
    colour = np.stack([np.interp(warm[..., 0], points, [one[band] for one in _COLOURS]) for band in range(3)], axis=2)
    # Places without heat darken a little, so that the warm ones stand out on a white ground.
    share = 0.25 + 0.45 * warm
    mixed = np.asarray(base, np.float32) * (1 - share) + colour * share
    return encode(np.clip(mixed + 0.5, 0, 255).astype(np.uint8), quality=quality)


def _picture(picture: bytes | np.ndarray, side: int) -> Image.Image:
    base = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else Image.fromarray(picture)
    base = base.convert("RGB")
    base.thumbnail((side, side), Image.Resampling.LANCZOS)
    return base


def encode(picture: np.ndarray, *, side: int = 256, quality: int = 80) -> bytes:
    """Return uint8 (H, W, 3) as WebP, or JPEG where Pillow has no WebP, longest side at most ``side`` pixels."""
    stream = io.BytesIO()
    kind = "WEBP" if features.check("webp") else "JPEG"
    # Method 0 is five times as fast as the default for files about a tenth larger.
    options = {"method": 0} if kind == "WEBP" else {}
    _picture(picture, side).save(stream, kind, quality=quality, **options)
    return stream.getvalue()
