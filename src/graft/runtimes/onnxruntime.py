"""ONNX Runtime on the CPU, in float32: taken where OpenVINO is not installed or cannot convert; an extra."""

import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from graft.errors import NotInstalledError, must
from graft.runtimes import _blob
from graft.runtimes._base import Compiled, Runtime


class Session(Compiled):
    """An ONNX network in a session of ONNX Runtime."""

    def __init__(self, content: bytes, *, batch: int) -> None:
        import onnxruntime

        self.batch = batch
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        self.session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs in order; one batch runs on all cores."""
        for batch in batches:
            result: np.ndarray = self.session.run(None, {self.input: self.padded(batch)})[0]
            yield result[: len(batch)].astype(np.float32, copy=False)

    def close(self) -> None:
        """Drop the session."""
        self.session = None


@dataclass(frozen=True, kw_only=True)
class Onnxruntime(Runtime):
    """ONNX Runtime; the exported network is kept in the cache."""

    precisions: ClassVar[tuple[str, ...]] = ("float32",)

    @classmethod
    def missing(cls) -> str | None:
        """Return the packages that export and run need, where one is not installed."""
        absent = [name for name in ("onnxruntime", "onnx", "onnxscript") if find_spec(name) is None]
        return " ".join(absent) or None

    @classmethod
    def version(cls) -> str:
        """Return ONNX Runtime's version, without importing it."""
        return version("onnxruntime")

    @classmethod
    def candidates(cls, device: str) -> tuple[str, ...]:
        """Return float32 alone."""
        return ("float32",)

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
        """Take the exported network from ``cache``, else export it, and keep it there."""
        if absent := self.missing():
            do = f"pip install {absent}"
            raise NotInstalledError(must("runtime onnxruntime", "installed", "no package", do))
        if axes:
            raise RuntimeError("ONNX Runtime is given networks for inputs of one length only")
        about = f"{self.version()}/{torch.__version__}"
        path = _blob.blob_path(cache, "onnxruntime", about, "float32", example, batch) if cache else None
        content = _blob.load(path) if path is not None else None
        if content is None:
            content = export(module, example, batch)
            if path is not None:
                with suppress(OSError):
                    _blob.save(path, content)
        try:
            return Session(content, batch=batch)
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime cannot load it: {str(error).strip().splitlines()[0][:200]}") from error

    def read(self, content: bytes, shape: tuple[int, ...], *, batch: int, axes: int = 0) -> Compiled:
        """Open an ONNX network, whose batch axis must be open."""
        try:
            return Session(content, batch=batch)
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime cannot load it: {str(error).strip().splitlines()[0][:200]}") from error


def export(module: nn.Module, example: np.ndarray, batch: int) -> bytes:
    """Return the module as ONNX at a fixed batch size. Raises RuntimeError where it cannot be exported."""
    sample = torch.zeros((batch, *example.shape[1:]), dtype=torch.from_numpy(example[:0]).dtype)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # The exporter prints its progress.
        with (
            torch.no_grad(),
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(module, (sample,), dynamo=True, verbose=False)
            if program is None:
                raise RuntimeError("torch.onnx.export gave nothing")
            proto: bytes = program.model_proto.SerializeToString()
    except Exception as error:
        raise RuntimeError(f"ONNX export failed: {str(error).strip().splitlines()[0][:200]}") from error
    finally:
        logger.setLevel(level)
    return proto
