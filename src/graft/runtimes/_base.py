"""How fixed weights are run: a runtime turns a frozen module into a function of arrays."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import nn


class Compiled(ABC):
    """A frozen module made ready on one runtime. One result never depends on its neighbours in the batch."""

    batch: int
    """The batch size that it runs fastest at; a shorter last batch is padded inside."""

    @abstractmethod
    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return the outputs (n, ...) float32 for any n of inputs."""

    @abstractmethod
    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs batch by batch, in order, while later batches are being taken and run."""

    def close(self) -> None:
        """Give memory back; the object is not used again."""


@dataclass(frozen=True, kw_only=True)
class Runtime(ABC):
    """One way of running frozen weights."""

    precision: str = "auto"
    """``float32``, ``bfloat16``, or auto: the fastest that agrees."""

    devices: ClassVar[tuple[str, ...]] = ("cpu",)

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what must be installed before it can run here, or None."""

    @abstractmethod
    def compile(
        self, module: nn.Module, example: np.ndarray, *, batch: int, device: str, cache: Path | None
    ) -> Compiled:
        """Make ``module`` ready for inputs shaped like ``example`` (n, ...).

        ``cache`` is a folder of this module's own (its name holds the weights' hash) for what was compiled.
        Raises NotInstalledError, or RuntimeError where the module cannot be converted.
        """
