"""How fixed weights are run: a runtime turns a frozen module into a function of arrays."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import nn

from graft.runtimes._lengths import room


class Compiled(ABC):
    """A frozen module made ready on one runtime. One result never depends on its neighbours in the batch."""

    batch: int
    """The batch size that it runs at; a shorter batch is padded inside."""
    axes: int = 0
    """How many of the inputs' first axes differ from batch to batch."""

    def room(self, shape: tuple[int, ...]) -> int:
        """Return how many inputs of a shape are run at once."""
        return room(self.batch, self.axes, shape)

    def padded(self, batch: np.ndarray) -> np.ndarray:
        """Return as many inputs as are run at once; the missing ones are zeros. Raises ValueError for more."""
        return padded(batch, self.room(batch.shape[1:]))

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return the outputs (n, ...) float32 for any n >= 1 of inputs of one shape."""
        size = self.room(inputs.shape[1:])
        starts = range(0, len(inputs), size)
        return np.concatenate(list(self.stream(inputs[start : start + size] for start in starts)))

    @abstractmethod
    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs (m, ...) float32 for batches of 1 to ``room`` inputs, in order.

        Later batches are being taken and run meanwhile. A batch must not be written to after it was given.
        """

    def close(self) -> None:
        """Give memory back; the object is not used again."""


@dataclass(frozen=True, kw_only=True)
class Runtime(ABC):
    """One way of running frozen weights."""

    precision: str = "auto"
    """``float32``, ``bfloat16``, or auto: what the device is fastest at."""

    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what must be installed before it can run here, or None."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Return the version of the library that computes; results of two versions may differ in their last bits."""

    @classmethod
    def threads(cls, device: str, batch: int) -> int:
        """Return how many threads a sum is split over, where the last bits depend on it; else 0."""
        return 0

    @classmethod
    @abstractmethod
    def candidates(cls, device: str) -> tuple[str, ...]:
        """Return the precisions worth trying on this machine, the fastest first."""

    @abstractmethod
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
        """Make ``module`` ready for inputs shaped like ``example`` (n, ...).

        So many first ``axes`` of the inputs may differ from batch to batch; on a CPU ``batch`` inputs of ``USUAL``
        tokens are then run at once.

        ``cache`` is a folder of this module's own (its name holds the weights' hash) for what was compiled.
        Raises NotInstalledError, or RuntimeError where the module cannot be converted.
        """

    def read(self, content: bytes, shape: tuple[int, ...], *, batch: int, axes: int = 0) -> Compiled:
        """Make an ONNX network ready for inputs of ``shape``, batch axis left out.

        So many first ``axes`` of the inputs may differ from batch to batch.

        Raises RuntimeError where this runtime runs no files, or not this one.
        """
        raise RuntimeError(f"{type(self).__name__.lower()} runs no ONNX files")


def padded(batch: np.ndarray, size: int) -> np.ndarray:
    """Return a contiguous batch of exactly ``size`` inputs; the missing ones are zeros. Raises ValueError if longer."""
    if not 0 < len(batch) <= size:
        raise ValueError(f"a batch of 1 to {size} inputs was expected, got {len(batch)}")
    if len(batch) == size:
        return np.ascontiguousarray(batch)
    full = np.zeros((size, *batch.shape[1:]), batch.dtype)
    full[: len(batch)] = batch
    return full
