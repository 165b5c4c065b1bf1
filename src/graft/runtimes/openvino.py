"""OpenVINO: the fastest way found to run frozen weights on a CPU, converted straight from torch."""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graft.errors import NotInstalledError, must
from graft.runtimes import _blob, _openvino
from graft.runtimes._base import Compiled, Runtime
from graft.runtimes._threads import limited


class Requests(Compiled):
    """A compiled network and as many requests as the device runs at once."""

    def __init__(self, compiled: Any, *, batch: int, axes: int = 0) -> None:
        self.batch, self.axes = batch, axes
        self.compiled = compiled
        wanted = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # One more than are computed at once, so that no core waits while Python looks after a finished one.
        self.requests = [compiled.create_infer_request() for _ in range(wanted + 1 if batch > 1 else 1)]

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs in order; several requests run while the next batches are taken."""
        tensor = _openvino.library().Tensor
        idle = list(self.requests)
        running: deque[tuple[Any, Any, int]] = deque()
        try:
            for batch in batches:
                if not idle:
                    yield self._finish(running, idle)
                request = idle.pop()
                shared = tensor(self.padded(batch), shared_memory=True)
                request.set_input_tensor(shared)
                request.start_async()
                running.append((request, shared, len(batch)))
            while running:
                yield self._finish(running, idle)
        finally:
            for request, _, _ in running:
                request.wait()

    @staticmethod
    def _finish(running: "deque[tuple[Any, Any, int]]", idle: list[Any]) -> np.ndarray:
        request, _, count = running[0]
        request.wait()
        running.popleft()
        result: np.ndarray = np.array(request.get_output_tensor(0).data[:count], np.float32)
        idle.append(request)
        return result

    def close(self) -> None:
        """Give the requests and the compiled network back."""
        self.requests = []
        self.compiled = None


@dataclass(frozen=True, kw_only=True)
class Openvino(Runtime):
    """OpenVINO on the CPU; what was compiled is kept, so that a second start needs neither conversion nor compiling."""

    @classmethod
    def missing(cls) -> str | None:
        """Return the package's name where it is not installed."""
        return None if find_spec("openvino") else "openvino"

    @classmethod
    def version(cls) -> str:
        """Return OpenVINO's version, without importing it."""
        return version("openvino")

    @classmethod
    def candidates(cls, device: str) -> tuple[str, ...]:
        """Return bfloat16 first where the processor computes in it, then float32."""
        able = _openvino.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ("bfloat16", "float32") if "BF16" in able else ("float32",)

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
        """Take the compiled network from ``cache``, else convert and compile it, and keep it there."""
        if absent := self.missing():
            raise NotInstalledError(must("runtime openvino", "installed", "no package", f"pip install {absent}"))
        precision = self.precision if self.precision != "auto" else self.candidates(device)[0]
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT" if batch > 1 else "LATENCY",
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[precision],
        }
        path = (
            _blob.blob_path(cache, "openvino", self.version(), precision, example, batch, axes=axes) if cache else None
        )
        if path is not None and (content := _blob.load(path)) is not None:
            # A blob that this build cannot take is no fault: the network is converted again.
            with suppress(RuntimeError):
                return Requests(_openvino.core().import_model(content, "CPU", settings), batch=batch, axes=axes)
        compiled = _openvino.core().compile_model(convert(module, example, batch, axes=axes), "CPU", settings)
        if path is not None:
            # A full disk costs the next start some seconds, and this one nothing.
            with suppress(OSError):
                _blob.save(path, compiled.export_model().getvalue())
        return Requests(compiled, batch=batch, axes=axes)

    def read(self, content: bytes, shape: tuple[int, ...], *, batch: int, axes: int = 0) -> Compiled:
        """Compile an ONNX network; what it holds in 8 bits is computed in 8 bits, the rest in float32."""
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT" if batch > 1 else "LATENCY",
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16"}.get(self.precision, "f32"),
        }
        try:
            model = _openvino.core().read_model(content, b"")
            model.reshape([batch, *[-1] * axes, *shape[axes:]])
            return Requests(_openvino.core().compile_model(model, "CPU", settings), batch=batch)
        except Exception as error:
            raise RuntimeError(f"OpenVINO cannot run the file: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class _Held(nn.Module):
    """A module that tracing does not see into: its tensors become constants of one graph."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        if any(one.requires_grad for one in module.parameters()):
            module = deepcopy(module).requires_grad_(False)
        self.held = (module.eval(),)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.held[0](inputs)
        return output


def convert(module: nn.Module, example: np.ndarray, batch: int, *, axes: int = 0) -> Any:
    """Return the OpenVINO model of a torch module at a fixed batch size. Raises RuntimeError where it cannot be.

    So many first ``axes`` of the inputs are open, and with them a batch of more than one.

    It is traced at batch 1, once and unchecked (openvino.convert_model runs the module four times), since the caller
    compares the outputs anyway; and as one function, since a script module for each of its submodules takes longer to
    make than all else.
    """
    _openvino.library()
    from openvino.frontend import FrontEndManager  # type: ignore[import-not-found,unused-ignore]
    from openvino.frontend.pytorch.ts_decoder import (  # type: ignore[import-not-found,unused-ignore]
        TorchScriptPythonDecoder,
    )

    with torch.no_grad(), limited(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = torch.from_numpy(np.ascontiguousarray(example[:1]))
        try:
            decoder = TorchScriptPythonDecoder(
                _Held(module), example_input=sample, shared_memory=False, trace_kwargs={"check_trace": False}
            )
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(decoder))
            rows = -1 if axes and batch > 1 else batch
            model.reshape([rows, *[-1] * axes, *example.shape[1 + axes :]])
        except Exception as error:
            raise RuntimeError(f"OpenVINO cannot convert it: {str(error).strip().splitlines()[0][:200]}") from error
    if len(model.outputs) != 1:
        raise RuntimeError(f"OpenVINO cannot run it: {len(model.outputs)} outputs where one was expected")
    return model
