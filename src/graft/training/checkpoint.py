"""Exact resume: everything a training run needs to go on, as safetensors and JSON, written atomically."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

FORMAT = 2
SHARE = 0.05
"""Writing takes at most about this share of the time."""


@dataclass(frozen=True)
class State:
    """What was saved: named tensors and plain data."""

    tensors: Mapping[str, torch.Tensor]
    data: Mapping[str, Any]


class Checkpoint:
    """The checkpoint of one run in a folder of its own; without a folder it does nothing."""

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self._next = 0.0

    def save(self, tensors: Mapping[str, torch.Tensor], data: Mapping[str, Any], *, force: bool = False) -> None:
        """Write the state; it is left out where writing would take too large a share of the time. Raises OSError."""
        begun = time.perf_counter()
        if self.folder is None or (begun < self._next and not force):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{data['epoch']:06d}-{os.getpid()}.safetensors"
        plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        save_file(plain, self.folder / f"{name}.part")
        _durable(self.folder / f"{name}.part", self.folder / name)
        head = {"format": FORMAT, "fingerprint": self.fingerprint, "tensors": name, "sha256": _hash(self.folder / name)}
        part = self.folder / f"checkpoint-{os.getpid()}.part"
        part.write_text(json.dumps({**head, "data": dict(data)}), "utf-8")
        # The JSON names the tensors' file, so that replacing it is the one moment in which the state changes.
        _durable(part, self.folder / "checkpoint.json")
        for old in self.folder.glob("*.safetensors*"):
            if old.name != name:
                old.unlink(missing_ok=True)
        self._next = time.perf_counter() + (time.perf_counter() - begun) / SHARE

    def load(self) -> State | str | None:
        """Return the saved state, None where there is none, or why the one that is there cannot be used."""
        if self.folder is None or not (self.folder / "checkpoint.json").exists():
            return None
        try:
            head = json.loads((self.folder / "checkpoint.json").read_text("utf-8"))
            if head["format"] != FORMAT or head["fingerprint"] != self.fingerprint:
                return "it belongs to another fit"
            path = self.folder / head["tensors"]
            if _hash(path) != head["sha256"]:
                return "its bytes have changed"
            return State(load_file(path), head["data"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            return f"it cannot be read ({type(error).__name__})"


def pack(
    model: nn.Module, average: nn.Module, best: Mapping[str, torch.Tensor], optimiser: torch.optim.Optimizer
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors of a run by name, and what of the optimiser's state is not a tensor."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if average is not model:
        tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    plain: dict[str, Any] = {}
    for index, slots in optimiser.state_dict()["state"].items():
        for slot, value in slots.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{index}.{slot}"] = value
            elif value is not None:
                plain[f"{index}.{slot}"] = value
    return tensors, plain


def unpack(
    state: State,
    model: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    plain: Mapping[str, Any],
) -> dict[str, torch.Tensor]:
    """Put a saved state into the model, its average and the optimiser, strides included; return the best weights."""
    best: dict[str, torch.Tensor] = {}
    slots: dict[int, dict[str, Any]] = {}
    own, averaged = model.state_dict(), average.state_dict()
    weights = [p for group in optimiser.param_groups for p in group["params"]]
    for name, value in state.tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            own[rest].copy_(value)
        elif kind == "average":
            averaged[rest].copy_(value)
        elif kind == "best":
            best[rest] = torch.empty_like(own[rest]).copy_(value)
        elif kind == "optimiser":
            index, _, slot = rest.partition(".")
            like = weights[int(index)]
            # Equal strides keep the elementwise kernels, and so the last bit, the same as without a restart.
            restored = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            slots.setdefault(int(index), {})[slot] = restored
    for name, scalar in plain.items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = scalar
    optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    return best


def _durable(part: Path, final: Path) -> None:
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    part.replace(final)


def _hash(path: Path) -> str:
    state = sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            state.update(block)
    return state.hexdigest()
