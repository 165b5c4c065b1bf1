"""PyTorch itself, eager: the reference for every other runtime, and the one path for CUDA and Apple GPUs."""

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from graft.runtimes._base import Compiled, Runtime
from graft.runtimes._rough import able
from graft.runtimes._threads import pool

WORKERS = 8
"""The most batches at a time on a CPU; each takes the memory of one forward pass."""


class Eager(Compiled):
    """A module run eagerly at one fixed batch shape, channels-last where inputs are images.

    On a CPU several batches run beside each other with few threads each, where torch would split one batch over all:
    threads that share no work need not wait for each other, least of all while inputs are decoded on the same cores.
    """

    def __init__(self, module: nn.Module, *, batch: int, device: str, precision: str, axes: int = 0) -> None:
        self.batch, self.axes = batch, axes
        self.device = device
        self.precision = precision
        # A copy, since moving it to a device or to channels-last would change the caller's parameters in place.
        self.module = copy.deepcopy(module).eval().requires_grad_(False).to(device)
        self.threads = Torch.threads(device, batch)
        self.workers = max(1, torch.get_num_threads() // self.threads) if self.threads else 1
        self._pool: ThreadPoolExecutor | None = None
        self.channels_last = device != "mps"
        if self.channels_last:
            self.module = self.module.to(memory_format=torch.channels_last)

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs in order; later batches run, or are sent to the GPU, before the last result is awaited."""
        if self.device == "cpu" and self.batch > 1:
            yield from self._beside_each_other(batches)
            return
        waiting: deque[tuple[torch.Tensor, int]] = deque()
        depth = 1 if self.device == "cpu" else 3
        for batch in batches:
            waiting.append((self._run(self.padded(batch)), len(batch)))
            if len(waiting) >= depth:
                yield _array(*waiting.popleft())
        while waiting:
            yield _array(*waiting.popleft())

    def _beside_each_other(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        if self._pool is None:
            self._pool = pool(self.workers, each=self.threads, name="graft-torch")
        waiting: deque[tuple[Future[torch.Tensor], int]] = deque()
        try:
            for batch in batches:
                waiting.append((self._pool.submit(self._run, self.padded(batch)), len(batch)))
                if len(waiting) > self.workers:
                    result, count = waiting.popleft()
                    yield _array(result.result(), count)
            while waiting:
                result, count = waiting.popleft()
                yield _array(result.result(), count)
        finally:
            for result, _ in waiting:
                result.cancel()

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
        """Drop the copy of the module, and end the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        self.module = nn.Identity()


def _array(result: torch.Tensor, count: int) -> np.ndarray:
    values: np.ndarray = result[:count].float().cpu().contiguous().numpy()
    return values


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
    def threads(cls, device: str, batch: int) -> int:
        """Return the threads of one batch on a CPU: all of them for one input, few for each of many."""
        if device != "cpu":
            return 0
        return torch.get_num_threads() if batch == 1 else max(1, torch.get_num_threads() // WORKERS)

    @classmethod
    def candidates(cls, device: str) -> tuple[str, ...]:
        """Return float32 first, since it is the reference, and bfloat16 where the device computes in it."""
        if device == "cuda":
            return ("float32", "bfloat16") if torch.cuda.is_bf16_supported() else ("float32",)
        return ("float32", "bfloat16") if device == "cpu" and able() else ("float32",)

    def compile(
        self,
        module: nn.Module,
        example: np.ndarray,
        *,
        batch: int,
        device: str,
        cache: Path | None,
        axes: int = 0,
    ) -> Compiled:
        """Copy the module to the device; nothing is cached."""
        precision = self.precision if self.precision != "auto" else self.candidates(device)[-1]
        # A GPU takes all that it is given, long or short.
        fitted = axes if device == "cpu" else 0
        return Eager(module, batch=batch, device=device, precision=precision, axes=fitted)
