"""ONNX: for ONNX Runtime, OpenVINO, TensorRT and Triton; opened without Graft or torch. Needs the extra ``onnx``."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch

from graft.exporters import _joined
from graft.exporters._base import OUTPUTS, Arrays, Exporter, Opened
from graft.exporters._metadata import KEY
from graft.exporters._network import Network


@dataclass(frozen=True, kw_only=True)
class Onnx(Exporter):
    """One file; from 2 GB on the weights lie beside it."""

    suffix: ClassVar[str] = ".onnx"
    serves: ClassVar[bool] = True

    @classmethod
    def missing(cls) -> str | None:
        """Return the packages of the extra ``onnx`` that are not installed."""
        absent = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
        return " ".join(absent) or None

    def write(self, network: Network, sample: Arrays, file: Path, metadata: str) -> None:
        """Write the network. Raises RuntimeError where ONNX cannot hold it, OSError where it cannot be written."""
        if network.file is not None:
            with _quiet(), torch.no_grad():
                _joined.write(network, network.file, file, {KEY: metadata})
            return
        arguments = tuple(torch.from_numpy(sample[name]) for name in network.inputs)
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.module,
                arguments,
                dynamo=True,
                verbose=False,
                input_names=list(network.inputs),
                output_names=list(OUTPUTS),
                dynamic_shapes=network.axes(),
            )
        if program is None:
            raise RuntimeError("torch.onnx.export gave nothing")
        program.model.metadata_props[KEY] = metadata
        with _quiet():
            program.save(file)

    def open(self, file: Path) -> Opened:
        """Open the file in ONNX Runtime, on the CPU. Raises RuntimeError."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session: Any = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises classes of its own
            raise RuntimeError(f"ONNX Runtime cannot open it: {error}") from error

        def run(arrays: Arrays) -> Arrays:
            return dict(zip(OUTPUTS, session.run(list(OUTPUTS), dict(arrays)), strict=True))

        return Opened(run, session.get_modelmeta().custom_metadata_map[KEY])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter prints of its progress."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
