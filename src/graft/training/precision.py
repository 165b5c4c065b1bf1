"""Which precision and memory layout a training step runs fastest in: measured on a copy, not assumed."""

import copy
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from graft.training.depthwise import in_float32
from graft.training.settings import Numerics

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

WORTH = 1.1
"""How much faster another way must be to be taken instead of float32 in the usual layout."""
FREE_SECONDS = 2.0
SHARE = 0.05
"""No further way is tried once the measurement has taken this many seconds and this share of the whole run."""
ENOUGH = 8
"""Inputs that are measured; a larger batch takes as long per input."""


@dataclass(frozen=True)
class Choice:
    """How a training step runs."""

    precision: Literal["float32", "bfloat16"]
    layout: Literal["contiguous", "channels_last"]
    step_seconds: float | None = None
    """Of the measured step, or None where nothing was measured."""

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch names it."""
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format

    def run(self, model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Return what a model gives for a batch, as float32."""
        placed = inputs.contiguous(memory_format=self.memory_format) if inputs.ndim == 4 else inputs
        if self.precision == "float32":
            logits: torch.Tensor = model(placed)
            return logits.float()
        device = inputs.device.type
        with torch.autocast(device, torch.bfloat16), in_float32(model) if device == "cpu" else nullcontext():
            return model(placed).float()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Sample:
    """What is measured: a step of a run, on a copy of its model."""

    model: nn.Module
    inputs: torch.Tensor
    targets: torch.Tensor
    loss: Loss
    prepare: Callable[[nn.Module], None]
    """Puts a copy into training mode."""
    steps: int
    """Of the whole run; the measurement takes about a twentieth of their time at most."""


# Two ways can be equally fast, and then noise decides; remembering keeps equal fits of one process equal to the bit.
_MEASURED: dict[str, Choice] = {}


def choose(sample: Sample, wanted: Numerics) -> Choice:
    """Return the fastest way to run steps like the sample's; its model is left as it is.

    A way whose loss differs from float32's by more than 5 % is not taken.
    """
    ways = _ways(sample.inputs, wanted)
    if len(ways) == 1:
        return ways[0]
    key = _key(sample, wanted)
    if key not in _MEASURED:
        _MEASURED[key] = _fastest(sample, ways)
    return _MEASURED[key]


def _fastest(sample: Sample, ways: list[Choice]) -> Choice:
    begun = time.perf_counter()
    first, reference = _measure(sample, ways[0])
    best, least = ways[0], first
    for way in ways[1:]:
        if time.perf_counter() - begun > max(FREE_SECONDS, SHARE * first * sample.steps):
            break
        try:
            seconds, value = _measure(sample, way)
        except RuntimeError:
            continue
        # Comparisons with NaN are false, so a way that gives no number is not taken either.
        if abs(value - reference) <= 0.05 * abs(reference) + 1e-3 and seconds * WORTH < least:
            best, least = way, seconds
    return Choice(best.precision, best.layout, least)


def _measure(sample: Sample, way: Choice) -> tuple[float, float]:
    """Return the seconds of a step, from the faster of two after a first one, and the loss."""
    some = max(1, min(len(sample.inputs), ENOUGH))
    inputs, targets, device = sample.inputs[:some], sample.targets[:some], sample.inputs.device
    model = copy.deepcopy(sample.model)
    sample.prepare(model)
    model.to(memory_format=way.memory_format)
    weights = [p for p in model.parameters() if p.requires_grad]
    value, taken = 0.0, float("inf")
    for turn in range(3):
        begun = time.perf_counter()
        loss = sample.loss(way.run(model, inputs), targets)
        torch.autograd.grad(loss, weights, allow_unused=True)
        found = loss.item()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn == 0:
            value = found
        else:
            taken = min(taken, time.perf_counter() - begun)
    return taken * len(sample.inputs) / some, value


def _ways(inputs: torch.Tensor, wanted: Numerics) -> list[Choice]:
    precisions: list[Literal["float32", "bfloat16"]] = ["float32", "bfloat16"]
    layouts: list[Literal["contiguous", "channels_last"]] = ["contiguous", "channels_last"]
    if wanted.precision != "auto":
        precisions = [wanted.precision]
    elif not _has_bfloat16(inputs.device.type):
        precisions = ["float32"]
    if inputs.ndim != 4:
        layouts = ["contiguous"]
    elif wanted.layout != "auto":
        layouts = [wanted.layout]
    return [Choice(precision, layout) for precision in precisions for layout in layouts]


def _has_bfloat16(device: str) -> bool:
    """Return whether the hardware itself computes in bfloat16; emulation is never faster."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _key(sample: Sample, wanted: Numerics) -> str:
    shapes = [(name, tuple(p.shape), p.requires_grad) for name, p in sample.model.named_parameters()]
    return repr((shapes, tuple(sample.inputs.shape), str(sample.inputs.device), torch.get_num_threads(), wanted))
