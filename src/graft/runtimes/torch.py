"""PyTorch itself, eager: the reference for every other runtime, and the one path for CUDA and Apple GPUs."""

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from graft.runtimes._base import Compiled, Runtime, padded


class Eager(Compiled):
    """A module run eagerly at one fixed batch shape, channels-last where inputs are images."""

    def __init__(self, module: nn.Module, *, batch: int, device: str, precision: str) -> None:
        self.batch = batch
        self.device = device
        self.precision = precision
        # A copy, since moving it to a device or to channels-last would change the caller's parameters in place.
        self.module = copy.deepcopy(module).eval().requires_grad_(False).to(device)
        self.channels_last = device != "mps"
        if self.channels_last:
            self.module = self.module.to(memory_format=torch.channels_last)

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs in order; on a GPU the next batch is sent before the last result is awaited."""
        waiting: deque[tuple[torch.Tensor, int]] = deque()
        depth = 1 if self.device == "cpu" else 3
        for batch in batches:
            waiting.append((self._run(padded(batch, self.batch)), len(batch)))
            if len(waiting) >= depth:
                result, count = waiting.popleft()
                yield result[:count].float().cpu().contiguous().numpy()
        while waiting:
            result, count = waiting.popleft()
            yield result[:count].float().cpu().contiguous().numpy()

    def _run(self, batch: np.ndarray) -> torch.Tensor:
        half = self.precision == "bfloat16"
        cast = torch.autocast(self.device, torch.bfloat16) if half else nullcontext()
        with torch.inference_mode(), cast:
            inputs = torch.from_numpy(batch)
            if self.device == "cuda":
                inputs = inputs.pin_memory()
            inputs = inputs.to(self.device, non_blocking=True)
            if inputs.ndim == 4 and self.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            result: torch.Tensor = self.module(inputs)
        return result

    def close(self) -> None:
        """Drop the copy of the module."""
        self.module = nn.Identity()


@dataclass(frozen=True, kw_only=True)
class Torch(Runtime):
    """Eager PyTorch; bfloat16 is autocast."""

    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda", "mps")

    @classmethod
    def missing(cls) -> str | None:
        """Return None: torch is always installed."""
        return None

    @classmethod
    def version(cls) -> str:
        """Return torch's version."""
        return str(torch.__version__)

    @classmethod
    def candidates(cls, device: str) -> tuple[str, ...]:
        """Return float32 first, since it is the reference, and bfloat16 where the device computes in it."""
        if device == "cuda":
            return ("float32", "bfloat16") if torch.cuda.is_bf16_supported() else ("float32",)
        if device == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
            return ("float32", "bfloat16")
        return ("float32",)

    def compile(
        self, module: nn.Module, example: np.ndarray, *, batch: int, device: str, cache: Path | None
    ) -> Compiled:
        """Copy the module to the device; nothing is cached."""
        precision = self.precision if self.precision != "auto" else self.candidates(device)[-1]
        return Eager(module, batch=batch, device=device, precision=precision)
