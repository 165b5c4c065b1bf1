"""A network that is an ONNX file already, such as one in 8 bits, and the head behind it, as one ONNX file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graft.exporters._base import OUTPUTS
from graft.exporters._network import BESIDE, INPUT, Network, averaged

FOUND = "found"
BODY = "body/"


class _Top(nn.Module):
    """What stands behind the body: its output, and what is beside it, to logits and features."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and features of the body's output."""
        return self.head(found), averaged(found)


class _TopBeside(_Top):
    """The same with features beside the body's."""

    def forward(  # type: ignore[override]
        self, found: torch.Tensor, beside: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and features of both."""
        both = torch.cat([found, beside], dim=1)
        return self.head(both), both


def write(network: Network, content: bytes, file: Path, metadata: Mapping[str, str]) -> None:
    """Write body and head as one file. Raises RuntimeError where they cannot be joined, OSError."""
    import onnx
    from onnx import compose

    body = onnx.load_model_from_string(content)
    (came,), (gives,) = body.graph.input, body.graph.output
    top = _top(network, body)
    body = compose.add_prefix(body, BODY)
    top.ir_version = body.ir_version = max(top.ir_version, body.ir_version)
    try:
        whole = compose.merge_models(body, top, io_map=[(BODY + gives.name, FOUND)])
    except (ValueError, onnx.checker.ValidationError) as error:
        raise RuntimeError(f"network and head cannot be joined: {error}") from error
    _renamed(whole.graph, BODY + came.name, INPUT)
    for one in (*whole.graph.input, *whole.graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(whole, dict(metadata))
    onnx.save(whole, str(file))


def _top(network: Network, body: Any) -> Any:
    """Return the head as ONNX, in the version of the body."""
    (version,) = (one.version for one in body.opset_import if one.domain in ("", "ai.onnx"))
    head: Any = network.module.head
    (gives,) = body.graph.output
    shape = [2, *(one.dim_value for one in gives.type.tensor_type.shape.dim[1:])]
    names, arguments, kind = [FOUND], [torch.zeros(shape)], _Top
    if BESIDE in network.inputs:
        (layer, *_) = head.parameters()
        names, kind = [FOUND, BESIDE], _TopBeside
        arguments.append(torch.zeros(2, layer.shape[-1] - shape[1]))
    program = torch.onnx.export(
        kind(head).eval(),
        tuple(arguments),
        dynamo=True,
        verbose=False,
        input_names=names,
        output_names=list(OUTPUTS),
        opset_version=version,
        dynamic_shapes=[{0: torch.export.Dim.DYNAMIC} for _ in names],
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave nothing")
    return program.model_proto


def _renamed(graph: Any, old: str, new: str) -> None:
    """Give a graph's input another name."""
    for one in graph.input:
        one.name = new if one.name == old else one.name
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
