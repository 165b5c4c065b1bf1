"""The frozen network as ONNX with an open batch axis, and its quantised forms by ONNX Runtime's quantiser."""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

STATIC = ("Conv", "MatMul", "Gemm")
"""Operations that hold weights: those that may be left in float one by one."""
DYNAMIC = ("MatMul", "Gather")
"""The same of a network of tokens: layers, and tables of embeddings."""
BLOCK = 32
"""Weights of a channel, and values of a token, that share a scale."""
SUMS_OF_8_BITS = 4
"""``accuracy_level`` of ONNX Runtime's MatMulNBits: values are rounded to 8 bits when the network runs."""


def exported(module: nn.Module, sample: np.ndarray, *, axes: int) -> bytes:
    """Return a frozen module as ONNX: inputs (n, ...) like ``sample``, n and so many ``axes`` behind it open.

    Raises RuntimeError where it cannot be exported.
    """
    open_axes = dict.fromkeys(range(1 + axes), torch.export.Dim.DYNAMIC)
    # A batch of one would be taken for a fixed one.
    example = torch.from_numpy(np.ascontiguousarray(np.concatenate([sample[:1], sample[:1]])))
    try:
        with _silent(), torch.no_grad():
            program = torch.onnx.export(module, (example,), dynamo=True, verbose=False, dynamic_shapes=(open_axes,))
            if program is None:
                raise RuntimeError("torch.onnx.export gave nothing")
            content: bytes = program.model_proto.SerializeToString()
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RuntimeError(f"ONNX export failed: {first[:200]}") from error
    return content


@contextmanager
def _silent() -> Iterator[None]:
    """Keep exporter and quantiser from printing their progress and advice."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "root", "onnxruntime", "onnxscript")]
    before = [one.level for one in loggers]
    quiet = logging.root.level
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        logging.root.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.setLevel(quiet)
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


class Quantiser:
    """One network, quantised as often as another choice of layers is tried. Use it as ``with``.

    With inputs for calibration ranges are taken of these, once, and fixed; without any they are taken of each input
    when the network runs.
    """

    def __init__(self, content: bytes, calibration: Sequence[np.ndarray]) -> None:
        import onnx
        from onnxruntime.quantization.onnx_model import ONNXModel
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self.calibration = calibration
        self._home = tempfile.TemporaryDirectory(prefix="graft-")
        self._folder = Path(self._home.name)
        (self._folder / "raw.onnx").write_bytes(content)
        with _silent():
            quant_pre_process(
                str(self._folder / "raw.onnx"), str(self._folder / "plain.onnx"), skip_symbolic_shape=True
            )
        model = onnx.load(str(self._folder / "plain.onnx"))
        if not calibration:
            # The quantiser would do this itself, and give the nodes other names than those that are left in float.
            ONNXModel(model).replace_gemm_with_matmul()
            onnx.save(model, str(self._folder / "plain.onnx"))
        graph = model.graph
        self.input: str = graph.input[0].name
        weights = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
        # A table comes before what is looked up in it; a layer's weights come after what they are multiplied with.
        asked = [
            (node.name, node.input[:1] if node.op_type == "Gather" else node.input[1:])
            for node in graph.node
            if node.op_type in (STATIC if calibration else DYNAMIC)
        ]
        held = {name: [one for one in inputs if one in weights] for name, inputs in asked}
        self.layers = {name: found[0] for name, found in held.items() if found}
        """The nodes that hold weights, and the names of their weights, which tell their places in the network."""
        if not self.layers:
            raise RuntimeError("no layer of it can be held in 8 bits")

    def __enter__(self) -> "Quantiser":
        return self

    def __exit__(self, *_: object) -> None:
        self._home.cleanup()

    def quantised(self, left: Sequence[str] = ()) -> bytes:
        """Return the network in 8 bits, but for the nodes ``left`` in float. Raises RuntimeError."""
        out = self._folder / "quantised.onnx"
        try:
            with _silent():
                (self._static if self.calibration else self._dynamic)(str(out), list(left))
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime cannot quantise it: {str(error)[:200]}") from error
        return out.read_bytes()

    def _static(self, out: str, left: list[str]) -> None:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        # Signed weights and unsigned activations are what processors multiply without a detour: with signed activations
        # EfficientNet-Lite0 was measured 3.5 times slower in OpenVINO, and twice as slow in ONNX Runtime.
        quantize_static(
            str(self._folder / "plain.onnx"),
            out,
            self._reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=left,
            calibration_cache_path=str(self._folder / "ranges.json"),
        )

    def _dynamic(self, out: str, left: list[str]) -> None:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        # `quantize_dynamic` takes one range of a whole batch, so that an answer hangs on its neighbours; this takes
        # ranges of 32 values of a token. On 1,500 training texts of banking77, with heads fitted to the other half,
        # MiniLM changed 6 answers by it, and 19 by the other with a scale a channel, in half the time at 32 texts.
        layers = MatMulNBitsQuantizer(
            onnx.load(str(self._folder / "plain.onnx")),
            bits=8,
            block_size=BLOCK,
            is_symmetric=True,
            accuracy_level=SUMS_OF_8_BITS,
            nodes_to_exclude=left,
            op_types_to_quantize=("MatMul",),
        )
        layers.process()
        onnx.save(layers.model.model, str(self._folder / "layers.onnx"))
        quantize_dynamic(
            str(self._folder / "layers.onnx"),
            out,
            op_types_to_quantize=["Gather"],
            weight_type=QuantType.QInt8,
            nodes_to_exclude=left,
        )

    def _reader(self) -> Any:
        """Return what gives the quantiser the calibration inputs, one at a time."""
        from onnxruntime.quantization import CalibrationDataReader

        feeds = iter([{self.input: one[None]} for one in self.calibration])

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            """Calibration inputs in their order."""

            def get_next(self) -> dict[str, np.ndarray] | None:
                """Return the next input, None at the end."""
                return next(feeds, None)

        return Reader()
