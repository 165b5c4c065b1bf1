"""torch.export: a program for PyTorch without the code of the network, also from C++. Needs nothing more."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from graft.exporters._base import OUTPUTS, Arrays, Exporter, Opened
from graft.exporters._metadata import KEY
from graft.exporters._network import Network


@dataclass(frozen=True, kw_only=True)
class TorchExport(Exporter):
    """One ``.pt2`` archive; the JSON is its extra file ``graft``."""

    suffix: ClassVar[str] = ".pt2"

    @classmethod
    def missing(cls) -> str | None:
        """Return None: torch is always here."""
        return None

    def write(self, network: Network, sample: Arrays, file: Path, metadata: str) -> None:
        """Write the program. Raises RuntimeError where torch.export cannot hold it, OSError where it is not written."""
        if network.file is not None:
            raise RuntimeError("after int8 it is an ONNX file itself")
        arguments = tuple(torch.from_numpy(sample[name]) for name in network.inputs)
        axes = {name: dict.fromkeys(places, torch.export.Dim.DYNAMIC) for name, places in network.axes().items()}
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(network.module, arguments, dynamic_shapes=axes)
            torch.export.save(program, file, extra_files={KEY: metadata})

    def open(self, file: Path) -> Opened:
        """Load the program. Raises RuntimeError."""
        extra: dict[str, Any] = {KEY: ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.export.load(file, extra_files=extra).module()

        def run(arrays: Arrays) -> Arrays:
            with torch.no_grad():
                found = program(*(torch.from_numpy(one) for one in arrays.values()))
            return {name: one.numpy() for name, one in zip(OUTPUTS, found, strict=True)}

        return Opened(run, extra[KEY])
