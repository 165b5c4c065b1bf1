"""How tensors lie in the weights file: as they are, in half precision, or as one bit a weight and a scale a channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graft.errors import ArtifactError, must

BITS = "#bits"
SCALE = "#scale"
SHAPE = "#shape"
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What is stored in less than float32; nothing by default."""

    half: str | None = None
    """``float16`` or ``bfloat16`` for what is not stored as bits; what would overflow stays float32."""
    bits: tuple[str, ...] = ()
    """Names of weights that are a sign times a scale for each output channel."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"half": self.half, "bits": list(self.bits)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Storage":
        """Return what ``to_json`` described."""
        return cls(half=plain.get("half"), bits=tuple(plain.get("bits", ())))


def halved(value: torch.Tensor, half: str) -> torch.Tensor:
    """Return a tensor in half precision, or as it is where it holds no float32 or would overflow."""
    if value.dtype != torch.float32:
        return value
    small = value.to(HALVES[half])
    return small if bool(torch.isfinite(small).all()) else value


def encode(tensors: Mapping[str, torch.Tensor], storage: Storage) -> dict[str, torch.Tensor]:
    """Return the tensors as they are stored; ``decode`` gives the same back, where they were made for it.

    Raises ValueError for a weight that is to be stored as bits and is more than a sign and a scale a channel.
    """
    found: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if name in storage.bits:
            found |= _packed(name, value)
        else:
            found[name] = value if storage.half is None else halved(value, storage.half)
    return found


def decode(stored: Mapping[str, torch.Tensor], storage: Storage) -> dict[str, torch.Tensor]:
    """Return the tensors in float32. Raises ArtifactError where what was stored does not fit together."""
    halves = HALVES.values()
    found: dict[str, torch.Tensor] = {}
    for name, value in stored.items():
        if name.endswith(BITS):
            plain = name.removesuffix(BITS)
            found[plain] = _unpacked(plain, stored)
        elif not name.endswith((SCALE, SHAPE)):
            found[name] = value.float() if storage.half is not None and value.dtype in halves else value
    return found


def _packed(name: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    rows = value.detach().cpu().float().reshape(len(value), -1)
    scale = rows.abs().amax(1)
    positive = rows >= 0
    if not torch.equal(torch.where(positive, scale[:, None], -scale[:, None]), rows):
        raise ValueError(f"{name} is more than a sign and a scale a channel")
    return {
        name + BITS: torch.from_numpy(np.packbits(positive.numpy(), axis=1)),
        name + SCALE: scale,
        name + SHAPE: torch.tensor(value.shape),
    }


def _unpacked(name: str, stored: Mapping[str, torch.Tensor]) -> torch.Tensor:
    try:
        bits, scale, shape = stored[name + BITS], stored[name + SCALE], stored[name + SHAPE].tolist()
        count = int(np.prod(shape[1:]))
        positive = torch.from_numpy(np.unpackbits(bits.numpy(), axis=1, count=count)).bool()
        return torch.where(positive, scale[:, None], -scale[:, None]).reshape(shape)
    except (KeyError, ValueError, RuntimeError, IndexError):
        do = "Restore the folder from where it came, or compress again"
        raise ArtifactError(
            must(f"the bits of {name}", "with a scale and a shape of their own", "others", do)
        ) from None
