"""What every exporter promises: a network becomes a file, and the file can be opened and asked again."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from graft.exporters._network import Network

OUTPUTS = ("logits", "features")
"""The names of what an exported network gives, in this order."""
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Opened:
    """An exported file, opened by the program that it is meant for."""

    run: Callable[[Arrays], Arrays]
    """From arrays by the names of the inputs to ``logits`` (n, outputs) and ``features`` (n, d), float32."""
    metadata: str
    """What it says of itself, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Exporter(ABC):
    """One format of files."""

    suffix: ClassVar[str]
    """How the name of a file of this format ends, such as ``.onnx``."""
    serves: ClassVar[bool] = False
    """Whether Triton serves such a file."""

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return the packages that must be installed before it can write, or None."""

    @abstractmethod
    def write(self, network: Network, sample: Arrays, file: Path, metadata: str) -> None:
        """Write the network with any number of inputs at once, of any length in its open axes.

        ``sample`` holds two inputs. ``metadata`` is JSON that the file carries. Raises RuntimeError where the format
        cannot hold the network, OSError where the file cannot be written.
        """

    @abstractmethod
    def open(self, file: Path) -> Opened:
        """Open what ``write`` wrote. Raises RuntimeError where it cannot be opened."""
